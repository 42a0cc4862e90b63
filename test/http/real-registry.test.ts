import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRegistryTransport } from '../../src/http/registry-transport.ts';
import type { Credentials } from '../../src/settings/credentials.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { KNOWN_USER, needPeers, type RunningRegistry, startRegistry } from '../helpers/peers.ts';
import { createTestTransport } from '../helpers/transport.ts';

const real = await needPeers('registry');

const LOGGED_IN: Credentials = {
  kind: 'basic',
  username: KNOWN_USER.username,
  password: KNOWN_USER.password,
};

const PULL = { method: 'HEAD', path: 'manifests/absent', maxBytes: 0, scope: 'pull' } as const;

describe.skipIf(real.skip)(real.title('a real registry with TLS and Basic'), () => {
  const authority = createAuthority();
  let registry: RunningRegistry;

  beforeAll(async () => {
    registry = await startRegistry({
      tls: authority.issue(['127.0.0.1', 'registry.example']),
      auth: KNOWN_USER.htpasswd,
    });
  });

  afterAll(() => registry.stop());

  function connect(transport: ReturnType<typeof createTestTransport>, credentials: Credentials) {
    return createRegistryTransport({
      send: transport.send,
      clock: transport.clock,
      credentials: async () => credentials,
      notice: () => undefined,
    });
  }

  it('is found to speak TLS although it is on loopback, and takes the credentials', async () => {
    await using transport = createTestTransport();
    const http = connect(transport, LOGGED_IN);
    const response = await http.request({ host: registry.host, path: 'acme/app' }, PULL);
    expect(response.status).toBe(404);
    expect(response.url.protocol).toBe('https:');
  });

  it('answers 401 to nobody, and to the wrong password', async () => {
    await using transport = createTestTransport();
    for (const credentials of [{ kind: 'anonymous' } as const, { ...LOGGED_IN, password: 'wrong' }]) {
      const response = await connect(transport, credentials).request(
        { host: registry.host, path: 'acme/app' },
        PULL,
      );
      expect(response.status).toBe(401);
    }
  });

  it('takes a blob in one upload, started and ended over one kept connection', async () => {
    await using transport = createTestTransport();
    const http = connect(transport, LOGGED_IN);
    const repository = { host: registry.host, path: 'acme/app' };
    const common = { maxBytes: 1000, scope: 'push,pull' } as const;
    const started = await http.request(repository, { ...common, method: 'POST', path: 'blobs/uploads/' });
    expect(started.status).toBe(202);
    const upload = new URL(started.headers.get('location') ?? '', started.url);
    upload.searchParams.set(
      'digest',
      'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
    );
    const headers = { 'content-type': 'application/octet-stream' };
    const ended = await http.request(repository, {
      ...common,
      method: 'PUT',
      path: upload,
      body: 'hello',
      headers,
    });
    expect(ended.status).toBe(201);
  });

  it('under a name of its own needs its authority in certs.d', async () => {
    await using transport = createTestTransport({ certificates: { ca: [authority.cert], clients: [] } });
    const url = new URL(`https://${registry.host}/v2/`);
    expect((await transport.send({ method: 'GET', url, maxBytes: 1000 })).status).toBe(401);
    await using stranger = createTestTransport();
    await expect(stranger.send({ method: 'GET', url, maxBytes: 1000 })).rejects.toMatchObject({
      code: 'NETWORK_TLS',
    });
  });
});
