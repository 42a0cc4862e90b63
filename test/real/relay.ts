/**
 * A relay before a real engine or registry: it writes down what is asked, and holds or cuts what a test names.
 * Bodies go through as they come, in both directions.
 */
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export type RelayTarget = { readonly socketPath: string } | { readonly port: number };

export interface Held {
  /** Resolves when the first matching request has come. */
  readonly reached: Promise<void>;
  /** Lets the requests that wait, and all later ones, through. */
  release(): void;
}

export interface Relay {
  /** `127.0.0.1:<port>`, or the path of the socket it listens on. */
  readonly address: string;
  /** `METHOD /path` of each request, in order. */
  readonly requests: readonly string[];
  /** Requests but GET and HEAD. */
  changing(): readonly string[];
  forget(): void;
  /** Matching requests are not answered until `release`. */
  hold(request: RegExp): Held;
  /** The connection of matching requests ends after the first bytes of the answer's body. */
  cut(request: RegExp): void;
  /** Every connection that is made from now on is closed at once. */
  refuse(): void;
  stop(): Promise<void>;
}

interface Rule {
  readonly request: RegExp;
  readonly apply: () => Promise<void>;
}

export async function startRelay(
  target: RelayTarget,
  listen: { readonly socketPath?: string } = {},
): Promise<Relay> {
  const requests: string[] = [];
  const rules: Rule[] = [];
  const cuts: RegExp[] = [];
  const sockets = new Set<Socket>();
  let refusing = false;

  const server = http.createServer(async (request, response) => {
    const line = `${request.method} ${request.url}`;
    requests.push(line);
    response.on('error', () => undefined);
    for (const rule of rules) if (rule.request.test(line)) await rule.apply();
    if (request.destroyed) return;
    const where = 'port' in target ? { host: '127.0.0.1', port: target.port } : target;
    const forward = http.request({
      ...where,
      method: request.method,
      path: request.url,
      headers: request.headers,
      agent: false,
    });
    forward.on('error', () => request.socket.destroy());
    response.on('close', () => forward.destroy());
    forward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on('error', () => request.socket.destroy());
      if (!cuts.some((each) => each.test(line))) {
        answer.pipe(response);
        return;
      }
      answer.once('data', (chunk) => response.write(chunk, () => request.socket.destroy()));
    });
    request.on('error', () => forward.destroy());
    request.pipe(forward);
  });
  server.on('connection', (socket: Socket) => {
    if (refusing) socket.destroy();
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    if (listen.socketPath === undefined) server.listen(0, '127.0.0.1', resolve);
    else server.listen(listen.socketPath, resolve);
  });
  return {
    address: listen.socketPath ?? `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    changing: () => requests.filter((line) => !/^(GET|HEAD) /.test(line)),
    forget: () => {
      requests.length = 0;
    },
    hold: (request) => {
      const came = Promise.withResolvers<void>();
      const free = Promise.withResolvers<void>();
      rules.push({
        request,
        apply: () => {
          came.resolve();
          return free.promise;
        },
      });
      return { reached: came.promise, release: () => free.resolve() };
    },
    cut: (request) => void cuts.push(request),
    refuse: () => {
      refusing = true;
      for (const socket of sockets) socket.destroy();
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
