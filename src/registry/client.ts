/**
 * The OCI distribution protocol, as far as dtrust needs it (OCI distribution specification 1.1.1).
 *
 * Guaranteed: no body leaves this file before its sha256 was compared with the digest asked for; a manifest
 * read by tag carries the digest of its own bytes. What a header says a digest is (`claimedDigest`) is a hint:
 * it may save a request, never stand for evidence.
 * Not guaranteed: anything about what a tag points at. Tags are untrusted pointers; TUF decides.
 */
import { hash } from 'node:crypto';
import type { RegistryHttp, RegistryRequest } from '../http/registry-http.ts';
import type { HttpResponse } from '../http/transport.ts';
import { NetworkError, RegistryError } from '../lib/errors.ts';
import { type Digest, digestAlgorithm, digestOf, isDigest } from '../reference/digest.ts';
import type { Repository, Tag } from '../reference/reference.ts';
import { registryErrorFor, saysAbsent, shownUrl } from './error-body.ts';
import { MANIFEST_ACCEPT } from './media-types.ts';
import { nextPage, parseTagPage } from './tag-list.ts';
import { uploadTarget } from './upload.ts';

export interface FetchedManifest {
  readonly bytes: Uint8Array;
  /** Of these bytes. */
  readonly digest: Digest;
  /** As the registry labelled it, without parameters; '' when it did not. `parseManifest` judges it. */
  readonly mediaType: string;
  /** The server's Date, in epoch milliseconds. */
  readonly dateMs?: number;
}

export interface ManifestHead {
  /** What the registry says the digest is. A hint: nothing was hashed. */
  readonly claimedDigest?: Digest;
  readonly mediaType: string;
  readonly dateMs?: number;
}

export interface ManifestOptions {
  /** Default: 4 MiB, the largest manifest that registries are bound to accept. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

export interface PutManifestOptions {
  /** Sent as If-Match; registries that do not know it ignore it. */
  readonly ifMatch?: Digest;
  /** Sends `If-None-Match: *`: only where there is none yet. Ignored by registries that do not know it. */
  readonly ifAbsent?: boolean;
  readonly signal?: AbortSignal;
}

export interface BlobOptions {
  readonly maxBytes: number;
  /** A body of any other length is refused. */
  readonly expectedLength?: number;
  readonly signal?: AbortSignal;
}

/**
 * All methods throw RegistryError (REGISTRY_UNAUTHORIZED, REGISTRY_DENIED, REGISTRY_NOT_FOUND,
 * REGISTRY_RATE_LIMIT, REGISTRY_UNAVAILABLE, REGISTRY_RESPONSE, REGISTRY_DIGEST, REGISTRY_REDIRECT) and what
 * the transport throws (NetworkError).
 */
export interface RegistryClient {
  /** undefined only when the registry says the manifest or the repository is unknown. */
  headManifest(
    repository: Repository,
    reference: Tag | Digest,
    options?: ManifestOptions,
  ): Promise<ManifestHead | undefined>;
  /** undefined only when the registry says the manifest or the repository is unknown. */
  getManifest(
    repository: Repository,
    reference: Tag | Digest,
    options?: ManifestOptions,
  ): Promise<FetchedManifest | undefined>;
  /** Stores a manifest once, never retried: returns the digest of the bytes. */
  putManifest(
    repository: Repository,
    reference: Tag | Digest,
    bytes: Uint8Array,
    mediaType: string,
    options?: PutManifestOptions,
  ): Promise<Digest>;
  /** Whether the registry says that it holds the blob. */
  headBlob(repository: Repository, digest: Digest, signal?: AbortSignal): Promise<boolean>;
  getBlob(repository: Repository, digest: Digest, options: BlobOptions): Promise<Uint8Array>;
  /** Uploads one blob in one piece. */
  putBlob(repository: Repository, bytes: Uint8Array, signal?: AbortSignal): Promise<Digest>;
  /** Mounts a blob of another repository of the same registry; false when the registry would not. */
  mountBlob(repository: Repository, from: Repository, digest: Digest, signal?: AbortSignal): Promise<boolean>;
  /** All tags, over every page; undefined when the repository is unknown. */
  listTags(repository: Repository, signal?: AbortSignal): Promise<readonly string[] | undefined>;
}

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** Bodies nobody needs: answers to writes, errors. */
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_TAG_PAGES = 1000;
const MAX_TAGS_PAGE_BYTES = 4 * 1024 * 1024;

/** A client that asks through `http`. Holds no state: use one for all repositories. */
export function createRegistryClient(http: RegistryHttp): RegistryClient {
  return new HttpRegistryClient(http);
}

class HttpRegistryClient implements RegistryClient {
  readonly #http: RegistryHttp;

  constructor(http: RegistryHttp) {
    this.#http = http;
  }

  async headManifest(
    repository: Repository,
    reference: Tag | Digest,
    options: ManifestOptions = {},
  ): Promise<ManifestHead | undefined> {
    const response = await this.#http.request(repository, {
      method: 'HEAD',
      path: `manifests/${reference}`,
      headers: { accept: MANIFEST_ACCEPT },
      maxBytes: MAX_ANSWER_BYTES,
      scope: 'pull',
      ...signalOf(options),
    });
    if (response.status === 404) {
      // A HEAD has no body, and only the body says what a 404 means (protocol 3.3).
      const fetched = await this.getManifest(repository, reference, options);
      return fetched && { claimedDigest: fetched.digest, mediaType: fetched.mediaType, ...dateOf(response) };
    }
    if (response.status !== 200) {
      throw registryErrorFor(response, `asking for ${nameOf(repository, reference)}`);
    }
    const claimed = response.headers.get('docker-content-digest');
    return {
      mediaType: mediaTypeOf(response),
      ...(claimed !== undefined && isDigest(claimed) ? { claimedDigest: claimed } : {}),
      ...dateOf(response),
    };
  }

  async getManifest(
    repository: Repository,
    reference: Tag | Digest,
    options: ManifestOptions = {},
  ): Promise<FetchedManifest | undefined> {
    const response = await this.#http.request(repository, {
      method: 'GET',
      path: `manifests/${reference}`,
      headers: { accept: MANIFEST_ACCEPT },
      maxBytes: Math.max(options.maxBytes ?? MAX_MANIFEST_BYTES, MAX_ANSWER_BYTES),
      scope: 'pull',
      ...signalOf(options),
    });
    if (saysAbsent(response)) return undefined;
    const name = nameOf(repository, reference);
    if (response.status !== 200) throw registryErrorFor(response, `reading ${name}`);
    assertLength(response, options.maxBytes ?? MAX_MANIFEST_BYTES, `manifest ${name}`);
    const digest = isDigest(reference)
      ? assertBody(response, reference, `manifest ${name}`)
      : digestOf(response.body);
    return { bytes: response.body, digest, mediaType: mediaTypeOf(response), ...dateOf(response) };
  }

  async putManifest(
    repository: Repository,
    reference: Tag | Digest,
    bytes: Uint8Array,
    mediaType: string,
    options: PutManifestOptions = {},
  ): Promise<Digest> {
    const response = await this.#http.request(repository, {
      method: 'PUT',
      path: `manifests/${reference}`,
      headers: {
        'content-type': mediaType,
        ...(options.ifMatch === undefined ? {} : { 'if-match': `"${options.ifMatch}"` }),
        ...(options.ifAbsent ? { 'if-none-match': '*' } : {}),
      },
      body: bytes,
      maxBytes: MAX_ANSWER_BYTES,
      scope: 'push,pull',
      // Protocol 4.2 bounds when a PUT may arrive; one that is sent again arrives when nobody expects it.
      retryable: false,
      ...signalOf(options),
    });
    if (!isDone(response)) throw registryErrorFor(response, `writing ${nameOf(repository, reference)}`);
    return digestOf(bytes);
  }

  async headBlob(repository: Repository, digest: Digest, signal?: AbortSignal): Promise<boolean> {
    const response = await this.#http.request(repository, {
      method: 'HEAD',
      path: `blobs/${digest}`,
      maxBytes: MAX_ANSWER_BYTES,
      scope: 'pull',
      ...signalOf({ signal }),
    });
    if (response.status === 404) return false;
    if (response.status !== 200) throw registryErrorFor(response, `asking for blob ${digest}`);
    return true;
  }

  async getBlob(repository: Repository, digest: Digest, options: BlobOptions): Promise<Uint8Array> {
    const response = await this.#http.request(repository, {
      method: 'GET',
      path: `blobs/${digest}`,
      maxBytes: Math.max(options.maxBytes, MAX_ANSWER_BYTES),
      scope: 'pull',
      ...signalOf(options),
    });
    const what = `blob ${repository.path}@${digest}`;
    if (response.status !== 200) throw registryErrorFor(response, `reading ${what}`);
    assertLength(response, options.maxBytes, what);
    if (options.expectedLength !== undefined && response.body.length !== options.expectedLength) {
      throw new RegistryError({
        code: 'REGISTRY_DIGEST',
        message: `${what} has ${response.body.length} bytes, expected ${options.expectedLength}`,
        url: shownUrl(response.url),
        expected: `${options.expectedLength} bytes`,
        found: `${response.body.length} bytes`,
      });
    }
    assertBody(response, digest, what);
    return response.body;
  }

  async putBlob(repository: Repository, bytes: Uint8Array, signal?: AbortSignal): Promise<Digest> {
    const digest = digestOf(bytes);
    const doing = `uploading blob ${repository.path}@${digest}`;
    const opened = await this.#http.request(repository, {
      method: 'POST',
      path: 'blobs/uploads/',
      headers: { 'content-length': '0' },
      maxBytes: MAX_ANSWER_BYTES,
      scope: 'push,pull',
      ...signalOf({ signal }),
    });
    if (opened.status !== 202) throw registryErrorFor(opened, doing);
    const done = await this.#http.request(repository, {
      method: 'PUT',
      path: uploadTarget(opened, digest, doing),
      headers: { 'content-type': 'application/octet-stream' },
      body: bytes,
      maxBytes: MAX_ANSWER_BYTES,
      scope: 'push,pull',
      ...signalOf({ signal }),
    });
    if (!isDone(done)) throw registryErrorFor(done, doing);
    return digest;
  }

  async mountBlob(
    repository: Repository,
    from: Repository,
    digest: Digest,
    signal?: AbortSignal,
  ): Promise<boolean> {
    if (from.host !== repository.host) return false;
    const query = `mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from.path)}`;
    const response = await this.#http.request(repository, {
      method: 'POST',
      path: `blobs/uploads/?${query}`,
      headers: { 'content-length': '0' },
      maxBytes: MAX_ANSWER_BYTES,
      scope: 'push,pull',
      alsoPullFrom: from.path,
      ...signalOf({ signal }),
    });
    if (response.status === 201) return true;
    // 202: an upload was opened instead; the registry forgets it by itself.
    if (response.status === 202) return false;
    throw registryErrorFor(response, `mounting blob ${digest} from ${from.path}`);
  }

  async listTags(repository: Repository, signal?: AbortSignal): Promise<readonly string[] | undefined> {
    const tags: string[] = [];
    let next: RegistryRequest['path'] = 'tags/list?n=1000';
    for (let page = 0; page < MAX_TAG_PAGES; page++) {
      const response = await this.#http.request(repository, {
        method: 'GET',
        path: next,
        maxBytes: MAX_TAGS_PAGE_BYTES,
        scope: 'pull',
        ...signalOf({ signal }),
      });
      if (page === 0 && saysAbsent(response)) return undefined;
      if (response.status !== 200) throw registryErrorFor(response, `listing the tags of ${repository.path}`);
      tags.push(...parseTagPage(response));
      const url = nextPage(response);
      if (url === undefined) return tags;
      next = url;
    }
    throw new RegistryError({
      code: 'REGISTRY_RESPONSE',
      message: `listing the tags of ${repository.path} did not end after ${MAX_TAG_PAGES} pages`,
    });
  }
}

function nameOf(repository: Repository, reference: Tag | Digest): string {
  return `${repository.canonical}${isDigest(reference) ? '@' : ':'}${reference}`;
}

function isDone(response: HttpResponse): boolean {
  return response.status === 200 || response.status === 201 || response.status === 202;
}

function signalOf(options: { readonly signal?: AbortSignal | undefined }): { readonly signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal };
}

function mediaTypeOf(response: HttpResponse): string {
  return (response.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

function dateOf(response: HttpResponse): { readonly dateMs?: number } {
  const dateMs = Date.parse(response.headers.get('date') ?? '');
  return Number.isNaN(dateMs) ? {} : { dateMs };
}

/** A limit below what an error body may need is kept here; the transport keeps the others. */
function assertLength(response: HttpResponse, maxBytes: number, what: string): void {
  if (response.body.length > maxBytes) {
    throw new NetworkError({
      code: 'NETWORK_TOO_LARGE',
      message: `${what} has more than ${maxBytes} bytes`,
    });
  }
}

/** OCI distribution 1.1.1, "Pulling": the client verifies the digest of what it got. */
function assertBody(response: HttpResponse, expected: Digest, what: string): Digest {
  const found = `${digestAlgorithm(expected)}:${hash(digestAlgorithm(expected), response.body, 'hex')}`;
  if (found !== expected) {
    throw new RegistryError({
      code: 'REGISTRY_DIGEST',
      message: `${what}: the registry served other bytes, ${found}`,
      url: shownUrl(response.url),
      expected,
      found,
    });
  }
  return expected;
}
