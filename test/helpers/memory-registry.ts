/**
 * A registry in memory: a function from HttpRequest to HttpResponse, usable as a Transport, behind
 * `RegistryHttp`, or over a real port.
 *
 * It behaves as Debian's docker-registry 2.8 does where dtrust can see it (manifests stored as they are, blobs a
 * manifest names must exist, If-Match ignored, tags overwritten), unless a switch says otherwise. Every attack
 * on the way is a named fault of a rule; every request is logged and passes the hooks, so that a test can hold
 * it, count it, or change the registry between two of them.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { RegistryHttp } from '../../src/http/registry-http.ts';
import type { HttpRequest, HttpResponse, Transport } from '../../src/http/transport.ts';
import { NetworkError } from '../../src/lib/errors.ts';
import { type Digest, digestOf } from '../../src/reference/digest.ts';
import { type Listening, type ListenOptions, listen } from './memory-registry-server.ts';

export interface StoredManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/** What one repository holds. Tests read and change it directly. */
export interface StoredRepository {
  readonly manifests: Map<string, StoredManifest>;
  readonly tags: Map<string, string>;
  readonly blobs: Map<string, Uint8Array>;
}

export interface LoggedRequest {
  readonly method: HttpRequest['method'];
  /** `/v2/acme/app/manifests/1.0` */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  readonly kind: 'ping' | 'manifest' | 'blob' | 'upload' | 'tags' | 'other';
  readonly repository: string;
  /** Tag or digest. */
  readonly reference: string;
  /** Filled in when answered. */
  status: number;
}

/** What goes wrong. A string where nothing needs saying. */
export type Fault =
  | 'hang' // no answer, ever
  | 'cut-short' // the connection breaks in the middle of the body
  | 'wrong-digest-header' // docker-content-digest names other bytes
  | 'no-digest-header'
  | 'wrong-body' // one byte changed
  | 'lost-answer' // done, but the connection breaks before the answer
  | { readonly oversize: number } // a body of this many bytes
  | { readonly redirect: string; readonly status?: number }
  | { readonly location: string } // what an upload's Location says instead
  | { readonly body: Uint8Array | string; readonly mediaType?: string }
  | { readonly status: number; readonly code?: string; readonly message?: string; readonly text?: string };

export interface FaultRule {
  readonly when: (request: LoggedRequest) => boolean;
  readonly fault: Fault;
  /** How often it strikes; default for ever. */
  times?: number;
}

export interface RegistrySwitches {
  /** Where it is reached in memory. */
  readonly origin?: string;
  /** Tags that cannot be overwritten, as Harbor (412) or ECR (400) say it. */
  immutable?: { readonly tags: RegExp; readonly as: 'harbor' | 'ecr' };
  /** If-Match and If-None-Match on PUT: distribution ignores them, the default. */
  conditionalPut?: boolean;
  /** Where uploads are sent: relative (default) or absolute Location. */
  absoluteLocation?: boolean;
  /** The Authorization header that every request must carry; without it 401 with this challenge. */
  authorization?: { readonly expected: string; readonly challenge: string };
  /** Tags per page. */
  pageSize?: number;
  /** The Date header. */
  now?: () => number;
  /** Awaited before a request is looked at, and after it was done, before it is answered. */
  before?: (request: LoggedRequest, signal?: AbortSignal) => Promise<void> | void;
  after?: (request: LoggedRequest) => Promise<void> | void;
}

export interface MemoryRegistry {
  readonly origin: string;
  readonly switches: RegistrySwitches;
  /** Rules in force; the first that matches strikes. */
  readonly faults: FaultRule[];
  readonly log: LoggedRequest[];
  readonly transport: Transport;
  /** The transport with every repository served from here and no authentication. */
  readonly http: RegistryHttp;
  repository(path: string): StoredRepository;
  /** Stores a manifest and tags it, as somebody with write access would. */
  putManifest(path: string, reference: string, bytes: Uint8Array | string, mediaType: string): Digest;
  putBlob(path: string, bytes: Uint8Array | string): Digest;
  /** An image of one layer with this text in it, under a tag. */
  putImage(
    path: string,
    tag: string,
    text?: string,
  ): { digest: Digest; bytes: Uint8Array; mediaType: string };
  deleteTag(path: string, tag: string): void;
  /** Logged requests, for assertions: `GET manifests/_trust`. */
  requests(filter?: (request: LoggedRequest) => boolean): string[];
  /** Serves on a real port until closed. */
  listen(options?: ListenOptions): Promise<Listening>;
}

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

export function createMemoryRegistry(switches: RegistrySwitches = {}): MemoryRegistry {
  return new InMemoryRegistry(switches);
}

class InMemoryRegistry implements MemoryRegistry {
  readonly origin: string;
  readonly switches: RegistrySwitches;
  readonly faults: FaultRule[] = [];
  readonly log: LoggedRequest[] = [];
  readonly #repositories = new Map<string, StoredRepository>();
  readonly #uploads = new Set<string>();

  constructor(switches: RegistrySwitches) {
    this.switches = switches;
    this.origin = switches.origin ?? 'https://registry.test';
  }

  repository(path: string): StoredRepository {
    let stored = this.#repositories.get(path);
    if (stored === undefined) {
      stored = { manifests: new Map(), tags: new Map(), blobs: new Map() };
      this.#repositories.set(path, stored);
    }
    return stored;
  }

  putManifest(path: string, reference: string, bytes: Uint8Array | string, mediaType: string): Digest {
    const stored = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    const digest = digestOf(stored);
    this.repository(path).manifests.set(digest, { bytes: stored, mediaType });
    if (!reference.includes(':')) this.repository(path).tags.set(reference, digest);
    return digest;
  }

  putBlob(path: string, bytes: Uint8Array | string): Digest {
    const stored = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    this.repository(path).blobs.set(digestOf(stored), stored);
    return digestOf(stored);
  }

  putImage(path: string, tag: string, text = `${path}:${tag}`) {
    const layer = Buffer.from(text);
    const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', created_by: text }));
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: describe('application/vnd.oci.image.config.v1+json', config),
        layers: [describe('application/vnd.oci.image.layer.v1.tar', layer)],
      }),
    );
    this.putBlob(path, layer);
    this.putBlob(path, config);
    return { digest: this.putManifest(path, tag, bytes, OCI_MANIFEST), bytes, mediaType: OCI_MANIFEST };
  }

  deleteTag(path: string, tag: string): void {
    this.repository(path).tags.delete(tag);
  }

  requests(filter: (request: LoggedRequest) => boolean = () => true): string[] {
    return this.log.filter(filter).map((r) => `${r.method} ${shortPath(r)}`);
  }

  listen(options?: ListenOptions): Promise<Listening> {
    return listen(this.transport, options);
  }

  readonly http: RegistryHttp = {
    request: (repository, request) => {
      const { path, scope: _scope, alsoPullFrom: _from, ...rest } = request;
      const url = path instanceof URL ? path : new URL(`${this.origin}/v2/${repository.path}/${path}`);
      return this.transport({ ...rest, url });
    },
  };

  readonly transport: Transport = async (request) => {
    const logged = logOf(request);
    this.log.push(logged);
    request.signal?.throwIfAborted();
    await abortable(this.switches.before?.(logged, request.signal), request.signal);
    const answer = await this.#answer(logged, request);
    logged.status = answer.status;
    await abortable(this.switches.after?.(logged), request.signal);
    if (answer.body.length > request.maxBytes) {
      throw new NetworkError({ code: 'NETWORK_TOO_LARGE', message: `more than ${request.maxBytes} bytes` });
    }
    return answer;
  };

  async #answer(logged: LoggedRequest, request: HttpRequest): Promise<HttpResponse> {
    const rule = this.faults.find((candidate) => (candidate.times ?? 1) > 0 && candidate.when(logged));
    if (rule?.times !== undefined) rule.times -= 1;
    const fault = rule?.fault;
    if (fault === 'hang') return hang(request.signal);
    if (fault === 'lost-answer') {
      this.#handle(logged, request.url);
      throw new NetworkError({ code: 'NETWORK_BROKEN', message: 'the connection was closed' });
    }
    if (fault === 'cut-short') {
      throw new NetworkError({ code: 'NETWORK_BROKEN', message: 'the connection was closed in the body' });
    }
    if (typeof fault === 'object' && 'status' in fault && !('redirect' in fault)) {
      return refusal(request.url, fault.status, fault.code, fault.message, fault.text);
    }
    if (typeof fault === 'object' && 'redirect' in fault) {
      return respond(request.url, fault.status ?? 307, { location: fault.redirect });
    }
    return distort(this.#handle(logged, request.url), logged, fault);
  }

  #handle(logged: LoggedRequest, url: URL): HttpResponse {
    const { authorization } = this.switches;
    if (authorization !== undefined && logged.headers.get('authorization') !== authorization.expected) {
      return refusal(url, 401, 'UNAUTHORIZED', 'authentication required', undefined, {
        'www-authenticate': authorization.challenge,
      });
    }
    const response = this.#route(logged, url);
    const headers = new Map(response.headers);
    headers.set('docker-distribution-api-version', 'registry/2.0');
    if (logged.method === 'HEAD') headers.set('content-length', String(response.body.length));
    if (this.switches.now !== undefined) headers.set('date', new Date(this.switches.now()).toUTCString());
    return { ...response, headers, body: logged.method === 'HEAD' ? new Uint8Array() : response.body };
  }

  #route(logged: LoggedRequest, url: URL): HttpResponse {
    switch (logged.kind) {
      case 'ping':
        return respond(url, 200, { 'content-type': 'application/json' }, '{}');
      case 'manifest':
        return logged.method === 'PUT' ? this.#storeManifest(logged, url) : this.#serveManifest(logged, url);
      case 'blob':
        return this.#serveBlob(logged, url);
      case 'upload':
        return this.#upload(logged, url);
      case 'tags':
        return this.#tags(logged, url);
      default:
        return respond(url, 404, { 'content-type': 'text/plain' }, '404 page not found\n');
    }
  }

  #serveManifest(logged: LoggedRequest, url: URL): HttpResponse {
    const stored = this.#repositories.get(logged.repository);
    if (stored === undefined)
      return refusal(url, 404, 'NAME_UNKNOWN', 'repository name not known to registry');
    const digest = stored.tags.get(logged.reference) ?? logged.reference;
    const manifest = stored.manifests.get(digest);
    if (manifest === undefined) return refusal(url, 404, 'MANIFEST_UNKNOWN', 'manifest unknown');
    const headers = {
      'content-type': manifest.mediaType,
      'docker-content-digest': digest,
      etag: `"${digest}"`,
    };
    return respond(url, 200, headers, manifest.bytes);
  }

  #storeManifest(logged: LoggedRequest, url: URL): HttpResponse {
    const stored = this.repository(logged.repository);
    const current = stored.tags.get(logged.reference);
    const { immutable, conditionalPut } = this.switches;
    if (current !== undefined && immutable?.tags.test(logged.reference)) {
      return immutable.as === 'harbor'
        ? refusal(url, 412, 'PRECONDITION', `'${logged.reference}' configured as immutable`)
        : refusal(url, 400, 'TAG_INVALID', 'the tag already exists and cannot be overwritten');
    }
    const ifMatch = logged.headers.get('if-match');
    const refused =
      (ifMatch !== undefined && ifMatch !== `"${current}"`) ||
      (logged.headers.get('if-none-match') === '*' && current !== undefined);
    if (conditionalPut && refused) return refusal(url, 412, 'PRECONDITION_FAILED', 'the tag has moved');
    if (logged.reference.includes(':') && logged.reference !== digestOf(logged.body)) {
      return refusal(url, 400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
    }
    const missing = namedBlobs(logged.body).find((digest) => !stored.blobs.has(digest));
    if (missing !== undefined) return refusal(url, 404, 'MANIFEST_BLOB_UNKNOWN', `blob unknown: ${missing}`);
    const mediaType = logged.headers.get('content-type') ?? '';
    const digest = this.putManifest(logged.repository, logged.reference, logged.body, mediaType);
    return respond(url, 201, {
      location: `/v2/${logged.repository}/manifests/${digest}`,
      'docker-content-digest': digest,
    });
  }

  #serveBlob(logged: LoggedRequest, url: URL): HttpResponse {
    const blob = this.#repositories.get(logged.repository)?.blobs.get(logged.reference);
    if (blob === undefined) return refusal(url, 404, 'BLOB_UNKNOWN', 'blob unknown to registry');
    const headers = { 'content-type': 'application/octet-stream', 'docker-content-digest': logged.reference };
    return respond(url, 200, headers, blob);
  }

  #upload(logged: LoggedRequest, url: URL): HttpResponse {
    const { repository } = logged;
    if (logged.method === 'POST') {
      const mount = logged.query.get('mount');
      const blob =
        mount === null ? undefined : this.#repositories.get(logged.query.get('from') ?? '')?.blobs.get(mount);
      if (mount !== null && blob !== undefined) {
        this.repository(repository).blobs.set(mount, blob);
        return respond(url, 201, { location: `/v2/${repository}/blobs/${mount}` });
      }
      const id = randomUUID();
      this.#uploads.add(id);
      const location = `/v2/${repository}/blobs/uploads/${id}?_state=a%2Bb%3D`;
      return respond(url, 202, {
        location: this.switches.absoluteLocation ? `${url.origin}${location}` : location,
      });
    }
    const digest = logged.query.get('digest');
    if (!this.#uploads.delete(logged.reference) || !url.search.includes('_state=a%2Bb%3D')) {
      return refusal(url, 404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
    }
    if (digest !== digestOf(logged.body)) return refusal(url, 400, 'DIGEST_INVALID', 'digest did not match');
    this.putBlob(repository, logged.body);
    return respond(url, 201, {
      location: `/v2/${repository}/blobs/${digest}`,
      'docker-content-digest': digest,
    });
  }

  #tags(logged: LoggedRequest, url: URL): HttpResponse {
    const stored = this.#repositories.get(logged.repository);
    if (stored === undefined)
      return refusal(url, 404, 'NAME_UNKNOWN', 'repository name not known to registry');
    const last = logged.query.get('last') ?? '';
    const all = [...stored.tags.keys()].sort().filter((tag) => tag > last);
    const tags = all.slice(0, this.switches.pageSize ?? 1000);
    const next = `/v2/${logged.repository}/tags/list?last=${tags.at(-1)}&n=${tags.length}`;
    const headers = {
      'content-type': 'application/json',
      ...(tags.length < all.length && { link: `<${next}>; rel="next"` }),
    };
    return respond(url, 200, headers, JSON.stringify({ name: logged.repository, tags }));
  }
}

/** A descriptor of bytes, for manifests made by hand. */
export function describe(
  mediaType: string,
  bytes: Uint8Array,
): { mediaType: string; digest: Digest; size: number } {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

const ROUTE = /^\/v2\/(?<name>.+?)\/(?<kind>manifests|blobs|tags)\/(?<rest>.*)$/;

function logOf(request: HttpRequest): LoggedRequest {
  const groups = ROUTE.exec(request.url.pathname)?.groups;
  const rest = groups?.rest ?? '';
  const upload = groups?.kind === 'blobs' && rest.startsWith('uploads/');
  const kinds = { manifests: 'manifest', blobs: upload ? 'upload' : 'blob', tags: 'tags' } as const;
  const body = typeof request.body === 'string' ? Buffer.from(request.body) : request.body;
  return {
    method: request.method,
    path: request.url.pathname,
    query: request.url.searchParams,
    headers: new Map(
      Object.entries(request.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    body: body ?? new Uint8Array(),
    kind: groups
      ? kinds[groups.kind as keyof typeof kinds]
      : request.url.pathname === '/v2/'
        ? 'ping'
        : 'other',
    repository: groups?.name ?? '',
    reference: decodeURIComponent(upload ? rest.slice('uploads/'.length) : rest),
    status: 0,
  };
}

function shortPath(request: LoggedRequest): string {
  if (request.kind === 'upload') return 'uploads';
  return request.repository === '' ? request.path : request.path.slice(`/v2/${request.repository}/`.length);
}

function respond(
  url: URL,
  status: number,
  headers: Record<string, string>,
  body: Uint8Array | string = '',
): HttpResponse {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return { status, headers: new Map(Object.entries(headers)), body: bytes, url };
}

function refusal(
  url: URL,
  status: number,
  code = 'UNKNOWN',
  message = 'no',
  text?: string,
  headers: Record<string, string> = {},
): HttpResponse {
  if (text !== undefined) return respond(url, status, { 'content-type': 'text/plain', ...headers }, text);
  const body = JSON.stringify({ errors: [{ code, message, detail: null }] });
  return respond(url, status, { 'content-type': 'application/json', ...headers }, body);
}

function distort(response: HttpResponse, logged: LoggedRequest, fault: Fault | undefined): HttpResponse {
  const headers = new Map(response.headers);
  let { body } = response;
  if (fault === 'wrong-digest-header') {
    headers.set(
      'docker-content-digest',
      `sha256:${createHash('sha256').update('other bytes').digest('hex')}`,
    );
  } else if (fault === 'no-digest-header') {
    headers.delete('docker-content-digest');
  } else if (fault === 'wrong-body' && body.length > 0) {
    body = Uint8Array.from(body);
    body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 1;
  } else if (typeof fault === 'object' && 'oversize' in fault) {
    body = logged.method === 'HEAD' ? body : new Uint8Array(fault.oversize).fill(0x20);
  } else if (typeof fault === 'object' && 'location' in fault) {
    headers.set('location', fault.location);
  } else if (typeof fault === 'object' && 'body' in fault) {
    body = typeof fault.body === 'string' ? Buffer.from(fault.body) : fault.body;
    if (fault.mediaType !== undefined) headers.set('content-type', fault.mediaType);
    headers.delete('docker-content-digest');
  }
  return { ...response, headers, body };
}

/** What an image manifest says it needs; as distribution, an index's children are not looked at here. */
function namedBlobs(bytes: Uint8Array): string[] {
  try {
    const manifest = JSON.parse(Buffer.from(bytes).toString());
    return [manifest.config, ...(manifest.layers ?? [])]
      .filter(Boolean)
      .map((d: { digest: string }) => d.digest);
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

function hang(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function abortable(work: Promise<void> | void, signal: AbortSignal | undefined): Promise<void> | void {
  return work === undefined || signal === undefined ? work : Promise.race([work, hang(signal)]);
}
