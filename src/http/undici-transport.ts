/**
 * The bottom of every exchange, and the only file that imports undici: one attempt over one kept connection.
 *
 * Guarantees: a body is complete and within its limit before anyone sees it; no answer is decompressed (a few
 * kilobytes could become gigabytes); an attempt that takes too long, or is aborted, ends its connection, so that
 * nothing of it is sent later. Redirects, retries and credentials are the layers above.
 */
import Client from 'undici/lib/dispatcher/client.js';
import type { Clock } from '../lib/clock.ts';
import { type Connect, proxyAuthorization } from './connect.ts';
import { onAbort } from './deadline.ts';
import { Exchange } from './exchange.ts';
import { networkError } from './network-errors.ts';
import type { Timeouts } from './timeouts.ts';
import type { ClosableTransport, HttpRequest, HttpResponse } from './transport.ts';

export interface WireOptions {
  readonly connect: Connect;
  readonly proxyFor: (url: URL) => URL | undefined;
  readonly clock: Clock;
  readonly timeouts: Timeouts;
  readonly userAgent: string;
}

/** Far above any real answer; a challenge or a Link of more is an attack. */
const MAX_HEADER_BYTES = 32 * 1024;
/** Connections to one origin at the same time; one is the rule, more only for requests side by side. */
const MAX_CONNECTIONS = 6;

/** A transport that makes one attempt per call. */
export function createWire(options: WireOptions): ClosableTransport {
  const pools = new Map<string, Pool>();
  return {
    async send(request) {
      request.signal?.throwIfAborted();
      const key = `${request.tls ?? 'verified'} ${request.url.origin}`;
      const pool = pools.get(key) ?? new Pool(options);
      pools.set(key, pool);
      return pool.send(request);
    },
    async close() {
      const closing = [...pools.values()].map((pool) => pool.close());
      pools.clear();
      await Promise.all(closing);
    },
  };
}

/** The connections to one origin. A request takes an idle one, opens one more, or waits for its turn. */
class Pool {
  readonly #options: WireOptions;
  readonly #idle: Connection[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #all = new Set<Connection>();

  constructor(options: WireOptions) {
    this.#options = options;
  }

  async send(request: HttpRequest): Promise<HttpResponse> {
    while (this.#idle.length === 0 && this.#all.size >= MAX_CONNECTIONS) await this.#turn(request.signal);
    const connection = this.#idle.pop() ?? new Connection(this.#options, request);
    this.#all.add(connection);
    try {
      const { result, keep } = await connection.exchange(request);
      if (keep) {
        this.#idle.push(connection);
      } else {
        this.#all.delete(connection);
        await connection.close();
      }
      if (result instanceof Error) throw result;
      return result;
    } finally {
      this.#waiting.shift()?.();
    }
  }

  /** Waits until another request is done; gives its place up when the signal is aborted. */
  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const woken = () => {
        stopListening();
        resolve();
      };
      this.#waiting.push(woken);
      const stopListening = onAbort(signal, (reason) => {
        this.#waiting.splice(this.#waiting.indexOf(woken), 1);
        reject(reason);
      });
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((connection) => connection.close()));
  }
}

/** One connection, opened by its first request and again when the server has closed it in between. */
class Connection {
  readonly #client: Client;
  readonly #closed = new AbortController();
  readonly #options: WireOptions;
  /** Set where requests are handed to a proxy whole (http through a proxy). */
  readonly #forwarder: URL | undefined;

  constructor(options: WireOptions, { url, tls }: HttpRequest) {
    this.#options = options;
    const proxy = options.proxyFor(url);
    this.#forwarder = url.protocol === 'http:' ? proxy : undefined;
    const destination = { url, tls: tls ?? 'verified', proxy };
    this.#client = new Client(url.origin, {
      connect: (_target, callback) => {
        options.connect(destination, this.#closed.signal).then(
          (socket) => callback(null, socket),
          (error: Error) => callback(error, null),
        );
      },
      pipelining: 1,
      allowH2: false,
      maxHeaderSize: MAX_HEADER_BYTES,
      // Time limits are ours, by the injected clock.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 30_000,
      keepAliveMaxTimeout: 60_000,
    });
  }

  exchange(request: HttpRequest): Promise<{ result: HttpResponse | Error; keep: boolean }> {
    const { clock, timeouts } = this.#options;
    return new Promise((resolve) => {
      const settled = (result: HttpResponse | Error, keep: boolean) => {
        resolve({ result: this.#checkForwarded(result), keep });
      };
      const exchange = new Exchange({ request, clock, timeouts, settled });
      this.#client.dispatch(
        {
          method: request.method,
          path: this.#path(request.url),
          headers: this.#headers(request),
          body: request.body ?? null,
          // Whether a request may be sent twice is decided in retry.ts alone.
          idempotent: false,
        },
        exchange,
      );
    });
  }

  /** 407 is the proxy's own answer; to the caller it would look like the registry's. */
  #checkForwarded(result: HttpResponse | Error): HttpResponse | Error {
    if (this.#forwarder === undefined || result instanceof Error || result.status !== 407) return result;
    return networkError('NETWORK_PROXY', this.#forwarder, { detail: 'status 407' });
  }

  async close(): Promise<void> {
    const reason = new DOMException('connection closed', 'AbortError');
    this.#closed.abort(reason);
    if (!this.#client.destroyed) await this.#client.destroy(reason);
  }

  #path(url: URL): string {
    const path = `${url.pathname}${url.search}`;
    return this.#forwarder === undefined ? path : `${url.origin}${path}`;
  }

  #headers(request: HttpRequest): Record<string, string> {
    return {
      'user-agent': this.#options.userAgent,
      ...request.headers,
      // No compression: a body's limit is then also the limit of what is kept in memory.
      'accept-encoding': 'identity',
      ...(this.#forwarder === undefined ? {} : proxyAuthorization(this.#forwarder)),
    };
  }
}
