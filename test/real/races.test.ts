/** What happens between two steps of dtrust at the real registry: moved tags, damaged bytes, outages, stops. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { imageArchive, needPeers, pushImage, sha256, startRegistry } from '../helpers/peers.ts';
import { imagesOf, layersOf, tagsOf } from './engine-view.ts';
import { servedManifest, signedTags } from './registry-view.ts';
import { type Relay, startRelay } from './relay.ts';
import { useStage } from './stage.ts';

const needed = await needPeers('engine 26.1', 'registry');

describe.skipIf(needed.skip)(needed.title('between two steps, at the real registry'), () => {
  const stage = useStage({ version: '26.1', containerdStore: false });
  /** Before the registry; images are named after it. */
  let relay: Relay;
  let name: string;

  beforeEach(async () => {
    relay = await startRelay({ port: stage.registry.port });
    name = `${relay.address}/${stage.path}`;
  });
  afterEach(() => relay.stop());

  /** The file in which the registry keeps a blob. */
  const blobFile = (digest: string): string => {
    const hex = digest.slice('sha256:'.length);
    return path.join(
      stage.registry.dataFolder,
      'docker/registry/v2/blobs/sha256',
      hex.slice(0, 2),
      hex,
      'data',
    );
  };

  it('protocol 5.1: a tag moved between the push and the signature is not what is signed, and that is said', async () => {
    const { owner, engine, registry } = stage;
    await engine.load(imageArchive(stage.image('honest'), [`${name}:1.0`]));
    const looking = relay.hold(/^GET .*\/manifests\/sha256:/);
    const push = owner.start(['push', `${name}:1.0`]);
    await looking.reached;
    const pushed = await servedManifest(registry, stage.path, '1.0');
    const evil = await pushImage(registry, stage.path, stage.image('evil'), '1.0');
    looking.release();
    const outcome = await push.ended;
    expect(outcome).toMatchObject({ status: 0, code: undefined });
    expect(outcome.stderr).toContain(`points at ${evil.digest} already`);
    expect(await signedTags(registry, stage.path)).toEqual({ '1.0': pushed?.digest });
  });

  it('a layer whose bytes were changed in the registry is refused by the engine, and nothing is tagged', async () => {
    const { owner, engine, registry } = stage;
    await stage.signed('whole');
    const served = await servedManifest(registry, stage.path, '1.0');
    const manifest = JSON.parse(String(served?.bytes)) as { layers: { digest: string }[] };
    fs.writeFileSync(blobFile(manifest.layers[0]?.digest ?? ''), 'changed');
    const pulled = await owner.run('pull', `${stage.name}:1.0`);
    expect(pulled).toMatchObject({ status: 1, code: 'ENGINE_ERROR' });
    expect(await tagsOf(engine)).toEqual([]);
  });

  it('a manifest whose bytes were changed in the registry is refused before the engine is asked', async () => {
    const { owner, other, engine, registry } = stage;
    await stage.signed('whole');
    const served = await servedManifest(registry, stage.path, '1.0');
    await other.pinFrom(owner, stage.name);
    stage.relay.forget();
    fs.writeFileSync(blobFile(served?.digest ?? ''), String(served?.bytes).replace('}', ' }'));
    const pulled = await other.run('pull', `${stage.name}:1.0`);
    expect(pulled.status).toBe(1);
    expect(pulled.code).toMatch(/^(REGISTRY_|TARGET_)/);
    expect(stage.relay.changing()).toEqual([]);
    expect(await imagesOf(engine)).toEqual([]);
  });

  it('a registry that is down is an outage, not an absence: pull and push are refused, memory stays', async () => {
    const { owner, engine } = stage;
    const registry = await startRegistry();
    const app = `${registry.host}/team/app`;
    await engine.load(imageArchive(stage.image('up'), [`${app}:1.0`]));
    expect(await owner.run('push', `${app}:1.0`)).toMatchObject({ status: 0, code: undefined });
    await registry.stop();
    for (const verb of ['pull', 'push']) {
      const outcome = await owner.runWith({ DTRUST_TIMEOUT: '2' }, verb, `${app}:1.0`);
      expect(outcome).toMatchObject({ status: 1, stdout: '' });
      expect(outcome.code).toMatch(/^NETWORK_/);
    }
    // An empty registry in its place has lost the trust data; it is not a repository nobody has signed yet.
    const empty = await startRegistry({ port: registry.port });
    const outcome = await owner.run('push', `${app}:1.0`);
    await empty.stop();
    expect(outcome).toMatchObject({ status: 1, stdout: '', code: 'TRUST_DATA_GONE' });
  });

  it('pulls of one machine at the same moment, all of them first, agree', async () => {
    const { owner, other, engine } = stage;
    const built = await stage.signed('wanted');
    await other.pinFrom(owner, stage.name);
    const outcomes = await Promise.all([1, 2, 3].map(() => other.run('pull', `${stage.name}:1.0`)));
    for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 0, code: undefined });
    expect(await layersOf(engine, `${stage.name}:1.0`)).toEqual([sha256(built.layer)]);
  });

  it('protocol 4.2: stopped after its PUT it does not say success; what it published stays, and the next push adds', async () => {
    const { owner, engine, registry } = stage;
    await engine.load(imageArchive(stage.image('first'), [`${name}:1.0`]));
    await engine.load(imageArchive(stage.image('second'), [`${name}:2.0`]));
    const push = owner.start(['push', `${name}:1.0`]);
    const put = relay.hold(/^PUT .*\/manifests\/_trust$/);
    await put.reached;
    const reading = relay.hold(/^HEAD .*\/manifests\/_trust$/);
    put.release();
    await reading.reached;
    push.child.kill('SIGINT');
    const outcome = await push.ended;
    expect(outcome).toMatchObject({ status: 130 });
    expect(outcome.stdout).not.toContain('Successfully signed');
    reading.release();
    expect(Object.keys(await signedTags(registry, stage.path))).toEqual(['1.0']);
    const next = await owner.run('push', `${name}:2.0`);
    expect(next).toMatchObject({ status: 0, code: undefined });
    expect(Object.keys(await signedTags(registry, stage.path)).sort()).toEqual(['1.0', '2.0']);
  });

  it('protocol 4.3: a publish that somebody has overwritten with an older state is found, and not taken for the newest', async () => {
    const { owner, registry } = stage;
    await stage.signed('first');
    const old = await servedManifest(registry, stage.path, '_trust');
    await stage.signed('second', '2.0');
    await registry.request('PUT', `/v2/${stage.path}/manifests/_trust`, old?.bytes, {
      'content-type': old?.mediaType ?? '',
      'content-length': String(old?.bytes.length),
    });
    await stage.load('third', '3.0');
    const pushed = await owner.run('push', `${stage.name}:3.0`);
    expect(pushed.status).toBe(1);
    expect(pushed.code).toMatch(/^(TIMESTAMP_ROLLBACK|LOST_UPDATE)$/);
    expect(await servedManifest(registry, stage.path, '3.0')).toBeUndefined();
  });
});
