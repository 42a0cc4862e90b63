/**
 * Registries that misbehave below HTTP: bodies that never end, servers that are not there. In front of a stage's
 * registry, on a port of their own.
 */
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import type { Stage } from './harness.ts';

export interface SlowRegistry {
  readonly host: string;
  /** Path and beginning of what never ends; set by the test. */
  endless: { readonly path: string; readonly beginning: Uint8Array } | undefined;
  /** How many pieces of bodies without end were sent. */
  writes(): number;
  close(): Promise<void>;
}

const PIECE_MS = 100;

/** Serves what the stage's registry has, but for one body: its bytes come, and then one more every 100 ms, for ever. */
export async function openSlowRegistry(stage: Stage): Promise<SlowRegistry> {
  let writes = 0;
  const timers = new Set<NodeJS.Timeout>();
  const server = http.createServer((request, response) => {
    const { endless } = slow;
    if (request.method === 'GET' && endless !== undefined && request.url === endless.path) {
      response.writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json' });
      // One byte less than the file has: it stays believable to the end.
      response.write(endless.beginning.subarray(0, -1));
      const timer = setInterval(() => {
        writes += 1;
        response.write(' ');
      }, PIECE_MS);
      timers.add(timer);
      response.on('close', () => clearInterval(timer));
      return;
    }
    forward(stage, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const slow: SlowRegistry = {
    host,
    endless: undefined,
    writes: () => writes,
    close: async () => {
      for (const timer of timers) clearInterval(timer);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return slow;
}

function forward(stage: Stage, request: http.IncomingMessage, response: http.ServerResponse): void {
  const [hostname, port] = stage.host.split(':');
  const { method, url: path, headers } = request;
  const onward = http.request({ hostname, port, method, path, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  request.pipe(onward);
}

/** A port on loopback that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface Tunnel {
  /** For HTTPS_PROXY. */
  readonly url: string;
  close(): Promise<void>;
}

/** A proxy that takes every CONNECT, whatever host it names, to one address. */
export async function openTunnel(address: string): Promise<Tunnel> {
  const [hostname = '', port] = address.split(':');
  const sockets = new Set<net.Socket>();
  const keep = (socket: net.Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
  };
  const server = http.createServer((_request, response) => response.writeHead(405).end());
  server.on('connect', (_request, socket: net.Socket, head: Buffer) => {
    const onward = net.connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    keep(socket);
    keep(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
