/** Calls that end too early: Ctrl-C, a connection that breaks, an engine that is not there. Nothing half-done stays. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { imageArchive, needPeers, sha256, startEngine } from '../helpers/peers.ts';
import { imagesOf, layersOf, tagsOf } from './engine-view.ts';
import { servedManifest, signedTags } from './registry-view.ts';
import { type Relay, startRelay } from './relay.ts';
import { useStage } from './stage.ts';

const needed = await needPeers('engine 26.1', 'registry');

const KINDS = [
  { version: '26.1', containerdStore: false },
  { version: '26.1', containerdStore: true },
] as const;

describe.skipIf(needed.skip).each(KINDS)(
  needed.title('the real program is interrupted (containerd store: $containerdStore)'),
  (kind) => {
    const stage = useStage(kind);
    /** Before the registry; images are named after it. */
    let slow: Relay;
    let name: string;

    beforeEach(async () => {
      slow = await startRelay({ port: stage.registry.port });
      name = `${slow.address}/${stage.path}`;
    });
    afterEach(() => slow.stop());

    const privateKeys = (): readonly string[] => {
      const folder = path.join(stage.owner.config, 'trust', 'private');
      return fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [];
    };

    it('contract (Engine): Ctrl-C in mid-push leaves no trust data and no keys; the next push signs', async () => {
      const built = stage.image('pushed');
      await stage.engine.load(imageArchive(built, [`${name}:1.0`]));
      const keysBefore = privateKeys();
      const upload = slow.hold(/^(POST|PATCH|PUT) .*\/blobs\/uploads\//);
      const first = stage.owner.start(['push', `${name}:1.0`]);
      await upload.reached;
      first.child.kill('SIGINT');
      expect(await first.ended).toMatchObject({ status: 130 });
      expect(await servedManifest(stage.registry, stage.path, '_trust')).toBeUndefined();
      expect(privateKeys()).toEqual(keysBefore);
      upload.release();

      const publish = slow.hold(/^PUT .*\/manifests\/_trust$/);
      const second = stage.owner.start(['push', `${name}:1.0`]);
      await publish.reached;
      second.child.kill('SIGINT');
      const outcome = await second.ended;
      expect(outcome).toMatchObject({ status: 130 });
      expect(outcome.stdout).not.toContain('Successfully signed');
      expect(await servedManifest(stage.registry, stage.path, '_trust')).toBeUndefined();
      publish.release();
      const keysMade = privateKeys();

      const third = await stage.owner.run('push', `${name}:1.0`);
      expect(third).toMatchObject({ status: 0, code: undefined });
      const served = await servedManifest(stage.registry, stage.path, '1.0');
      expect(await signedTags(stage.registry, stage.path)).toEqual({ '1.0': served?.digest });
      expect(privateKeys()).toEqual(keysMade);
    });

    it('contract (Engine): Ctrl-C in mid-pull leaves no tag and no image; the next pull is whole', async () => {
      const built = stage.image('pulled');
      await stage.engine.load(imageArchive(built, [`${name}:1.0`]));
      expect(await stage.owner.run('push', `${name}:1.0`)).toMatchObject({ status: 0 });
      await stage.engine.clear();
      const layer = slow.hold(/^GET .*\/blobs\//);
      const pull = stage.owner.start(['pull', `${name}:1.0`]);
      await layer.reached;
      pull.child.kill('SIGINT');
      expect(await pull.ended).toMatchObject({ status: 130 });
      layer.release();
      expect(await tagsOf(stage.engine)).toEqual([]);
      expect(await stage.owner.run('pull', `${name}:1.0`)).toMatchObject({ status: 0 });
      expect(await layersOf(stage.engine, `${name}:1.0`)).toEqual([sha256(built.layer)]);
    });

    it('says ENGINE_BROKEN and tags nothing when the connection to the engine drops in mid-pull', async () => {
      await stage.signed('dropped');
      await stage.other.pinFrom(stage.owner, stage.name);
      stage.relay.forget();
      const relay = await startRelay({ socketPath: stage.engine.socketPath });
      relay.cut(/^POST .*\/images\/create/);
      const env = { DOCKER_HOST: `tcp://${relay.address}` };
      const pulled = await stage.other.runWith(env, 'pull', `${stage.name}:1.0`);
      await relay.stop();
      expect(pulled).toMatchObject({ status: 1, code: 'ENGINE_BROKEN' });
      expect(pulled.stdout).not.toContain(`\n${stage.name}:1.0\n`);
      expect(relay.changing().filter((line) => line.includes('/tag?'))).toEqual([]);
      expect(await tagsOf(stage.engine)).toEqual([]);
      expect(await stage.other.run('pull', '-q', `${stage.name}:1.0`)).toMatchObject({ status: 0 });
    });

    it('says ENGINE_BROKEN and signs nothing when the connection to the engine drops in mid-push', async () => {
      await stage.load('dropped', '1.0');
      const relay = await startRelay({ socketPath: stage.engine.socketPath });
      relay.cut(/^POST .*\/push/);
      const env = { DOCKER_HOST: `tcp://${relay.address}` };
      const pushed = await stage.owner.runWith(env, 'push', `${stage.name}:1.0`);
      await relay.stop();
      expect(pushed).toMatchObject({ status: 1, code: 'ENGINE_BROKEN' });
      expect(await servedManifest(stage.registry, stage.path, '_trust')).toBeUndefined();
    });
  },
);

describe.skipIf(needed.skip)(needed.title('the engine is not there'), () => {
  const stage = useStage({ version: '26.1', containerdStore: false });

  it('refuses for want of trust first, and says ENGINE_UNREACHABLE when trust says yes', async () => {
    await stage.signed('alone');
    await stage.other.pinFrom(stage.owner, stage.name);
    const stopped = await startEngine({ version: '26.1' });
    await stopped.stop();
    const env = { DOCKER_HOST: stopped.host };
    const unsigned = await stage.other.runWith(env, 'pull', `${stage.name}:2.0`);
    expect(unsigned).toMatchObject({ status: 1, stdout: '', code: 'TARGET_NOT_SIGNED' });
    const stranger = stage.workshop.machine({ engine: stopped.host });
    const unknown = await stranger.run('pull', `${stage.name}:1.0`);
    expect(unknown).toMatchObject({ status: 1, stdout: '', code: 'FIRST_USE_REFUSED' });
    const known = await stage.other.runWith(env, 'pull', `${stage.name}:1.0`);
    expect(known).toMatchObject({ status: 1, code: 'ENGINE_UNREACHABLE' });
    expect(known.stderr).toContain(`Cannot connect to the Docker daemon at ${stopped.host}`);
    const pushed = await stage.owner.runWith(env, 'push', `${stage.name}:2.0`);
    expect(pushed).toMatchObject({ status: 1, code: 'ENGINE_UNREACHABLE' });
    expect(Object.keys(await signedTags(stage.registry, stage.path))).toEqual(['1.0']);
    expect(await imagesOf(stage.engine)).toEqual([]);
  });
});
