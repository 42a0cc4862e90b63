/**
 * Which credentials Docker keeps for a registry: from a helper program where config.json names one for this
 * registry or for all, else from `auths`.
 *
 * The result belongs to the one registry host it was asked for; src/http sends it to that origin, or to the
 * token service that this very registry names, and nowhere else.
 */
import { LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { type AuthEntry, type DockerConfig, parseDockerConfig } from './docker-config.ts';
import { credentialKey, hostOfCredentialKey } from './registry-address.ts';

export type Credentials =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** A refresh token that the token service exchanges for access tokens. */
  | { readonly kind: 'identityToken'; readonly token: string }
  /** An access token that is sent as it is. */
  | { readonly kind: 'registryToken'; readonly token: string };

export const ANONYMOUS: Credentials = Object.freeze({ kind: 'anonymous' });

/** What `docker-credential-X get` printed, or undefined when it holds nothing for this server. */
export interface HelperAnswer {
  readonly username: string;
  readonly secret: string;
}

/**
 * Runs `docker-credential-<name> get` for one server.
 * @throws LocalStateError CREDENTIAL_HELPER
 */
export type RunHelper = (name: string, server: string) => Promise<HelperAnswer | undefined>;

/** What a helper answers as user name when the secret is an identity token. */
const TOKEN_USER = '<token>';

/**
 * The credentials for a normalised registry host (`docker.io`, `localhost:5000`).
 * @throws LocalStateError CREDENTIAL_HELPER
 */
export async function credentialsFor(
  host: string,
  config: Pick<DockerConfig, 'auths' | 'credsStore' | 'credHelpers'>,
  runHelper: RunHelper,
): Promise<Credentials> {
  const key = credentialKey(host);
  const helper = helperFor(key, config);
  if (helper === undefined) return fromEntry(findEntry(key, config.auths));
  const answer = await runHelper(helper, key);
  if (answer === undefined) return ANONYMOUS;
  if (answer.username === TOKEN_USER) return { kind: 'identityToken', token: answer.secret };
  return { kind: 'basic', username: answer.username, password: answer.secret };
}

/**
 * The configuration with the entries of DOCKER_AUTH_CONFIG before its own, as Docker CLI since 28.3 does: for a
 * registry that stands in it, no helper is asked.
 * @throws LocalStateError CONFIG_INVALID
 */
export function withAuthVariable(config: DockerConfig, variable: string | undefined): DockerConfig {
  if (variable === undefined) return config;
  const { auths } = parseDockerConfig(variable, config.directory, 'DOCKER_AUTH_CONFIG');
  const credHelpers = new Map(config.credHelpers);
  // An empty name is "no helper", also against credsStore.
  for (const key of auths.keys()) credHelpers.set(key, '');
  return Object.freeze({
    ...config,
    auths: new Map([...auths, ...withoutKeys(config.auths, auths)]),
    credHelpers,
  });
}

function withoutKeys<T>(map: ReadonlyMap<string, T>, other: ReadonlyMap<string, unknown>): [string, T][] {
  return [...map].filter(([key]) => !other.has(key));
}

function helperFor(
  key: string,
  config: Pick<DockerConfig, 'credsStore' | 'credHelpers'>,
): string | undefined {
  const own = config.credHelpers.get(key) ?? findByHost(key, config.credHelpers);
  return (own ?? config.credsStore) || undefined;
}

function findEntry(key: string, auths: ReadonlyMap<string, AuthEntry>): AuthEntry | undefined {
  return auths.get(key) ?? findByHost(key, auths);
}

/** Keys with a scheme or a path count for their host. */
function findByHost<T>(key: string, map: ReadonlyMap<string, T>): T | undefined {
  for (const [candidate, value] of map) if (hostOfCredentialKey(candidate) === key) return value;
  return undefined;
}

function fromEntry(entry: AuthEntry | undefined): Credentials {
  if (entry === undefined) return ANONYMOUS;
  if (entry.identityToken !== '') return { kind: 'identityToken', token: entry.identityToken };
  if (entry.registryToken !== '') return { kind: 'registryToken', token: entry.registryToken };
  if (entry.username === '' && entry.password === '') return ANONYMOUS;
  return { kind: 'basic', username: entry.username, password: entry.password };
}

/**
 * The engine's `X-Registry-Auth` header: base64url of a JSON object with Docker's member names. The engine
 * hands it to the registry it pulls from or pushes to.
 */
export function registryAuthHeader(credentials: Credentials, host: string): string {
  const payload = { ...authMembers(credentials), serveraddress: credentialKey(host) };
  return Buffer.from(JSON.stringify(payload), 'utf8').toString('base64url');
}

function authMembers(credentials: Credentials): Record<string, string> {
  switch (credentials.kind) {
    case 'anonymous':
      return {};
    case 'basic':
      return { username: credentials.username, password: credentials.password };
    case 'identityToken':
      return { identitytoken: credentials.token };
    case 'registryToken':
      return { registrytoken: credentials.token };
  }
}

/** The error for a helper that did not do its work; what it printed stays out of it, it may be a secret. */
export function helperError(name: string, why: string, cause?: unknown): LocalStateError {
  const program = `docker-credential-${escapeText(name)}`;
  return new LocalStateError({
    code: 'CREDENTIAL_HELPER',
    message: `the credential helper ${program} ${why}`,
    hints: [`try it alone: echo SERVER | ${program} get`, 'or log in again: docker login SERVER'],
    ...(cause === undefined ? {} : { cause }),
  });
}
