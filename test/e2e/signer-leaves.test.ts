/** `trust signer remove`, and what becomes of the tags that he signed last: by flags, and on a terminal. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { hasScript, PtyRun } from '../keys/pty.ts';
import {
  digestOfText,
  type Machine,
  openStage,
  REPOSITORY_PASSPHRASE,
  ROOT_PASSPHRASE,
  refused,
  type Stage,
} from './harness.ts';
import { NODE } from './program.ts';
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

/** A repository in which alice, on her own machine, has signed these tags. */
async function signedByAlice(repository: string, tags: readonly string[], ...options: string[]) {
  const name = await team.signed(repository);
  const alice = await team.developer(repository, 'alice');
  await team.add(alice, 'alice', repository, ...options);
  const digests = new Map<string, string>();
  for (const tag of tags) digests.set(tag, await team.pushed(alice, repository, tag));
  return { name, alice, digests };
}

const removing = (name: string, ...options: string[]) => [
  ...['trust', 'signer', 'remove', ...options, 'alice', name],
];

/** Tag and digest of everything signed, as a client of its own sees it. */
async function signedTags(repository: string): Promise<Record<string, string>> {
  const { SignedTags } = (await team.inspected(await team.pinned(repository), repository)) as {
    SignedTags: { SignedTag: string; Digest: string }[];
  };
  return Object.fromEntries(SignedTags.map(({ SignedTag, Digest }) => [SignedTag, `sha256:${Digest}`]));
}

describe('by flags, without a terminal', () => {
  it('protocol 2.6: keeps, revokes and signs for another digest, in one publish', async () => {
    const { name, alice, digests } = await signedByAlice('leaves', ['2.0', '3.0', '4.0']);
    const first = (await signedTags('leaves'))['1.0'] ?? '';
    const consumer = await team.pinned('leaves');
    const good = stage.image('leaves', 'good', 'rebuilt').digest;
    stage.registry.log.length = 0;
    const { stdout, stderr } = await owner.succeed(
      removing(name, '--keep', '2.0', '--revoke', `${name}:3.0`, '--repoint', `4.0=${good}`),
    );
    const puts = ({ method, reference }: { method: string; reference?: string }) =>
      method === 'PUT' && reference === '_trust';
    expect(stage.registry.requests(puts)).toHaveLength(1);
    expect(stdout.split('\n').slice(1, -2)).toEqual([
      `Revoked ${name}:3.0`,
      `Signed ${name}:4.0 for ${good}`,
    ]);
    expect(stderr).toMatch(/pin for machines without memory: dtrust trust pin add .* --root-version 3 /);
    expect(await signedTags('leaves')).toEqual({ '1.0': first, '2.0': digests.get('2.0'), '4.0': good });
    expect((await consumer.succeed(['pull', `${name}:4.0`])).stdout).toContain(`@${good}`);
    await refused(consumer, ['pull', `${name}:3.0`], { code: 'TARGET_NOT_SIGNED', mayChange: MEMORY });
    expect(await team.listed(consumer, 'leaves')).toEqual([]);
    team.local('leaves', '5.0');
    await refused(alice, ['push', `${name}:5.0`], { code: 'KEY_MISSING', mayChange: MEMORY });
  });

  it('protocol 2.6: --force keeps what no other flag names; tags of others can be named too', async () => {
    const { name, digests } = await signedByAlice('forced', ['2.0', '3.0']);
    await owner.succeed(removing(name, '--force', '--revoke', '3.0', '--revoke', '1.0'));
    expect(await signedTags('forced')).toEqual({ '2.0': digests.get('2.0') });
  });

  it('protocol 2.2, 2.6: the same for a signer limited to some tags, whose role goes with him', async () => {
    const tags = ['dev-1', 'dev-2', 'dev-3'];
    const { name, digests } = await signedByAlice('limited', tags, '--path', 'dev-*');
    const bob = await team.developer('limited', 'bob');
    await team.add(bob, 'bob', 'limited');
    const good = stage.image('limited', 'good', 'rebuilt').digest;
    await owner.succeed(removing(name, '--keep=dev-1', '--revoke=dev-2', `--repoint=${name}:dev-3@${good}`));
    const { '1.0': _, ...signed } = await signedTags('limited');
    expect(signed).toEqual({ 'dev-1': digests.get('dev-1'), 'dev-3': good });
    // They stand where everybody else's tags are.
    await team.pushed(bob, 'limited', 'dev-3', 'by bob');
  });

  it('protocol 2.6: what is left undecided is refused by name, and nothing is asked for before it', async () => {
    const { name, digests } = await signedByAlice('undecided', ['2.0', '3.0', '4.0']);
    const run = await refused(owner, removing(name, '--keep', '2.0'), {
      code: 'PROMPT_UNAVAILABLE',
      stdout: /^Removing signer/,
      mayChange: MEMORY,
    });
    expect(run.stderr).toContain(`as ${name}:3.0, ${name}:4.0, and nobody`);
    expect(run.stderr).toContain(
      'hint: If these tags are to stay signed: dtrust trust signer remove --force alice',
    );
    const nowhere = digestOfText('nowhere');
    const none = { DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: '', DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: '' };
    const said = { env: none, mayChange: MEMORY };
    const there = { ...said, stdout: /^Removing signer/ };
    for (const [code, options, more] of [
      ['TARGET_NOT_SIGNED', ['--force', '--revoke', '9.9'], there],
      ['TARGET_NOT_SIGNED', ['--force', '--revoke', '_trust'], there],
      ['DIGEST_UNCONFIRMED', ['--force', `--repoint=2.0=${nowhere}`], there],
      ['USAGE', ['--force', '--repoint=2.0'], said],
      ['USAGE', ['--force', '--repoint=2.0=latest'], said],
      ['USAGE', ['--force', `--repoint=2.0=sha512:${'a'.repeat(128)}`], said],
      ['USAGE', ['--keep=2.0', `--revoke=${name}:2.0`], said],
      ['USAGE', ['--revoke=2.0', `--repoint=2.0=${digests.get('3.0')}`], said],
      ['USAGE', ['--revoke', `${stage.name('other')}:2.0`], said],
      ['USAGE', ['--revoke', stage.name('undecided')], said],
      ['USAGE', ['--revoke', '2.0', '--force', 'alice', name, stage.name('other')], said],
      ['REFERENCE_INVALID', ['--revoke', 'no tag'], said],
    ] as const) {
      const args = (options as readonly string[]).includes('alice')
        ? ['trust', 'signer', 'remove', ...options]
        : removing(name, ...options);
      await refused(owner, args, { code, ...more });
    }
  });

  it('protocol 2.6: keys that are missing are named before what becomes of the tags', async () => {
    const { name, alice } = await signedByAlice('keyless', ['2.0']);
    const run = await refused(alice, removing(name), {
      code: 'KEY_MISSING',
      stdout: /^Removing signer/,
      mayChange: MEMORY,
    });
    expect(run.stderr).toMatch(/role targets of .*accepted: the repository key \([0-9a-f]{64}\)/);
  });

  it('protocol 2.6: without the root key it is still one publish, and says what stays', async () => {
    const { name } = await signedByAlice('rootless', ['2.0', '3.0']);
    const deputy = await team.pinned('rootless', stage.machine({ like: owner }));
    const folder = path.join(deputy.config, 'trust', 'private');
    for (const file of fs.readdirSync(folder)) {
      const text = fs.readFileSync(path.join(folder, file), 'utf8');
      if (text.includes('role: root')) fs.rmSync(path.join(folder, file));
    }
    stage.registry.log.length = 0;
    const { stderr } = await deputy.succeed(removing(name, '--force', '--revoke', '2.0'));
    const puts = stage.registry.requests(
      ({ method, reference }) => method === 'PUT' && reference === '_trust',
    );
    expect(puts).toHaveLength(1);
    expect(stderr).toContain('warning: alice can still sign snapshot and timestamp');
    expect(Object.keys(await signedTags('rootless'))).toEqual(['1.0', '3.0']);
  });
});

/** A command of the owner's on a terminal of its own; the last line shown is its exit status. */
function onTerminal(args: readonly string[]): PtyRun {
  return new PtyRun(`${NODE} ${stage.program} ${args.join(' ')}; echo status=$?`, {
    HOME: owner.home,
    DOCKER_CONFIG: owner.config,
    DOCKER_HOST: stage.engine.host,
    XDG_CACHE_HOME: path.join(stage.folder, 'cache'),
    DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: ROOT_PASSPHRASE,
    DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: REPOSITORY_PASSPHRASE,
  });
}

const ALL = 'Keep all 2 signed, revoke all, or decide on each? [k/r/e, nothing to cancel] ';
const ONE = 'keep it signed, revoke it, or sign another digest? [k/r/sha256:..., nothing to cancel] ';

describe.skipIf(!hasScript())('on a terminal', () => {
  it('protocol 2.6: asks about all of them, or one by one; no answer changes nothing', async () => {
    const { name, digests } = await signedByAlice('asked', ['2.0', '3.0']);
    const before = team.trustTag('asked');
    const good = stage.image('asked', 'good', 'rebuilt').digest;

    const cancelled = onTerminal(removing(name));
    await cancelled.waitFor(`${name}:2.0  ${digests.get('2.0')}`);
    await cancelled.waitFor(ALL);
    cancelled.type('what\r');
    await cancelled.waitFor('Answer k, r or e.');
    await cancelled.waitFor(ALL);
    cancelled.type('\r');
    expect(await cancelled.shown()).toMatch(/alice is still a signer \(PROMPT_DECLINED\)[\s\S]*status=1/);
    expect(team.trustTag('asked')).toBe(before);

    const each = onTerminal(removing(name));
    await each.waitFor(ALL);
    each.type('e\r');
    await each.waitFor(`${name}:2.0: ${ONE}`);
    each.type('r\r');
    await each.waitFor(`${name}:3.0: ${ONE}`);
    each.type(`${digestOfText('nowhere')}\r`);
    await each.waitFor('the registry has no manifest');
    await each.waitFor(`${name}:3.0: ${ONE}`);
    each.type(`${name}:3.0@${good}\r`);
    expect(await each.shown()).toMatch(/Successfully removed alice from[\s\S]*status=0/);
    const { '1.0': _, ...signed } = await signedTags('asked');
    expect(signed).toEqual({ '3.0': good });
  });

  it('protocol 2.6: asks only about what the flags leave open', async () => {
    const { name, digests } = await signedByAlice('rest', ['2.0', '3.0']);
    const run = onTerminal(removing(name, '--keep', '2.0'));
    await run.waitFor(`${name}:3.0: ${ONE}`);
    run.type('revoke\r');
    expect(await run.shown()).toMatch(/status=0/);
    expect(await signedTags('rest')).toMatchObject({ '2.0': digests.get('2.0') });
    expect(await signedTags('rest')).not.toHaveProperty('3.0');
  });

  it('protocol 2.6: what the signer signs while the owner reads the question is not kept for it', async () => {
    const { name, alice } = await signedByAlice('meanwhile', ['2.0']);
    const run = onTerminal(removing(name));
    await run.waitFor(ONE);
    const evil = await team.pushed(alice, 'meanwhile', '2.0', 'evil');
    const byAlice = team.trustTag('meanwhile');
    run.type('k\r');
    expect(await run.shown()).toMatch(
      /, has changed since it was shown: \S+:2\.0 \(PUBLISH_CONFLICT\)[\s\S]*status=1/,
    );
    expect(team.trustTag('meanwhile')).toBe(byAlice);
    const again = onTerminal(removing(name));
    await again.waitFor(`${name}:2.0  ${evil}`);
    await again.waitFor(ONE);
    again.type('r\r');
    expect(await again.shown()).toMatch(/status=0/);
    expect(await signedTags('meanwhile')).not.toHaveProperty('2.0');
  });
});
