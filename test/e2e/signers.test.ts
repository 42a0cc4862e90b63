/** Signers who come, push and go: protocol 2.2 to 2.6, on machines of their own. */
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

describe('a developer comes and goes', () => {
  it('protocol 2.3, 2.4, 2.6: is added, pushes by himself, is removed, and pushes no more', async () => {
    const name = await team.signed('story');
    const consumer = await team.pinned('story');
    await consumer.succeed(['pull', '-q', `${name}:1.0`]);
    const alice = await team.developer('story', 'alice');

    const digest = team.local('story', '2.0');
    const before = await refused(alice, ['push', `${name}:2.0`], {
      code: 'KEY_MISSING',
      mayChange: MEMORY,
    });
    expect(before.stderr).toMatch(/accepted: the repository key \([0-9a-f]{64}\)/);
    expect(before.stderr).toContain(
      'hint: To become a signer, make a key and hand NAME.pub to the owner: dtrust trust key generate NAME\n',
    );
    expect(before.stderr).toContain(
      `hint: The owner then lists it: dtrust trust signer add --key NAME.pub NAME ${name}\n`,
    );

    const added = await team.add(alice, 'alice', 'story');
    expect(added.stdout).toBe(
      `Adding signer "alice" to ${name}...\nSuccessfully added signer: alice to ${name}\n`,
    );
    expect(added.stderr).toMatch(
      new RegExp(
        `pin for machines without memory: dtrust trust pin add ${name} [0-9a-f]{64} .*--root-version 2`,
      ),
    );

    const byOwner = team.trustTag('story');

    await alice.succeed(['push', `${name}:2.0`]);
    const pulled = await consumer.succeed(['pull', `${name}:2.0`]);
    expect(pulled.stdout).toContain(`@${digest}`);
    const seen = await team.inspected(consumer, 'story');
    expect(seen.SignedTags).toMatchObject([
      { SignedTag: '1.0', Signers: ['Repo Admin'] },
      { SignedTag: '2.0', Signers: ['alice'] },
    ]);
    expect(seen.Signers).toMatchObject([{ Name: 'alice' }]);
    expect(await team.listed(consumer, 'story')).toMatchObject([
      { Name: 'alice', Paths: null, SignedLast: [`${name}:2.0`] },
    ]);
    const withAlice = team.trustTag('story');

    await refused(owner, ['trust', 'signer', 'remove', 'alice', name], {
      code: 'PROMPT_UNAVAILABLE',
      stdout: /^Removing signer/,
      mayChange: MEMORY,
    });
    expect(team.trustTag('story')).toBe(withAlice);
    const removed = await owner.succeed(['trust', 'signer', 'remove', '--force', 'alice', name]);
    expect(removed.stdout).toBe(
      `Removing signer "alice" from ${name}...\nSuccessfully removed alice from ${name}\n`,
    );
    expect(removed.stderr).toContain('--root-version 3');

    team.local('story', '3.0', 'too late');
    await refused(alice, ['push', `${name}:3.0`], { code: 'KEY_MISSING', mayChange: MEMORY });
    await consumer.succeed(['pull', '-q', `${name}:2.0`]);
    expect((await team.inspected(consumer, 'story')).SignedTags).toMatchObject([
      { SignedTag: '1.0', Signers: ['Repo Admin'] },
      { SignedTag: '2.0', Signers: ['Repo Admin'] },
    ]);
    expect(await team.listed(consumer, 'story')).toEqual([]);

    team.setTrustTag('story', withAlice);
    await refused(consumer, ['pull', `${name}:2.0`], { code: 'TIMESTAMP_THRESHOLD' });
    team.setTrustTag('story', byOwner);
    await refused(consumer, ['pull', `${name}:2.0`], { code: 'TIMESTAMP_ROLLBACK' });
    const fresh = stage.machine();
    const pin = /dtrust (trust pin add .*)\n/.exec(removed.stderr)?.[1] ?? '';
    await fresh.succeed(pin.split(' '));
    await refused(fresh, ['pull', `${name}:2.0`], { code: 'ROOT_BELOW_PIN', mayChange: /./ });
  });

  it('protocol 2.5: who slept through it all keeps his floor and verifies at the end', async () => {
    const name = await team.signed('slept');
    const consumer = await team.pinned('slept');
    await consumer.succeed(['pull', '-q', `${name}:1.0`]);
    const alice = await team.developer('slept', 'alice');
    const bob = await team.developer('slept', 'bob');
    await team.add(alice, 'alice', 'slept');
    await team.add(bob, 'bob', 'slept');
    await team.pushed(alice, 'slept', '2.0');
    const digest = await team.pushed(bob, 'slept', '2.0', 'by bob');
    await owner.succeed(['trust', 'signer', 'remove', 'alice', name]);
    expect((await consumer.succeed(['pull', `${name}:2.0`])).stdout).toContain(`@${digest}`);
    expect((await team.listed(consumer, 'slept')).map(({ Name }) => Name)).toEqual(['bob']);
    await team.pushed(bob, 'slept', '3.0');
    await consumer.succeed(['pull', '-q', `${name}:3.0`]);
  });

  it('protocol 2.6: without the root key targets and releases change at once, with a warning', async () => {
    const name = await team.signed('rootless');
    const alice = await team.developer('rootless', 'alice');
    await team.add(alice, 'alice', 'rootless');
    const deputy = stage.machine({ like: owner });
    const keys = path.join(deputy.config, 'trust', 'private');
    for (const file of fs.readdirSync(keys)) {
      if (fs.readFileSync(path.join(keys, file), 'utf8').includes('role: root'))
        fs.rmSync(path.join(keys, file));
    }
    await deputy.succeed(['trust', 'pin', 'add', ...(await pinArguments('rootless'))]);
    const bob = await team.developer('rootless', 'bob');
    await refused(deputy, team.adding(bob, 'bob', 'rootless'), {
      code: 'KEY_ROOT_MISSING',
      stdout: /^Adding signer/,
      mayChange: MEMORY,
    });
    const { stderr } = await deputy.succeed(['trust', 'signer', 'remove', 'alice', name]);
    expect(stderr).toContain('warning: alice can still sign snapshot and timestamp');
    team.local('rootless', '2.0', 'x');
    await refused(alice, ['push', `${name}:2.0`], { code: 'KEY_MISSING', mayChange: MEMORY });
  });
});

async function pinArguments(repository: string): Promise<readonly string[]> {
  const { stdout } = await owner.succeed(['trust', 'pin', 'export', stage.name(repository)]);
  return stdout.trim().split(' ').slice(4);
}

describe('a signer limited to some tags', () => {
  it('protocol 2.2, 2.3: signs these in his own role, and nothing else', async () => {
    const name = await team.signed('limited');
    const consumer = await team.pinned('limited');
    const dev = await team.developer('limited', 'dev');
    const { stderr } = await team.add(dev, 'dev', 'limited', '--path', 'dev-*');
    expect(stderr).toContain(`warning: nothing that is signed now matches ${name}:dev-*\n`);
    const digest = await team.pushed(dev, 'limited', 'dev-1');
    expect((await consumer.succeed(['pull', `${name}:dev-1`])).stdout).toContain(`@${digest}`);
    expect(await team.listed(consumer, 'limited')).toMatchObject([
      { Name: 'dev', Paths: [`${name}:dev-*`], SignedLast: [`${name}:dev-1`] },
    ]);

    team.local('limited', '2.0', 'not his');
    const run = await refused(dev, ['push', `${name}:2.0`], {
      code: 'KEY_NOT_LISTED',
      mayChange: MEMORY,
    });
    expect(run.stderr).toContain(
      `the key here is that of dev, for ${name}:dev-* only; accepted: the repository key`,
    );

    const alice = await team.developer('limited', 'alice');
    await team.add(alice, 'alice', 'limited');
    const held = await refused(alice, ['trust', 'sign', `${name}:dev-1@${digest}`], {
      code: 'TAG_HELD_BY_ROLE',
      mayChange: MEMORY,
    });
    expect(held.stderr).toMatch(/stands in the role targets\/dev already.*accepted: dev \(/);

    await owner.succeed(['trust', 'signer', 'remove', '--force', 'dev', name]);
    expect((await consumer.succeed(['pull', `${name}:dev-1`])).stdout).toContain(`@${digest}`);
    await team.pushed(alice, 'limited', 'dev-1', 'again');
  });

  it('says how many signed tags stay out of his reach, and refuses a pattern no tag can match', async () => {
    const name = await team.signed('patterns');
    const dev = await team.developer('patterns', 'dev');
    await refused(owner, team.adding(dev, 'dev', 'patterns', '--path', 'dev/*'), {
      code: 'USAGE',
      stdout: /^Adding signer/,
      mayChange: MEMORY,
    });
    const { stderr } = await team.add(dev, 'dev', 'patterns', '--path', `${name}:1.*`);
    expect(stderr).toContain('1 signed tags match');
    team.local('patterns', '1.0', 'other');
    await refused(dev, ['push', `${name}:1.0`], {
      code: 'TAG_HELD_BY_ROLE',
      mayChange: MEMORY,
    });
  });
});
