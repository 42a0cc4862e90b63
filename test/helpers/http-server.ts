/** Real HTTP and HTTPS servers on loopback for tests: they log what was asked and are gone after the test. */
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TestCertificate } from './certificates.ts';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  readonly connection: number;
}

export interface TestServer {
  readonly port: number;
  /** `127.0.0.1:<port>` */
  readonly host: string;
  readonly origin: string;
  readonly requests: SeenRequest[];
  /** TCP connections accepted so far. */
  readonly connections: () => number;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export type Handler = (request: SeenRequest, response: http.ServerResponse, socket: Socket) => void;

export interface ServerOptions {
  readonly tls?: TestCertificate & { readonly ca?: string; readonly requestCert?: boolean };
  readonly onConnect?: (request: http.IncomingMessage, socket: Socket) => void;
}

const MAX_BODY_BYTES = 1024 * 1024;

export async function startServer(handler: Handler, options: ServerOptions = {}): Promise<TestServer> {
  const requests: SeenRequest[] = [];
  const sockets = new Map<Socket, number>();
  let accepted = 0;
  const listener: http.RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > MAX_BODY_BYTES) request.destroy();
      else chunks.push(chunk);
    });
    request.on('end', () => {
      const seen: SeenRequest = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
        connection: sockets.get(request.socket) ?? 0,
      };
      requests.push(seen);
      handler(seen, response, request.socket);
    });
  };
  const server =
    options.tls === undefined
      ? http.createServer(listener)
      : https.createServer(
          { ...options.tls, rejectUnauthorized: options.tls.requestCert === true },
          listener,
        );
  const raw = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    raw.add(socket);
    socket.on('close', () => raw.delete(socket));
  });
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    accepted += 1;
    sockets.set(socket, accepted);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy());
  if (options.onConnect !== undefined) {
    const { onConnect } = options;
    server.on('connect', (request: http.IncomingMessage, socket: Socket) => onConnect(request, socket));
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    server.closeAllConnections();
    for (const socket of raw) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return {
    port,
    host: `127.0.0.1:${port}`,
    origin: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    requests,
    connections: () => accepted,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Answers with JSON. */
export function json(response: http.ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}
