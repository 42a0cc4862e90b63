/** Several machines with copies of the same keys publish at the same moment, through the real registry. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { needPeers } from '../helpers/peers.ts';
import { OWNER_ENV } from './machines.ts';
import { servedManifest, signedTags } from './registry-view.ts';
import { useStage } from './stage.ts';

const needed = await needPeers('engine 26.1', 'registry');

describe.skipIf(needed.skip)(needed.title('publishers at the same moment'), () => {
  const stage = useStage({ version: '26.1', containerdStore: false });

  it('protocol 4.2: three machines push different tags at once, and all of them are signed in the end', async () => {
    await stage.signed('first', 'base');
    const machines = ['a', 'b', 'c'].map((tag) => {
      const machine = stage.workshop.machine({ engine: stage.engine.host, env: OWNER_ENV });
      for (const folder of ['private', 'dtrust/keys']) {
        fs.cpSync(
          path.join(stage.owner.config, 'trust', folder),
          path.join(machine.config, 'trust', folder),
          {
            recursive: true,
          },
        );
      }
      return { machine, tag };
    });
    for (const { tag } of machines) await stage.load(`of ${tag}`, tag);
    const outcomes = await Promise.all(
      machines.map(({ machine, tag }) => machine.run('push', `${stage.name}:${tag}`)),
    );
    for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 0, code: undefined });
    const signed = await signedTags(stage.registry, stage.path);
    expect(Object.keys(signed).sort()).toEqual(['a', 'b', 'base', 'c']);
    for (const tag of ['a', 'b', 'c']) {
      expect(signed[tag]).toBe((await servedManifest(stage.registry, stage.path, tag))?.digest);
    }
    await stage.engine.clear();
    expect(await stage.owner.run('pull', '-a', '-q', stage.name)).toMatchObject({ status: 0 });
  });
});
