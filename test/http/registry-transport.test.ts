import { describe, expect, it } from 'vitest';
import { createRegistryTransport, type RegistryTransportOptions } from '../../src/http/registry-transport.ts';
import { createTokenMemory } from '../../src/http/token-memory.ts';
import { NetworkError, RegistryError } from '../../src/lib/errors.ts';
import { ANONYMOUS, type Credentials } from '../../src/settings/credentials.ts';
import { createSelfSigned } from '../helpers/certificates.ts';
import { type Handler, json, startServer } from '../helpers/http-server.ts';
import { createTestTransport, type TestTransport } from '../helpers/transport.ts';

const BASIC: Credentials = { kind: 'basic', username: 'me', password: 'pass:word' };
const BASIC_HEADER = `Basic ${Buffer.from('me:pass:word').toString('base64')}`;

function connect(transport: TestTransport, overrides: Partial<RegistryTransportOptions> = {}) {
  return createRegistryTransport({
    send: transport.send,
    clock: transport.clock,
    credentials: async () => ANONYMOUS,
    notice: () => undefined,
    ...overrides,
  });
}

function pull(path = 'manifests/1.0') {
  return { method: 'GET', path, maxBytes: 1000, scope: 'pull' } as const;
}

/** A registry that wants a token which `realm` gives out. */
function wantsToken(realm: () => string, token = 'good'): Handler {
  return (request, response) => {
    if (request.headers.authorization === `Bearer ${token}`) return json(response, 200, {});
    response.setHeader(
      'www-authenticate',
      `Bearer realm="${realm()}",service="registry.test",scope="anything:at:all"`,
    );
    json(response, 401, { errors: [] });
  };
}

describe('a registry without authentication', () => {
  it('is asked once, for the path below /v2/ and the repository', async () => {
    await using server = await startServer((_request, response) => json(response, 200, {}));
    await using transport = createTestTransport();
    const http = connect(transport, {
      credentials: () => Promise.reject(new Error('nobody asked for them')),
    });
    const response = await http.request({ host: server.host, path: 'acme/app' }, pull('manifests/1.0'));
    expect(response.status).toBe(200);
    expect(server.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /v2/acme/app/manifests/1.0',
    ]);
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
  });

  it('never gets a path outside the repository', async () => {
    await using server = await startServer((_request, response) => json(response, 200, {}));
    await using transport = createTestTransport();
    const sending = connect(transport).request(
      { host: server.host, path: 'acme/app' },
      pull('../other/manifests/1'),
    );
    await expect(sending).rejects.toThrow('stays within the repository');
    expect(server.requests).toHaveLength(0);
  });

  it("gets Docker's X-Meta headers, which nobody else gets", async () => {
    await using storage = await startServer((_request, response) => json(response, 200, {}));
    await using server = await startServer((_request, response) => {
      response.writeHead(307, { location: `${storage.origin}/b` }).end();
    });
    await using transport = createTestTransport();
    await connect(transport, { headers: { 'X-Meta-Team': 'a' } }).request(
      { host: server.host, path: 'a' },
      pull(),
    );
    expect(server.requests[0]?.headers['x-meta-team']).toBe('a');
    expect(storage.requests[0]?.headers['x-meta-team']).toBeUndefined();
  });
});

describe('Basic', () => {
  it('answers a Basic challenge, and is sent along from then on', async () => {
    await using server = await startServer((request, response) => {
      if (request.headers.authorization === BASIC_HEADER) return json(response, 200, {});
      response.setHeader('www-authenticate', 'Basic realm="here"');
      json(response, 401, {});
    });
    await using transport = createTestTransport();
    const http = connect(transport, { credentials: async () => BASIC });
    expect((await http.request({ host: server.host, path: 'a' }, pull())).status).toBe(200);
    expect((await http.request({ host: server.host, path: 'a' }, pull())).status).toBe(200);
    expect(server.requests).toHaveLength(3);
  });

  it('hands over the 401 when there are no credentials, or the wrong ones', async () => {
    await using server = await startServer((_request, response) => {
      response.setHeader('www-authenticate', 'Basic realm="here"');
      json(response, 401, {});
    });
    await using transport = createTestTransport();
    expect((await connect(transport).request({ host: server.host, path: 'a' }, pull())).status).toBe(401);
    expect(server.requests).toHaveLength(1);
    const http = connect(transport, { credentials: async () => BASIC });
    expect((await http.request({ host: server.host, path: 'a' }, pull())).status).toBe(401);
    expect(server.requests).toHaveLength(3);
  });
});

describe('tokens', () => {
  it('are asked for by GET with Basic, service, own scope and account, and kept', async () => {
    await using realm = await startServer((_request, response) =>
      json(response, 200, { token: 'good', expires_in: 300 }),
    );
    await using server = await startServer(wantsToken(() => `${realm.origin}/token?x=1`));
    await using transport = createTestTransport();
    const http = connect(transport, { credentials: async () => BASIC });
    expect((await http.request({ host: server.host, path: 'acme/app' }, pull())).status).toBe(200);
    expect((await http.request({ host: server.host, path: 'acme/app' }, pull())).status).toBe(200);
    expect(realm.requests).toHaveLength(1);
    expect(realm.requests[0]?.headers.authorization).toBe(BASIC_HEADER);
    const query = new URL(realm.requests[0]?.url ?? '', realm.origin).searchParams;
    expect([...query]).toEqual([
      ['x', '1'],
      ['service', 'registry.test'],
      ['scope', 'repository:acme/app:pull'],
      ['account', 'me'],
    ]);
    expect(server.requests).toHaveLength(3);
  });

  it('are asked for with an identity token by POST of OAuth2', async () => {
    await using realm = await startServer((_request, response) =>
      json(response, 200, { access_token: 'good' }),
    );
    await using server = await startServer(wantsToken(() => realm.origin));
    await using transport = createTestTransport();
    const http = connect(transport, {
      credentials: async () => ({ kind: 'identityToken', token: 'refresh me' }),
    });
    await http.request(
      { host: server.host, path: 'acme/app' },
      { ...pull(), scope: 'push,pull', alsoPullFrom: 'acme/base' },
    );
    expect(realm.requests[0]).toMatchObject({ method: 'POST' });
    expect(realm.requests[0]?.headers.authorization).toBeUndefined();
    expect([...new URLSearchParams(realm.requests[0]?.body)]).toEqual([
      ['grant_type', 'refresh_token'],
      ['client_id', 'dtrust'],
      ['service', 'registry.test'],
      ['scope', 'repository:acme/app:pull,push repository:acme/base:pull'],
      ['refresh_token', 'refresh me'],
    ]);
  });

  it('that are kept as registry tokens are sent as they are', async () => {
    await using server = await startServer(wantsToken(() => 'https://nobody.example/'));
    await using transport = createTestTransport();
    const http = connect(transport, { credentials: async () => ({ kind: 'registryToken', token: 'good' }) });
    expect((await http.request({ host: server.host, path: 'a' }, pull())).status).toBe(200);
  });

  it('for pushing serve for pulling, not the other way round', async () => {
    await using realm = await startServer((_request, response) => json(response, 200, { token: 'good' }));
    await using server = await startServer(wantsToken(() => realm.origin));
    await using transport = createTestTransport();
    const http = connect(transport);
    await http.request({ host: server.host, path: 'a' }, { ...pull(), scope: 'push,pull' });
    await http.request({ host: server.host, path: 'a' }, pull());
    expect(realm.requests).toHaveLength(1);
    await http.request({ host: server.host, path: 'b' }, pull());
    await http.request({ host: server.host, path: 'b' }, { ...pull(), scope: 'push,pull' });
    expect(realm.requests).toHaveLength(3);
  });

  it('are asked for once by requests side by side', async () => {
    await using realm = await startServer((_request, response) => json(response, 200, { token: 'good' }));
    await using server = await startServer(wantsToken(() => realm.origin));
    await using transport = createTestTransport();
    const http = connect(transport);
    await http.request({ host: server.host, path: 'other' }, pull());
    await Promise.all(
      ['1', '2', '3'].map((tag) => http.request({ host: server.host, path: 'a' }, pull(`manifests/${tag}`))),
    );
    expect(realm.requests).toHaveLength(2);
  });

  it('are asked for again when they have expired, or the registry no longer takes them', async () => {
    let current = 'one';
    await using realm = await startServer((_request, response) =>
      json(response, 200, { token: current, expires_in: 100 }),
    );
    await using server = await startServer((request, response, socket) =>
      wantsToken(() => realm.origin, current)(request, response, socket),
    );
    await using transport = createTestTransport();
    const http = connect(transport);
    const request = () => http.request({ host: server.host, path: 'a' }, pull());
    await request();
    await transport.clock.advance(94_000);
    await request();
    expect(realm.requests).toHaveLength(1);
    await transport.clock.advance(2000);
    await request();
    expect(realm.requests).toHaveLength(2);
    current = 'two';
    expect((await request()).status).toBe(200);
    expect(realm.requests).toHaveLength(3);
  });

  it('contract (Network): the realm is remembered per registry, so the next process asks it first', async () => {
    await using realm = await startServer((_request, response) => json(response, 200, { token: 'good' }));
    await using server = await startServer(wantsToken(() => realm.origin));
    await using transport = createTestTransport();
    const tokenMemory = createTokenMemory();
    await connect(transport, { tokenMemory }).request({ host: server.host, path: 'a' }, pull());
    expect(server.requests).toHaveLength(2);
    await connect(transport, { tokenMemory }).request({ host: server.host, path: 'a' }, pull());
    expect(server.requests).toHaveLength(3);
    expect(server.requests[2]?.headers.authorization).toBe('Bearer good');
  });

  it('a remembered realm that is gone costs nothing but a question to the registry', async () => {
    await using realm = await startServer((_request, response) => json(response, 200, { token: 'good' }));
    await using server = await startServer(wantsToken(() => realm.origin));
    await using transport = createTestTransport();
    const tokenMemory = createTokenMemory([
      [server.host, { scheme: 'bearer', realm: 'http://127.0.0.1:1/', service: undefined }],
    ]);
    const http = connect(transport, { tokenMemory });
    expect((await http.request({ host: server.host, path: 'a' }, pull())).status).toBe(200);
    expect(tokenMemory.get(server.host)).toMatchObject({ realm: realm.origin });
  });

  it.each([
    [401, 'REGISTRY_UNAUTHORIZED'],
    [403, 'REGISTRY_DENIED'],
    [404, 'REGISTRY_RESPONSE'],
    [500, 'REGISTRY_UNAVAILABLE'],
  ])('a token service that answers %i is %s', async (status, code) => {
    await using realm = await startServer((_request, response) =>
      json(response, status, { details: 'pass:word' }),
    );
    await using server = await startServer(wantsToken(() => realm.origin));
    await using transport = createTestTransport();
    const http = connect(transport, { credentials: async () => BASIC });
    let error: unknown;
    const asked = http.request({ host: server.host, path: 'a' }, pull()).catch((reason: unknown) => {
      error = reason;
    });
    // A 500 is asked again a moment later.
    while (error === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
      await transport.clock.advance(1000);
    }
    await asked;
    expect(error).toBeInstanceOf(RegistryError);
    expect(error).toMatchObject({ code, status });
    expect((error as Error).message).not.toContain('pass:word');
  });

  it.each([
    ['no JSON', 'token=good'],
    ['a list', '[]'],
    ['null', 'null'],
    ['no token', '{}'],
    ['an empty token', '{"token":""}'],
    ['a token that is a number', '{"token":5}'],
    ['a token that is an object', '{"token":{"toString":"x"}}'],
    ['a token with a line break', '{"token":"a\\r\\nX-Evil: 1"}'],
    ['a token with a space', '{"token":"a b"}'],
    ['a negative lifetime', '{"token":"good","expires_in":-1}'],
    ['a lifetime that is text', '{"token":"good","expires_in":"300"}'],
    ['a lifetime without end', '{"token":"good","expires_in":1e999}'],
  ])('an answer of the token service with %s is refused, and not shown', async (_name, text) => {
    await using realm = await startServer((_request, response) => response.end(text));
    await using server = await startServer(wantsToken(() => realm.origin));
    await using transport = createTestTransport();
    const error = await connect(transport)
      .request({ host: server.host, path: 'a' }, pull())
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RegistryError);
    expect(error).toMatchObject({ code: 'REGISTRY_RESPONSE' });
    expect(JSON.stringify([(error as Error).message, String((error as Error).cause)])).not.toContain('good');
    expect(server.requests).toHaveLength(1);
  });

  it('an answer of the token service that is too large is refused', async () => {
    await using realm = await startServer((_request, response) =>
      json(response, 200, { token: 'x'.repeat(70_000) }),
    );
    await using server = await startServer(wantsToken(() => realm.origin));
    await using transport = createTestTransport();
    const error = await connect(transport)
      .request({ host: server.host, path: 'a' }, pull())
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NetworkError);
    expect(error).toMatchObject({ code: 'NETWORK_TOO_LARGE' });
  });
});

describe('credentials of one registry', () => {
  it('never reach the token service of another on the say of that other', async () => {
    await using realmOfA = await startServer((_request, response) =>
      json(response, 200, { token: 'token of a' }),
    );
    await using b = await startServer(wantsToken(() => realmOfA.origin));
    await using transport = createTestTransport();
    const asked: string[] = [];
    const http = connect(transport, {
      credentials: async (host) => {
        asked.push(host);
        return host === b.host ? ANONYMOUS : BASIC;
      },
    });
    await http.request({ host: b.host, path: 'a' }, pull()).catch(() => undefined);
    expect(asked).toEqual([b.host]);
    expect(realmOfA.requests[0]?.headers.authorization).toBeUndefined();
  });

  it('and its tokens are not lent to another that names the same realm, service and repository', async () => {
    await using realm = await startServer((_request, response) => json(response, 200, { token: 'good' }));
    await using a = await startServer(wantsToken(() => realm.origin));
    await using b = await startServer(wantsToken(() => realm.origin));
    await using transport = createTestTransport();
    const http = connect(transport, { credentials: async (host) => (host === a.host ? BASIC : ANONYMOUS) });
    await http.request({ host: a.host, path: 'x' }, pull());
    await http.request({ host: b.host, path: 'x' }, pull());
    expect(realm.requests.map(({ headers }) => headers.authorization)).toEqual([BASIC_HEADER, undefined]);
  });

  it('do not follow a redirect of the registry or of its token service', async () => {
    await using thief = await startServer((_request, response) => json(response, 200, { token: 'good' }));
    await using realm = await startServer((_request, response) => {
      response.writeHead(307, { location: `${thief.origin}/stolen` }).end();
    });
    await using server = await startServer(wantsToken(() => realm.origin));
    await using transport = createTestTransport();
    const http = connect(transport, { credentials: async () => BASIC });
    await http.request({ host: server.host, path: 'a' }, pull());
    expect(thief.requests).toHaveLength(1);
    expect(thief.requests[0]?.headers.authorization).toBeUndefined();
    const oauth = connect(transport, {
      credentials: async () => ({ kind: 'identityToken', token: 'refresh me' }),
    });
    const error = await oauth
      .request({ host: server.host, path: 'a' }, pull())
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'REGISTRY_REDIRECT' });
    expect(thief.requests).toHaveLength(1);
  });

  it('are not asked for by whoever a redirect leads to', async () => {
    await using elsewhere = await startServer((_request, response) => {
      response.setHeader('www-authenticate', `Basic realm="give"`);
      json(response, 401, {});
    });
    await using server = await startServer((_request, response) => {
      response.writeHead(307, { location: `${elsewhere.origin}/x` }).end();
    });
    await using transport = createTestTransport();
    const http = connect(transport, { credentials: () => Promise.reject(new Error('nobody may ask')) });
    expect((await http.request({ host: server.host, path: 'a' }, pull())).status).toBe(401);
    expect(server.requests).toHaveLength(1);
  });

  it('do not go with an upload that is taken at another origin', async () => {
    await using storage = await startServer((_request, response) => response.writeHead(201).end());
    await using server = await startServer((request, response) => {
      if (request.headers.authorization !== BASIC_HEADER) {
        response.setHeader('www-authenticate', 'Basic realm="here"');
        return json(response, 401, {});
      }
      return json(response, 202, {});
    });
    await using transport = createTestTransport();
    const http = connect(transport, { credentials: async () => BASIC });
    const repository = { host: server.host, path: 'a' };
    await http.request(repository, { ...pull('blobs/uploads/'), method: 'POST', scope: 'push,pull' });
    const put = { method: 'PUT', body: 'blob', maxBytes: 100, scope: 'push,pull' } as const;
    await http.request(repository, { ...put, path: new URL(`${storage.origin}/up?digest=x`) });
    await http.request(repository, { ...put, path: new URL(`${server.origin}/up?digest=x`) });
    expect(storage.requests[0]?.headers.authorization).toBeUndefined();
    expect(server.requests.at(-1)?.headers.authorization).toBe(BASIC_HEADER);
  });
});

describe('loopback registries', () => {
  it('are spoken to over plain http, without a word about it', async () => {
    await using server = await startServer((_request, response) => json(response, 200, {}));
    await using transport = createTestTransport();
    const notices: string[] = [];
    const http = connect(transport, { notice: (line) => notices.push(line) });
    await http.request({ host: `localhost:${server.port}`, path: 'a' }, pull());
    expect(server.requests).toHaveLength(1);
    expect(notices).toEqual([]);
  });

  it('are spoken to over TLS when that is what they speak, whoever signed their certificate', async () => {
    await using server = await startServer((_request, response) => json(response, 200, {}), {
      tls: createSelfSigned(['elsewhere.example']),
    });
    await using transport = createTestTransport();
    const http = connect(transport);
    expect((await http.request({ host: server.host, path: 'a' }, pull())).status).toBe(200);
    expect((await http.request({ host: server.host, path: 'a' }, pull())).status).toBe(200);
    expect(server.requests).toHaveLength(2);
  });

  it('get a write only after a read has found out how they are spoken to', async () => {
    await using server = await startServer((_request, response) => json(response, 201, {}));
    await using transport = createTestTransport();
    const put = { ...pull(), method: 'PUT', scope: 'push,pull', body: 'x' } as const;
    await connect(transport).request({ host: server.host, path: 'a' }, put);
    expect(server.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /v2/',
      'PUT /v2/a/manifests/1.0',
    ]);
  });

  it('report that nobody is there once', async () => {
    const server = await startServer(() => undefined);
    await server.close();
    await using transport = createTestTransport();
    const error = await connect(transport)
      .request({ host: server.host, path: 'a' }, pull())
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'NETWORK_REFUSED' });
  });
});
