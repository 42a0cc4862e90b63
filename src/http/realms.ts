/**
 * Which token service a registry may send the user's credentials to.
 *
 * The realm is the registry's choice, and it may well be another host (auth.docker.io for registry-1.docker.io),
 * so the host cannot be checked. What can: https, always, for a registry that is spoken to over verified https.
 * A registry that is spoken to without (loopback, or listed as insecure by the engine) may name plain http, but
 * only at this machine, at its own name, or at a host that is listed as well: its say must not put credentials
 * on the open network.
 */
import { RegistryError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { isLoopbackHost } from '../reference/host.ts';
import type { InsecureMode } from '../settings/insecure-registries.ts';
import type { RegistryOrigin } from './registry-origin.ts';
import type { TlsTrust } from './transport.ts';

export interface Realm {
  readonly url: URL;
  readonly tls: TlsTrust;
}

const MAX_REALM_LENGTH = 2048;

/**
 * The realm as a URL, and how it may be spoken to.
 * @throws RegistryError REGISTRY_RESPONSE
 */
export async function checkRealm(
  realm: string,
  registry: RegistryOrigin,
  insecure: (host: string) => Promise<InsecureMode | undefined>,
): Promise<Realm> {
  if (realm.length > MAX_REALM_LENGTH || !URL.canParse(realm)) throw refused(realm, 'it is no URL');
  const url = new URL(realm);
  if (url.username !== '' || url.password !== '') throw refused(url.origin, 'it names a user');
  url.hash = '';
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw refused(realm, 'it is neither https nor http');
  const lax = registry.url.protocol === 'http:' || registry.tls === 'unverified';
  const trusted =
    lax &&
    (isLoopbackHost(url.hostname) ||
      url.hostname === registry.url.hostname ||
      (await insecure(url.host)) !== undefined);
  if (url.protocol === 'http:' && !trusted) {
    throw refused(url.origin, 'credentials would leave this machine over plain http');
  }
  return { url, tls: trusted && url.protocol === 'https:' ? 'unverified' : 'verified' };
}

function refused(realm: string, why: string): RegistryError {
  return new RegistryError({
    code: 'REGISTRY_RESPONSE',
    message: `the registry names a token service that is not used: ${escapeShort(realm)}: ${why}`,
    status: 401,
  });
}
