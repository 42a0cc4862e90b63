/** A change of two machines through a real registry: it holds the staged manifest, and an engine pulls the result. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { needPeers, sha256 } from '../helpers/peers.ts';
import { layersOf } from './engine-view.ts';
import { OWNER_ENV } from './machines.ts';
import { servedManifest } from './registry-view.ts';
import { useStage } from './stage.ts';

const needed = await needPeers('engine 26.1', 'registry');

describe.skipIf(needed.skip)(needed.title('a change that takes keys of two machines'), () => {
  const stage = useStage({ version: '26.1', containerdStore: false });

  it('protocol 4.6: the root key signs on one machine, the repository key on another, which publishes', async () => {
    const { owner, name, workshop, engine, registry } = stage;
    await stage.signed('first');
    // Two keys, two machines: the root key leaves the one that pushes.
    const vault = workshop.machine({ engine: engine.host, env: OWNER_ENV });
    const keys = path.join('trust', 'private');
    fs.mkdirSync(path.join(vault.config, keys), { recursive: true, mode: 0o700 });
    const files = fs.readdirSync(path.join(owner.config, keys));
    const roots = files.filter((file) =>
      /^role: root$/m.test(fs.readFileSync(path.join(owner.config, keys, file), 'utf8')),
    );
    expect(roots).toHaveLength(1);
    await vault.pinFrom(owner, name);
    for (const file of roots) {
      fs.copyFileSync(path.join(owner.config, keys, file), path.join(vault.config, keys, file));
      fs.rmSync(path.join(owner.config, keys, file));
    }
    const alice = workshop.machine({ engine: engine.host, env: OWNER_ENV });
    await alice.run('trust', 'key', 'generate', 'alice');
    await alice.pinFrom(owner, name);
    const add = ['signer', 'add', '--key', path.join(alice.home, 'alice.pub'), 'alice', name];

    expect(await vault.run('trust', ...add)).toMatchObject({ status: 1, code: 'KEY_MISSING' });
    expect(await owner.run('trust', ...add)).toMatchObject({ status: 1, code: 'KEY_ROOT_MISSING' });
    const before = await servedManifest(registry, stage.path, '_trust');
    const staged = await vault.run('trust', 'stage', ...add);
    expect(staged).toMatchObject({ status: 0, code: undefined });
    const id = /Staged for \S+: (sha256:[0-9a-f]{64})/.exec(staged.stdout)?.[1] ?? '';
    expect((await servedManifest(registry, stage.path, '_trust-staged'))?.bytes.toString()).toContain(
      '"artifactType":"application/vnd.dtrust.tuf.staged.v1+json"',
    );
    expect(await servedManifest(registry, stage.path, '_trust')).toEqual(before);
    const published = await owner.run('trust', 'cosign', '--digest', id, name);
    expect(published).toMatchObject({ status: 0, code: undefined });
    expect(published.stdout).toContain(`Signed and published what was staged for ${name}: ${id}`);

    const built = await stage.load('by the new signer', '2.0');
    expect(await alice.run('push', `${name}:2.0`)).toMatchObject({ status: 0, code: undefined });
    await engine.clear();
    await stage.other.pinFrom(owner, name);
    expect(await stage.other.run('pull', '-a', '-q', name)).toMatchObject({
      status: 0,
      stdout: `${name}:1.0\n${name}:2.0\n`,
    });
    expect(await layersOf(engine, `${name}:2.0`)).toEqual([sha256(built.layer)]);
    expect(await owner.run('trust', 'cosign', name)).toMatchObject({ status: 1, code: 'STAGED_ABSENT' });
    expect(await owner.run('trust', 'stage', '--discard', name)).toMatchObject({
      status: 0,
      code: undefined,
    });
    expect((await servedManifest(registry, stage.path, '_trust-staged'))?.bytes).toBeDefined();
  });
});
