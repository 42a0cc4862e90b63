/**
 * The one way to talk to a registry: what `src/registry` is written against and what tests replace.
 *
 * Everything below this type (which scheme the host speaks, tokens, redirects, retries, limits) is done when
 * `request` answers; what a status means is the caller's. It throws NetworkError when there is no answer and
 * RegistryError when the registry's token service, challenge or redirect cannot be followed.
 */
import type { HttpRequest, HttpResponse } from './transport.ts';

/** What a Repository of src/reference is as far as a request is concerned. */
export interface RepositoryAddress {
  /** Normalised host, `docker.io` or `localhost:5000` (docs/specification.md, rule 1.3). */
  readonly host: string;
  /** `library/nginx`, never with a leading slash. */
  readonly path: string;
}

export interface RegistryRequest {
  readonly method: HttpRequest['method'];
  /**
   * Below `/v2/<repository path>/`, for example `manifests/1.0`, `blobs/uploads/?digest=sha256:...`; or the URL of an
   * upload that the registry handed out in a Location (resolve it against the response's `url`). A URL on
   * another origin gets no credentials.
   */
  readonly path: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly maxBytes: number;
  readonly scope: 'pull' | 'push,pull';
  /** Path of a second repository on the same registry that is read, for a cross-repository blob mount. */
  readonly alsoPullFrom?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly retryable?: boolean;
}

export interface RegistryHttp {
  request(repository: RepositoryAddress, request: RegistryRequest): Promise<HttpResponse>;
}
