/**
 * A Docker Engine in memory, on a unix socket or a TCP port: for what a real one does not do on request (break
 * off, refuse, answer nonsense) and for tests that must show what the engine was asked.
 *
 * It keeps images by name, answers pulls from `remote`, and logs every request.
 */
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';

export interface FakeRequest {
  readonly method: string;
  /** Path and query without the API version. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  /** What was sent with it, to its end. */
  readonly body: Promise<Buffer>;
}

export interface FakeImage {
  readonly Id: string;
  readonly RepoTags: string[];
  readonly RepoDigests: string[];
  readonly Architecture?: string;
  readonly Os?: string;
}

export interface FakeContainer {
  /** 64 hexadecimal digits. */
  readonly Id: string;
  readonly Name: string;
  /** ID of its image, and how that was called. */
  readonly Image: string;
  readonly Called: string;
  readonly Running?: boolean;
}

/** Answers instead of the fake; returns false to leave the request to it. */
export type Override = (request: FakeRequest, response: http.ServerResponse) => boolean | Promise<boolean>;

export interface FakeEngineOptions {
  readonly apiVersion?: string;
  /** Members of `/info` besides the usual ones. */
  readonly info?: Readonly<Record<string, unknown>>;
  /** Images the engine holds at the start. */
  readonly images?: readonly FakeImage[];
  /** What a pull of `name@digest` or `name:tag` finds in the registry; an entry's value is the image's ID. */
  readonly remote?: Readonly<Record<string, string>>;
  /** What a push of `name:tag` reports; default: a digest made of zeros. */
  readonly pushed?: Readonly<Record<string, string>>;
  readonly override?: Override;
  /** Listen with TLS on a free loopback port instead of a socket. */
  readonly tls?: https.ServerOptions;
}

export interface FakeEngine {
  /** Value for DOCKER_HOST. */
  readonly host: string;
  readonly socketPath: string;
  readonly port: number;
  readonly requests: readonly FakeRequest[];
  /** `METHOD path` of all that was asked; without the queries where `short`. */
  asked(short?: boolean): string[];
  /** What was asked besides GET and HEAD: what could change the engine. */
  changes(): string[];
  readonly images: Map<string, FakeImage>;
  readonly containers: FakeContainer[];
  stop(): Promise<void>;
}

const ZERO_DIGEST = `sha256:${'0'.repeat(64)}`;

export async function startFakeEngine(options: FakeEngineOptions = {}): Promise<FakeEngine> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dtf-'));
  const socketPath = path.join(folder, 'd.sock');
  const requests: FakeRequest[] = [];
  const images = new Map<string, FakeImage>();
  const containers: FakeContainer[] = [];
  for (const image of options.images ?? []) {
    for (const name of [image.Id, ...image.RepoTags, ...image.RepoDigests]) images.set(name, image);
  }
  const handle = async (incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const request = readRequest(incoming);
    requests.push(request);
    response.setHeader('api-version', options.apiVersion ?? '1.45');
    response.setHeader('ostype', 'linux');
    if (options.override !== undefined && (await options.override(request, response))) return;
    if (answerContainer(request, response, containers)) return;
    answer(request, response, options, images);
  };
  const listener = (incoming: http.IncomingMessage, response: http.ServerResponse): void => {
    handle(incoming, response).catch((error: unknown) => response.destroy(error as Error));
  };
  const server =
    options.tls === undefined ? http.createServer(listener) : https.createServer(options.tls, listener);
  await new Promise<void>((resolve) => {
    if (options.tls === undefined) server.listen(socketPath, resolve);
    else server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    host: options.tls === undefined ? `unix://${socketPath}` : `tcp://127.0.0.1:${port}`,
    socketPath,
    port,
    requests,
    asked: (short = false) =>
      requests.map((each) => `${each.method} ${short ? each.path.replace(/\?.*/, '') : each.path}`),
    changes: () =>
      requests
        .filter((each) => each.method !== 'GET' && each.method !== 'HEAD')
        .map((each) => `${each.method} ${each.path}`),
    images,
    containers,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

function readRequest(incoming: http.IncomingMessage): FakeRequest {
  const unversioned = (incoming.url ?? '').replace(/^\/v[\d.]+\//, '/');
  const url = new URL(unversioned, 'http://engine');
  return {
    method: incoming.method ?? '',
    path: `${decodeURIComponent(url.pathname)}${url.search}`,
    query: url.searchParams,
    headers: incoming.headers,
    body: bodyOf(incoming),
  };
}

/** Empty when it was broken off. */
async function bodyOf(incoming: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
  } catch {
    return Buffer.alloc(0);
  }
  return Buffer.concat(chunks);
}

function answer(
  request: FakeRequest,
  response: http.ServerResponse,
  options: FakeEngineOptions,
  images: Map<string, FakeImage>,
): void {
  const { method } = request;
  const target = request.path.replace(/\?.*/, '');
  const image = /^\/images\/(.+?)(?:\/(json|tag|push))?$/.exec(target);
  if (target === '/_ping') response.end('OK');
  else if (target === '/info') sendJson(response, 200, { ...USUAL_INFO, ...options.info });
  else if (method === 'GET' && target === '/images/json')
    sendJson(response, 200, [...new Set(images.values())]);
  else if (method === 'POST' && target === '/images/create') pull(request, response, options, images);
  else if (method === 'GET' && image?.[2] === 'json') inspect(image[1] ?? '', response, images);
  else if (method === 'POST' && image?.[2] === 'tag') tag(image[1] ?? '', request, response, images);
  else if (method === 'POST' && image?.[2] === 'push') push(image[1] ?? '', request, response, options);
  else if (method === 'DELETE' && image !== null) remove(image[1] ?? '', response, images);
  else sendJson(response, 404, { message: 'page not found' });
}

/** By name, by ID, or by its beginning. */
function answerContainer(
  { method, path: target }: FakeRequest,
  response: http.ServerResponse,
  containers: readonly FakeContainer[],
): boolean {
  const name = /^\/containers\/([^/?]+)\/json/.exec(target)?.[1];
  if (method !== 'GET' || name === undefined) return false;
  const found = containers.find(({ Id, Name }) => Name === name || Id.startsWith(name));
  if (found === undefined) sendJson(response, 404, { message: `No such container: ${name}` });
  else {
    const { Called, Running = false, ...rest } = found;
    sendJson(response, 200, { ...rest, Config: { Image: Called }, State: { Running } });
  }
  return true;
}

const USUAL_INFO = {
  ID: 'FAKE:ENGINE',
  ServerVersion: '26.1.5',
  OSType: 'linux',
  Architecture: 'x86_64',
  Driver: 'overlay2',
  DriverStatus: [['Backing Filesystem', 'extfs']],
  RegistryConfig: { InsecureRegistryCIDRs: ['127.0.0.0/8'], IndexConfigs: {} },
};

export function sendJson(response: http.ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(value)}\n`);
}

/** Lines of the engine's progress stream, left open. */
export function writeMessages(response: http.ServerResponse, ...messages: readonly object[]): void {
  response.write(messages.map((each) => `${JSON.stringify(each)}\r\n`).join(''));
}

function notFound(response: http.ServerResponse, name: string): void {
  sendJson(response, 404, { message: `No such image: ${name}` });
}

/** As an engine looks an image up: by its name, by the name with `latest`, by an ID or its beginning. */
function lookUp(name: string, images: Map<string, FakeImage>): FakeImage | undefined {
  const hex = /^(?:sha256:)?([0-9a-f]{4,64})$/.exec(name)?.[1];
  const byId =
    hex === undefined ? [] : [...images.values()].filter(({ Id }) => Id.startsWith(`sha256:${hex}`));
  return images.get(name) ?? images.get(`${name}:latest`) ?? byId[0];
}

function inspect(name: string, response: http.ServerResponse, images: Map<string, FakeImage>): void {
  const image = lookUp(name, images);
  if (image === undefined) notFound(response, name);
  else sendJson(response, 200, { Os: 'linux', Architecture: 'amd64', ...image });
}

function pull(
  { query }: FakeRequest,
  response: http.ServerResponse,
  options: FakeEngineOptions,
  images: Map<string, FakeImage>,
): void {
  const wanted = query.get('tag') ?? '';
  const name = `${query.get('fromImage')}${wanted.includes(':') ? '@' : ':'}${wanted}`;
  const id = options.remote?.[name];
  if (id === undefined) {
    sendJson(response, 404, {
      message: `manifest for ${name} not found: manifest unknown: manifest unknown`,
    });
    return;
  }
  const known = images.get(id) ?? { Id: id, RepoTags: [], RepoDigests: [] };
  (name.includes('@') ? known.RepoDigests : known.RepoTags).push(name);
  images.set(id, known);
  images.set(name, known);
  writeMessages(response, { status: `Pulling from ${query.get('fromImage')}`, id: wanted });
  writeMessages(response, { status: `Status: Downloaded newer image for ${name}` });
  response.end();
}

function tag(
  source: string,
  { query }: FakeRequest,
  response: http.ServerResponse,
  images: Map<string, FakeImage>,
): void {
  const image = images.get(source);
  if (image === undefined) {
    notFound(response, source);
    return;
  }
  const name = `${query.get('repo')}:${query.get('tag')}`;
  const holder = images.get(name);
  if (holder !== undefined) holder.RepoTags.splice(holder.RepoTags.indexOf(name), 1);
  image.RepoTags.push(name);
  images.set(name, image);
  response.writeHead(201).end();
}

function push(
  repository: string,
  { query }: FakeRequest,
  response: http.ServerResponse,
  options: FakeEngineOptions,
): void {
  const tagName = query.get('tag') ?? 'latest';
  const digest = options.pushed?.[`${repository}:${tagName}`] ?? ZERO_DIGEST;
  writeMessages(
    response,
    { status: `The push refers to repository [${repository}]` },
    { status: `${tagName}: digest: ${digest} size: 528` },
    { progressDetail: {}, aux: { Tag: tagName, Digest: digest, Size: 528 } },
  );
  response.end();
}

function remove(name: string, response: http.ServerResponse, images: Map<string, FakeImage>): void {
  const image = images.get(name);
  if (image === undefined) {
    notFound(response, name);
    return;
  }
  images.delete(name);
  for (const names of [image.RepoTags, image.RepoDigests]) {
    if (names.includes(name)) names.splice(names.indexOf(name), 1);
  }
  sendJson(response, 200, [{ Untagged: name }]);
}
