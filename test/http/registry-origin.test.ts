import { describe, expect, it } from 'vitest';
import { createRegistryTransport } from '../../src/http/registry-transport.ts';
import { createTokenMemory } from '../../src/http/token-memory.ts';
import type { HttpRequest, HttpResponse } from '../../src/http/transport.ts';
import { EngineError, NetworkError } from '../../src/lib/errors.ts';
import type { Credentials } from '../../src/settings/credentials.ts';
import { insecureRegistries } from '../../src/settings/insecure-registries.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const BASIC: Credentials = { kind: 'basic', username: 'me', password: 'secret' };

type Answer = (
  request: HttpRequest,
) => { status: number; headers?: Record<string, string>; body?: string } | NetworkError;

/** A registry transport over a network that the test makes up. */
function network(answer: Answer, info?: unknown, engineDown = false, tokenMemory = createTokenMemory()) {
  const sent: HttpRequest[] = [];
  const notices: string[] = [];
  const asked: string[] = [];
  const listed = insecureRegistries(info);
  const http = createRegistryTransport({
    clock: new ManualClock(),
    tokenMemory,
    credentials: async () => BASIC,
    notice: (line) => notices.push(line),
    insecure: (host) => {
      asked.push(host);
      if (engineDown) throw new EngineError({ code: 'ENGINE_UNREACHABLE', message: 'no engine' });
      return listed(host);
    },
    async send(request): Promise<HttpResponse> {
      sent.push(request);
      const result = answer(request);
      if (result instanceof NetworkError) throw result;
      const headers = new Map(Object.entries(result.headers ?? {}));
      return { status: result.status, headers, body: Buffer.from(result.body ?? ''), url: request.url };
    },
  });
  const pull = (host: string) =>
    http.request({ host, path: 'a' }, { method: 'GET', path: 'manifests/1', maxBytes: 100, scope: 'pull' });
  const seen = () => sent.map(({ url, tls }) => `${url.protocol}//${url.host} ${tls ?? 'verified'}`);
  return { pull, seen, sent, notices, asked };
}

const TLS_FAILS = new NetworkError({ code: 'NETWORK_TLS', message: 'unknown issuer' });
const LISTED = {
  RegistryConfig: {
    InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8', '10.0.0.0/8'],
    IndexConfigs: {
      'docker.io': { Name: 'docker.io', Secure: true, Official: true },
      'lab.example:5000': { Name: 'lab.example:5000', Secure: false, Official: false },
    },
  },
};

describe('a registry of this machine is first spoken to as it was last time', () => {
  const HOST = '127.0.0.1:5000';
  const speaksTls: Answer = ({ url }) => (url.protocol === 'https:' ? { status: 200 } : { status: 400 });
  const speaksPlain: Answer = ({ url }) =>
    url.protocol === 'http:' ? { status: 200 } : new NetworkError({ code: 'NETWORK_TLS', message: 'no TLS' });

  it('TLS, which the first request has to find out', async () => {
    const memory = createTokenMemory();
    const first = network(speaksTls, undefined, false, memory);
    await first.pull(HOST);
    expect(first.seen()).toEqual([`http://${HOST} verified`, `https://${HOST} unverified`]);
    const second = network(speaksTls, undefined, false, memory);
    await second.pull(HOST);
    expect(second.seen()).toEqual([`https://${HOST} unverified`]);
  });

  it('plain http again where TLS is gone, and that is remembered', async () => {
    const memory = createTokenMemory();
    memory.noteTls(HOST, true);
    const { pull, seen } = network(speaksPlain, undefined, false, memory);
    await pull(HOST);
    expect(seen()).toEqual([`https://${HOST} unverified`, `http://${HOST} verified`]);
    expect(memory.speaksTls(HOST)).toBe(false);
  });

  it('what is remembered never makes another registry less verified', async () => {
    const memory = createTokenMemory();
    memory.noteTls('ghcr.io', true);
    const { pull, seen } = network(() => ({ status: 200 }), undefined, false, memory);
    await pull('ghcr.io');
    expect(seen()).toEqual(['https://ghcr.io verified']);
  });
});

describe('contract (Network): how a registry is spoken to', () => {
  it('over verified https, without a question to the engine', async () => {
    const { pull, seen, asked, notices } = network(() => ({ status: 200 }), LISTED);
    await pull('ghcr.io');
    await pull('lab.example:5000');
    await pull('docker.io');
    expect(seen()).toEqual([
      'https://ghcr.io verified',
      'https://lab.example:5000 verified',
      'https://registry-1.docker.io verified',
    ]);
    expect(asked).toEqual([]);
    expect(notices).toEqual([]);
  });

  it('never otherwise when the engine does not list it', async () => {
    const { pull, seen, asked } = network(() => TLS_FAILS, LISTED);
    await expect(pull('ghcr.io')).rejects.toBe(TLS_FAILS);
    expect(seen()).toEqual(['https://ghcr.io verified']);
    expect(asked).toEqual(['ghcr.io']);
  });

  it('not even then when there is no engine: the error is still about the registry', async () => {
    const { pull, seen } = network(() => TLS_FAILS, LISTED, true);
    await expect(pull('lab.example:5000')).rejects.toBe(TLS_FAILS);
    expect(seen()).toHaveLength(1);
  });

  it('not even then when the engine answers something else', async () => {
    const { pull, seen } = network(() => TLS_FAILS, undefined);
    await expect(pull('lab.example:5000')).rejects.toBe(TLS_FAILS);
    expect(seen()).toHaveLength(1);
  });

  it('without verification when the engine lists it and it has no good certificate: one line per host', async () => {
    const { pull, seen, notices } = network(
      ({ tls }) => (tls === 'verified' ? TLS_FAILS : { status: 200 }),
      LISTED,
    );
    await pull('lab.example:5000');
    await pull('lab.example:5000');
    await pull('10.1.2.3');
    expect(seen().slice(0, 3)).toEqual([
      'https://lab.example:5000 verified',
      'https://lab.example:5000 unverified',
      'https://lab.example:5000 unverified',
    ]);
    expect(notices).toEqual([
      'lab.example:5000: certificate not verified, the engine lists this registry as insecure',
      '10.1.2.3: certificate not verified, the engine lists this registry as insecure',
    ]);
  });

  it('says so once also when several requests find it out together', async () => {
    const { pull, notices } = network(
      ({ tls }) => (tls === 'verified' ? TLS_FAILS : { status: 200 }),
      LISTED,
    );
    await Promise.all([pull('lab.example:5000'), pull('lab.example:5000')]);
    expect(notices).toHaveLength(1);
  });

  it('over plain http when the engine lists it and it speaks no TLS at all', async () => {
    const { pull, seen, notices } = network(
      ({ url }) => (url.protocol === 'https:' ? TLS_FAILS : { status: 200 }),
      LISTED,
    );
    await pull('lab.example:5000');
    expect(seen().at(-1)).toBe('http://lab.example:5000 verified');
    expect(notices).toEqual(['lab.example:5000: plain http, the engine lists this registry as insecure']);
  });

  it('does not try another way after an answer that is an error', async () => {
    for (const status of [400, 401, 403, 404, 500, 503]) {
      const { pull, seen } = network(() => ({ status }), LISTED);
      expect((await pull('lab.example:5000')).status).toBe(status);
      expect(seen()).toHaveLength(1);
    }
  });
});

describe('the token service that a registry names', () => {
  function challenge(realm: string): Answer {
    return ({ url, headers }) => {
      if (url.pathname.startsWith('/token')) return { status: 200, body: '{"token":"good"}' };
      if (headers?.authorization === 'Bearer good') return { status: 200 };
      return { status: 401, headers: { 'www-authenticate': `Bearer realm="${realm}",service="s"` } };
    };
  }

  it('is another host when the registry says so, over verified https', async () => {
    const { pull, sent } = network(challenge('https://auth.example/token'));
    expect((await pull('registry.example')).status).toBe(200);
    expect(sent[1]).toMatchObject({ tls: 'verified' });
    expect(sent[1]?.headers?.authorization).toMatch(/^Basic /);
  });

  it.each([
    'http://auth.example/token',
    'http://registry.example/token',
    'http://127.0.0.1/token',
    'ftp://auth.example/token',
    'file:///token',
    '/token',
    'token',
    '',
    'https://me:pw@auth.example/token',
    `https://auth.example/token?${'x'.repeat(3000)}`,
  ])('is refused at %s, and gets nothing', async (realm) => {
    const { pull, sent } = network(challenge(realm), LISTED);
    await expect(pull('registry.example')).rejects.toMatchObject({ code: 'REGISTRY_RESPONSE' });
    expect(sent).toHaveLength(1);
  });

  it('may be plain http for a loopback registry only at this machine or a listed host', async () => {
    for (const realm of [
      'http://127.0.0.1:9/token',
      'http://localhost:9/token',
      'http://lab.example:5000/token',
    ]) {
      expect((await network(challenge(realm), LISTED).pull('localhost:5000')).status).toBe(200);
    }
    const { pull, sent } = network(challenge('http://auth.example/token'), LISTED);
    await expect(pull('localhost:5000')).rejects.toMatchObject({ code: 'REGISTRY_RESPONSE' });
    expect(sent.every(({ url }) => url.hostname !== 'auth.example')).toBe(true);
  });

  it('keeps its certificate checked also for a loopback registry, unless it is listed', async () => {
    const elsewhere = network(challenge('https://auth.example/token'), LISTED);
    await elsewhere.pull('localhost:5000');
    expect(elsewhere.sent.find(({ url }) => url.hostname === 'auth.example')?.tls).toBe('verified');
  });

  it('has no say when what it answers comes from a header that cannot be read', async () => {
    const { pull, sent } = network(() => ({
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="a",realm="b"' },
    }));
    await expect(pull('registry.example')).rejects.toMatchObject({ code: 'REGISTRY_RESPONSE' });
    expect(sent).toHaveLength(1);
  });
});
