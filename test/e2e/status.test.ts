/** `dtrust trust status`: what it shows on whose machine, what it refuses, and that a look is nothing but a look. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { type Machine, openStage, refused, type Stage } from './harness.ts';
import { MEMORY, Team } from './team.ts';

const DAY_MS = 86_400_000;
const ALL_PATHS = [...'0123456789abcdef'];

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
  readonly Version: number | null;
  readonly Expires: string | null;
  readonly ExpiresInDays: number | null;
  readonly Expired: boolean | null;
  readonly Threshold: number;
  readonly Keys: readonly { readonly ID: string; readonly Owner: string; readonly Here: boolean }[];
  readonly RenewableHere: boolean;
}

interface StatusJson {
  readonly Repository: string;
  readonly Problem: { readonly Code: string } | null;
  readonly Pin: { readonly Older: boolean; readonly TimestampVersion: number } | null;
  readonly TrustedBy: string | null;
  readonly LostUpdate: { readonly Code: string; readonly Message: string } | null;
  readonly Refusal: { readonly Code: string } | null;
  readonly Roles: readonly RoleJson[];
}

/** The objects that are printed, one on a line. */
async function statusOf(
  machine: Machine,
  args: readonly string[],
  status = 0,
): Promise<readonly StatusJson[]> {
  const run = await machine.run(['trust', 'status', '--format', 'json', ...args]);
  expect(run, run.stderr).toMatchObject({ status });
  return run.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as StatusJson);
}

/** A repository as its owner left it these days ago, and a machine that is pinned to it. */
async function aged(
  repository: string,
  days: number,
  prepare: (sim: RepositorySimulator) => void = () => {},
) {
  const collection = stage.name(repository);
  const sim = new RepositorySimulator({ collection, nowMs: Date.now() - days * DAY_MS });
  prepare(sim);
  sim.putTarget(`${collection}:1.0`, stage.image(repository, '1.0'), released(sim));
  sim.publish();
  await stage.publish(repository, sim.files());
  return stage.machine().pin(repository, sim.pin());
}

const released = (sim: RepositorySimulator) =>
  sim.roles.has('targets/releases') ? 'targets/releases' : 'targets';

describe('protocol 2.7: who can renew what, and until when it is good', () => {
  it('shows each role with its keys, and which of them are on this machine', async () => {
    const name = await team.signed('shown');
    const alice = await team.developer('shown', 'alice');
    const dev = await team.developer('shown', 'dev');
    await team.add(alice, 'alice', 'shown');
    await team.add(dev, 'dev', 'shown', '--path', 'dev-*');
    await team.pushed(alice, 'shown', '2.0');

    const [mine] = await statusOf(owner, [name]);
    expect(mine).toMatchObject({ Repository: name, Problem: null, TrustedBy: 'own-key', Pin: null });
    expect(mine?.Roles.map(({ Name, Version }) => `${Name} ${Version}`)).toEqual([
      'root 3',
      'targets 3',
      'targets/releases 2',
      'targets/dev 1',
      'targets/alice 1',
      'snapshot 4',
      'timestamp 4',
    ]);
    const owners = (role: string) =>
      mine?.Roles.find(({ Name }) => Name === role)
        ?.Keys.map(({ Owner }) => Owner)
        .sort();
    expect(owners('root')).toEqual(['the root key']);
    expect(owners('targets')).toEqual(['the repository key']);
    expect(owners('targets/releases')).toEqual(['alice', 'the repository key']);
    expect(owners('targets/dev')).toEqual(['dev', 'the repository key']);
    expect(owners('timestamp')).toEqual(['alice', 'dev', 'the online key']);
    const inspected = (await team.inspected(owner, 'shown')) as {
      AdministrativeKeys: { Keys: { ID: string }[] }[];
    };
    expect(mine?.Roles.slice(0, 2).map(({ Keys }) => Keys[0]?.ID)).toEqual(
      inspected.AdministrativeKeys.map(({ Keys }) => Keys[0]?.ID),
    );

    const renewable = (status: StatusJson | undefined) =>
      status?.Roles.filter(({ RenewableHere }) => RenewableHere).map(({ Name }) => Name);
    expect(renewable(mine)).toEqual([
      ...['root', 'targets', 'targets/releases', 'targets/dev', 'snapshot', 'timestamp'],
    ]);
    const [hers] = await statusOf(alice, [name]);
    expect(renewable(hers)).toEqual(['targets/releases', 'targets/alice', 'snapshot', 'timestamp']);
    expect(hers).toMatchObject({ TrustedBy: 'pin', Pin: { Older: true } });
    for (const role of mine?.Roles ?? []) {
      const years = role.Name === 'snapshot' || role.Name === 'timestamp' ? 1 : 3;
      expect([role.ExpiresInDays, role.Expired]).toEqual([365 * years - 1, false]);
    }

    const page = (await alice.succeed(['trust', 'status', name])).stdout;
    expect(page).toMatch(/^ROLE +VERSION +EXPIRES +NEEDS +HERE +WHO CAN RENEW IT$/m);
    expect(page).toMatch(
      /^root +3 +\d{4}-\d\d-\d\d \(in 1094 days\) +1 of 1 +no +the root key [0-9a-f]{12}$/m,
    );
    expect(page).toMatch(/^targets\/alice +1 +.* 1 of 1 +yes +alice [0-9a-f]{12}$/m);
    expect(page).toContain(`raise it with what this prints: dtrust trust pin export ${name}\n`);
  });

  it('shows a signer who has signed nothing yet, and a signer whose role has expired', async () => {
    const machine = await aged('idle', 0, (sim) => {
      sim.delegate({ name: 'targets/releases', path_hash_prefixes: ALL_PATHS, terminating: true });
      for (const name of ['targets/alice', 'targets/new'])
        sim.delegate({ name, path_hash_prefixes: ALL_PATHS });
      sim.role('targets/alice').expiresMs = Date.now() - 3 * DAY_MS;
      sim.roles.delete('targets/new');
    });
    await machine.succeed(['pull', '-q', `${stage.name('idle')}:1.0`]);
    const run = await machine.run(['trust', 'status', stage.name('idle')]);
    expect(run.stdout).toMatch(/^targets\/alice +1 +\S+ \(EXPIRED 3 days ago\)/m);
    expect(run.stdout).toMatch(/^targets\/new +- +nothing signed yet/m);
    expect(run.stdout).not.toContain('Refused');
    expect(run.status).toBe(1);
  });

  it('shows names of signers that others chose without letting them pass for the owner, or reach the terminal', async () => {
    const machine = await aged('hostile', 0, (sim) => {
      sim.delegate({ name: 'targets/releases', path_hash_prefixes: ALL_PATHS, terminating: true });
      for (const name of ['the root key', '\u001b[31mred']) {
        sim.delegate({ name: `targets/${name}`, path_hash_prefixes: ALL_PATHS });
      }
    });
    const { stdout } = await machine.succeed(['trust', 'status', stage.name('hostile')]);
    expect(stdout).toMatch(/^targets\/the root key .* "the root key" [0-9a-f]{12}$/m);
    expect(stdout).not.toContain('\u001b');
    const json = await machine.succeed(['trust', 'status', '--format', 'json', stage.name('hostile')]);
    expect(json.stdout).not.toContain('\u001b');
  });
});

describe('protocol 2.7: --expiring', () => {
  it('prints nothing and ends well when nothing ends, else the roles that do', async () => {
    const name = await team.signed('ending');
    for (const soon of ['90d', '12w', '2160h']) {
      const run = await owner.succeed(['trust', 'status', '--expiring', soon, name]);
      expect([run.stdout, run.stderr]).toEqual(['', '']);
    }
    const run = await owner.run(['trust', 'status', '--expiring', '53w', name]);
    expect(run.status).toBe(1);
    expect(run.stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 2).join(' '))).toEqual([
      'REPOSITORY ROLE',
      `${name} snapshot`,
      `${name} timestamp`,
      '',
    ]);
    const [json] = await statusOf(owner, ['--expiring', '53w', name], 1);
    expect(json?.Roles.map(({ Name }) => Name)).toEqual(['snapshot', 'timestamp']);
    expect(await statusOf(owner, ['--expiring', '90d', name])).toEqual([]);
  });

  it.each(['', '90', '0d', '-1d', '1.5d', '90D', '90 d', '9999999d', '999999w', '1y', 'd'])(
    'refuses %j as a length of time, before anything is asked',
    async (text) => {
      const before = stage.registry.log.length;
      await refused(owner, ['trust', 'status', `--expiring=${text}`, stage.name('ending')], {
        code: 'USAGE',
      });
      expect(stage.registry.log.length).toBe(before);
    },
  );

  it('refuses repositories beside --all, neither of them, and a format it does not have', async () => {
    for (const args of [
      [],
      ['--all', stage.name('ending')],
      ['--format', '{{.Name}}', stage.name('ending')],
    ]) {
      await refused(owner, ['trust', 'status', ...args], { code: 'USAGE' });
    }
  });
});

describe('protocol 2.7: what has expired', () => {
  it('is shown, is no success, and is neither remembered nor accepted by a pull', async () => {
    const name = stage.name('expired');
    const machine = await aged('expired', 400);
    const before = machine.content();
    const run = await machine.run(['trust', 'status', name]);
    expect(run.status).toBe(1);
    expect(run.stdout).toMatch(/^timestamp +1 +\S+ \(EXPIRED 35 days ago\) +1 of 1 +no +the online key/m);
    expect(run.stdout).toMatch(/^root +1 +\S+ \(in 69[45] days\)/m);
    expect(run.stdout).toMatch(/Refused: +to everybody who pulls: .*\(ROLE_EXPIRED\)\n/);
    expect(machine.content()).toEqual(before);
    await refused(machine, ['pull', `${name}:1.0`], { code: 'ROLE_EXPIRED' });
    const [json] = await statusOf(machine, [name], 1);
    expect(json?.Refusal).toMatchObject({ Code: 'ROLE_EXPIRED' });
  });
});

describe('protocol 6.4: a look is no first use', () => {
  it('refuses what is unknown and unpinned, whatever is set, and remembers nothing', async () => {
    const name = await team.signed('unknown');
    for (const env of [{}, { DTRUST_FIRST_USE: 'accept' }]) {
      const run = await refused(stage.machine(), ['trust', 'status', name], {
        code: 'FIRST_USE_REFUSED',
        env,
      });
      expect(run.stderr).not.toMatch(/[0-9a-f]{64}/);
    }
  });

  it('protocol 3.2: asks once for the trust data of each repository: a GET when it is new here, a HEAD when it is known', async () => {
    const name = await team.signed('asked');
    const consumer = await team.pinned('asked');
    const asked = async () => {
      stage.registry.log.length = 0;
      await consumer.succeed(['trust', 'status', name]);
      return stage.registry.requests(() => true);
    };
    const staged = 'GET manifests/_trust-staged';
    expect(await asked()).toEqual(['GET manifests/_trust', staged]);
    expect(await asked()).toEqual(['HEAD manifests/_trust', staged]);
  });
});

describe('contract (Keys): the key in DTRUST_KEY', () => {
  it('is here where its passphrase is, and nothing is asked for where it is not', async () => {
    const name = await team.signed('held');
    const alice = await team.developer('held', 'alice');
    await team.add(alice, 'alice', 'held');
    const folder = path.join(alice.config, 'trust', 'private');
    const pem = fs.readdirSync(folder).map((file) => fs.readFileSync(path.join(folder, file)));
    const job = await team.pinned('held');
    const DTRUST_KEY = Buffer.concat(pem).toString('base64');
    const renewable = async (env: Record<string, string>) => {
      const run = await job.succeed(['trust', 'status', '--format', 'json', name], { DTRUST_KEY, ...env });
      const { Roles } = JSON.parse(run.stdout) as StatusJson;
      return Roles.filter(({ RenewableHere }) => RenewableHere).map(({ Name }) => Name);
    };
    expect(await renewable({})).toEqual(['targets/releases', 'targets/alice', 'snapshot', 'timestamp']);
    expect(await renewable({ DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: '' })).toEqual([]);
  });
});

describe('protocol 4.3: a publish from here that is missing', () => {
  it('is reported, not thrown, and stays to be offered', async () => {
    const name = await team.signed('lost');
    const other = stage.machine({ like: owner });
    const begun = team.trustTag('lost');
    await team.pushed(owner, 'lost', '2.0');
    team.setTrustTag('lost', begun);
    for (const tag of ['3.0', '4.0']) await team.pushed(other, 'lost', tag);
    for (let time = 0; time < 2; time++) {
      const run = await owner.succeed(['trust', 'status', name]);
      expect(run.stdout).toMatch(/Lost: +a publish from this machine .*sign \S+:2\.0 \(LOST_UPDATE\)\n/);
      expect(run.stderr).toContain('(LOST_UPDATE)');
    }
    const [json] = await statusOf(owner, [name]);
    expect(json?.LostUpdate).toMatchObject({ Code: 'LOST_UPDATE' });
    const [others] = await statusOf(other, [name]);
    expect(others?.LostUpdate).toBeNull();
  });
});

describe('--all', () => {
  it('shows what is remembered, pinned or has a key here, in one order, and what is the matter with the others', async () => {
    const team2 = new Team(stage);
    const machine = team2.owner;
    const own = await team2.signed('all/own');
    const pinned = stage.name('all/pinned');
    await team.signed('all/pinned');
    await team.pinned('all/pinned', machine);
    expect((await statusOf(machine, ['--all'])).map(({ Repository }) => Repository)).toEqual([own, pinned]);
    const table = (await machine.succeed(['trust', 'status', '--all'])).stdout;
    expect(table).toMatch(/^REPOSITORY +ROOT +TIMESTAMP +TRUSTED BY +RENEWED HERE +ENDS FIRST$/m);
    expect(table).toMatch(
      new RegExp(`^${own} +1 +1 +a root key on this machine +all +snapshot .*\\(in 364 days\\)$`, 'm'),
    );
    expect(table).toMatch(new RegExp(`^${pinned} +1 +1 +its pin +nothing +snapshot `, 'm'));

    await machine.succeed(['trust', 'pin', 'add', '127.0.0.1:1/all/away', 'ab'.repeat(32)]);
    await machine.succeed(['trust', 'pin', 'add', stage.name('all/gone'), 'ab'.repeat(32)]);
    const remembered = path.join(machine.config, 'trust', 'dtrust', 'memory');
    const damaged = path.join(remembered, 'a'.repeat(64));
    fs.mkdirSync(damaged);
    fs.writeFileSync(path.join(damaged, 'memory.json'), '{"format":1,');
    const run = await refused(machine, ['trust', 'status', '--all'], {
      code: 'MEMORY_DAMAGED',
      stdout: /^REPOSITORY /,
      mayChange: MEMORY,
    });
    const rows = run.stdout.trimEnd().split('\n').slice(1);
    expect(rows.map((row) => row.split(/ {3,}/)[0])).toEqual([
      ...[damaged, '127.0.0.1:1/all/away', stage.name('all/gone'), own, pinned].sort(),
    ]);
    expect(rows.filter((row) => row.includes('NETWORK_REFUSED'))).toHaveLength(1);
    expect(rows.filter((row) => row.includes('TRUST_DATA_GONE'))).toHaveLength(1);
    expect(run.stderr).toContain('dtrust: cannot tell how these stand: ');
    const json = await statusOf(machine, ['--all', '--expiring', '1d'], 1);
    // The same members, in the same order, whatever was found.
    const [found] = await statusOf(machine, [own]);
    for (const each of json) expect(Object.keys(each)).toEqual(Object.keys(found ?? {}));
    expect(json.map(({ Problem }) => Problem?.Code).sort()).toEqual([
      ...['MEMORY_DAMAGED', 'NETWORK_REFUSED', 'TRUST_DATA_GONE'],
    ]);
  });

  it('is empty on a machine that knows nothing', async () => {
    const run = await stage.machine().succeed(['trust', 'status', '--all', '--format', 'json']);
    expect(run.stdout).toBe('');
    expect(run.stderr).toContain('no repository is remembered');
  });
});
