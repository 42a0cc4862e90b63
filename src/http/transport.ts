/**
 * What every HTTP conversation of dtrust goes through: one function from request to response.
 *
 * Bodies are bounded (`maxBytes`) and complete before anyone sees them, but for what goes `into` a file; redirects, retries, authentication and
 * TLS are decorators below this type. A Transport throws NetworkError when there is no answer and returns
 * whatever status the server gave otherwise: reading meaning into a status is the caller's.
 */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** The largest response body that is read; one byte more is NETWORK_TOO_LARGE. */
  readonly maxBytes: number;
  /** Deadline of one attempt, headers and body together, in milliseconds. */
  readonly timeoutMs?: number;
  /** Aborts the request, its retries and its waits. */
  readonly signal?: AbortSignal;
  /** False for requests that must not be sent twice on a broken connection. GET and HEAD: true by default. */
  readonly retryable?: boolean;
  /**
   * 'unverified' only for a registry that the engine itself lists as insecure, or loopback; set by
   * registry-transport.ts alone and dropped on a redirect to another origin. Default: verified.
   */
  readonly tls?: TlsTrust;
  /** Takes the body of a success, where it may be larger than memory should hold; `body` is then empty. */
  readonly into?: BodySink;
}

/** Where a body goes piece by piece. What it throws ends the request, and is what the transport throws. */
export interface BodySink {
  /** A body begins: whatever came before, of an attempt that broke off, does not count. */
  begin(): void;
  write(chunk: Uint8Array): void;
}

export type TlsTrust = 'verified' | 'unverified';

export interface HttpResponse {
  readonly status: number;
  /** Lower-case names; a header that came several times is joined with ', '. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
}

export type Transport = (request: HttpRequest) => Promise<HttpResponse>;

/** A transport that keeps connections; `close` ends them at once, so that nothing is waited for at exit. */
export interface ClosableTransport {
  readonly send: Transport;
  close(): Promise<void>;
}
