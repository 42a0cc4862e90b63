/** A change of two people, through a real registry: it holds the staged manifest, and its engine pulls the result. */
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { needPeers, sha256 } from '../helpers/peers.ts';
import { layersOf } from './engine-view.ts';
import { OWNER_ENV } from './machines.ts';
import { signedTags } from './registry-view.ts';
import { useStage } from './stage.ts';

const needed = await needPeers('engine 26.1', 'registry');

describe.skipIf(needed.skip)(needed.title('a change that takes keys of two machines'), () => {
  const stage = useStage({ version: '26.1', containerdStore: false });

  it('protocol 4.6: a root that takes two keys is changed, and its second signer publishes', async () => {
    const { owner, name, workshop, engine } = stage;
    await stage.signed('first');
    const bob = workshop.machine({ engine: engine.host, env: OWNER_ENV });
    await bob.run('trust', 'key', 'generate', 'bob');
    await bob.pinFrom(owner, name);
    const key = path.join(bob.home, 'bob.pub');
    // Bob can keep the repository fresh, and so publish what he signs last.
    expect(await owner.run('trust', 'signer', 'add', '--key', key, 'bob', name)).toMatchObject({ status: 0 });
    expect(await owner.run('trust', 'threshold', 'releases', '2', name)).toMatchObject({ status: 0 });

    const built = await stage.load('by two', '2.0');
    const alone = await owner.run('push', `${name}:2.0`);
    expect(alone).toMatchObject({ status: 1, code: 'KEY_MISSING' });
    const staged = await owner.run('trust', 'stage', 'push', `${name}:2.0`);
    expect(staged).toMatchObject({ status: 0, code: undefined });
    expect(Object.keys(await signedTags(stage.registry, stage.path))).toEqual(['1.0']);
    const id = /Staged for \S+: (sha256:[0-9a-f]{64})/.exec(staged.stdout)?.[1] ?? '';
    const published = await bob.run('trust', 'cosign', '--digest', id, name);
    expect(published).toMatchObject({ status: 0, code: undefined });
    expect(published.stdout).toContain(`Signed and published what was staged for ${name}: ${id}`);

    await engine.clear();
    await stage.other.pinFrom(owner, name);
    expect(await stage.other.run('pull', `${name}:2.0`)).toMatchObject({ status: 0, code: undefined });
    expect(await layersOf(engine, `${name}:2.0`)).toEqual([sha256(built.layer)]);
    expect(await stage.other.run('pull', '-a', '-q', name)).toMatchObject({ status: 0, code: undefined });
    const taken = await owner.run('trust', 'stage', '--discard', name);
    expect(taken).toMatchObject({ status: 0, code: undefined });
  });
});
