import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildImage,
  busyboxBytes,
  dockerCli,
  imageArchive,
  KNOWN_USER,
  makeAuthority,
  needPeers,
  notaryProgram,
  pushImage,
  pushIndex,
  type RunningEngine,
  type RunningRegistry,
  sha256,
  startEngine,
  startRegistry,
  textImage,
} from './helpers/peers.ts';

const run = promisify(execFile);

const needed = await needPeers('engine 20.10', 'engine 26.1', 'registry', 'busybox', 'docker 26.1');

const KINDS = [
  { version: '20.10', containerdStore: false, driver: 'overlay2' },
  { version: '26.1', containerdStore: false, driver: 'overlay2' },
  { version: '26.1', containerdStore: true, driver: 'overlayfs' },
] as const;

describe.skipIf(needed.skip).each(KINDS)(
  needed.title('the real engine $version (containerd store: $containerdStore)'),
  ({ version, containerdStore }) => {
    let engine: RunningEngine;
    let registry: RunningRegistry;

    beforeAll(async () => {
      [engine, registry] = await Promise.all([startEngine({ version, containerdStore }), startRegistry()]);
    });
    afterAll(async () => {
      await engine.stop();
      await registry.stop();
    });

    it('is of that version and store', async () => {
      const info = JSON.parse((await engine.request('GET', '/info')).body);
      expect(info.ServerVersion.startsWith(version)).toBe(true);
      expect(JSON.stringify(info.DriverStatus).includes('io.containerd.snapshotter')).toBe(containerdStore);
    });

    it('loads, runs and pushes an image that really runs', async () => {
      const image = buildImage({
        files: [{ path: 'bin/busybox', bytes: await busyboxBytes(), mode: 0o755 }],
        command: ['/bin/busybox', 'echo', 'hello from inside'],
      });
      await engine.load(imageArchive(image, [`${registry.host}/peers/runs:1`]));
      const docker = await dockerCli('26.1');
      const env = { ...process.env, DOCKER_HOST: engine.host };
      const ran = await run(docker.path, ['run', '--rm', '--network=none', `${registry.host}/peers/runs:1`], {
        env,
      });
      expect(ran.stdout).toBe('hello from inside\n');
      await run(docker.path, ['push', '-q', `${registry.host}/peers/runs:1`], { env });
      const head = await registry.request('HEAD', '/v2/peers/runs/manifests/1', undefined, { accept: '*/*' });
      expect(head.status).toBe(200);
    });

    it('pulls a single image and one out of an index that were put into the registry', async () => {
      await pushImage(registry, 'peers/one', textImage('one'), '1');
      const many = { amd64: textImage('amd'), arm64: textImage('arm', 'arm64') };
      await pushIndex(registry, 'peers/many', many, '1');
      for (const name of ['one', 'many']) {
        const from = encodeURIComponent(`${registry.host}/peers/${name}`);
        const pulled = await engine.request('POST', `/images/create?fromImage=${from}&tag=1`);
        expect(pulled.body).not.toContain('"error"');
        expect(pulled.status).toBe(200);
      }
    });
  },
);

const tlsNeeded = await needPeers('registry', 'openssl');

describe.skipIf(tlsNeeded.skip)(tlsNeeded.title('the real registry'), () => {
  it('speaks TLS and asks for a password, and leaves nothing behind when stopped', async () => {
    const tls = makeAuthority().issue(['127.0.0.1', 'localhost']);
    const registry = await startRegistry({ tls, auth: KNOWN_USER.htpasswd });
    const stored = await pushImage(registry, 'a/b', textImage('secret'), '1').finally(() => registry.stop());
    expect(stored.digest).toBe(sha256(stored.bytes));
    expect(registry.url).toMatch(/^https:/);
    expect(fs.existsSync(registry.dataFolder)).toBe(false);
    expect(fs.existsSync(`/proc/${registry.pid}`)).toBe(false);
  });

  it('answers 401 to a stranger', async () => {
    const registry = await startRegistry({ auth: KNOWN_USER.htpasswd });
    const answer = await registry.request('GET', '/v2/', undefined, { authorization: 'Basic bm86bm8=' });
    await registry.stop();
    expect(answer.status).toBe(401);
  });
});

const notaryNeeded = await needPeers('notary', 'notary-server');

describe.skipIf(notaryNeeded.skip)(notaryNeeded.title('the real Notary programs'), () => {
  it('are there and run', async () => {
    const notary = await notaryProgram('notary');
    const { stdout } = await run(notary.path, ['version'], { env: { ...process.env, ...notary.env } });
    expect(stdout).toContain('notary');
  });
});
