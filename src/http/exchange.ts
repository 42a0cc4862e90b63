/**
 * One request on its way: collects the answer, holds it to its limits of size and time, and settles once.
 * The handler that undici calls; it imports nothing of undici.
 */
import type { Clock } from '../lib/clock.ts';
import { RegistryError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { onAbort, startTimer } from './deadline.ts';
import { networkError, toNetworkError } from './network-errors.ts';
import { redactUrl } from './redact.ts';
import type { Timeouts } from './timeouts.ts';
import type { BodySink, HttpRequest, HttpResponse } from './transport.ts';

/** What is read of an answer that is no success, whatever the caller hoped for. */
const MAX_ERROR_BYTES = 64 * 1024;

export interface ExchangeOptions {
  readonly request: HttpRequest;
  readonly clock: Clock;
  readonly timeouts: Timeouts;
  /** Called once. `keep` is false when the connection is in no state for another request. */
  readonly settled: (result: HttpResponse | Error, keep: boolean) => void;
}

interface Abortable {
  abort(reason: Error): void;
}

export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #stopWhole: () => void;
  readonly #stopListening: () => void;
  #stopHeaders: () => void = () => undefined;
  #settled = false;
  #status = 0;
  #headers: ReadonlyMap<string, string> = new Map();
  readonly #chunks: Buffer[] = [];
  #lengthBytes = 0;
  #maxBytes = 0;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    const { request, clock, timeouts } = options;
    this.#stopWhole = startTimer(clock, request.timeoutMs ?? timeouts.wholeMs, () => {
      this.#settle(
        networkError('NETWORK_TIMEOUT', request.url, { detail: 'waiting for the whole answer' }),
        false,
      );
    });
    this.#stopListening = onAbort(request.signal, (reason) => this.#settle(reason, false));
  }

  onRequestStart(controller: Abortable): void {
    // Given up while connecting or waiting: nothing may be sent any more.
    if (this.#settled) controller.abort(new DOMException('request given up', 'AbortError'));
  }

  onRequestSent(): void {
    const { request, clock, timeouts } = this.#options;
    if (this.#settled || this.#status !== 0) return;
    this.#stopHeaders = startTimer(clock, timeouts.headersMs, () => {
      this.#settle(
        networkError('NETWORK_TIMEOUT', request.url, { detail: 'waiting for the answer to begin' }),
        false,
      );
    });
  }

  onResponseStart(
    _controller: Abortable,
    status: number,
    headers: Readonly<Record<string, string | readonly string[]>>,
  ): void {
    if (this.#settled || status < 200) return;
    this.#stopHeaders();
    this.#status = status;
    this.#headers = headerMap(headers);
    this.#maxBytes = this.#succeeded() ? this.#options.request.maxBytes : MAX_ERROR_BYTES;
    const encoding = this.#headers.get('content-encoding') ?? 'identity';
    // Asked for without compression; a body that comes compressed all the same is never unpacked.
    if (encoding.toLowerCase() !== 'identity') this.#refuse(compressed(this.#options.request.url, encoding));
    const announced = Number(this.#headers.get('content-length') ?? '0');
    if (this.#options.request.method !== 'HEAD' && announced > this.#maxBytes) this.#refuse(this.#tooLarge());
    this.#fill((sink) => sink.begin());
  }

  onResponseData(_controller: Abortable, chunk: Buffer): void {
    if (this.#settled) return;
    this.#lengthBytes += chunk.length;
    if (this.#lengthBytes > this.#maxBytes) this.#refuse(this.#tooLarge());
    else if (!this.#fill((sink) => sink.write(chunk))) this.#chunks.push(chunk);
  }

  /** Hands a part of a success to who asked for it piece by piece; whether there is such. */
  #fill(part: (sink: BodySink) => void): boolean {
    const sink = this.#succeeded() ? this.#options.request.into : undefined;
    if (sink === undefined || this.#settled) return sink !== undefined;
    try {
      part(sink);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#settle(error, false);
    }
    return true;
  }

  onResponseEnd(): void {
    this.#settle(this.#response(Buffer.concat(this.#chunks)), true);
  }

  onResponseError(_controller: Abortable | undefined, error: Error): void {
    this.#settle(toNetworkError(error, this.#options.request.url), false);
  }

  #succeeded(): boolean {
    return this.#status >= 200 && this.#status < 300;
  }

  #response(body: Uint8Array): HttpResponse {
    return { status: this.#status, headers: this.#headers, body, url: this.#options.request.url };
  }

  /** A body that cannot be taken is an error; an error page that cannot be taken must not hide its status. */
  #refuse(error: Error): void {
    this.#settle(this.#succeeded() ? error : this.#response(new Uint8Array(0)), false);
  }

  #tooLarge(): Error {
    return networkError('NETWORK_TOO_LARGE', this.#options.request.url, {
      detail: `more than ${this.#maxBytes} bytes`,
    });
  }

  #settle(result: HttpResponse | Error, keep: boolean): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#stopWhole();
    this.#stopHeaders();
    this.#stopListening();
    this.#options.settled(result, keep);
  }
}

function compressed(url: URL, encoding: string): RegistryError {
  return new RegistryError({
    code: 'REGISTRY_RESPONSE',
    message: `${redactUrl(url)}: the answer is compressed (${escapeShort(encoding, 40)}) though it may not be`,
    url: redactUrl(url),
  });
}

function headerMap(
  headers: Readonly<Record<string, string | readonly string[]>>,
): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    map.set(name.toLowerCase(), typeof value === 'string' ? value : value.join(', '));
  }
  return map;
}
