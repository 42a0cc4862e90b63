/**
 * How a registry is spoken to: https with a verified certificate; otherwise only loopback, and what the engine
 * itself lists as insecure. Found out by the first request and kept for the life of the process.
 *
 * A listed registry is still tried verified first: the engine's list allows less safety, it does not ask for it,
 * and a registry that needs none of it costs no question to the engine.
 */
import { hasCode, NetworkError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { isLoopbackHost } from '../reference/host.ts';
import type { InsecureMode } from '../settings/insecure-registries.ts';
import { registryApiHost } from '../settings/registry-address.ts';
import type { TokenMemory } from './token-memory.ts';
import type { HttpResponse, TlsTrust } from './transport.ts';

export interface RegistryOrigin {
  /** Scheme and host; its path is `/`. */
  readonly url: URL;
  readonly tls: TlsTrust;
}

export interface OriginOptions {
  /** The engine's answer about a host that is not loopback; asked only when verified https does not work. */
  readonly insecure: (host: string) => Promise<InsecureMode | undefined>;
  /** One line for stderr, once per host that is spoken to without verification. */
  readonly notice: (line: string) => void;
  /** Which registries of this machine spoke TLS last time. */
  readonly memory: Pick<TokenMemory, 'speaksTls' | 'noteTls'>;
}

/** Sends to an origin. `last` is false while another origin could still be tried: no patience needed then. */
export type Attempt = (origin: RegistryOrigin, last: boolean) => Promise<HttpResponse>;

/** Finds the origin of each registry by its first request. */
export class RegistryOrigins {
  readonly #options: OriginOptions;
  readonly #known = new Map<string, RegistryOrigin>();
  readonly #noticed = new Set<string>();

  constructor(options: OriginOptions) {
    this.#options = options;
  }

  /** The origin found before, or undefined. */
  known(host: string): RegistryOrigin | undefined {
    return this.#known.get(host);
  }

  /** The answer of the first origin that speaks; that one is kept. */
  async send(host: string, attempt: Attempt): Promise<HttpResponse> {
    const known = this.#known.get(host);
    if (known !== undefined) return attempt(known, true);
    const [origin, response] = isLoopbackHost(host)
      ? await this.#loopback(host, attempt)
      : await this.#remote(host, attempt);
    this.#known.set(host, origin);
    return response;
  }

  /**
   * This machine: plain http as ever, and TLS with a certificate that nobody needs to know; the one that answered
   * last time goes first.
   */
  async #loopback(host: string, attempt: Attempt): Promise<[RegistryOrigin, HttpResponse]> {
    const { memory } = this.#options;
    const plain = originOf('http', host, 'verified');
    const tls = originOf('https', host, 'unverified');
    const tlsFirst = memory.speaksTls(host);
    const given = tlsFirst ? await tryOnce(tls, attempt) : undefined;
    if (given !== undefined && !(given instanceof NetworkError)) {
      return [tls, await patiently(given, tls, attempt)];
    }
    const first = await tryOnce(plain, attempt);
    // 400 is what servers of TLS answer to plain http, those that answer.
    if (!(first instanceof NetworkError) && first.status !== 400) {
      memory.noteTls(host, false);
      return [plain, await patiently(first, plain, attempt)];
    }
    const second = given ?? (await tryOnce(tls, attempt));
    if (!(second instanceof NetworkError)) {
      memory.noteTls(host, true);
      return [tls, await patiently(second, tls, attempt)];
    }
    // Nobody speaks TLS there: what plain http says counts, with all its patience.
    return [plain, first instanceof NetworkError ? await attempt(plain, true) : first];
  }

  async #remote(host: string, attempt: Attempt): Promise<[RegistryOrigin, HttpResponse]> {
    const verified = originOf('https', host, 'verified');
    const first = await settle(
      () => attempt(verified, true),
      'NETWORK_TLS',
      'NETWORK_REFUSED',
      'NETWORK_BROKEN',
    );
    if (!(first instanceof NetworkError)) return [verified, first];
    if ((await this.#options.insecure(host)) === undefined) throw first;
    return this.#listed(host, attempt);
  }

  #notice(host: string, how: string): void {
    if (this.#noticed.has(host)) return;
    this.#noticed.add(host);
    this.#options.notice(`${escapeText(host)}: ${how}, the engine lists this registry as insecure`);
  }

  /** The engine's own order: TLS without verification, then plain http. */
  async #listed(host: string, attempt: Attempt): Promise<[RegistryOrigin, HttpResponse]> {
    const tls = originOf('https', host, 'unverified');
    const first = await settle(() => attempt(tls, false), 'NETWORK_TLS', 'NETWORK_REFUSED', 'NETWORK_BROKEN');
    if (!(first instanceof NetworkError)) {
      this.#notice(host, 'certificate not verified');
      return [tls, await patiently(first, tls, attempt)];
    }
    this.#notice(host, 'plain http');
    const plain = originOf('http', host, 'verified');
    return [plain, await attempt(plain, true)];
  }
}

/** The answer, asked for again with retries where it was one that retries are for. */
function patiently(answer: HttpResponse, origin: RegistryOrigin, attempt: Attempt): Promise<HttpResponse> {
  return [502, 503, 504].includes(answer.status) ? attempt(origin, true) : Promise.resolve(answer);
}

/** One attempt that may show that the registry is not spoken to like this. */
function tryOnce(origin: RegistryOrigin, attempt: Attempt): Promise<HttpResponse | NetworkError> {
  return settle(() => attempt(origin, false), 'NETWORK_TLS', 'NETWORK_BROKEN', 'NETWORK_REFUSED');
}

async function settle(
  work: () => Promise<HttpResponse>,
  ...codes: string[]
): Promise<HttpResponse | NetworkError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NetworkError && hasCode(error, ...codes)) return error;
    throw error;
  }
}

function originOf(scheme: 'http' | 'https', host: string, tls: TlsTrust): RegistryOrigin {
  return { url: new URL(`${scheme}://${registryApiHost(host)}/`), tls };
}
