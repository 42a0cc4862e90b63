/**
 * Opening the connection a request goes over: TCP, through a proxy where one is set, TLS where the URL says so.
 *
 * The proxy sees a CONNECT with its own credentials and nothing of the request for https; for http it gets the
 * whole request, as proxies do. A certificate whose issuer is unknown is tried once more against the system's
 * authorities; no other failure is.
 */
import http from 'node:http';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import type { Clock } from '../lib/clock.ts';
import { onAbort, startTimer } from './deadline.ts';
import { isIssuerError, networkError, toNetworkError } from './network-errors.ts';
import type { Authorities, TlsOptionsSource } from './tls-options.ts';
import type { TlsTrust } from './transport.ts';

export interface Destination {
  /** Only its origin counts. */
  readonly url: URL;
  readonly tls: TlsTrust;
  readonly proxy: URL | undefined;
}

export interface ConnectOptions {
  readonly tls: TlsOptionsSource;
  readonly clock: Clock;
  /** For TCP, proxy and TLS together. */
  readonly connectMs: number;
}

export type Connect = (destination: Destination, signal: AbortSignal) => Promise<net.Socket>;

/** How long one address of several is tried before the next one; the last one has the whole time. */
const NEXT_ADDRESS_MS = 1000;

/** A Connect that gives up after `connectMs`. It throws NetworkError, or the signal's reason. */
export function createConnect(options: ConnectOptions): Connect {
  // Servers whose issuer only the system's authorities know: asked there at once from the second connection on.
  const systemHosts = new Set<string>();
  return async (destination, signal) => {
    const attempt = (authorities: Authorities) => openInTime(destination, authorities, options, signal);
    const { host } = destination.url;
    if (systemHosts.has(host)) return attempt('system');
    try {
      return await attempt('built-in');
    } catch (error) {
      if (!(error instanceof Error) || !isIssuerError(error.cause)) throw error;
    }
    const socket = await attempt('system');
    systemHosts.add(host);
    return socket;
  };
}

async function openInTime(
  destination: Destination,
  authorities: Authorities,
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<net.Socket> {
  const given = new AbortController();
  const stopListening = onAbort(signal, (reason) => given.abort(reason));
  const stopTimer = startTimer(options.clock, options.connectMs, () => {
    given.abort(networkError('NETWORK_TIMEOUT', destination.url, { detail: 'connecting' }));
  });
  try {
    return await open(destination, authorities, options, given.signal);
  } catch (error) {
    signal.throwIfAborted();
    throw toNetworkError(error, destination.url);
  } finally {
    stopTimer();
    stopListening();
  }
}

async function open(
  { url, tls, proxy }: Destination,
  authorities: Authorities,
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<net.Socket> {
  const dialling = dial(proxy ?? url, proxy, signal);
  try {
    // Made while TCP connects: reading the authorities takes longer than a round trip.
    const [outer, inner] = await Promise.all([
      proxy?.protocol === 'https:' ? options.tls.optionsFor(proxy, 'verified', authorities) : undefined,
      url.protocol === 'https:' ? options.tls.optionsFor(url, tls, authorities) : undefined,
      dialling,
    ]);
    let socket = await dialling;
    if (outer !== undefined) socket = await handshake(socket, outer, signal);
    if (inner === undefined) return socket;
    if (proxy !== undefined) socket = await tunnel(socket, url, proxy, signal);
    return await handshake(socket, inner, signal);
  } catch (error) {
    // Whichever part failed, nothing of the connection stays; a failed dial has destroyed its socket itself.
    dialling.then(
      (socket) => socket.destroy(),
      () => undefined,
    );
    throw error;
  }
}

async function dial(url: URL, proxy: URL | undefined, signal: AbortSignal): Promise<net.Socket> {
  signal.throwIfAborted();
  const socket = net.connect({
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
    noDelay: true,
    keepAlive: true,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
  });
  try {
    return await established(socket, 'connect', signal);
  } catch (error) {
    if (proxy === undefined || signal.aborted) throw error;
    throw networkError('NETWORK_PROXY', proxy, { detail: 'it cannot be reached', cause: error });
  }
}

async function handshake(
  socket: net.Socket,
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { connect } = await import('node:tls');
  signal.throwIfAborted();
  return established(connect({ ...options, socket }), 'secureConnect', signal);
}

/** The socket once it has said `event`; destroyed when it fails, is closed, or the signal is aborted first. */
function established<S extends net.Socket>(socket: S, event: string, signal: AbortSignal): Promise<S> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      stopListening();
      socket.removeListener(event, ready).removeListener('close', closed);
      finish();
    };
    const failed = (error: Error) => {
      settle(() => reject(error));
      // The listener stays: what a destroyed socket still reports must not end the process.
      socket.destroy();
    };
    const ready = () => {
      settle(() => {
        socket.removeListener('error', failed);
        resolve(socket);
      });
    };
    const closed = () => failed(Object.assign(new Error('connection closed'), { code: 'ECONNRESET' }));
    socket.once(event, ready).on('error', failed).once('close', closed);
    const stopListening = onAbort(signal, failed);
  });
}

/** RFC 9110 9.3.6: a tunnel to the URL's host, with the proxy's own credentials. */
function tunnel(socket: net.Socket, url: URL, proxy: URL, signal: AbortSignal): Promise<net.Socket> {
  const target = `${url.hostname}:${url.port || '443'}`;
  return new Promise((resolve, reject) => {
    const refuse = (detail: string, cause?: unknown) => {
      stopListening();
      socket.destroy();
      reject(signal.aborted ? signal.reason : networkError('NETWORK_PROXY', proxy, { detail, cause }));
    };
    const request = http.request({
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...proxyAuthorization(proxy) },
      createConnection: () => socket,
      setDefaultHeaders: false,
    });
    const stopListening = onAbort(signal, (reason) => refuse('aborted', reason));
    request.on('connect', (response: http.IncomingMessage, _tunnel: Duplex, head: Buffer) => {
      const status = response.statusCode ?? 0;
      if (status < 200 || status > 299) return refuse(`status ${status}`);
      // A TLS server does not speak first: such bytes are the proxy's.
      if (head.length > 0) return refuse('unexpected bytes');
      stopListening();
      resolve(socket);
    });
    request.on('response', (response) => refuse(`status ${response.statusCode ?? 0}`));
    request.on('error', (error) => refuse('the connection broke', error));
    request.end();
  });
}

/** The proxy's credentials from its URL; they go to the proxy alone. */
export function proxyAuthorization(proxy: URL): Readonly<Record<string, string>> {
  if (proxy.username === '' && proxy.password === '') return {};
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair, 'utf8').toString('base64')}` };
}
