/**
 * RegistryHttp over a Transport: the right origin, the right credentials, nothing to anybody else.
 *
 * Credentials and tokens of a registry go to its own origin and, to get a token, to the token service that it
 * names (token-service.ts says what that means). Each request asks for the least scope that it needs. A request
 * to another origin (an upload that is taken elsewhere) carries none.
 */
import assert from 'node:assert';
import type { Clock } from '../lib/clock.ts';
import { EngineError, RegistryError } from '../lib/errors.ts';
import type { Credentials } from '../settings/credentials.ts';
import { type InsecureMode, loopbackOnly } from '../settings/insecure-registries.ts';
import { Authorizer } from './authorizer.ts';
import { redactUrl } from './redact.ts';
import { parseLocation } from './redirects.ts';
import type { RegistryHttp, RegistryRequest, RepositoryAddress } from './registry-http.ts';
import { type RegistryOrigin, RegistryOrigins } from './registry-origin.ts';
import { createTokenMemory, type TokenMemory } from './token-memory.ts';
import type { HttpRequest, Transport } from './transport.ts';

export interface RegistryTransportOptions {
  readonly send: Transport;
  readonly clock: Clock;
  /** Credentials kept for a normalised registry host; asked once per host, when the registry first wants any. */
  readonly credentials: (host: string) => Promise<Credentials>;
  /** What the engine's /info lists; loopback needs no entry. Asked only when verified https fails. */
  readonly insecure?: (host: string) => Promise<InsecureMode | undefined> | InsecureMode | undefined;
  /** One line for stderr. */
  readonly notice: (line: string) => void;
  readonly tokenMemory?: TokenMemory;
  /** For the registry's own origin only: Docker's X-Meta-... headers. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** `/v2/` answers `{}`, or with an error of a few lines. */
const MAX_PROBE_BYTES = 64 * 1024;

/** The one RegistryHttp of a process. */
export function createRegistryTransport(options: RegistryTransportOptions): RegistryHttp {
  const insecure = askAboutHost(options);
  const { send, clock, credentials, tokenMemory = createTokenMemory() } = options;
  const origins = new RegistryOrigins({ insecure, notice: options.notice, memory: tokenMemory });
  const authorizer = new Authorizer({ send, clock, credentials, insecure, memory: tokenMemory });
  return {
    async request(repository, request) {
      await probe(origins, repository, request, send);
      return origins.send(repository.host, async (origin, last) => {
        const url = requestUrl(origin, repository, request);
        if (url.origin !== origin.url.origin) return send(foreignRequest(request, url));
        const patient = last ? request : { ...request, retryable: false };
        const plain = httpRequest(patient, url, origin, options.headers ?? {});
        return authorizer.send(plain, {
          host: repository.host,
          origin,
          scopes: scopesOf(repository, request),
        });
      });
    },
  };
}

/**
 * What is known about a host. An engine that cannot be asked lists nothing: what is reported then is what failed
 * at the registry, not at the engine.
 */
function askAboutHost(
  options: RegistryTransportOptions,
): (host: string) => Promise<InsecureMode | undefined> {
  return async (host) => {
    try {
      return loopbackOnly(host) ?? (await options.insecure?.(host));
    } catch (error) {
      if (error instanceof EngineError) return undefined;
      throw error;
    }
  };
}

/**
 * A write is never the request that finds out how a registry is spoken to: that one may be sent several times.
 */
async function probe(
  origins: RegistryOrigins,
  { host }: RepositoryAddress,
  { method, signal }: RegistryRequest,
  send: Transport,
): Promise<void> {
  if (method === 'GET' || method === 'HEAD' || origins.known(host) !== undefined) return;
  await origins.send(host, (origin, last) => {
    const { tls } = origin;
    const url = new URL('/v2/', origin.url);
    return send({
      method: 'GET',
      url,
      tls,
      maxBytes: MAX_PROBE_BYTES,
      retryable: last,
      ...(signal && { signal }),
    });
  });
}

function requestUrl(origin: RegistryOrigin, repository: RepositoryAddress, { path }: RegistryRequest): URL {
  if (typeof path !== 'string') return parseLocation(path.href, origin.url);
  const root = `/v2/${repository.path}/`;
  const url = new URL(`${root}${path}`, origin.url);
  // A path that climbs out of the repository would be sent with this repository's token: a bug of the caller.
  assert(url.pathname.startsWith(root), 'the path stays within the repository');
  return url;
}

function scopesOf(
  repository: RepositoryAddress,
  { scope, alsoPullFrom }: RegistryRequest,
): readonly string[] {
  const own = `repository:${repository.path}:${scope === 'pull' ? 'pull' : 'pull,push'}`;
  return alsoPullFrom === undefined ? [own] : [own, `repository:${alsoPullFrom}:pull`];
}

function httpRequest(
  request: RegistryRequest,
  url: URL,
  origin: RegistryOrigin,
  headers: Readonly<Record<string, string>>,
): HttpRequest {
  const { scope: _scope, alsoPullFrom: _from, path: _path, ...rest } = request;
  return { ...rest, url, tls: origin.tls, headers: { ...headers, ...request.headers } };
}

/** An upload that the registry takes at another origin: no credentials, certificate verified, https. */
function foreignRequest(request: RegistryRequest, url: URL): HttpRequest {
  if (url.protocol !== 'https:' && loopbackOnly(url.host) === undefined) {
    throw new RegistryError({
      code: 'REGISTRY_REDIRECT',
      message: `the registry names another place over plain http: ${redactUrl(url)}`,
      url: redactUrl(url),
    });
  }
  const { scope: _scope, alsoPullFrom: _from, path: _path, ...rest } = request;
  return { ...rest, url };
}
