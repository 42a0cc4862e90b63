import type { IncomingMessage } from 'node:http';
import net, { type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { NetworkError } from '../../src/lib/errors.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { startServer } from '../helpers/http-server.ts';
import { createTestTransport, get } from '../helpers/transport.ts';

const authority = createAuthority();

/** A proxy that tunnels to one port, whatever name is asked for, and forwards nothing else itself. */
function tunnelTo(port: number, seen: { target: string; authorization: string | undefined }[]) {
  return {
    onConnect(request: IncomingMessage, socket: Socket) {
      seen.push({
        target: request.url ?? '',
        authorization: request.headers['proxy-authorization'],
      });
      const upstream = net.connect(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy());
      socket.on('close', () => upstream.destroy());
    },
  };
}

describe('requests through a proxy', () => {
  it('tunnel https with the credentials of the proxy, which the registry never sees', async () => {
    await using registry = await startServer((_request, response) => response.end('x'), {
      tls: authority.issue(['registry.example']),
    });
    const tunnels: { target: string; authorization: string | undefined }[] = [];
    await using proxy = await startServer(
      (_request, response) => response.end(),
      tunnelTo(registry.port, tunnels),
    );
    await using transport = createTestTransport({
      certificates: { ca: [authority.cert], clients: [] },
      proxyFor: () => new URL(`http://me:p%40ss@${proxy.host}`),
    });
    const headers = { authorization: 'Bearer registry-token' };
    const response = await transport.send(get('https://registry.example/v2/', { headers }));
    expect(response.status).toBe(200);
    const basic = `Basic ${Buffer.from('me:p@ss').toString('base64')}`;
    expect(tunnels).toEqual([{ target: 'registry.example:443', authorization: basic }]);
    expect(registry.requests[0]?.headers['proxy-authorization']).toBeUndefined();
    expect(registry.requests[0]?.headers.authorization).toBe('Bearer registry-token');
    expect(registry.requests[0]?.headers.host).toBe('registry.example');
  });

  it('check the certificate of the registry, not of the proxy, at the end of the tunnel', async () => {
    await using registry = await startServer((_request, response) => response.end('x'), {
      tls: authority.issue(['127.0.0.1']),
    });
    await using proxy = await startServer(
      (_request, response) => response.end(),
      tunnelTo(registry.port, []),
    );
    await using transport = createTestTransport({
      certificates: { ca: [authority.cert], clients: [] },
      proxyFor: () => new URL(`http://${proxy.host}`),
    });
    await expect(transport.send(get('https://registry.example/'))).rejects.toMatchObject({
      code: 'NETWORK_TLS',
    });
    expect(registry.requests).toHaveLength(0);
  });

  it('reach an https proxy over verified TLS', async () => {
    await using registry = await startServer((_request, response) => response.end('x'), {
      tls: authority.issue(['registry.example']),
    });
    await using proxy = await startServer((_request, response) => response.end(), {
      ...tunnelTo(registry.port, []),
      tls: authority.issue(['127.0.0.1']),
    });
    await using transport = createTestTransport({
      certificates: { ca: [authority.cert], clients: [] },
      proxyFor: () => new URL(`https://${proxy.host}`),
    });
    expect((await transport.send(get('https://registry.example/'))).status).toBe(200);
  });

  it('hand plain http over whole, with the absolute URL and the credentials of the proxy', async () => {
    await using proxy = await startServer((_request, response) => response.end('from the proxy'));
    await using transport = createTestTransport({
      proxyFor: () => new URL(`http://me:secret@${proxy.host}`),
    });
    const response = await transport.send(get('http://registry.example:5000/v2/?a=b'));
    expect(Buffer.from(response.body).toString()).toBe('from the proxy');
    expect(proxy.requests[0]).toMatchObject({ url: 'http://registry.example:5000/v2/?a=b' });
    expect(proxy.requests[0]?.headers.host).toBe('registry.example:5000');
    expect(proxy.requests[0]?.headers['proxy-authorization']).toMatch(/^Basic /);
  });

  it('report a proxy that wants other credentials, without showing those it got', async () => {
    await using proxy = await startServer(() => undefined, {
      onConnect: (_request, socket) => {
        socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
      },
    });
    await using transport = createTestTransport({
      proxyFor: () => new URL(`http://me:secret@${proxy.host}`),
    });
    const error = await transport.send(get('https://registry.example/')).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NetworkError);
    expect(error).toMatchObject({ code: 'NETWORK_PROXY' });
    expect((error as Error).message).toContain('407');
    expect((error as Error).message).not.toContain('secret');
    await using forwarder = await startServer((_request, response) => response.writeHead(407).end());
    await using plain = createTestTransport({
      proxyFor: () => new URL(`http://me:secret@${forwarder.host}`),
    });
    await expect(plain.send(get('http://registry.example/'))).rejects.toMatchObject({
      code: 'NETWORK_PROXY',
    });
  });

  it('refuse a proxy that speaks before TLS does', async () => {
    await using proxy = await startServer(() => undefined, {
      onConnect: (_request, socket) => {
        socket.write('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx');
      },
    });
    await using transport = createTestTransport({ proxyFor: () => new URL(`http://${proxy.host}`) });
    await expect(transport.send(get('https://registry.example/'))).rejects.toMatchObject({
      code: 'NETWORK_PROXY',
    });
  });

  it('report a proxy that is down, and one that never answers', async () => {
    const down = await startServer(() => undefined);
    await down.close();
    await using transport = createTestTransport({ proxyFor: () => new URL(`http://${down.host}`) });
    await expect(transport.send(get('https://registry.example/'))).rejects.toMatchObject({
      code: 'NETWORK_PROXY',
    });
    let asked = false;
    await using silent = await startServer(() => undefined, {
      onConnect: () => {
        asked = true;
      },
    });
    await using waiting = createTestTransport({ proxyFor: () => new URL(`http://${silent.host}`) });
    const sending = waiting.send(get('https://registry.example/')).catch((reason: unknown) => reason);
    await expect.poll(() => asked).toBe(true);
    await waiting.clock.advance(10_000);
    expect(await sending).toMatchObject({ code: 'NETWORK_TIMEOUT' });
  });
});
