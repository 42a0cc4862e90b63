/**
 * Where a registry is and under which name its credentials are kept: the same but for Docker Hub, whose
 * repositories are `docker.io/...`, whose API is registry-1.docker.io, and whose credentials Docker keeps under
 * the address of its index of 2013.
 */
import { DOCKER_HUB } from '../reference/host.ts';

const HUB_API = 'registry-1.docker.io';
const HUB_KEY = 'https://index.docker.io/v1/';

/** Host (with port, where it has one) that answers `/v2/` for a normalised registry host. */
export function registryApiHost(host: string): string {
  return host === DOCKER_HUB ? HUB_API : host;
}

/** The name under which `docker login` keeps the credentials of a normalised registry host. */
export function credentialKey(host: string): string {
  return host === DOCKER_HUB ? HUB_KEY : host;
}

/**
 * Host of a key in `auths`: `http://` or `https://` and everything after the first slash taken away, as Docker
 * does for keys that older versions wrote; lower case, without `:443`, as references are written.
 */
export function hostOfCredentialKey(key: string): string {
  const bare = key.replace(/^https?:\/\//, '');
  const slash = bare.indexOf('/');
  return (slash < 0 ? bare : bare.slice(0, slash)).toLowerCase().replace(/:443$/, '');
}
