/**
 * Getting an access token from the token service that a registry names (distribution's "Token Authentication
 * Specification" and "OAuth2 Token Authentication").
 *
 * The realm is chosen by the registry, so it is where the user's credentials for that registry go: the same as
 * with Docker, and no more than the registry, which the user logged in to, could have had by asking with Basic.
 * What is held here: only the credentials of the very registry that sent the challenge, over https unless that
 * registry itself is one the engine lists as insecure (realms.ts); a redirect takes no credentials along; the
 * token goes back to this registry's origin alone.
 */
import type { Clock } from '../lib/clock.ts';
import { type RegistryCode, RegistryError } from '../lib/errors.ts';
import type { Credentials } from '../settings/credentials.ts';
import { redactUrl } from './redact.ts';
import type { HttpRequest, HttpResponse } from './transport.ts';

export interface TokenRequest {
  /** Checked already (realms.ts). */
  readonly realm: URL;
  readonly service: string | undefined;
  /** For example `repository:library/nginx:pull`. */
  readonly scopes: readonly string[];
  readonly credentials: Credentials;
}

export interface AccessToken {
  readonly token: string;
  /** On the monotonic clock. */
  readonly validUntilMs: number;
}

/** How a request for a token leaves: the transport with the realm's own TLS rule. */
export type SendToRealm = (request: HttpRequest) => Promise<HttpResponse>;

/** As registries see who asks; part of the OAuth2 form. */
const CLIENT_ID = 'dtrust';
const MAX_TOKEN_BYTES = 64 * 1024;
/** The specification's least lifetime, and the one meant where none is given. */
const LEAST_SECONDS = 60;
/** A token is not used in the last moments of its life. */
const MARGIN_MS = 5000;

/**
 * Asks for a token: a GET with Basic or without credentials; for an identity token a POST of OAuth2.
 * @throws RegistryError REGISTRY_UNAUTHORIZED, REGISTRY_DENIED, REGISTRY_RATE_LIMIT, REGISTRY_UNAVAILABLE, REGISTRY_RESPONSE
 */
export async function fetchToken(
  request: TokenRequest,
  send: SendToRealm,
  clock: Clock,
): Promise<AccessToken> {
  const startMs = clock.monotonic();
  const response = await send(
    request.credentials.kind === 'identityToken' ? oauthRequest(request) : getRequest(request),
  );
  if (response.status !== 200) throw refused(response, request);
  return parseToken(response, startMs);
}

function getRequest({ realm, service, scopes, credentials }: TokenRequest): HttpRequest {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  if (credentials.kind === 'basic') url.searchParams.set('account', credentials.username);
  return {
    method: 'GET',
    url,
    headers: { accept: 'application/json', ...basicAuthorization(credentials) },
    maxBytes: MAX_TOKEN_BYTES,
  };
}

function oauthRequest({ realm, service, scopes, credentials }: TokenRequest): HttpRequest {
  const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: CLIENT_ID });
  if (service !== undefined) form.set('service', service);
  if (scopes.length > 0) form.set('scope', scopes.join(' '));
  if (credentials.kind === 'identityToken') form.set('refresh_token', credentials.token);
  return {
    method: 'POST',
    url: realm,
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    maxBytes: MAX_TOKEN_BYTES,
    // Asking twice for a token changes nothing.
    retryable: true,
  };
}

/** RFC 7617, UTF-8; nothing for other kinds. */
export function basicAuthorization(credentials: Credentials): Readonly<Record<string, string>> {
  if (credentials.kind !== 'basic') return {};
  const pair = `${credentials.username}:${credentials.password}`;
  return { authorization: `Basic ${Buffer.from(pair, 'utf8').toString('base64')}` };
}

// RFC 6750 2.1 allows fewer; some registries' tokens hold more. Nothing that could end the header.
const TOKEN = /^[\x21-\x7e]+$/;

function parseToken(response: HttpResponse, startMs: number): AccessToken {
  const members = parseObject(response);
  const token = members.get('token') ?? members.get('access_token');
  if (typeof token !== 'string' || !TOKEN.test(token)) throw malformed(response.url, 'it holds no token');
  const seconds = members.get('expires_in') ?? LEAST_SECONDS;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0) {
    throw malformed(response.url, 'expires_in is no number of seconds');
  }
  const lifetimeMs = Math.max(seconds, LEAST_SECONDS) * 1000;
  return { token, validUntilMs: startMs + lifetimeMs - MARGIN_MS };
}

function parseObject(response: HttpResponse): ReadonlyMap<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(response.body).toString('utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // No cause: the parser's message quotes the text, which may be most of a token.
    throw malformed(response.url, 'it is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw malformed(response.url, 'it is no JSON object');
  return new Map(Object.entries(value));
}

function malformed(url: URL, why: string): RegistryError {
  return new RegistryError({
    code: 'REGISTRY_RESPONSE',
    message: `the token service's answer cannot be used: ${why}`,
    status: 200,
    url: redactUrl(url),
  });
}

function refused(response: HttpResponse, { credentials }: TokenRequest): RegistryError {
  const url = redactUrl(response.url);
  const who =
    credentials.kind === 'anonymous' ? 'without credentials' : 'with the credentials kept for this registry';
  const loginHint = 'log in with docker login';
  return new RegistryError({
    code: codeFor(response.status),
    message: `the token service answered ${response.status} ${who}: ${url}`,
    status: response.status,
    url,
    hints: response.status === 401 || response.status === 403 ? [loginHint] : [],
  });
}

function codeFor(status: number): RegistryCode {
  // OAuth2 (RFC 6749 5.2) answers 400 with invalid_grant to a refresh token that is no longer good.
  if (status === 401 || status === 400) return 'REGISTRY_UNAUTHORIZED';
  if (status === 403) return 'REGISTRY_DENIED';
  if (status === 429) return 'REGISTRY_RATE_LIMIT';
  return status >= 500 ? 'REGISTRY_UNAVAILABLE' : 'REGISTRY_RESPONSE';
}
