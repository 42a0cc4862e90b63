import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { LocalStateError, NetworkError, RegistryError } from '../../src/lib/errors.ts';
import { startServer } from '../helpers/http-server.ts';
import { createTestTransport, get } from '../helpers/transport.ts';

describe('one exchange', () => {
  it('gives status, headers in lower case, and the whole body', async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { 'X-One': 'a', 'Content-Type': 'text/plain' });
      response.write('hello ');
      response.end('there');
    });
    await using transport = createTestTransport();
    const response = await transport.send(get(`${server.origin}/x?y=1`));
    expect(response.status).toBe(200);
    expect(response.headers.get('x-one')).toBe('a');
    expect(Buffer.from(response.body).toString()).toBe('hello there');
    expect(response.url.href).toBe(`${server.origin}/x?y=1`);
    expect(server.requests[0]).toMatchObject({ method: 'GET', url: '/x?y=1' });
  });

  it('asks for no compression, says who it is, and sends the body it was given', async () => {
    await using server = await startServer((_request, response) => response.end());
    await using transport = createTestTransport();
    await transport.send({ ...get(`${server.origin}/`), method: 'PUT', body: Buffer.from('bytes') });
    expect(server.requests[0]?.headers['accept-encoding']).toBe('identity');
    expect(server.requests[0]?.headers['user-agent']).toBe('dtrust-test');
    expect(server.requests[0]?.body).toBe('bytes');
  });

  it('hands a body on piece by piece where that is asked for, and no page of an error', async () => {
    await using server = await startServer(({ url }, response) => {
      response.writeHead(url === '/none' ? 404 : 200);
      response.write('hello ');
      response.end('there');
    });
    await using transport = createTestTransport();
    const got: string[] = [];
    const into = {
      begin: () => got.push('begin'),
      write: (chunk: Uint8Array) => got.push(Buffer.from(chunk).toString()),
    };
    expect((await transport.send(get(`${server.origin}/`, { into }))).body).toHaveLength(0);
    expect(got[0]).toBe('begin');
    expect(got.slice(1).join('')).toBe('hello there');
    got.length = 0;
    const { status, body } = await transport.send(get(`${server.origin}/none`, { into }));
    expect([status, Buffer.from(body).toString(), got]).toEqual([404, 'hello there', []]);
  });

  it.each(['begin', 'write'] as const)('ends with what the taker of a body throws at %s', async (when) => {
    await using server = await startServer((_request, response) => response.end('x'));
    await using transport = createTestTransport();
    const full = new LocalStateError({ code: 'DISK_FULL', message: 'full' });
    const fail = () => {
      throw full;
    };
    const into = { begin: () => undefined, write: () => undefined, [when]: fail };
    await expect(transport.send(get(`${server.origin}/`, { into }))).rejects.toBe(full);
    expect(server.requests).toHaveLength(1);
  });

  it('holds a body that is handed on to its limit as well', async () => {
    await using server = await startServer((_request, response) => {
      response.write('x'.repeat(1000));
      response.end('y');
    });
    await using transport = createTestTransport();
    let taken = 0;
    const into = { begin: () => undefined, write: (chunk: Uint8Array) => (taken += chunk.length) };
    const sending = transport.send(get(`${server.origin}/`, { into }));
    await expect(sending).rejects.toMatchObject({ code: 'NETWORK_TOO_LARGE' });
    expect(taken).toBeLessThanOrEqual(1000);
  });

  it('keeps one connection per origin for requests one after another', async () => {
    await using server = await startServer((_request, response) => response.end('x'));
    await using transport = createTestTransport();
    for (let i = 0; i < 5; i += 1) await transport.send(get(`${server.origin}/${i}`));
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 1, 1, 1]);
  });

  it('sends requests side by side over more connections, but not over more than six', async () => {
    const waiting: (() => void)[] = [];
    await using server = await startServer((_request, response) => {
      waiting.push(() => response.end('x'));
      if (server.requests.length === 6) for (const answer of waiting.splice(0)) answer();
      if (server.requests.length > 6) response.end('x');
    });
    await using transport = createTestTransport();
    const paths = ['1', '2', '3', '4', '5', '6', '7', '8'];
    await Promise.all(paths.map((path) => transport.send(get(`${server.origin}/${path}`))));
    expect(server.requests).toHaveLength(8);
    expect(server.connections()).toBe(6);
  });

  it('answers HEAD without a body, whatever length is announced', async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-length': '5000' });
      response.end();
    });
    await using transport = createTestTransport();
    const response = await transport.send({ ...get(`${server.origin}/`), method: 'HEAD', maxBytes: 0 });
    expect(response.body).toHaveLength(0);
    expect(response.headers.get('content-length')).toBe('5000');
  });

  it('closes its connections at once, so that nothing is waited for at exit', async () => {
    await using server = await startServer((_request, response) => response.end('x'));
    const transport = createTestTransport();
    await transport.send(get(`${server.origin}/`));
    await transport.close();
    expect(transport.clock.sleeping).toBe(0);
  });
});

describe('limits of size', () => {
  it('takes a body of exactly the limit and refuses one byte more', async () => {
    await using server = await startServer((request, response) => {
      response.write('x'.repeat(500));
      response.end('x'.repeat(request.url === '/more' ? 501 : 500));
    });
    await using transport = createTestTransport();
    expect((await transport.send(get(`${server.origin}/`))).body).toHaveLength(1000);
    const error = await transport.send(get(`${server.origin}/more`)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NetworkError);
    expect(error).toMatchObject({ code: 'NETWORK_TOO_LARGE' });
  });

  it('refuses an announced length above the limit before any of the body', async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-length': '1000000' });
      response.flushHeaders();
    });
    await using transport = createTestTransport();
    await expect(transport.send(get(`${server.origin}/`))).rejects.toMatchObject({
      code: 'NETWORK_TOO_LARGE',
    });
  });

  it('ends the connection of a chunked body without end', async () => {
    let closed = false;
    await using server = await startServer((_request, response) => {
      response.on('close', () => {
        closed = true;
      });
      const pump = () => {
        while (!closed && response.write('x'.repeat(4096)));
      };
      response.on('drain', pump);
      pump();
    });
    await using transport = createTestTransport();
    await expect(transport.send(get(`${server.origin}/`))).rejects.toMatchObject({
      code: 'NETWORK_TOO_LARGE',
    });
    await expect.poll(() => closed).toBe(true);
  });

  it('refuses headers that are too large', async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { 'x-big': 'x'.repeat(40_000) });
      response.end();
    });
    await using transport = createTestTransport();
    await expect(transport.send(get(`${server.origin}/`))).rejects.toMatchObject({
      code: 'NETWORK_TOO_LARGE',
    });
  });

  it('refuses a compressed body unread: a small one may unpack to gigabytes', async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' });
      response.end(gzipSync(Buffer.alloc(1_000_000)));
    });
    await using transport = createTestTransport({});
    const error = await transport
      .send(get(`${server.origin}/`, { maxBytes: 10_000_000 }))
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RegistryError);
    expect(error).toMatchObject({ code: 'REGISTRY_RESPONSE' });
  });

  it('lets an error page that is too large or compressed not hide its status', async () => {
    await using server = await startServer((request, response) => {
      response.writeHead(404, request.url === '/gzip' ? { 'content-encoding': 'gzip' } : {});
      response.end('x'.repeat(200_000));
    });
    await using transport = createTestTransport();
    for (const path of ['/gzip', '/large']) {
      const response = await transport.send(get(`${server.origin}${path}`));
      expect(response.status).toBe(404);
      expect(response.body).toHaveLength(0);
    }
  });

  it('reports a body that is cut short', async () => {
    await using server = await startServer((_request, response, socket) => {
      response.writeHead(200, { 'content-length': '500' });
      response.write('only this');
      setImmediate(() => socket.destroy());
    });
    await using transport = createTestTransport();
    const sending = transport.send(get(`${server.origin}/`, { retryable: false }));
    await expect(sending).rejects.toMatchObject({ code: 'NETWORK_BROKEN' });
  });
});

describe('limits of time', () => {
  it('gives up a registry that accepts and never answers', async () => {
    await using server = await startServer(() => undefined);
    await using transport = createTestTransport();
    const sending = transport.send(get(`${server.origin}/`)).catch((reason: unknown) => reason);
    await expect.poll(() => server.requests.length).toBe(1);
    await expect.poll(() => transport.clock.sleeping).toBe(2);
    await transport.clock.advance(30_000);
    expect(await sending).toBeInstanceOf(NetworkError);
    expect(await sending).toMatchObject({ code: 'NETWORK_TIMEOUT' });
    expect(transport.clock.sleeping).toBe(0);
  });

  it('gives up a body that trickles for ever', async () => {
    await using server = await startServer((_request, response) => {
      response.writeHead(200);
      response.write('a');
    });
    await using transport = createTestTransport();
    const sending = transport
      .send(get(`${server.origin}/`, { timeoutMs: 5000 }))
      .catch((reason: unknown) => reason);
    await expect.poll(() => server.requests.length).toBe(1);
    await expect.poll(() => transport.clock.sleeping).toBe(1);
    await transport.clock.advance(4999);
    expect(transport.clock.sleeping).toBe(1);
    await transport.clock.advance(1);
    expect(await sending).toMatchObject({ code: 'NETWORK_TIMEOUT' });
  });

  it('ends the connection when the caller aborts, and rejects with the reason', async () => {
    let closed = false;
    await using server = await startServer((_request, response) => {
      response.on('close', () => {
        closed = true;
      });
    });
    await using transport = createTestTransport();
    const controller = new AbortController();
    const reason = new Error('given up');
    const sending = transport
      .send({ ...get(`${server.origin}/`), method: 'PUT', body: 'x', signal: controller.signal })
      .catch((error: unknown) => error);
    await expect.poll(() => server.requests.length).toBe(1);
    controller.abort(reason);
    expect(await sending).toBe(reason);
    await expect.poll(() => closed).toBe(true);
  });

  it('sends nothing for a signal that is aborted already', async () => {
    await using server = await startServer((_request, response) => response.end());
    await using transport = createTestTransport();
    const reason = new Error('too late');
    await expect(
      transport.send(get(`${server.origin}/`, { signal: AbortSignal.abort(reason) })),
    ).rejects.toBe(reason);
    expect(server.requests).toHaveLength(0);
  });
});

describe('nobody there', () => {
  it('reports a registry that is down', async () => {
    const server = await startServer(() => undefined);
    await server.close();
    await using transport = createTestTransport();
    const error = await transport.send(get(`${server.origin}/v2/`)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NetworkError);
    expect(error).toMatchObject({ code: 'NETWORK_REFUSED' });
  });
});
