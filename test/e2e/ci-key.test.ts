/** A CI job that signs with DTRUST_KEY: what it can do, what it is refused, and that nothing of its key is left. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { keysOf, publishDaysAgo, servedFiles } from './aged.ts';
import { assertNoSecret, dockerCalls, type Machine, openStage, refused, type Stage } from './harness.ts';
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

/** The one private key of a machine with this role, as the variable holds it. */
function keyLine(machine: Machine, role: string): string {
  const folder = path.join(machine.config, 'trust', 'private');
  const files = fs.readdirSync(folder).map((name) => fs.readFileSync(path.join(folder, name)));
  const found = files.find((bytes) => bytes.includes(`role: ${role}\n`));
  if (found === undefined) throw new Error(`no key of ${role}`);
  return found.toString('base64');
}

/** A machine as a job finds it: a pin, credentials, nothing else; and the key of a developer in its environment. */
async function job(repository: string, key: string): Promise<Machine> {
  return await team.pinned(repository, stage.machine({ env: { DTRUST_KEY: key, CI: 'true' } }));
}

async function listedJob(repository: string, ...more: string[]): Promise<Machine> {
  await team.signed(repository);
  const bob = await team.developer(repository, 'bob');
  await team.add(bob, 'bob', repository, ...more);
  return await job(repository, keyLine(bob, 'bob'));
}

/** No file of the home holds the key, in either form, or its public half. */
function assertKeyNotWritten(machine: Machine): void {
  const line = machine.env.DTRUST_KEY ?? '';
  const pem = Buffer.from(line, 'base64').toString();
  const body = pem.split('\n').filter((each) => /^[A-Za-z0-9+/=]{40,}$/.test(each));
  expect(body.length).toBeGreaterThan(2);
  const names = fs.readdirSync(machine.home, { recursive: true, encoding: 'utf8' });
  expect(names.filter((name) => /\.(?:key|pub)$|private/.test(name))).toEqual([]);
  const files = names.filter((name) => fs.statSync(path.join(machine.home, name)).isFile());
  expect(files.length).toBeGreaterThan(1);
  for (const name of files) {
    const text = fs.readFileSync(path.join(machine.home, name), 'latin1');
    for (const secret of [line, ...body, 'PRIVATE KEY']) expect(text, name).not.toContain(secret);
  }
}

describe('contract (Keys): a job signs with DTRUST_KEY', () => {
  it('pushes, signs, refreshes and revokes on a fresh disk, and leaves no key there', async () => {
    const machine = await listedJob('job');
    const name = stage.name('job');
    const digest = await team.pushed(machine, 'job', '2.0');
    const image = stage.image('job', '3.0');
    const runs = [
      await machine.succeed(['trust', 'sign', `${name}:3.0@${image.digest}`]),
      await machine.succeed(['trust', 'refresh', name]),
      await machine.succeed(['trust', 'revoke', `${name}:3.0`]),
    ];
    for (const run of runs) assertNoSecret(run, machine.env.DTRUST_KEY ?? '');
    const pulled = await owner.succeed(['pull', `${name}:2.0`]);
    expect(pulled.stdout).toContain(digest);
    await refused(owner, ['pull', `${name}:3.0`], { code: 'TARGET_NOT_SIGNED', mayChange: MEMORY });
    assertKeyNotWritten(machine);
  });

  it('shows it among the keys, by the ID computed from it, without asking anybody', async () => {
    const machine = await listedJob('shown');
    const { stdout } = await machine.succeed(['trust', 'key', 'list', '--format', 'json']);
    const { ID, ...entry } = JSON.parse(stdout) as Record<string, unknown>;
    expect(entry).toMatchObject({ Role: 'bob', File: 'DTRUST_KEY' });
    expect(await team.listed(owner, 'shown')).toMatchObject([{ Name: 'bob', Keys: [{ ID }] }]);
    const table = await machine.succeed(['trust', 'key', 'list']);
    expect(table.stdout).toContain('from DTRUST_KEY');

    const locked = await machine.succeed(['trust', 'key', 'list'], {
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: undefined,
    });
    expect(locked.stdout).toContain('not known until it is unlocked');
    const wrong = await machine.succeed(['trust', 'key', 'list'], {
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'another-passphrase',
    });
    expect(wrong.stdout).toContain('not known until it is unlocked');
    expect(wrong.stderr).toContain('DTRUST_KEY');
    assertKeyNotWritten(machine);
  });

  it('takes its passphrase from a file as well', async () => {
    const machine = await listedJob('by-file');
    const file = path.join(stage.folder, 'passphrase');
    fs.writeFileSync(file, `${'repository-passphrase-of-a-test'}\n`);
    await machine.succeed(['trust', 'refresh', stage.name('by-file')], {
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: undefined,
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE_FILE: file,
    });
  });

  it('is handed on to docker with the rest of the environment, and not to credential helpers', async () => {
    const seen = path.join(stage.folder, 'helper.env');
    const helper = path.join(stage.binFolder, 'docker-credential-watched');
    const answer = '{"ServerURL":"x","Username":"robot","Secret":"registry-password-of-a-test"}';
    fs.writeFileSync(helper, `#!/bin/sh\nenv > ${seen}\ncat > /dev/null\necho '${answer}'\n`, {
      mode: 0o755,
    });
    const { switches } = stage.registry as { switches: { authorization?: object } };
    switches.authorization = { expected: 'nobody', challenge: 'Basic realm="registry"' };
    const machine = stage.machine({
      config: { credHelpers: { [stage.host]: 'watched' } },
      env: { DTRUST_KEY: 'A'.repeat(40) },
    });
    await machine.run(['pull', `${stage.name('job')}:1.0`]);
    delete switches.authorization;
    await machine.succeed(['ps']);
    expect(dockerCalls(stage)[0]?.environment.DTRUST_KEY).toBe('A'.repeat(40));
    const environment = fs.readFileSync(seen, 'utf8');
    expect(environment).toContain('HOME=');
    expect(environment).not.toMatch(/DTRUST_KEY|PASSPHRASE/);
  });
});

describe('a job that begins with a fresh disk and the committed pin', () => {
  const version = (repository: string): number => {
    const bytes = servedFiles(stage, repository).get('timestamp.json') ?? new Uint8Array();
    return (JSON.parse(Buffer.from(bytes).toString()) as { signed: { version: number } }).signed.version;
  };

  it('protocol 4.2: goes on from the versions served, and misses no publish of others', async () => {
    const first = await listedJob('fresh');
    const key = first.env.DTRUST_KEY ?? '';
    const pins = fs.readFileSync(first.pinsFile);
    const before = version('fresh');
    for (const [i, tag] of ['2.0', '3.0', '4.0'].entries()) {
      const machine = stage.machine({ env: { DTRUST_KEY: key, CI: 'true' } });
      fs.mkdirSync(path.dirname(machine.pinsFile), { recursive: true });
      fs.writeFileSync(machine.pinsFile, pins);
      team.local('fresh', tag);
      const run = await machine.succeed(['push', `${stage.name('fresh')}:${tag}`]);
      expect(run.stderr).not.toMatch(/LOST_UPDATE|warning/);
      expect(version('fresh')).toBe(before + i + 1);
    }
    // A memory that is older than what others have published since is no reason to miss anything either.
    team.local('fresh', '5.0');
    await first.succeed(['push', `${stage.name('fresh')}:5.0`]);
    expect(version('fresh')).toBe(before + 4);
    const seen = await team.inspected(owner, 'fresh');
    expect(seen.SignedTags).toMatchObject(
      ['1.0', '2.0', '3.0', '4.0', '5.0'].map((SignedTag) => ({ SignedTag })),
    );
  });

  it('protocol 2.7: renews every pinned repository that lists its key, and passes over the others', async () => {
    const machine = await listedJob('listed');
    await team.signed('others');
    await team.pinned('others', machine);
    const before = ['listed', 'others'].map(version);
    const run = await machine.succeed(['trust', 'refresh', '--all']);
    expect(run.stdout).toMatch(new RegExp(`^Refreshed ${stage.name('listed')}, good until .*\n$`));
    expect(['listed', 'others'].map(version)).toEqual([(before[0] ?? 0) + 1, before[1]]);
    assertKeyNotWritten(machine);
  });

  it('protocol 2.7: brings back what has expired, which the refusal names him for', async () => {
    const machine = await listedJob('expired');
    const bob = await team.developer('expired', 'bob');
    await publishDaysAgo(stage, 'expired', 400, await keysOf(bob, 'bob'), []);
    const consumer = stage.machine({ like: machine, env: { DTRUST_KEY: undefined } });
    const pull = ['pull', `${stage.name('expired')}:1.0`];
    const { ID } = JSON.parse((await machine.succeed(['trust', 'key', 'list', '--format', 'json'])).stdout);
    const run = await refused(consumer, pull, { code: 'ROLE_EXPIRED' });
    expect(run.stderr).toContain('dtrust trust refresh');
    expect(run.stderr).toContain(ID);
    await machine.succeed(['trust', 'refresh', stage.name('expired')]);
    await consumer.succeed(pull);
  });
});

describe('contract (Keys): DTRUST_KEY is refused before anything is uploaded', () => {
  const push = (repository: string) => {
    team.local(repository, '9.0');
    return ['push', `${stage.name(repository)}:9.0`];
  };

  it('when its passphrase is wrong or missing', async () => {
    const machine = await listedJob('passphrase');
    for (const [value, code] of [
      ['another-passphrase', 'KEY_PASSPHRASE'],
      [undefined, 'KEY_PASSPHRASE_MISSING'],
      ['', 'KEY_PASSPHRASE_MISSING'],
    ] as const) {
      const env = { DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: value };
      const run = await refused(machine, push('passphrase'), { code, env });
      expect(run.stderr).toContain('DTRUST_KEY');
    }
  });

  it('when it is no key', async () => {
    const machine = await team.pinned('passphrase');
    const env = { DTRUST_KEY: 'hunter2-is-my-password' };
    const run = await refused(machine, push('passphrase'), { code: 'KEY_FILE_INVALID', env });
    assertNoSecret(run, 'hunter2');
  });

  it('when it is a root key, whatever its label says', async () => {
    await team.signed('root');
    const line = keyLine(owner, 'root');
    const secrets = { DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'root-passphrase-of-a-test' };
    const labelled = await job('root', line);
    await refused(labelled, push('root'), { code: 'KEY_ROOT_REFUSED', env: secrets });
    const pem = Buffer.from(line, 'base64').toString().replace('role: root', 'role: ci');
    const disguised = await job('root', Buffer.from(pem).toString('base64'));
    await refused(disguised, push('root'), { code: 'KEY_ROOT_REFUSED', env: secrets, mayChange: MEMORY });
  });

  it('when it is not listed, saying whose signature is accepted and the two commands that lead there', async () => {
    const stranger = stage.machine();
    await stranger.succeed(['trust', 'key', 'generate', 'eve']);
    await listedJob('not-listed');
    const machine = await job('not-listed', keyLine(stranger, 'eve'));
    const run = await refused(machine, push('not-listed'), { code: 'KEY_MISSING', mayChange: MEMORY });
    expect(run.stderr).toMatch(/accepted: .*bob/);
    expect(run.stderr).toContain('dtrust trust key generate NAME');
    const add = `dtrust trust signer add --key NAME.pub NAME ${stage.name('not-listed')}`;
    expect(run.stderr).toContain(add);
    assertKeyNotWritten(machine);
  });

  it('when it is that of a signer of another repository, or of one who was removed', async () => {
    await listedJob('elsewhere');
    await team.signed('here');
    const bob = await team.developer('here', 'bob');
    const machine = await job('here', keyLine(bob, 'bob'));
    await refused(machine, push('here'), { code: 'KEY_MISSING', mayChange: MEMORY });
    await team.add(bob, 'bob', 'here');
    await team.pushed(machine, 'here', '2.0', 'of bob');
    await owner.succeed(['trust', 'revoke', `${stage.name('here')}:2.0`]);
    await owner.succeed(['trust', 'signer', 'remove', '--force', 'bob', stage.name('here')]);
    await refused(machine, push('here'), { code: 'KEY_MISSING', mayChange: MEMORY });
  });

  it('for a tag outside of the paths that its signer is limited to', async () => {
    const machine = await listedJob('limited', '--path', 'dev-*');
    const run = await refused(machine, push('limited'), { code: 'KEY_NOT_LISTED', mayChange: MEMORY });
    expect(run.stderr).toContain('dev-*');
    await team.pushed(machine, 'limited', 'dev-1');
  });

  it('contract (Disk): where nothing can be remembered, naming the variable that says where', async () => {
    const machine = await listedJob('homeless');
    const env = { HOME: '/proc', DOCKER_CONFIG: undefined };
    const run = await refused(machine, push('homeless'), { code: 'MEMORY_UNWRITABLE', env });
    expect(run.stderr).toContain('DOCKER_CONFIG');
  });

  it('when it is empty, as services set it for pull requests from forks: verifying goes on', async () => {
    await listedJob('fork');
    const machine = await job('fork', '');
    const name = `${stage.name('fork')}:1.0`;
    await machine.succeed(['pull', name]);
    const run = await refused(machine, push('fork'), { code: 'KEY_MISSING', mayChange: MEMORY });
    expect(run.stderr).toContain('no secrets to a job of a pull request from a fork');
  });
});
