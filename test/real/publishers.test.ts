/** Several machines publish at the same moment, through the real registry: with copies of the same keys, and each with its own. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { needPeers } from '../helpers/peers.ts';
import { OWNER_ENV } from './machines.ts';
import { servedManifest, signedTags } from './registry-view.ts';
import { useStage } from './stage.ts';

/** A signer has no root key, and begins nothing. */
const SIGNER_ENV = {
  DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'a passphrase of a signer for tests',
};

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

  it('protocol 4.2: six signers with keys of their own, each a process of its own, sign at once', async () => {
    await stage.signed('first', 'base');
    const signers = await Promise.all(
      ['a', 'b', 'c', 'd', 'e', 'f'].map(async (name) => {
        const machine = stage.workshop.machine({ engine: stage.engine.host, env: SIGNER_ENV });
        expect(await machine.pinFrom(stage.owner, stage.name)).toMatchObject({ status: 0 });
        expect(await machine.run('trust', 'key', 'generate', name)).toMatchObject({ status: 0 });
        return { machine, name };
      }),
    );
    for (const { machine, name } of signers) {
      const key = path.join(machine.home, `${name}.pub`);
      const added = await stage.owner.run('trust', 'signer', 'add', '--key', key, name, stage.name);
      expect(added).toMatchObject({ status: 0, code: undefined });
    }
    const base = await servedManifest(stage.registry, stage.path, 'base');
    const outcomes = await Promise.all(
      signers.map(({ machine, name }) =>
        machine.run('trust', 'sign', `${stage.name}:${name}@${base?.digest}`),
      ),
    );
    for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 0, code: undefined });
    // A machine that has slept since the beginning sees all of it.
    await stage.other.pinFrom(stage.owner, stage.name);
    const { stdout } = await stage.other.run('trust', 'inspect', '--format', 'json', stage.name);
    const [seen] = JSON.parse(stdout) as { SignedTags: { SignedTag: string; Digest: string }[] }[];
    const expected = ['a', 'b', 'base', 'c', 'd', 'e', 'f'].map((tag) => [tag, base?.digest]);
    expect(seen?.SignedTags.map(({ SignedTag, Digest }) => [SignedTag, `sha256:${Digest}`])).toEqual(
      expected,
    );
    expect(await stage.other.run('pull', '-q', `${stage.name}:f`)).toMatchObject({ status: 0 });
  });
});
