/**
 * Puts a Transport behind a real port, for tests of what only a real connection shows. A NetworkError thrown by
 * the Transport becomes what it stands for: a connection that breaks, or never answers.
 */
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { HttpRequest, Transport } from '../../src/http/transport.ts';
import { NetworkError } from '../../src/lib/errors.ts';

export interface ListenOptions {
  readonly tls?: https.ServerOptions;
  readonly port?: number;
  readonly address?: string;
}

export interface Listening {
  /** `127.0.0.1:41234` */
  readonly host: string;
  readonly origin: string;
  close(): Promise<void>;
}

export async function listen(handler: Transport, options: ListenOptions = {}): Promise<Listening> {
  const scheme = options.tls === undefined ? 'http' : 'https';
  let origin = '';
  const closing = new AbortController();
  const listener: http.RequestListener = (request, response) => {
    void serve(handler, origin, closing.signal, request, response);
  };
  const server =
    options.tls === undefined ? http.createServer(listener) : https.createServer(options.tls, listener);
  const address = options.address ?? '127.0.0.1';
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port ?? 0, address, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = `${address.includes(':') ? `[${address}]` : address}:${port}`;
  origin = `${scheme}://${host}`;
  return {
    host,
    origin,
    async close() {
      closing.abort();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function serve(
  handler: Transport,
  origin: string,
  signal: AbortSignal,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const headers = Object.fromEntries(Object.entries(request.headers).map(([n, v]) => [n, String(v)]));
    const answer = await handler({
      method: request.method as HttpRequest['method'],
      url: new URL(request.url ?? '/', origin),
      headers,
      body: Buffer.concat(chunks),
      maxBytes: Number.MAX_SAFE_INTEGER,
      signal,
    });
    const length = request.method === 'HEAD' ? {} : { 'content-length': String(answer.body.length) };
    response.writeHead(answer.status, { ...Object.fromEntries(answer.headers), ...length });
    response.end(answer.body);
  } catch (error) {
    // The fault 'cut-short', the end of the test, or a client that went away: the connection goes with it.
    if (!(error instanceof NetworkError || signal.aborted || request.destroyed)) throw error;
    if (!response.headersSent && error instanceof NetworkError) {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('cut');
    }
    setImmediate(() => response.destroy());
  }
}
