import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { describeEndpoint } from '../../src/engine/endpoint-name.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { createEngine } from '../../src/engine/engine-client.ts';
import { EngineError } from '../../src/lib/errors.ts';
import { type Admission, sealAdmission } from '../../src/reference/admission.ts';
import { parseDigest } from '../../src/reference/digest.ts';
import { parseRepository, parseTag } from '../../src/reference/reference.ts';
import type { EngineEndpoint } from '../../src/settings/contexts.ts';
import {
  type FakeEngine,
  type FakeEngineOptions,
  sendJson,
  startFakeEngine,
  writeMessages,
} from '../helpers/fake-engine.ts';
import { makeAuthority, needPeers } from '../helpers/peers.ts';

const DIGEST = parseDigest(`sha256:${'a'.repeat(64)}`);
const ID = parseDigest(`sha256:${'b'.repeat(64)}`);
const OTHER_ID = parseDigest(`sha256:${'c'.repeat(64)}`);
const NAME = `localhost:5000/app@${DIGEST}`;
const repository = parseRepository('localhost:5000/app');

const admission = sealAdmission({
  fetch: { kind: 'digest', repository, digest: DIGEST },
  why: 'verified',
  evidence: { reference: 'localhost:5000/app:1.0' },
});

const stops: (() => unknown)[] = [];

async function fake(options: FakeEngineOptions = {}): Promise<FakeEngine> {
  const started = await startFakeEngine({ remote: { [NAME]: ID }, ...options });
  stops.push(() => started.stop());
  return started;
}

function connect(endpoint: EngineEndpoint, environment: Record<string, string> = {}): Engine {
  const engine = createEngine(endpoint, { environment });
  stops.push(() => engine.close());
  return engine;
}

const overSocket = (started: FakeEngine): Engine => connect({ kind: 'unix', path: started.socketPath });

async function rejection(promise: Promise<unknown>): Promise<EngineError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EngineError);
  return error as EngineError;
}

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const stop of stops.splice(0).reverse()) await stop();
});

describe('pull', () => {
  it('asks for exactly the admitted digest, and looks at the image before and after', async () => {
    const started = await fake();
    const engine = overSocket(started);
    expect((await engine.pull(admission)).id).toBe(ID);
    expect(started.asked()).toEqual([
      'GET /_ping',
      `GET /images/${NAME}/json`,
      `POST /images/create?fromImage=localhost%3A5000%2Fapp&tag=${encodeURIComponent(DIGEST)}`,
      `GET /images/${NAME}/json`,
    ]);
  });

  it('takes nothing but a sealed admission', async () => {
    const started = await fake();
    const forged = { ...admission } as Admission;
    await expect(overSocket(started).pull(forged)).rejects.toThrow('only an admission reaches the engine');
    await expect(overSocket(started).presentImage(forged)).rejects.toThrow('only an admission');
    expect(started.requests).toEqual([]);
  });

  it('fails when the engine says success and holds nothing', async () => {
    const started = await fake({
      override: ({ path: asked }, response) => {
        if (!asked.startsWith('/images/create')) return false;
        writeMessages(response, { status: 'Status: Downloaded newer image' });
        response.end();
        return true;
      },
    });
    expect((await rejection(overSocket(started).pull(admission))).code).toBe('ENGINE_BROKEN');
  });

  it('turns an error inside the stream into an EngineError, its text escaped', async () => {
    const started = await fake({
      override: ({ path: asked }, response) => {
        if (!asked.startsWith('/images/create')) return false;
        const text = 'toomanyrequests: \u001b[2Kall is well';
        writeMessages(response, { error: text, errorDetail: { message: text } });
        response.end();
        return true;
      },
    });
    const error = await rejection(overSocket(started).pull(admission));
    expect(error.code).toBe('ENGINE_ERROR');
    expect(error.message).toBe('toomanyrequests: \\u001b[2Kall is well');
  });

  it('fails as broken when the connection drops in mid-pull, and no name is set', async () => {
    const started = await fake({
      override: ({ path: asked }, response) => {
        if (!asked.startsWith('/images/create')) return false;
        writeMessages(response, { status: 'Pulling fs layer', progressDetail: {}, id: 'abc' });
        setImmediate(() => response.destroy());
        return true;
      },
    });
    const error = await rejection(overSocket(started).pull(admission));
    expect(error.code).toBe('ENGINE_BROKEN');
    expect(started.images.size).toBe(0);
  });

  it('fails as broken when the stream is cut inside a line or holds anything but messages', async () => {
    for (const text of ['{"status":"Pull', 'null\n', '[1]x\n']) {
      const started = await fake({
        override: ({ path: asked }, response) => {
          if (!asked.startsWith('/images/create')) return false;
          response.end(text);
          return true;
        },
      });
      expect((await rejection(overSocket(started).pull(admission))).code).toBe('ENGINE_BROKEN');
    }
  });

  it('ends the request when it is aborted, rejects with the reason, and asks nothing more', async () => {
    const controller = new AbortController();
    const closed = Promise.withResolvers<void>();
    const started = await fake({
      override: ({ path: asked }, response) => {
        if (!asked.startsWith('/images/create')) return false;
        response.on('close', () => closed.resolve());
        writeMessages(response, { status: 'Pulling fs layer', progressDetail: {}, id: 'abc' });
        return true;
      },
    });
    const reason = new Error('Ctrl-C');
    const progress = { show: () => controller.abort(reason) };
    const pulled = overSocket(started).pull(admission, { signal: controller.signal, progress });
    await expect(pulled).rejects.toBe(reason);
    await closed.promise;
    expect(started.changes()).toHaveLength(1);
    expect(started.images.size).toBe(0);
  });

  it('does not begin when it was aborted before', async () => {
    const started = await fake();
    const signal = AbortSignal.abort(new Error('before'));
    await expect(overSocket(started).pull(admission, { signal })).rejects.toThrow('before');
    expect(started.requests).toEqual([]);
  });

  it('pads the credentials it hands on, as the engine reads no others', async () => {
    const started = await fake();
    const auth = Buffer.from('{"username":"u"}').toString('base64url');
    await overSocket(started).pull(admission, { auth });
    const pulled = started.requests.find((each) => each.path.startsWith('/images/create'));
    expect(auth.length % 4).not.toBe(0);
    expect(pulled?.headers['x-registry-auth']).toBe(Buffer.from('{"username":"u"}').toString('base64'));
  });

  it('takes the name off an image for another platform that keeps its tags, and refuses one without', async () => {
    const tagged = { Id: OTHER_ID, RepoTags: ['app:old'], RepoDigests: [NAME], Architecture: 'arm64' };
    const started = await fake({ images: [tagged] });
    expect((await overSocket(started).pull(admission)).id).toBe(ID);
    expect(started.changes()[0]).toBe(`DELETE /images/${NAME}?noprune=true`);
    expect(started.images.get('app:old')?.Id).toBe(OTHER_ID);

    const bare = await fake({ images: [{ ...tagged, RepoTags: [], RepoDigests: [NAME] }] });
    const error = await rejection(overSocket(bare).pull(admission));
    expect(error.code).toBe('ENGINE_ERROR');
    expect(error.hints).toEqual([`Remove that image first: docker rmi ${NAME}`]);
    expect(bare.changes()).toEqual([]);
  });
});

describe('the other calls', () => {
  it('ask only by GET what is present', async () => {
    const started = await fake({ images: [{ Id: ID, RepoTags: [], RepoDigests: [NAME] }] });
    const engine = overSocket(started);
    expect((await engine.presentImage(admission))?.id).toBe(ID);
    expect(await engine.inspectImage('other')).toBeUndefined();
    await engine.info();
    expect(started.changes()).toEqual([]);
  });

  it('ask for one platform of a push only from API 1.46 on', async () => {
    const old = await fake({ apiVersion: '1.45' });
    const options = { platform: { os: 'linux', architecture: 'arm64' } };
    const error = await rejection(overSocket(old).push({ repository, tag: parseTag('1') }, options));
    expect(error.expected).toBe('1.46');
    expect(old.changes()).toEqual([]);
    const later = await fake({ apiVersion: '1.47' });
    await overSocket(later).push({ repository, tag: parseTag('1') }, options);
    expect(later.requests.at(-1)?.query.get('platform')).toBe('{"os":"linux","architecture":"arm64"}');
  });

  it('speak the lower of the two API versions, and a given one without asking', async () => {
    const started = await fake({ apiVersion: '1.99' });
    const engine = overSocket(started);
    expect((await engine.ping()).apiVersion).toBe('1.48');
    const given = createEngine(
      { kind: 'unix', path: started.socketPath },
      { environment: {}, apiVersion: '1.43' },
    );
    stops.push(() => given.close());
    expect((await given.ping()).apiVersion).toBe('1.43');
    expect(started.asked()).toEqual(['GET /_ping']);
    const endpoint = { kind: 'unix', path: started.socketPath } as const;
    expect(() => createEngine(endpoint, { environment: {}, apiVersion: '../x' })).toThrow(EngineError);
  });

  it('refuse what is no engine, and one that is too old', async () => {
    for (const [apiVersion, message] of [
      ['', 'is no Docker engine'],
      ['latest', 'is no Docker engine'],
      ['1.12', 'speaks API 1.12 only'],
    ] as const) {
      const started = await fake({ apiVersion });
      const error = await rejection(overSocket(started).pull(admission));
      expect(error.code).toBe('ENGINE_ERROR');
      expect(error.message).toContain(message);
      expect(started.changes()).toEqual([]);
    }
  });

  it('say that the engine refuses, with its words', async () => {
    const started = await fake({
      override: ({ path: asked }, response) => {
        if (asked === '/_ping') return false;
        sendJson(response, 403, { message: 'authorization denied by plugin opa' });
        return true;
      },
    });
    const error = await rejection(overSocket(started).inspectImage('app'));
    expect(error.code).toBe('ENGINE_REFUSED');
    expect(error.status).toBe(403);
    expect(error.message).toBe('looking at app: authorization denied by plugin opa');
  });
});

describe('no engine', () => {
  let folder: string;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dtn-'));
    stops.push(() => fs.rmSync(folder, { recursive: true, force: true }));
  });

  it("says so in docker's words, with a hint, when nothing listens", async () => {
    const socket = path.join(folder, 'none.sock');
    const error = await rejection(connect({ kind: 'unix', path: socket }).info());
    expect(error.code).toBe('ENGINE_UNREACHABLE');
    expect(error.message).toBe(
      `Cannot connect to the Docker daemon at unix://${socket}. Is the docker daemon running?`,
    );
    expect(error.hints[0]).toContain('DOCKER_HOST');
    const dead = await rejection(connect({ kind: 'tcp', host: '127.0.0.1', port: 1 }).info());
    expect(dead.code).toBe('ENGINE_UNREACHABLE');
  });

  it('says that it hangs up at once', async () => {
    const socket = path.join(folder, 'hangs-up.sock');
    const server = net.createServer((connection) => connection.destroy());
    await new Promise<void>((resolve) => {
      server.listen(socket, resolve);
    });
    stops.push(() => server.close());
    const error = await rejection(connect({ kind: 'unix', path: socket }).info());
    expect(error.code).toBe('ENGINE_BROKEN');
  });
});

describe('contract (Engine): the endpoint is the given one, whatever the environment says', () => {
  it('over a socket, with every variable set that docker-modem reads', async () => {
    const trap = await fake();
    const started = await fake();
    vi.stubEnv('DOCKER_HOST', `tcp://127.0.0.1:1`);
    vi.stubEnv('DOCKER_TLS_VERIFY', '1');
    vi.stubEnv('DOCKER_CERT_PATH', '/nonexistent/certificates');
    vi.stubEnv('DOCKER_CLIENT_TIMEOUT', '1');
    vi.stubEnv('DOCKER_PATH_PREFIX', '/elsewhere');
    expect((await overSocket(started).pull(admission)).id).toBe(ID);
    vi.stubEnv('DOCKER_HOST', trap.host);
    expect((await overSocket(started).info()).serverVersion).toBe('26.1.5');
    vi.stubEnv('DOCKER_HOST', 'no address at all');
    expect((await overSocket(started).info()).serverVersion).toBe('26.1.5');
    expect(trap.requests).toEqual([]);
  });

  it('describes each kind as docker writes it', () => {
    expect(describeEndpoint({ kind: 'unix', path: '/run/d.sock' })).toBe('unix:///run/d.sock');
    expect(describeEndpoint({ kind: 'npipe', path: '//./pipe/docker_engine' })).toBe(
      'npipe:////./pipe/docker_engine',
    );
    expect(describeEndpoint({ kind: 'tcp', host: '::1', port: 2376 })).toBe('tcp://[::1]:2376');
    expect(describeEndpoint({ kind: 'ssh', url: 'ssh://me@box' })).toBe('ssh://me@box');
  });
});

const openssl = await needPeers('openssl');

describe.skipIf(openssl.skip)(openssl.title('TCP with TLS'), () => {
  const authority = openssl.skip ? undefined : makeAuthority();
  const server = authority?.issue(['127.0.0.1']);
  const client = authority?.issue(['client']);
  const ca = authority?.ca ?? '';
  const mutual = { ...server, ca, requestCert: true, rejectUnauthorized: true };

  const tcp = (started: FakeEngine, tls: { ca?: string; cert?: string; key?: string; verify: boolean }) =>
    connect({ kind: 'tcp', host: '127.0.0.1', port: started.port, tls });

  it('checks the engine against the given authority and shows its own certificate', async () => {
    const started = await fake({ tls: mutual });
    expect((await tcp(started, { ca, ...client, verify: true }).pull(admission)).id).toBe(ID);
  });

  it('refuses an engine of another authority, also with NODE_TLS_REJECT_UNAUTHORIZED=0', async () => {
    const started = await fake({ tls: { ...server } });
    const stranger = makeAuthority('stranger').ca;
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    for (const tls of [{ ca: stranger, verify: true }, { verify: true }]) {
      expect((await rejection(tcp(started, tls).info())).code).toBe('ENGINE_TLS');
    }
    expect(started.requests).toEqual([]);
  });

  it('refuses a certificate for another name, and takes any where docker is told not to verify', async () => {
    const started = await fake({ tls: { ...authority?.issue(['elsewhere.example']) } });
    expect((await rejection(tcp(started, { ca, verify: true }).info())).code).toBe('ENGINE_TLS');
    expect((await tcp(started, { verify: false }).info()).serverVersion).toBe('26.1.5');
  });

  it('says that TLS failed when the engine asks for a certificate there is none of', async () => {
    const started = await fake({ tls: mutual });
    const error = await rejection(tcp(started, { ca, verify: true }).info());
    expect(['ENGINE_TLS', 'ENGINE_BROKEN']).toContain(error.code);
  });
});
