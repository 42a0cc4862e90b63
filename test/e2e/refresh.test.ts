/** `dtrust trust refresh`: whose keys renew what, many repositories at once, and what is said when something has expired. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { RoleName } from '../../src/trust/core/metadata.ts';
import { keysOf, publishDaysAgo } from './aged.ts';
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

interface RoleJson {
  readonly Name: string;
  readonly Version: number;
  readonly ExpiresInDays: number;
}

async function rolesOf(machine: Machine, repository: string): Promise<ReadonlyMap<string, RoleJson>> {
  const { stdout } = await machine.run(['trust', 'status', '--format', 'json', stage.name(repository)]);
  const { Roles } = JSON.parse(stdout) as { Roles: RoleJson[] };
  return new Map(Roles.map((role) => [role.Name, role]));
}

const versions = (roles: ReadonlyMap<string, RoleJson>) =>
  Object.fromEntries([...roles].map(([name, { Version }]) => [name, Version]));

describe('protocol 2.4: a signer keeps the collection fresh', () => {
  it('protocol 2.7: by a refresh on his own machine, by name and with --all, of nothing but his', async () => {
    const name = await team.signed('hers');
    const other = await team.signed('not-hers');
    const alice = await team.developer('hers', 'alice');
    await team.add(alice, 'alice', 'hers');
    await team.pinned('not-hers', alice);
    const before = await rolesOf(alice, 'hers');
    const named = await alice.succeed(['trust', 'refresh', name]);
    expect(named.stdout).toMatch(new RegExp(`^Refreshed ${name}, good until \\d{4}-\\d\\d-\\d\\dT`));
    const untouched = team.trustTag('not-hers');
    const all = await alice.succeed(['trust', 'refresh', '--all']);
    expect(all.stdout.match(/^Refreshed \S+/gm)).toEqual([`Refreshed ${name},`]);
    const { root, targets, 'targets/releases': releases } = versions(before);
    expect(versions(await rolesOf(owner, 'hers'))).toMatchObject({
      root,
      targets,
      'targets/releases': releases,
      snapshot: (before.get('snapshot')?.Version ?? 0) + 2,
      timestamp: (before.get('timestamp')?.Version ?? 0) + 2,
    });
    expect(team.trustTag('not-hers')).toBe(untouched);
    await refused(alice, ['trust', 'refresh', other], { code: 'KEY_MISSING', mayChange: MEMORY });
  });

  it('protocol 2.7: where nothing is remembered yet, as in CI, --all looks at what is pinned', async () => {
    await team.signed('pinned-only');
    const alice = await team.developer('pinned-only', 'alice');
    await team.add(alice, 'alice', 'pinned-only');
    const job = stage.machine();
    const folder = path.join('trust', 'private');
    fs.cpSync(path.join(alice.config, folder), path.join(job.config, folder), { recursive: true });
    fs.chmodSync(path.join(job.config, folder), 0o700);
    await team.pinned('pinned-only', job);
    const { stdout } = await job.succeed(['trust', 'refresh', '--all']);
    expect(stdout.match(/^Refreshed \S+/gm)).toEqual([`Refreshed ${stage.name('pinned-only')},`]);
  });
});

describe('protocol 2.7: refresh --all', () => {
  it('goes on when one repository fails, names each that did, and ends with status 1', async () => {
    const own = new Team(stage);
    const machine = own.owner;
    const [first, second, third] = [await own.signed('a'), await own.signed('b'), await own.signed('c')];
    const keys = path.join(machine.config, 'trust', 'private');
    const snapshotKey = fs
      .readdirSync(keys)
      .map((file) => path.join(keys, file))
      .find((file) => /^role: snapshot$/m.test(fs.readFileSync(file, 'utf8')));
    const text = fs.readFileSync(snapshotKey ?? '', 'utf8');
    const odd = path.join(keys, `${'e'.repeat(64)}.key`);
    fs.writeFileSync(odd, text.replace(/^gun: .*$/m, 'gun: Not A Repository'), { mode: 0o600 });
    own.setTrustTag('b', undefined);
    stage.registry.repository('b').tags.delete('_trust' as never);
    const run = await machine.run(['trust', 'refresh', '--all']);
    expect(run.status).toBe(1);
    expect(run.stdout.match(/^Refreshed \S+/gm)).toEqual([`Refreshed ${first},`, `Refreshed ${third},`]);
    expect(run.stderr).toMatch(new RegExp(`cannot refresh ${second}: .*\\(TRUST_DATA_GONE\\)\n`));
    expect(run.stderr).toContain(`failed to refresh: ${second}\n`);
    expect(run.stderr).toMatch(/cannot refresh Not A Repository: .*\(REFERENCE_INVALID\)\n/);
  });
});

describe('protocol 2.7: roles that near their end', () => {
  it('are renewed by a refresh where their keys are: targets, and a role that a limited signer no longer uses', async () => {
    const name = await team.signed('nearing');
    const alice = await team.developer('nearing', 'alice');
    const dev = await team.developer('nearing', 'dev');
    await team.add(alice, 'alice', 'nearing');
    await team.add(dev, 'dev', 'nearing', '--path', 'dev-*');
    const all = await keysOf(owner);
    await publishDaysAgo(stage, 'nearing', 3 * 365 - 20, all, [{ kind: 'renew' }]);
    const releases = 'targets/releases' as RoleName;
    await publishDaysAgo(stage, 'nearing', 0, await keysOf(alice), [{ kind: 'renew', roles: [releases] }]);
    const before = await rolesOf(owner, 'nearing');
    expect([before.get('targets')?.ExpiresInDays, before.get('targets/dev')?.ExpiresInDays]).toEqual([
      19, 19,
    ]);

    const hers = await alice.succeed(['trust', 'refresh', name]);
    expect(hers.stderr).toContain(`targets metadata of ${name} expires in 19 days`);
    expect((await rolesOf(alice, 'nearing')).get('targets')?.ExpiresInDays).toBe(19);
    await owner.succeed(['trust', 'refresh', name]);
    const after = await rolesOf(owner, 'nearing');
    for (const role of ['root', 'targets', 'targets/dev', 'targets/releases']) {
      expect([role, after.get(role)?.ExpiresInDays]).toEqual([role, 1094]);
    }
  });

  it('when they have expired: the error names whose keys mend it, and the command, which then does', async () => {
    const name = await team.signed('over');
    const alice = await team.developer('over', 'alice');
    await team.add(alice, 'alice', 'over');
    const consumer = await team.pinned('over');
    await publishDaysAgo(stage, 'over', 3 * 365 + 2, await keysOf(owner), [{ kind: 'renew' }]);
    const pull = ['pull', `${name}:1.0`];
    const hintOf = async () =>
      (await refused(consumer, pull, { code: 'ROLE_EXPIRED', mayChange: MEMORY })).error.hint;
    expect(await hintOf()).toMatch(
      new RegExp(
        `^dtrust trust refresh ${name} mends it where one of these keys is, beside one for snapshot and timestamp: the root key \\([0-9a-f]{64}\\)$`,
      ),
    );
    await owner.succeed(['trust', 'refresh', name]);
    await consumer.succeed(pull);

    const releases = 'targets/releases' as RoleName;
    const renew = { kind: 'renew', roles: [releases] } as const;
    await publishDaysAgo(stage, 'over', 3 * 365 + 2, await keysOf(owner), [renew]);
    await publishDaysAgo(stage, 'over', 0, await keysOf(owner, 'snapshot'), []);
    expect(await hintOf()).toMatch(/: the repository key \([0-9a-f]{64}\), alice \([0-9a-f]{64}\)$/);
    await alice.succeed(['trust', 'refresh', name]);
    await consumer.succeed(pull);
  });
});
