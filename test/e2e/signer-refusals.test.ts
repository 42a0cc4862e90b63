/** Changes of signers: each is one publish that a client verifies; and what each bad input gets. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Machine, openStage, type Refusal, refused, type Stage } from './harness.ts';
import { pinArguments } from './owner.ts';
import { MEMORY, publicHalf, Team } from './team.ts';

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

/** The owner's change is one publish; whoever starts from the pin line that it printed verifies a pull. */
async function inOnePublish(repository: string, args: readonly string[]): Promise<void> {
  stage.registry.log.length = 0;
  const { stderr } = await owner.succeed(args);
  const puts = stage.registry.requests(({ method, reference }) => method === 'PUT' && reference === '_trust');
  expect([args, puts]).toEqual([args, ['PUT manifests/_trust']]);
  // Read back: twice with the same answer, and once more as a client.
  const reads = stage.registry.requests(({ reference }) => reference === '_trust');
  expect(reads.slice(reads.indexOf('PUT manifests/_trust') + 1).length).toBeGreaterThanOrEqual(3);
  const fresh = stage.machine();
  await fresh.succeed(pinArguments(/pin for machines without memory: (.*)\n/.exec(stderr)?.[1] ?? ''));
  await fresh.succeed(['pull', '-q', `${stage.name(repository)}:1.0`]);
}

describe('one publish each', () => {
  it('protocol 2.3, 2.6: the first signer, another one, one limited to tags; each removed, the last one too', async () => {
    const name = await team.signed('each');
    const alice = await team.developer('each', 'alice');
    const bob = await team.developer('each', 'bob');
    const dev = await team.developer('each', 'dev');
    const removing = (who: string) => ['trust', 'signer', 'remove', '--force', who, name];
    await inOnePublish('each', team.adding(alice, 'alice', 'each'));
    await inOnePublish('each', team.adding(bob, 'bob', 'each'));
    await inOnePublish('each', team.adding(dev, 'dev', 'each', '--path', 'dev-*'));
    expect((await team.listed(bob, 'each')).map(({ Name }) => Name)).toEqual(['alice', 'bob', 'dev']);
    await team.pushed(dev, 'each', 'dev-1');
    // The one who signed last goes first.
    await team.pushed(bob, 'each', '2.0');
    await inOnePublish('each', removing('bob'));
    await inOnePublish('each', removing('dev'));
    await inOnePublish('each', removing('alice'));
    const { SignedTags } = await team.inspected(owner, 'each');
    expect(SignedTags).toMatchObject([{ SignedTag: '1.0' }, { SignedTag: '2.0' }, { SignedTag: 'dev-1' }]);
    expect(await team.listed(owner, 'each')).toEqual([]);
  });
});

describe('what bad input gets', () => {
  let name: string;
  let adding: (who: string, ...options: string[]) => string[];

  beforeAll(async () => {
    name = await team.signed('bad');
    const carol = await team.developer('bad', 'carol');
    adding = (who, ...options) => [
      ...['trust', 'signer', 'add', '--key', publicHalf(carol, 'carol'), ...options, who, name],
    ];
  });

  it.each([
    ...['releases', 'root', 'targets', 'snapshot', 'timestamp'],
    ...[
      '',
      'Alice',
      '-alice',
      '_alice',
      'alice/bob',
      'targets/alice',
      'alice.b',
      'a b',
      'álice',
      '..',
      'alice\n',
    ],
    ...['a'.repeat(101), '\u001b[31malice', 'alice\u202egnp.', '*'],
  ])('contract (Keys): a signer is not called %j', async (who) => {
    const options: Refusal = { code: 'KEY_NAME' };
    const add = who.startsWith('-') ? [...adding('x').slice(0, -2), '--', who, name] : adding(who);
    // `key generate root` makes a second root key, which is no signer's.
    const dashes = who.startsWith('-') ? ['--'] : [];
    const generate = who === 'root' ? [] : [['trust', 'key', 'generate', ...dashes, who]];
    for (const args of [add, ...generate]) {
      const run = await refused(owner, args, options);
      expect(run.stderr).not.toMatch(/[\u001b\u202e]/);
    }
  });

  it('contract (Keys): of somebody who is no signer, whatever he is called, nothing is removed', async () => {
    for (const who of ['nobody', 'releases', '\u001b[31malice', '../targets']) {
      const run = await refused(owner, ['trust', 'signer', 'remove', '--force', who, name], {
        code: 'KEY_NOT_LISTED',
        stdout: /^Removing signer/,
        mayChange: MEMORY,
      });
      expect(run.stdout + run.stderr).not.toContain('\u001b');
    }
  });

  it.each([
    '',
    'dev/*',
    'ghcr.io/other/app:1.*',
    '[dev]',
    '{dev,test}',
    'dev *',
    ':',
    '-dev',
    'dev\u001b[31m',
  ])('protocol 2.2: refuses the pattern %j, which no tag can match', async (pattern) => {
    const run = await refused(owner, adding('carol', `--path=${pattern}`), {
      code: 'USAGE',
      stdout: /^(Adding signer .*\n)?$/,
      mayChange: MEMORY,
    });
    expect(run.stderr).not.toContain('\u001b');
  });

  it('contract (Keys): a wrong, missing or empty passphrase of the root key changes nothing', async () => {
    const root = 'DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE';
    for (const [code, passphrase] of [
      ['KEY_PASSPHRASE', 'wrong'],
      ['KEY_PASSPHRASE_MISSING', undefined],
      ['KEY_PASSPHRASE_MISSING', ''],
    ] as const) {
      await refused(owner, adding('carol'), {
        code,
        env: { [root]: passphrase },
        stdout: /^Adding signer/,
        mayChange: MEMORY,
      });
    }
  });

  it('protocol 6.1: a pin that is newer than the repository stops it, one that is older does not', async () => {
    const { stdout } = await owner.succeed(['trust', 'pin', 'export', name]);
    const line = pinArguments(stdout);
    const ahead = stage.machine({ like: owner });
    await ahead.succeed(line.with(-1, '999'));
    await refused(ahead, adding('carol'), {
      code: 'ROOT_BELOW_PIN',
      stdout: /^Adding signer/,
      mayChange: MEMORY,
    });
    const behind = stage.machine({ like: owner });
    await behind.succeed(line);
    await team.pushed(owner, 'bad', '2.0');
    await behind.succeed(adding('carol'));
    const { Pin } = JSON.parse((await behind.succeed(['trust', 'status', '--format', 'json', name])).stdout);
    expect(Pin).toMatchObject({ Older: true });
    await behind.succeed(['trust', 'signer', 'remove', 'carol', name]);
  });
});

describe('protocol 4.5: whose signature is accepted', () => {
  const ways = (name: string) => [
    'hint: To become a signer, make a key and hand NAME.pub to the owner: dtrust trust key generate NAME\n',
    `hint: The owner then lists it: dtrust trust signer add --key NAME.pub NAME ${name}\n`,
  ];

  it('is said where the key here is that of another repository', async () => {
    const name = await team.signed('this');
    const other = new Team(stage);
    await other.signed('that');
    await team.pinned('this', other.owner);
    team.local('this', '2.0');
    const run = await refused(other.owner, ['push', `${name}:2.0`], {
      code: 'KEY_MISSING',
      mayChange: MEMORY,
    });
    expect(run.stderr).toMatch(/accepted: the repository key \([0-9a-f]{64}\)/);
    for (const line of ways(name)) expect(run.stderr).toContain(line);

    // Nor does a key count here that is a signer's elsewhere.
    await team.signed('elsewhere');
    const alice = await team.developer('elsewhere', 'alice');
    await team.add(alice, 'alice', 'elsewhere');
    await team.pinned('this', alice);
    await refused(alice, ['push', `${name}:2.0`], { code: 'KEY_MISSING', mayChange: MEMORY });
    // He may list a key of his own, and his root is no root of theirs.
    await refused(other.owner, ['trust', 'signer', 'add', '--key', 'x.pub', 'mallory', name], {
      code: 'FILE_UNREADABLE',
    });
    await other.owner.succeed(['trust', 'key', 'generate', 'mallory']);
    const added = await refused(
      other.owner,
      ['trust', 'signer', 'add', '--key', 'mallory.pub', 'mallory', name],
      { code: 'KEY_ROOT_MISSING', stdout: /^Adding signer/, mayChange: MEMORY },
    );
    expect(added.stderr).toMatch(/accepted: the root key \([0-9a-f]{64}\)/);
  });

  it('is said where a key is listed and not at hand', async () => {
    const name = await team.signed('lost-key');
    const alice = await team.developer('lost-key', 'alice');
    await team.add(alice, 'alice', 'lost-key');
    const without = stage.machine({ like: alice });
    fs.rmSync(path.join(without.config, 'trust', 'private'), { recursive: true });
    team.local('lost-key', '2.0');
    const run = await refused(without, ['push', `${name}:2.0`], { code: 'KEY_MISSING', mayChange: MEMORY });
    expect(run.stderr).toMatch(/accepted: the repository key \([0-9a-f]{64}\), alice \([0-9a-f]{64}\)/);
    for (const line of ways(name)) expect(run.stderr).toContain(line);
    expect(run.stderr).toContain('dtrust trust key load FILE');
  });
});
