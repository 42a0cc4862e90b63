import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.ts';
import { createEngine } from '../../src/engine/engine-client.ts';
import { sealAdmission } from '../../src/reference/admission.ts';
import { parseDigest } from '../../src/reference/digest.ts';
import { parseRepository, parseTag } from '../../src/reference/reference.ts';
import type { EngineEndpoint } from '../../src/settings/contexts.ts';
import {
  dockerCli,
  makeAuthority,
  needPeers,
  pushImage,
  type RunningEngine,
  type RunningRegistry,
  sha256,
  startEngine,
  startRegistry,
  textImage,
} from '../helpers/peers.ts';

const admit = (name: string, digest: string) =>
  sealAdmission({
    fetch: { kind: 'digest', repository: parseRepository(name), digest: parseDigest(digest) },
    why: 'named',
    evidence: { reference: `${name}@${digest}` },
  });

const needed = await needPeers('engine 26.1', 'registry', 'docker 26.1', 'openssl');

describe.skipIf(needed.skip)(needed.title('the real engine from afar'), () => {
  const authority = needed.skip ? undefined : makeAuthority();
  let peer: RunningEngine;
  let registry: RunningRegistry;
  let folder: string;

  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dtc-'));
    const server = authority?.issue(['127.0.0.1']) ?? { cert: '', key: '' };
    [peer, registry] = await Promise.all([
      startEngine({ version: '26.1', tcp: { ...server, ca: authority?.ca ?? '' } }),
      startRegistry(),
    ]);
  });
  afterAll(async () => {
    fs.rmSync(folder, { recursive: true, force: true });
    await Promise.all([peer.stop(), registry.stop()]);
  });

  async function pullsAndTags(engine: Engine, repositoryPath: string): Promise<void> {
    const name = `${registry.host}/${repositoryPath}`;
    const stored = await pushImage(registry, repositoryPath, textImage(repositoryPath), '1');
    await engine.pull(admit(name, stored.digest));
    await engine.tag(`${name}@${stored.digest}`, parseRepository(name), parseTag('1'));
    expect((await engine.inspectImage(`${name}:1`))?.repoTags).toEqual([`${name}:1`]);
    const pushed = await engine.push({ repository: parseRepository(name), tag: parseTag('1') });
    expect(pushed.digests).toHaveLength(1);
    engine.close();
  }

  it('contract (Engine): over TCP with TLS on both sides', async () => {
    const port = peer.tcpPort ?? 0;
    const tls = { ca: authority?.ca ?? '', ...authority?.issue(['client']), verify: true };
    const endpoint: EngineEndpoint = { kind: 'tcp', host: '127.0.0.1', port, tls };
    await pullsAndTags(createEngine(endpoint, { environment: {} }), 'afar/tls');
    const stranger = {
      ca: authority?.ca ?? '',
      ...makeAuthority('stranger').issue(['client']),
      verify: true,
    };
    const refused = createEngine({ ...endpoint, tls: stranger }, { environment: {} });
    await expect(refused.info()).rejects.toMatchObject({ code: 'ENGINE_TLS' });
  });

  it("contract (Engine): over ssh, through the far side's own `docker system dial-stdio`", async () => {
    const docker = await dockerCli('26.1');
    fs.symlinkSync(docker.path, path.join(folder, 'docker'));
    // What sshd would do behind the options and the host: run the command in a shell.
    const script = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift 2\nexec sh -c "$*"\n';
    fs.writeFileSync(path.join(folder, 'ssh'), script, { mode: 0o755 });
    const environment = { PATH: `${folder}:/usr/bin:/bin`, HOME: folder, DOCKER_HOST: peer.host };
    await pullsAndTags(createEngine({ kind: 'ssh', url: 'ssh://box' }, { environment }), 'afar/ssh');
    const byPath = createEngine(
      { kind: 'ssh', url: `ssh://box${peer.socketPath}` },
      { environment: { ...environment, DOCKER_HOST: 'unix:///nonexistent' } },
    );
    expect((await byPath.info()).serverVersion).toMatch(/^26\.1/);
    byPath.close();
  });
});

/** A registry whose layer begins and never ends. */
async function startStuckRegistry(): Promise<{
  host: string;
  digest: string;
  stuck: Promise<void>;
  stop(): void;
}> {
  const image = textImage('stuck');
  const layer = sha256(image.layer);
  const blob = (bytes: Uint8Array, type: string) => ({
    mediaType: type,
    size: bytes.length,
    digest: sha256(bytes),
  });
  const prefix = 'application/vnd.docker';
  const mediaType = `${prefix}.distribution.manifest.v2+json`;
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: blob(image.config, `${prefix}.container.image.v1+json`),
      layers: [blob(image.layer, `${prefix}.image.rootfs.diff.tar`)],
    }),
  );
  const digest = sha256(manifest);
  const stuck = Promise.withResolvers<void>();
  const server = http.createServer((request, response) => {
    const send = (bytes: Uint8Array, type: string): void => {
      response.writeHead(200, { 'content-type': type, 'content-length': bytes.length });
      if (request.method === 'HEAD') response.end();
      else if (request.url?.endsWith(layer)) {
        response.write(bytes.subarray(0, 100));
        stuck.resolve();
      } else response.end(bytes);
    };
    if (request.url?.endsWith(layer)) send(image.layer, 'application/octet-stream');
    else if (request.url?.endsWith(sha256(image.config))) send(image.config, 'application/octet-stream');
    else if (request.url?.endsWith(digest)) send(manifest, mediaType);
    else response.end('{}');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    digest,
    stuck: stuck.promise,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const both = await needPeers('engine 20.10', 'engine 26.1');

describe.skipIf(both.skip).each([
  { version: '20.10', containerdStore: false },
  { version: '26.1', containerdStore: false },
  { version: '26.1', containerdStore: true },
] as const)(
  both.title('Ctrl-C in mid-pull on the real engine $version (containerd store: $containerdStore)'),
  ({ version, containerdStore }) => {
    let peer: RunningEngine | undefined;
    afterEach(() => peer?.stop());

    it('leaves no image and no name, and the next pull works', async () => {
      peer = await startEngine({ version, containerdStore });
      const stuck = await startStuckRegistry();
      const engine = createEngine({ kind: 'unix', path: peer.socketPath }, { environment: {} });
      const controller = new AbortController();
      const reason = new Error('Ctrl-C');
      const pulled = engine.pull(admit(`${stuck.host}/stuck`, stuck.digest), { signal: controller.signal });
      const ended = expect(pulled).rejects.toBe(reason);
      await stuck.stuck;
      controller.abort(reason);
      await ended;
      stuck.stop();
      expect(JSON.parse((await peer.request('GET', '/images/json?all=1')).body)).toEqual([]);
      const registry = await startRegistry();
      const stored = await pushImage(registry, 'after', textImage('stuck'), '1');
      const image = await engine.pull(admit(`${registry.host}/after`, stored.digest));
      expect(image.repoDigests).toEqual([`${registry.host}/after@${stored.digest}`]);
      engine.close();
      await registry.stop();
    });
  },
);
