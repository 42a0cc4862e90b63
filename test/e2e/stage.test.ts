/** Changes that no machine can sign alone: staged on one, signed on others, published (protocol 4.6). */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Machine, openStage, refused, type Stage } from './harness.ts';
import { idIn, raiseReleases, shareRoot, stagedTag } from './shared-keys.ts';
import { MEMORY, Team } from './team.ts';

let stage: Stage;
let team: Team;
let owner: Machine;
let bob: Machine;
let carol: Machine;

vi.setConfig({ testTimeout: 120_000 });
beforeAll(async () => {
  stage = await openStage();
  team = new Team(stage);
  owner = team.owner;
  bob = stage.machine();
  carol = stage.machine();
  await bob.succeed(['trust', 'key', 'generate', 'bob']);
  await carol.succeed(['trust', 'key', 'generate', 'carol']);
});
afterEach(() => stage.calm());
afterAll(() => stage.close());

/** A repository whose root takes so many of the keys of owner, bob and carol. */
async function shared(repository: string, threshold: number, ...others: Machine[]): Promise<string> {
  const name = await team.signed(repository);
  const people = others.map((machine) => [machine, machine === bob ? 'bob' : 'carol'] as const);
  await shareRoot(stage, repository, owner, people, threshold);
  for (const machine of others) await team.pinned(repository, machine);
  return name;
}

const requests = () => stage.registry.log.map(({ method, path }) => `${method} ${path}`);

describe('protocol 4.6: a root that takes two keys of two', () => {
  it('is changed by two people, and nobody else reads what waits', async () => {
    const name = await shared('two', 2, bob);
    const consumer = await team.pinned('two');
    const alice = await team.developer('two', 'alice');
    const before = team.trustTag('two');

    const alone = await refused(owner, team.adding(alice, 'alice', 'two'), {
      code: 'KEY_ROOT_MISSING',
      stdout: /^Adding signer/,
      mayChange: MEMORY,
    });
    expect(alone.stderr).toContain('1 of 2 keys needed are on this machine');
    expect(alone.stderr).toContain('dtrust trust stage');

    const [, , , ...add] = team.adding(alice, 'alice', 'two');
    const staged = await owner.succeed(['trust', 'stage', 'signer', 'add', ...add]);
    const id = idIn(staged.stdout);
    expect(staged.stdout).not.toContain('Successfully');
    expect(staged.stdout).toContain('  targets/alice: 1 of 1 keys: alice (');
    expect(staged.stdout).toMatch(/Missing: root needs 1 more of: the root key \([0-9a-f]{64}\)\n/);
    expect(staged.stdout).toContain(`dtrust trust cosign ${name}\n`);
    expect(team.trustTag('two')).toBe(before);
    expect(stagedTag(stage, 'two')).toMatch(/^sha256:/);
    const waits = await owner.succeed(['trust', 'status', name]);
    expect(waits.stdout).toContain(`Staged:       ${id}, missing: root needs 1 more of: the root key (`);
    expect(waits.stdout).toContain(`look at it with: dtrust trust cosign --show ${name}\n`);
    const json = await owner.succeed(['trust', 'status', '--format', 'json', name]);
    expect(JSON.parse(json.stdout)).toMatchObject({ Staged: { ID: id, Problem: null } });

    stage.registry.log.length = 0;
    await consumer.succeed(['pull', '-q', `${name}:1.0`]);
    await team.pushed(owner, 'two', '1.1');
    await owner.succeed(['trust', 'refresh', name]);
    expect(requests().filter((each) => each.includes('staged'))).toEqual([]);
    // The tag moved into releases is changed by the push: what was staged is outdated, and staged again.
    await refused(bob, ['trust', 'cosign', '--show', name], { code: 'STAGED_OUTDATED', mayChange: MEMORY });
    const again = idIn((await owner.succeed(['trust', 'stage', 'signer', 'add', ...add])).stdout);
    expect(again).not.toBe(id);

    await refused(bob, ['trust', 'cosign', name], { code: 'PROMPT_UNAVAILABLE', mayChange: MEMORY });
    const shown = await bob.succeed(['trust', 'cosign', '--show', '--format', 'json', name]);
    expect(JSON.parse(shown.stdout)).toMatchObject({
      Collection: name,
      Digest: again,
      Complete: false,
      Roles: [{ Name: 'root', Version: 3, Replaces: 2 }, { Name: 'targets' }, { Name: 'targets/releases' }],
      Missing: [
        { Role: 'root', Count: 1 },
        { Role: 'root', Count: 1 },
      ],
    });
    await refused(bob, ['trust', 'cosign', '--digest', id, name], {
      code: 'STAGED_CHANGED',
      mayChange: MEMORY,
    });

    const signed = await bob.succeed(['trust', 'cosign', '--digest', again, name]);
    expect(signed.stdout).toContain(`Signed what is staged for ${name}: ${again}\n`);
    expect(signed.stdout).toMatch(
      /To publish it, where one of these keys is \(the online key \([0-9a-f]{64}\), alice/,
    );
    expect(team.trustTag('two')).not.toBeUndefined();
    const published = await owner.succeed(['trust', 'cosign', '--digest', again, name]);
    expect(published.stdout).toContain(`Signed and published what was staged for ${name}: ${again}\n`);
    expect(published.stderr).toMatch(
      /pin for machines without memory: dtrust trust pin add .*--root-version 3/,
    );
    expect(await team.listed(consumer, 'two')).toMatchObject([{ Name: 'alice' }]);
    await team.pushed(alice, 'two', '2.0');
    await consumer.succeed(['pull', '-q', `${name}:2.0`]);
    await refused(bob, ['trust', 'cosign', name], { code: 'STAGED_ABSENT', mayChange: MEMORY });
    expect((await owner.succeed(['trust', 'status', name])).stdout).not.toContain('Staged');
  });

  it('says so and publishes where the keys here are enough', async () => {
    const name = await shared('enough', 2, bob);
    team.local('enough', '2.0');
    const run = await owner.succeed(['trust', 'stage', 'push', `${name}:2.0`]);
    expect(run.stderr).toContain('the keys on this machine are enough: nothing is staged');
    expect(run.stdout).toContain(`Successfully signed ${name}:2.0\n`);
    expect(stagedTag(stage, 'enough')).toBeUndefined();
  });
});

describe('protocol 4.6: a rotation by two people', () => {
  it('the new root key signs as well, and whoever began it goes over to it at the end', async () => {
    const name = await shared('rotated', 2, bob);
    const consumer = await team.pinned('rotated');
    const turned = stage.machine({ like: owner });
    const alone = await turned.run(['trust', 'rotate', 'root', name]);
    expect(alone.stderr).toContain('(KEY_ROOT_MISSING)');
    const staged = await turned.succeed(['trust', 'stage', 'rotate', 'root', name]);
    expect(staged.stdout).toMatch(
      /root: 2 of 2 keys -> 2 of 2 keys; adds the root key \([0-9a-f]{64}\); takes away the root key/,
    );
    expect(staged.stdout.match(/^Missing: /gm)).toHaveLength(1);
    const id = idIn(staged.stdout);
    await bob.succeed(['trust', 'cosign', '--digest', id, name]);
    const published = await turned.succeed(['trust', 'cosign', '--digest', id, name]);
    expect(published.stdout).toContain('Signed and published');
    const again = await turned.succeed(['trust', 'rotate', 'root', name]);
    expect(again.stdout).toMatch(/The root key of \S+ is [0-9a-f]{64} already/);
    await consumer.succeed(['pull', '-q', `${name}:1.0`]);
  });
});

describe('protocol 4.6: a root that takes keys of three', () => {
  it('any two of three will do, and who has signed already is told', async () => {
    const name = await shared('of-three', 2, bob, carol);
    const alice = await team.developer('of-three', 'alice');
    const [, , , ...add] = team.adding(alice, 'alice', 'of-three');
    const id = idIn((await owner.succeed(['trust', 'stage', 'signer', 'add', ...add])).stdout);
    const same = await owner.succeed(['trust', 'cosign', '--digest', id, name]);
    expect(same.stdout).toContain('Signed already with what is here: the root key (');
    await carol.succeed(['trust', 'cosign', '--digest', id, name]);
    await owner.succeed(['trust', 'cosign', '--digest', id, name]);
    expect(await team.listed(owner, 'of-three')).toMatchObject([{ Name: 'alice' }]);

    const raised = await owner.succeed(['trust', 'stage', 'threshold', 'root', '3', name]);
    expect(raised.stdout).toContain('  root: 2 of 3 keys -> 3 of 3 keys\n');
    expect(raised.stdout).toMatch(/Missing: root needs 1 more of: .*\nMissing: root needs 2 more of: /);
  });

  it('two who sign at one moment lose neither signature', async () => {
    const name = await shared('at-once', 3, bob, carol);
    const alice = await team.developer('at-once', 'alice');
    const [, , , ...add] = team.adding(alice, 'alice', 'at-once');
    const id = idIn((await owner.succeed(['trust', 'stage', 'signer', 'add', ...add])).stdout);
    await Promise.all([bob, carol].map((each) => each.succeed(['trust', 'cosign', '--digest', id, name])));
    const shown = await owner.succeed(['trust', 'cosign', '--show', '--format', 'json', name]);
    expect(JSON.parse(shown.stdout)).toMatchObject({ Digest: id, Complete: true, Missing: [] });
    await owner.succeed(['trust', 'cosign', '--digest', id, name]);
    expect(await team.listed(owner, 'at-once')).toMatchObject([{ Name: 'alice' }]);
  });
});

describe('protocol 4.6: a released role that takes two signers', () => {
  it('a tag is pushed by one and released by the other, moved and revoked likewise', async () => {
    const name = await team.signed('releases');
    const alice = await team.developer('releases', 'alice');
    const dave = await team.developer('releases', 'dave');
    await team.add(alice, 'alice', 'releases');
    await team.add(dave, 'dave', 'releases');
    await raiseReleases(stage, 'releases', 2, [owner, alice, dave]);
    const consumer = await team.pinned('releases');

    const digest = team.local('releases', '2.0');
    const alone = await refused(alice, ['push', `${name}:2.0`], { code: 'KEY_MISSING', mayChange: MEMORY });
    expect(alone.stderr).toContain('dtrust trust stage');
    const staged = await alice.succeed(['trust', 'stage', 'push', `${name}:2.0`]);
    expect(staged.stdout).toContain(`  sign ${name}:2.0 ${digest} (`);
    await refused(consumer, ['pull', `${name}:2.0`], { code: 'TARGET_NOT_SIGNED', mayChange: MEMORY });
    const id = idIn(staged.stdout);
    const published = await dave.succeed(['trust', 'cosign', '--digest', id, name]);
    expect(published.stdout).toContain('Signed and published');
    expect(published.stderr).not.toContain('pin for machines');
    const pulled = await consumer.succeed(['pull', `${name}:2.0`]);
    expect(pulled.stdout).toContain(`@${digest}`);

    const gone = await dave.succeed(['trust', 'stage', 'revoke', `${name}:2.0`]);
    expect(gone.stdout).toContain(`  revoke ${name}:2.0 ${digest} (`);
    await consumer.succeed(['pull', '-q', `${name}:2.0`]);
    await owner.succeed(['trust', 'cosign', '--digest', idIn(gone.stdout), name]);
    await refused(consumer, ['pull', `${name}:2.0`], { code: 'TARGET_NOT_RELEASED', mayChange: MEMORY });
    await consumer.succeed(['pull', '-q', `${name}:1.0`]);
  });
});
