import { describe, expect, it } from 'vitest';
import { parseLocation, withRedirects } from '../../src/http/redirects.ts';
import type { HttpRequest, HttpResponse } from '../../src/http/transport.ts';
import { RegistryError } from '../../src/lib/errors.ts';
import { startServer } from '../helpers/http-server.ts';
import { createTestTransport, get } from '../helpers/transport.ts';

const SECRETS = {
  authorization: 'Bearer secret',
  cookie: 'session=secret',
  'x-meta-team': 'internal',
  accept: 'application/json',
};

function redirectTo(location: string, status = 307): HttpResponse {
  return {
    status,
    headers: new Map([['location', location]]),
    body: new Uint8Array(0),
    url: new URL('http://x/'),
  };
}

/** Answers the first request with a redirect, all others with 200. */
function follow(request: HttpRequest, location: string, status = 307) {
  const sent: HttpRequest[] = [];
  const send = withRedirects(async (asked) => {
    sent.push(asked);
    const answer = sent.length === 1 ? redirectTo(location, status) : { ...redirectTo(''), status: 200 };
    return { ...answer, url: asked.url };
  });
  return { sent, done: send(request) };
}

describe('redirects of reads', () => {
  it('take nothing but plain headers to another origin, over real connections', async () => {
    await using storage = await startServer((_request, response) => response.end('blob'));
    await using registry = await startServer((_request, response) => {
      response.writeHead(307, { location: `${storage.origin}/blob?signature=x` });
      response.end();
    });
    await using transport = createTestTransport();
    const response = await transport.send(get(`${registry.origin}/v2/a/blobs/b`, { headers: SECRETS }));
    expect(Buffer.from(response.body).toString()).toBe('blob');
    expect(response.url.origin).toBe(storage.origin);
    expect(registry.requests[0]?.headers.authorization).toBe('Bearer secret');
    const headers = storage.requests[0]?.headers ?? {};
    expect(headers.accept).toBe('application/json');
    expect(headers.authorization).toBeUndefined();
    expect(headers.cookie).toBeUndefined();
    expect(headers['x-meta-team']).toBeUndefined();
  });

  it('keep their headers at the same origin', async () => {
    await using registry = await startServer((request, response) => {
      if (request.url === '/new') response.end('x');
      else response.writeHead(302, { location: '/new' }).end();
    });
    await using transport = createTestTransport();
    await transport.send(get(`${registry.origin}/old`, { headers: SECRETS }));
    expect(registry.requests[1]?.headers.authorization).toBe('Bearer secret');
  });

  it.each([
    ['another host', 'https://b.example/x'],
    ['another port', 'https://a.example:5000/x'],
    ['a subdomain', 'https://sub.a.example/x'],
  ])('lose credentials and any leniency about certificates at %s', async (_name, location) => {
    const { sent, done } = follow(
      get('https://a.example/y', { headers: SECRETS, tls: 'unverified' }),
      location,
    );
    await done;
    expect(sent[1]?.headers).toEqual({ accept: 'application/json' });
    expect(sent[1]?.tls).toBeUndefined();
  });

  it('go nowhere without a Location', async () => {
    const send = withRedirects(async (request) => ({
      ...redirectTo(''),
      headers: new Map(),
      status: 302,
      url: request.url,
    }));
    expect((await send(get('http://a.example/'))).status).toBe(302);
  });

  it('end after five', async () => {
    await using server = await startServer((request, response) => {
      response.writeHead(302, { location: `/${Number(request.url.slice(1)) + 1}` }).end();
    });
    await using transport = createTestTransport();
    const error = await transport.send(get(`${server.origin}/0`)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RegistryError);
    expect(error).toMatchObject({ code: 'REGISTRY_REDIRECT' });
    expect(server.requests).toHaveLength(6);
  });

  it('never go from https to http, also at the same host', async () => {
    for (const location of ['http://b.example/', 'http://a.example/', 'http://127.0.0.1/']) {
      const { sent, done } = follow(get('https://a.example/'), location);
      await expect(done).rejects.toMatchObject({ code: 'REGISTRY_REDIRECT' });
      expect(sent).toHaveLength(1);
    }
  });
});

describe('redirects of writes', () => {
  it('are refused to another origin, whatever the status', async () => {
    for (const status of [301, 302, 303, 307, 308]) {
      const { sent, done } = follow(
        { ...get('https://a.example/'), method: 'PUT' },
        'https://b.example/',
        status,
      );
      await expect(done).rejects.toMatchObject({ code: 'REGISTRY_REDIRECT' });
      expect(sent).toHaveLength(1);
    }
  });

  it('are followed at the same origin where the status keeps the method', async () => {
    const put: HttpRequest = { ...get('https://a.example/'), method: 'PUT', body: 'bytes' };
    const kept = follow(put, '/other', 308);
    await kept.done;
    expect(kept.sent[1]).toMatchObject({ method: 'PUT', body: 'bytes' });
    await expect(follow(put, '/other', 303).done).rejects.toMatchObject({ code: 'REGISTRY_REDIRECT' });
  });
});

describe('a Location', () => {
  const base = new URL('https://a.example/v2/x/');

  it.each([
    ['/blob', 'https://a.example/blob'],
    ['blob?_state=1', 'https://a.example/v2/x/blob?_state=1'],
    ['//b.example/z', 'https://b.example/z'],
    ['https://b.example/z#part', 'https://b.example/z'],
  ])('%s is %s', (location, expected) => {
    expect(parseLocation(location, base).href).toBe(expected);
  });

  it.each([
    'file:///etc/passwd',
    'ftp://a.example/',
    'javascript:1',
    'http://a.example/',
    'https://me:pw@b.example/',
    'https://',
  ])('%s is refused', (location) => {
    expect(() => parseLocation(location, base)).toThrow(
      expect.objectContaining({ code: 'REGISTRY_REDIRECT' }),
    );
  });

  it('shows nothing that could move a terminal in its refusal', () => {
    expect(() => parseLocation('https://\u001b[2J', base)).toThrow(/\\u001b/);
  });
});
