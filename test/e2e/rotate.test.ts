/** Keys that are replaced while everything is well: protocol 2.8, with the real program. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Machine, openStage, refused, type Stage } from './harness.ts';
import { MEMORY, Team } from './team.ts';

let stage: Stage;
let team: Team;
let owner: Machine;

vi.setConfig({ testTimeout: 120_000 });
beforeAll(async () => {
  stage = await openStage();
  team = new Team(stage);
  owner = team.owner;
});
afterEach(() => stage.calm());
afterAll(() => stage.close());

/** Role and repository in the headers of each private key file. */
function keyFiles(machine: Machine, role: string, repository?: string): readonly string[] {
  const folder = path.join(machine.config, 'trust', 'private');
  return fs.readdirSync(folder).filter((file) => {
    const text = fs.readFileSync(path.join(folder, file), 'utf8');
    return text.includes(`role: ${role}\n`) && (repository === undefined || text.includes(repository));
  });
}

/** The key IDs in the root that is served. */
function rootOf(repository: string) {
  const registry = stage.registry.repository(repository);
  const manifest = registry.manifests.get(registry.tags.get('_trust' as never) as never);
  const { layers } = JSON.parse(Buffer.from(manifest?.bytes ?? '').toString()) as {
    layers: { digest: string; annotations: Record<string, string> }[];
  };
  const roots = layers
    .map((layer) => ({ layer, version: Number.parseInt(layer.annotations['tuf.io/filename'] ?? '', 10) }))
    .filter(({ layer }) => layer.annotations['tuf.io/filename']?.endsWith('.root.json'))
    .sort((left, right) => right.version - left.version);
  const bytes = registry.blobs.get(roots[0]?.layer.digest as never) as Uint8Array;
  const root = JSON.parse(Buffer.from(bytes).toString()) as {
    signed: {
      version: number;
      roles: Record<string, { keyids: string[]; threshold: number }>;
      'x-dtrust': { floor?: { timestamp: number; snapshot: number } };
    };
  };
  return root.signed;
}

describe('the root key', () => {
  it('protocol 2.8: is replaced; machines with memory, without one, and one that slept verify', async () => {
    const name = await team.signed('root');
    const awake = await team.pinned('root');
    const asleep = await team.pinned('root');
    const oldPin = await team.pinned('root');
    for (const machine of [awake, asleep]) await machine.succeed(['pull', '-q', `${name}:1.0`]);
    const [before] = rootOf('root').roles.root?.keyids ?? [];
    const run = await owner.succeed(['trust', 'rotate', 'root', name]);
    const [after] = rootOf('root').roles.root?.keyids ?? [];
    expect(after).not.toBe(before);
    expect(run.stdout).toBe(
      `Rotating the root key of ${name}...\nSuccessfully rotated the root key of ${name}: ${after}\n`,
    );
    expect(run.stderr).toContain(
      `pin for machines without memory: dtrust trust pin add ${name} ${after} --threshold 1 --root-version 2 --timestamp-version 2\n`,
    );
    expect(keyFiles(owner, 'root')).toHaveLength(2);
    await awake.succeed(['pull', '-q', `${name}:1.0`]);
    await owner.succeed(['trust', 'rotate', 'root', name]);
    await team.pushed(owner, 'root', '2.0');
    for (const machine of [awake, asleep, oldPin]) await machine.succeed(['pull', '-q', `${name}:2.0`]);
    expect(rootOf('root').version).toBe(3);

    // protocol 6.1: the line that was printed is enough by itself, and an older state is refused under it.
    const pin = /dtrust (trust pin add .*)\n/.exec(run.stderr)?.[1]?.split(' ') ?? [];
    const fresh = stage.machine();
    await fresh.succeed(pin);
    await fresh.succeed(['pull', '-q', `${name}:2.0`]);
  });

  it('protocol 2.8: one key serves all repositories, and new ones are begun with it', async () => {
    const one = await team.signed('all-one');
    const two = await team.signed('all-two');
    await owner.succeed(['trust', 'rotate', 'root', one]);
    const [key] = rootOf('all-one').roles.root?.keyids ?? [];
    const count = keyFiles(owner, 'root').length;
    await owner.succeed(['trust', 'rotate', 'root', two]);
    expect(rootOf('all-two').roles.root?.keyids).toEqual([key]);
    expect(keyFiles(owner, 'root')).toHaveLength(count);
    await team.signed('all-three');
    expect(rootOf('all-three').roles.root?.keyids).toEqual([key]);

    const { stdout } = await owner.succeed(['trust', 'rotate', 'root', '--all']);
    const [next] = rootOf('all-one').roles.root?.keyids ?? [];
    expect(next).not.toBe(key);
    for (const repository of ['all-one', 'all-two', 'all-three', 'root']) {
      expect(rootOf(repository).roles.root?.keyids).toEqual([next]);
      expect(stdout).toContain(`of ${stage.name(repository)}: ${next}\n`);
    }
    expect(keyFiles(owner, 'root')).toHaveLength(count + 1);
  });

  it('contract (Keys): without a terminal no new root key is made, and nothing changes', async () => {
    const name = await team.signed('no-terminal');
    const run = await refused(owner, ['trust', 'rotate', 'root', name], {
      code: 'KEY_ROOT_MISSING',
      env: { DTRUST_INIT: '' },
      stdout: /^Rotating/,
      mayChange: MEMORY,
    });
    expect(run.stderr).toContain('DTRUST_INIT=1');
  });

  it('protocol 2.8: a root key of somebody else alone cannot be signed for here', async () => {
    const name = await team.signed('given');
    const other = stage.machine();
    await other.succeed(['trust', 'key', 'generate', 'other']);
    const given = path.join(other.home, 'other.pub');
    const run = await refused(owner, ['trust', 'rotate', 'root', '--key', given, name], {
      code: 'KEY_ROOT_MISSING',
      stdout: /^Rotating/,
      mayChange: MEMORY,
    });
    expect(run.stderr).toContain(`dtrust trust stage rotate root --key ${given} ${name}\n`);
  });
});

describe('the keys of a repository', () => {
  it('protocol 2.3, 2.8: the repository key is replaced in every role that releases, the old one not being here', async () => {
    const name = await team.signed('targets');
    const consumer = await team.pinned('targets');
    const dev = await team.developer('targets', 'dev');
    const alice = await team.developer('targets', 'alice');
    await team.add(dev, 'dev', 'targets', '--path', 'dev-*');
    await team.add(alice, 'alice', 'targets');
    const [old = ''] = keyFiles(owner, 'targets', name);
    const kept = fs.readFileSync(path.join(owner.config, 'trust', 'private', old));
    fs.rmSync(path.join(owner.config, 'trust', 'private', old));
    const run = await owner.succeed(['trust', 'rotate', 'targets', name]);
    expect(keyFiles(owner, 'targets', name)).toHaveLength(1);
    expect(run.stderr).toContain('new key file: ');
    await team.pushed(owner, 'targets', '2.0');
    await team.pushed(dev, 'targets', 'dev-1');
    await team.pushed(alice, 'targets', '3.0');
    for (const tag of ['1.0', '2.0', 'dev-1', '3.0'])
      await consumer.succeed(['pull', '-q', `${name}:${tag}`]);

    // The old key signs nothing any more.
    const thief = stage.machine({ like: dev });
    fs.writeFileSync(path.join(thief.config, 'trust', 'private', old), kept, { mode: 0o600 });
    team.local('targets', '4.0');
    await refused(thief, ['push', `${name}:4.0`], { code: 'KEY_NOT_LISTED', mayChange: MEMORY });
  });

  it('protocol 2.5, 2.8: the online key is replaced, signers keep theirs, and a floor is set', async () => {
    const name = await team.signed('online');
    const consumer = await team.pinned('online');
    const alice = await team.developer('online', 'alice');
    await team.add(alice, 'alice', 'online');
    await consumer.succeed(['pull', '-q', `${name}:1.0`]);
    const before = rootOf('online');
    await owner.succeed(['trust', 'rotate', 'online', name]);
    const after = rootOf('online');
    for (const role of ['snapshot', 'timestamp'] as const) {
      const kept = after.roles[role]?.keyids.filter((id) => before.roles[role]?.keyids.includes(id));
      expect(after.roles[role]?.keyids).toHaveLength(2);
      expect(kept).toHaveLength(1);
    }
    expect(after['x-dtrust'].floor).toEqual({ timestamp: 3, snapshot: 3 });
    await team.pushed(alice, 'online', '2.0');
    await owner.succeed(['trust', 'refresh', name]);
    await consumer.succeed(['pull', '-q', `${name}:2.0`]);
  });

  it('protocol 2.6, 2.8: rotate online takes away what a signer removed without the root key has left', async () => {
    const name = await team.signed('left');
    const alice = await team.developer('left', 'alice');
    await team.add(alice, 'alice', 'left');
    const deputy = stage.machine({ like: owner });
    for (const file of keyFiles(deputy, 'root'))
      fs.rmSync(path.join(deputy.config, 'trust', 'private', file));
    const { stdout } = await owner.succeed(['trust', 'pin', 'export', name]);
    await deputy.succeed(stdout.trim().split(' ').slice(1));
    const removed = await deputy.succeed(['trust', 'signer', 'remove', 'alice', name]);
    expect(removed.stderr).toContain(`dtrust trust rotate online ${name}`);
    expect(rootOf('left').roles.timestamp?.keyids).toHaveLength(2);
    await refused(deputy, ['trust', 'rotate', 'online', name], {
      code: 'KEY_ROOT_MISSING',
      stdout: /^Rotating/,
      mayChange: MEMORY,
    });
    await owner.succeed(['trust', 'rotate', 'online', name]);
    expect(rootOf('left').roles.timestamp?.keyids).toHaveLength(1);
    expect(rootOf('left').roles.snapshot?.keyids).toHaveLength(1);
    await refused(alice, ['trust', 'refresh', name], { code: 'KEY_MISSING', mayChange: MEMORY });
  });
});
