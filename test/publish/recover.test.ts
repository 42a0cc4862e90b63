/** `dtrust trust rotate --recover` (protocol 2.5) against a thief who publishes with the online key. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PrivateKey } from '../../src/keys/private-key.ts';
import { type JsonValue, parseStrictJson } from '../../src/lib/strict-json.ts';
import { canonicalJson, serialiseJson } from '../../src/trust/core/canonical-json.ts';
import { editCollection, type NewState } from '../../src/trust/core/editor.ts';
import { tufKeyId } from '../../src/trust/core/keys.ts';
import { type Begun, type CommandWorld, openWorld } from './command-world.ts';

const END = Number.MAX_SAFE_INTEGER;

let world: CommandWorld;
let count = 0;

beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

interface Scene {
  readonly repository: string;
  readonly owner: string;
  readonly begun: Begun;
  readonly alice: { readonly home: string; readonly key: PrivateKey };
  /** A new key of hers, as a file. */
  readonly newKey: { readonly key: PrivateKey; readonly pub: string };
}

/** An owner, and alice who may sign; the owner remembers the state. */
async function scene(): Promise<Scene> {
  count += 1;
  const repository = `acme/app-${count}`;
  const [owner, home] = [world.home(), world.home()];
  const alice = await world.keyPair(home, 'alice');
  const begun = await world.begin(owner, repository, [
    { kind: 'addSigner', name: 'alice', keys: [alice.key.publicKey] },
  ]);
  for (const each of [owner, home]) await world.open(begun, each);
  return {
    repository,
    owner,
    begun,
    alice: { home, key: alice.key },
    newKey: await world.keyPair(home, 'alice-2'),
  };
}

/** What the thief publishes: versions at their end. */
async function steal({ repository, begun }: Scene, at = END - 1): Promise<NewState> {
  const state = await editCollection(begun.state, [], {
    signers: [begun.online],
    nowMs: Date.now(),
    highestVersions: new Map([
      ['timestamp', at - 1],
      ['snapshot', at - 1],
    ]),
  });
  await world.publish(repository, state);
  return state;
}

/** The thief's state, in which `targets/releases` is a file that does not exist. */
async function withoutReleases(state: NewState, key: PrivateKey): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map(state.files);
  const replace = async (
    name: string,
    change: (signed: Map<string, JsonValue>) => void,
  ): Promise<Uint8Array> => {
    const file = parseStrictJson(files.get(name) ?? Buffer.from(''), name) as ReadonlyMap<string, JsonValue>;
    const signed = new Map(file.get('signed') as ReadonlyMap<string, JsonValue>);
    change(signed);
    const sig = Buffer.from(await key.sign(canonicalJson(signed))).toString('hex');
    const signature = new Map([
      ['keyid', tufKeyId(key.publicKey) as string],
      ['sig', sig],
    ]);
    const bytes = serialiseJson(
      new Map<string, JsonValue>([
        ['signatures', [signature]],
        ['signed', signed],
      ]),
    );
    files.set(name, bytes);
    return bytes;
  };
  const listing = (bytes: Uint8Array, version: number): JsonValue =>
    new Map<string, JsonValue>([
      ['version', version],
      ['length', bytes.length],
      ['hashes', new Map([['sha256', createHash('sha256').update(bytes).digest('hex')]])],
    ]);
  const version = state.versions.get('snapshot') ?? 0;
  const snapshot = await replace(`${version}.snapshot.json`, (signed) => {
    const meta = new Map(signed.get('meta') as ReadonlyMap<string, JsonValue>);
    signed.set('meta', meta.set('targets/releases.json', listing(Buffer.from('nobody has this'), END)));
  });
  await replace('timestamp.json', (signed) => {
    signed.set('meta', new Map([['snapshot.json', listing(snapshot, version)]]));
  });
  return files;
}

const recover = (name: string, ...more: string[]) => ['trust', 'rotate', '--recover', ...more, name];
const versions = async (begun: Begun, home?: string) => {
  const { trusted } = await world.open(begun, home);
  return [trusted.root.signed.version, trusted.timestamp?.signed.version, trusted.snapshot?.signed.version];
};
const keysOf = async (begun: Begun, role: 'snapshot' | 'timestamp') =>
  (await world.open(begun)).trusted.root.signed.roles[role].keyids;

describe('protocol 2.5: a recovery by the command', () => {
  test('goes on from what was good, whatever the thief published, for machines that believed him too', async () => {
    const { owner, begun, alice, newKey, ...rest } = await scene();
    const fooled = world.home();
    const asleep = world.home();
    await world.open(begun, asleep);
    await steal({ owner, begun, alice, newKey, ...rest });
    expect(await versions(begun, fooled)).toEqual([2, END - 1, END - 1]);
    const refused = await world.run(owner, ['trust', 'refresh', begun.name]);
    expect(refused.error).toMatchObject({ code: 'VERSION_JUMP' });
    const run = await world.succeed(owner, recover(begun.name, '--signer', `alice=${newKey.pub}`));
    for (const home of [undefined, owner, fooled, asleep]) {
      expect(await versions(begun, home)).toEqual([3, 3, 3]);
    }
    const listed = await keysOf(begun, 'timestamp');
    expect(listed).toHaveLength(2);
    expect(listed).toContain(tufKeyId(newKey.key.publicKey));
    expect(listed).not.toContain(tufKeyId(begun.online.publicKey));
    expect(listed).not.toContain(tufKeyId(alice.key.publicKey));
    expect(run.err).toContain(`pin for machines without memory: dtrust trust pin add ${begun.name} `);
    expect(run.err).not.toContain('no longer publish alone');
    // Everybody publishes again: the owner, alice with her new key.
    await world.succeed(owner, ['trust', 'refresh', begun.name]);
    await world.open(begun, alice.home);
    await world.succeed(alice.home, ['trust', 'refresh', begun.name]);
    expect(await versions(begun, fooled)).toEqual([3, 5, 5]);
  });

  test('also where the owner himself has taken in what the thief published', async () => {
    const it = await scene();
    await world.succeed(it.owner, ['trust', 'refresh', it.begun.name]);
    await steal(it);
    expect(await versions(it.begun, it.owner)).toEqual([2, END - 1, END - 1]);
    await world.succeed(it.owner, recover(it.begun.name));
    expect(await versions(it.begun, it.owner)).toEqual([3, 4, 4]);
    await world.succeed(it.owner, ['trust', 'refresh', it.begun.name]);
  });

  test('on a machine that has the keys and remembers nothing', async () => {
    const it = await scene();
    await steal(it);
    const fresh = world.home();
    await world.save(fresh, it.begun.root, 'root');
    await world.save(fresh, it.begun.targets, 'targets', it.begun.name);
    await world.succeed(fresh, recover(it.begun.name));
    expect(await versions(it.begun)).toEqual([3, 1, 1]);
    await world.succeed(fresh, ['trust', 'refresh', it.begun.name]);
    expect(await versions(it.begun, it.owner)).toEqual([3, 2, 2]);
  });

  test('over something that does not verify: what is known here takes its place', async () => {
    const it = await scene();
    const bad = await steal(it);
    const garbage = new Map([...bad.files, ['timestamp.json', Buffer.from('{}')]]);
    await world.publish(it.repository, { files: garbage });
    await world.succeed(it.owner, recover(it.begun.name));
    expect(await versions(it.begun)).toEqual([3, 3, 3]);
    const { trusted } = await world.open(it.begun);
    expect(trusted.targets('targets/releases' as never)?.signed.targets.has(`${it.begun.name}:1.0`)).toBe(
      true,
    );
  });

  test.each([
    ['', false],
    [', also where the owner has looked at it', true],
  ])('over a snapshot that lists a released role which nobody can have%s', async (_, looked) => {
    const it = await scene();
    const bad = await steal(it);
    await world.publish(it.repository, { files: await withoutReleases(bad, it.begun.online) });
    if (looked) await expect(world.open(it.begun, it.owner)).rejects.toThrow();
    const refused = await world.run(it.owner, ['trust', 'refresh', it.begun.name]);
    expect(refused.error).toBeDefined();
    const run = await world.succeed(it.owner, recover(it.begun.name));
    const said = run.err.match(/timestamp version 2, which is known here, takes its place\n/g);
    expect(said).toHaveLength(1);
    expect(await versions(it.begun, it.owner)).toEqual([3, 3, 3]);
    const { trusted } = await world.open(it.begun);
    expect(trusted.targets('targets/releases' as never)?.signed.targets.has(`${it.begun.name}:1.0`)).toBe(
      true,
    );
    await world.succeed(it.owner, ['trust', 'refresh', it.begun.name]);
  });

  test('a signer without a new key signs tags and publishes no more; the line that gives him one works', async () => {
    const it = await scene();
    const run = await world.succeed(it.owner, recover(it.begun.name));
    const line = `dtrust trust rotate signer --key FILE.pub alice ${it.begun.name}`;
    expect(run.err).toContain(
      `warning: alice can sign tags and no longer publish alone; with a new key of his: ${line}\n`,
    );
    expect(await keysOf(it.begun, 'snapshot')).toHaveLength(1);
    await world.open(it.begun, it.alice.home);
    const alone = await world.run(it.alice.home, ['trust', 'refresh', it.begun.name]);
    expect(alone.error).toMatchObject({ code: 'KEY_MISSING' });
    const typed = line.replace('FILE.pub', it.newKey.pub).split(' ').slice(1);
    await world.succeed(it.owner, typed);
    await world.succeed(it.alice.home, ['trust', 'refresh', it.begun.name]);
  });

  test('remembers nothing of the thief while it is refused', async () => {
    const it = await scene();
    await steal(it);
    const rootless = world.home(it.owner);
    const before = await versions(it.begun, world.home(it.owner));
    expect(before).toEqual([2, END - 1, END - 1]);
    for (const file of world.keyFiles(rootless, 'root')) fs.rmSync(file);
    await world.succeed(rootless, ['trust', 'pin', 'add', it.begun.name, it.begun.pin.keyIds.join()]);
    const run = await world.run(rootless, recover(it.begun.name));
    expect(run.error).toMatchObject({ code: 'KEY_ROOT_MISSING' });
    const again = await world.run(rootless, ['trust', 'refresh', it.begun.name]);
    expect(again.error).toMatchObject({ code: 'VERSION_JUMP' });
  });

  test.each([
    ['nothing but the flag', () => ['trust', 'rotate', '--recover'], 'USAGE'],
    ['no name', ({ begun }: Scene) => recover(begun.name, '--signer', 'alice'), 'USAGE'],
    [
      'a file that is not there',
      ({ begun }: Scene) => recover(begun.name, '--signer', 'alice=/no'),
      'FILE_UNREADABLE',
    ],
    [
      'a signer who is none',
      ({ begun, newKey }: Scene) => recover(begun.name, '--signer', `bob=${newKey.pub}`),
      'KEY_NOT_LISTED',
    ],
  ] as const)('is refused for %s, and nothing changes', async (_, args, code) => {
    const it = await scene();
    const before = world.tag(it.repository);
    const run = await world.run(it.owner, args(it));
    expect(run.error).toMatchObject({ code });
    expect(world.tag(it.repository)).toBe(before);
    expect(world.keyFiles(it.owner, 'snapshot')).toHaveLength(1);
  });

  test('a present key of a signer is no new one', async () => {
    const it = await scene();
    const pub = world.publicHalf(it.owner, it.alice.key, 'alice');
    const run = await world.run(it.owner, recover(it.begun.name, '--signer', `alice=${pub}`));
    expect(run.error).toMatchObject({ code: 'KEY_EXISTS' });
  });
});

describe('protocol 2.8: two at once', () => {
  /** Lets `second` do all of its work between the look and the write of the first. */
  async function between<T>(second: () => Promise<T>, first: () => Promise<unknown>): Promise<T | undefined> {
    let done: Promise<T> | undefined;
    world.registry.switches.before = async ({ method, path: to }) => {
      if (done !== undefined || method !== 'POST' || !to.includes('/blobs/uploads')) return;
      done = second();
      await done;
    };
    try {
      await first();
    } finally {
      delete world.registry.switches.before;
    }
    return await done;
  }

  test.each(['root', 'targets', 'online'])(
    'rotate %s: the second says so by name, and the first stands',
    async (verb) => {
      const it = await scene();
      const other = world.home(it.owner);
      const args = ['trust', 'rotate', verb, it.begun.name];
      const env = { DTRUST_INIT: '1' };
      let slow: Awaited<ReturnType<CommandWorld['run']>> | undefined;
      await between(
        () => world.succeed(other, args, env),
        async () => {
          slow = await world.run(it.owner, args, { env });
        },
      );
      expect(slow?.error).toMatchObject({ code: 'KEY_NOT_LISTED' });
      expect(slow?.err ?? '').not.toContain('Successfully');
      const { trusted } = await world.open(it.begun, it.owner);
      expect(trusted.root.signed.version).toBe(3);
    },
  );
});

describe('protocol 2.8: keys of signers, and thresholds, by the command', () => {
  test('rotate signer: the new key counts, the old one does not', async () => {
    const it = await scene();
    const args = ['trust', 'rotate', 'signer', '--key', it.newKey.pub, 'alice', it.begun.name];
    const run = await world.succeed(it.owner, args);
    expect(run.out).toBe(
      `Rotating the key of signer "alice" in ${it.begun.name}...\n` +
        `Successfully rotated the key of alice in ${it.begun.name}: ${tufKeyId(it.newKey.key.publicKey)}\n`,
    );
    expect(await keysOf(it.begun, 'timestamp')).not.toContain(tufKeyId(it.alice.key.publicKey));
    await world.open(it.begun, it.alice.home);
    await world.succeed(it.alice.home, ['trust', 'refresh', it.begun.name]);
    const again = await world.run(it.owner, args);
    expect(again.error).toMatchObject({ code: 'KEY_EXISTS' });
  });

  test('rotate signer is refused for a key of somebody else, for nobody, and without the root key', async () => {
    const it = await scene();
    const own = world.publicHalf(it.owner, it.begun.targets, 'targets');
    const rotate = (pub: string, name: string) => [
      'trust',
      'rotate',
      'signer',
      '--key',
      pub,
      name,
      it.begun.name,
    ];
    const before = world.tag(it.repository);
    const refusals = [
      [it.owner, rotate(own, 'alice'), 'KEY_EXISTS'],
      [it.owner, rotate(it.newKey.pub, 'nobody'), 'KEY_NOT_LISTED'],
      [it.owner, ['trust', 'rotate', 'signer', 'alice', it.begun.name], 'USAGE'],
      [it.alice.home, rotate(it.newKey.pub, 'alice'), 'KEY_ROOT_MISSING'],
    ] as const;
    for (const [home, args, code] of refusals) {
      const { error } = await world.run(home, args);
      expect(error, args.join(' ')).toMatchObject({ code });
    }
    expect(world.tag(it.repository)).toBe(before);
  });

  test('threshold root: a key comes, two must sign; lowered again, and a key goes', async () => {
    const it = await scene();
    const second = await world.keyPair(it.owner, 'second');
    const threshold = (...args: string[]) => ['trust', 'threshold', ...args, it.begun.name];
    const raised = await world.succeed(it.owner, threshold('--add-key', second.pub, 'root', '2'));
    expect(raised.out).toContain(`Successfully changed root of ${it.begun.name}: 2 of 2 keys must sign it\n`);
    const [a, b] = [tufKeyId(it.begun.root.publicKey), tufKeyId(second.key.publicKey)];
    expect(raised.err).toContain(
      `dtrust trust pin add ${it.begun.name} ${a},${b} --threshold 2 --root-version 3`,
    );
    const { trusted } = await world.open(it.begun);
    expect(trusted.root.signed.roles.root.threshold).toBe(2);

    const alone = world.home(it.owner);
    for (const file of world.keyFiles(alone, 'second')) fs.rmSync(file);
    const short = await world.run(alone, threshold('root', '1'));
    expect(short.error).toMatchObject({ code: 'KEY_ROOT_MISSING' });
    expect((short.error as { hints: string[] }).hints.join('\n')).toContain(
      `dtrust trust stage threshold root 1 ${it.begun.name}`,
    );

    await world.succeed(it.owner, threshold('--remove-key', a, 'root', '1'));
    expect((await world.open(it.begun)).trusted.root.signed.roles.root).toEqual({
      keyids: [b],
      threshold: 1,
    });
  });

  test('threshold releases: a push by one is refused, and what is signed stays', async () => {
    const it = await scene();
    const both = world.home(it.owner);
    await world.save(both, it.alice.key, 'alice');
    const run = await world.succeed(both, ['trust', 'threshold', 'releases', '2', it.begun.name]);
    expect(run.out).toContain('targets/releases');
    const { trusted } = await world.open(it.begun);
    expect(trusted.targets()?.signed.delegations?.roles.get('targets/releases' as never)?.threshold).toBe(2);
    const revoke = ['trust', 'revoke', '--yes', `${it.begun.name}:1.0`];
    expect((await world.run(it.owner, revoke)).error).toMatchObject({ code: 'KEY_MISSING' });
    await world.succeed(both, ['trust', 'threshold', 'releases', '1', it.begun.name]);
    const again = await world.succeed(both, ['trust', 'threshold', 'releases', '1', it.begun.name]);
    expect(again.out).toBe(`targets/releases of ${it.begun.name} takes 1 already\n`);
  });

  test('a threshold that cannot be reached, or signed here, is refused before anything happens', async () => {
    const it = await scene();
    const before = world.tag(it.repository);
    const own = world.publicHalf(it.owner, it.begun.root, 'root');
    const refusals = [
      [['root', '2'], 'THRESHOLD_UNREACHABLE'],
      [['releases', '3'], 'THRESHOLD_UNREACHABLE'],
      [['releases', '2'], 'KEY_MISSING'],
      [['root', '0'], 'USAGE'],
      [['root', 'two'], 'USAGE'],
      [['targets', '1'], 'USAGE'],
      [['--add-key', it.newKey.pub, 'releases', '1'], 'USAGE'],
      [['--remove-key', 'abc', 'root', '1'], 'USAGE'],
      [['--remove-key', '00'.repeat(32), 'root', '1'], 'KEY_NOT_LISTED'],
      [['--remove-key', tufKeyId(it.begun.root.publicKey), 'root', '1'], 'THRESHOLD_UNREACHABLE'],
      [['--add-key', own, 'root', '1'], 'KEY_EXISTS'],
      [['--add-key', it.newKey.pub, 'root', '2'], 'KEY_ROOT_MISSING'],
    ] as const;
    for (const [args, code] of refusals) {
      const { error } = await world.run(it.owner, ['trust', 'threshold', ...args, it.begun.name]);
      expect(error, args.join(' ')).toMatchObject({ code });
    }
    expect(world.tag(it.repository)).toBe(before);
  });

  test('two who change a threshold at once: the second is told', async () => {
    const it = await scene();
    const both = world.home(it.owner);
    await world.save(both, it.alice.key, 'alice');
    const third = await world.keyPair(both, 'third');
    const other = world.home(both);
    let slow: unknown;
    let done: Promise<unknown> | undefined;
    world.registry.switches.before = async ({ method, path: to }) => {
      if (done !== undefined || method !== 'POST' || !to.includes('/blobs/uploads')) return;
      done = world.succeed(other, ['trust', 'threshold', '--add-key', third.pub, 'root', '2', it.begun.name]);
      await done;
    };
    try {
      const fourth = await world.keyPair(both, 'fourth');
      const args = ['trust', 'threshold', '--add-key', fourth.pub, 'root', '2', it.begun.name];
      slow = (await world.run(both, args)).error;
    } finally {
      delete world.registry.switches.before;
    }
    expect(slow).toMatchObject({ code: 'PUBLISH_CONFLICT' });
    expect((await world.open(it.begun)).trusted.root.signed.roles.root.keyids).toHaveLength(2);
  });
});
