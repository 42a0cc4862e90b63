/**
 * A TCP relay that stands before a server and makes it look far away: each byte arrives half a round trip later, in
 * each direction, and a connection takes a whole round trip to open. TLS passes through it unseen.
 */
import net from 'node:net';

export interface Relay {
  readonly port: number;
  /** May be changed at any time; 0 passes everything on at once. */
  roundTripMs: number;
  /** Connections accepted since the last call. */
  takeConnections(): number;
  close(): Promise<void>;
}

/** Hands on what one side sends, each piece after the delay that holds when it comes, in order. */
function carry(from: net.Socket, to: net.Socket, delayMs: () => number): void {
  let lastAt = 0;
  const later = (work: () => void): void => {
    const now = performance.now();
    lastAt = Math.max(lastAt, now + delayMs());
    if (lastAt <= now) work();
    else setTimeout(work, lastAt - now);
  };
  from.on('data', (piece) => later(() => void (to.writable && to.write(piece))));
  from.on('end', () => later(() => void to.end()));
  from.on('error', () => to.destroy());
  from.on('close', () => later(() => void to.destroySoon()));
}

/** Starts a relay on a free loopback port. */
export async function startRelay(targetPort: number): Promise<Relay> {
  let connections = 0;
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (client) => {
    connections += 1;
    const upstream = net.connect({ host: '127.0.0.1', port: targetPort, noDelay: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
    // The kernel accepts for us without delay, so the first bytes pay for the handshake as well.
    const openedAt = performance.now();
    const handshakeMs = relay.roundTripMs;
    const stillOpening = (): number => Math.max(0, openedAt + handshakeMs - performance.now());
    carry(client, upstream, () => relay.roundTripMs / 2 + stillOpening());
    carry(upstream, client, () => relay.roundTripMs / 2);
  });
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const relay: Relay = {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    roundTripMs: 0,
    takeConnections: () => {
      const taken = connections;
      connections = 0;
      return taken;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return relay;
}
