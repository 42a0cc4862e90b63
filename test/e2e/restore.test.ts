/** `trust restore`: the owner puts back what somebody with write access has taken away or replaced (protocol 4.4). */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Machine, openStage, refused, type Stage } from './harness.ts';

let stage: Stage;
let owner: Machine;
let other: Machine;

/** A repository whose tag 1.0 is signed, known to the owner and to another machine. */
async function signed(repository: string): Promise<string> {
  const image = stage.image(repository, '1.0', repository);
  stage.local(repository, '1.0', image);
  owner = stage.machine({ env: { DTRUST_INIT: '1' } });
  await owner.succeed(['push', `${stage.name(repository)}:1.0`]);
  const { stdout } = await owner.succeed(['trust', 'pin', 'export', stage.name(repository)]);
  other = stage.machine();
  await other.succeed(stdout.trim().split(' ').slice(1));
  await other.succeed(['pull', '-q', `${stage.name(repository)}:1.0`]);
  return image.digest;
}

function trustTag(repository: string): string {
  const digest = stage.registry.repository(repository).tags.get('_trust');
  expect(digest).toBeDefined();
  return digest ?? '';
}

beforeAll(async () => {
  stage = await openStage();
});
afterEach(() => stage.calm());
afterAll(() => stage.close());

describe('protocol 4.4: trust restore', () => {
  it('publishes the known state again where the tag was deleted, and machines with memory go on', async () => {
    const digest = await signed('gone');
    const name = stage.name('gone');
    stage.registry.deleteTag('gone', '_trust');
    await refused(other, ['pull', `${name}:1.0`], { code: 'TRUST_DATA_GONE' });
    const { stdout } = await owner.succeed(['trust', 'restore', '--yes', name]);
    expect(stdout).toBe(`Restored the trust data of ${name}, timestamp version 2\n`);
    const pulled = await other.succeed(['pull', `${name}:1.0`]);
    expect(pulled.stdout).toContain(`@${digest}`);
  });

  it('replaces an older state that was put back, with versions above the highest seen', async () => {
    await signed('older');
    const name = stage.name('older');
    const old = trustTag('older');
    const second = stage.image('older', '2.0', 'second');
    stage.local('older', '2.0', second);
    await owner.succeed(['push', `${name}:2.0`]);
    await other.succeed(['pull', '-q', `${name}:2.0`]);
    stage.registry.repository('older').tags.set('_trust', old as never);
    await refused(other, ['pull', `${name}:2.0`], { code: 'TIMESTAMP_ROLLBACK' });
    await refused(owner, ['push', `${name}:2.0`], { code: 'TIMESTAMP_ROLLBACK' });
    await owner.succeed(['trust', 'restore', '--yes', name]);
    expect((await other.succeed(['pull', `${name}:2.0`])).stdout).toContain(`@${second.digest}`);
    const { stdout } = await owner.succeed(['trust', 'inspect', '--format', 'json', name]);
    expect(JSON.parse(stdout)[0].Roles).toContainEqual(
      expect.objectContaining({ Name: 'timestamp', Version: 3 }),
    );
  });

  it('replaces an image that was pushed over the trust data', async () => {
    const digest = await signed('image');
    const name = stage.name('image');
    stage.registry.putImage('image', '_trust', 'not trust data');
    await refused(other, ['pull', `${name}:1.0`], { code: 'TRUST_DATA_INVALID' });
    await owner.succeed(['trust', 'restore', '--yes', name]);
    expect((await other.succeed(['pull', `${name}:1.0`])).stdout).toContain(`@${digest}`);
  });

  it('puts nothing older over a newer timestamp that was signed, whose other files are gone', async () => {
    await signed('behind');
    const name = stage.name('behind');
    const behind = stage.machine({ like: owner });
    const second = stage.image('behind', '2.0', 'second');
    stage.local('behind', '2.0', second);
    await owner.succeed(['push', `${name}:2.0`]);
    await other.succeed(['pull', '-q', `${name}:2.0`]);
    const stored = stage.registry.repository('behind');
    const manifest = JSON.parse(
      Buffer.from(stored.manifests.get(trustTag('behind') as never)?.bytes ?? []).toString(),
    );
    const layers = manifest.layers.filter(
      (layer: { annotations: Record<string, string> }) =>
        !/targets/.test(layer.annotations['tuf.io/filename'] ?? ''),
    );
    stage.registry.putManifest(
      'behind',
      '_trust',
      JSON.stringify({ ...manifest, layers }),
      manifest.mediaType,
    );
    await refused(behind, ['trust', 'restore', '--yes', name], { code: 'TIMESTAMP_ROLLBACK' });
    // The owner still has the files that are gone: for him the state is whole, and publishing puts them back.
    await owner.succeed(['trust', 'refresh', name]);
    expect((await other.succeed(['pull', `${name}:2.0`])).stdout).toContain(`@${second.digest}`);
  });

  it('asks first, and without a terminal refuses without --yes', async () => {
    await signed('asked');
    stage.registry.deleteTag('asked', '_trust');
    await refused(owner, ['trust', 'restore', stage.name('asked')], { code: 'PROMPT_UNAVAILABLE' });
    expect(stage.registry.repository('asked').tags.has('_trust' as never)).toBe(false);
  });

  it('leaves a valid state alone', async () => {
    await signed('valid');
    const before = trustTag('valid');
    await refused(owner, ['trust', 'restore', '--yes', stage.name('valid')], { code: 'PUBLISH_CONFLICT' });
    expect(trustTag('valid')).toBe(before);
  });

  it('needs a machine that remembers, and one that has the keys', async () => {
    await signed('keyless');
    const name = stage.name('keyless');
    stage.registry.deleteTag('keyless', '_trust');
    await refused(other, ['trust', 'restore', '--yes', name], { code: 'KEY_MISSING' });
    await refused(stage.machine(), ['trust', 'restore', '--yes', name], { code: 'NO_TRUST_DATA' });
  });
});
