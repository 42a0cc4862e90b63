/** `trust signer add ci`: the key of a job is made, listed and printed once, and is nowhere else. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Machine, openStage, type Run, refused, type Stage } from './harness.ts';
import { idIn, shareRoot } from './shared-keys.ts';
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

const add = (name: string, ...repositories: string[]) => [
  ...['trust', 'signer', 'add', name],
  ...repositories.map((each) => stage.name(each)),
];

/** The two lines, as a dotenv file is read; anything else on stdout fails. */
function secretsOf({ stdout }: Run): { readonly DTRUST_KEY: string; readonly passphrase: string } {
  const match =
    /^DTRUST_KEY=([A-Za-z0-9+/]+={0,2})\nDOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=([0-9a-f]{64})\n$/.exec(
      stdout,
    );
  expect(match, 'two lines for the secrets').not.toBeNull();
  return { DTRUST_KEY: match?.[1] ?? '', passphrase: match?.[2] ?? '' };
}

async function job(repository: string, run: Run): Promise<Machine> {
  const { DTRUST_KEY, passphrase } = secretsOf(run);
  const env = { DTRUST_KEY, DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: passphrase, CI: 'true' };
  return await team.pinned(repository, stage.machine({ env }));
}

/** No file below the stage's folder, every home among them, holds one of the texts. */
function assertNowhere(texts: readonly string[]): void {
  const names = fs.readdirSync(stage.folder, { recursive: true, encoding: 'utf8' });
  const files = names
    .map((name) => path.join(stage.folder, name))
    .filter((file) => fs.statSync(file).isFile());
  expect(files.length).toBeGreaterThan(5);
  for (const file of files) {
    const content = fs.readFileSync(file, 'latin1');
    for (const text of texts) expect(content, file).not.toContain(text);
  }
}

describe('contract (Keys): signer add ci prints two lines for the secrets of CI', () => {
  it('and on stdout nothing else; with them a job signs; nothing of them is on disk', async () => {
    const name = await team.signed('app');
    const keyFiles = () => fs.readdirSync(path.join(owner.config, 'trust', 'private')).toSorted();
    const before = keyFiles();
    const run = await owner.succeed(add('ci', 'app'));
    const { DTRUST_KEY, passphrase } = secretsOf(run);
    expect(keyFiles()).toEqual(before);
    const pem = Buffer.from(DTRUST_KEY, 'base64').toString().split('\n');
    expect(pem[0]).toBe('-----BEGIN ENCRYPTED PRIVATE KEY-----');
    assertNowhere([DTRUST_KEY, passphrase, ...pem.filter((line) => line.length > 40)]);
    expect(run.stderr).toContain('pin for machines without memory');
    for (const secret of [DTRUST_KEY, passphrase]) expect(run.stderr).not.toContain(secret);

    const machine = await job('app', run);
    const digest = await team.pushed(machine, 'app', '2.0');
    await machine.succeed(['trust', 'refresh', name]);
    expect((await owner.succeed(['pull', `${name}:2.0`])).stdout).toContain(digest);
    expect(await team.listed(owner, 'app')).toMatchObject([{ Name: 'ci', Keys: [{}] }]);
  });

  it('also for a job that is limited to some tags', async () => {
    await team.signed('limited');
    const run = await owner.succeed([...add('ci-nightly', 'limited'), '--path', 'dev-*']);
    expect(run.stderr).toContain('nothing that is signed now matches');
    const machine = await job('limited', run);
    await team.pushed(machine, 'limited', 'dev-1');
    team.local('limited', '2.0');
    await refused(machine, ['push', `${stage.name('limited')}:2.0`], {
      code: 'KEY_NOT_LISTED',
      mayChange: MEMORY,
    });
  });

  it('one key for several repositories, printed once', async () => {
    await team.signed('one');
    await team.signed('two');
    const run = await owner.succeed(add('ci', 'one', 'two'));
    const machine = await team.pinned('two', await job('one', run));
    await team.pushed(machine, 'one', '2.0');
    await team.pushed(machine, 'two', '2.0');
    const names = [stage.name('one'), stage.name('two')].join(', ');
    expect(run.stderr).toContain(`the key of ci is listed in: ${names}`);
  });

  it('where some repositories fail, and says which ones have the key', async () => {
    await team.signed('taken');
    await owner.succeed(add('ci', 'taken'));
    await team.signed('free');
    const run = await owner.run(add('ci', 'taken', 'free'));
    expect(run.status).toBe(1);
    expect(run.stderr).toContain(`the key of ci is listed in: ${stage.name('free')}\n`);
    expect(run.stderr).toContain(`failed to add signer ci to: ${stage.name('taken')}\n`);
    expect(run.stderr).toContain('(KEY_EXISTS)');
    await team.pushed(await job('free', run), 'free', '2.0');
  });

  it('with nothing on stdout when the publish fails, and the key is not listed', async () => {
    await team.signed('failing');
    const before = team.trustTag('failing');
    stage.registry.switches.immutable = { tags: /^_trust$/, as: 'ecr' };
    const run = await owner.run(add('ci', 'failing'));
    delete stage.registry.switches.immutable;
    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toContain('(TRUST_TAG_IMMUTABLE)');
    expect(run.stderr).toContain(`dtrust trust signer remove ci ${stage.name('failing')}`);
    expect(team.trustTag('failing')).toBe(before);
    expect(await team.listed(owner, 'failing')).toEqual([]);
  });

  it('also when it is staged for others to sign, and a job signs once it is published', async () => {
    const name = await team.signed('staged');
    const bob = stage.machine();
    await bob.succeed(['trust', 'key', 'generate', 'bob']);
    await shareRoot(stage, 'staged', owner, [[bob, 'bob']], 2);
    await team.pinned('staged', bob);
    const run = await owner.succeed(['trust', 'stage', 'signer', 'add', 'ci', name]);
    secretsOf(run);
    expect(run.stderr).toContain(`once what is staged is published, it is listed in: ${name}\n`);
    for (const machine of [bob, owner]) {
      await machine.succeed(['trust', 'cosign', '--digest', idIn(run.stderr), name]);
    }
    await team.pushed(await job('staged', run), 'staged', '2.0');
  });

  it('with nothing on stdout when it is stopped while publishing, and says how to look', async () => {
    const name = await team.signed('stopped');
    const running = owner.start(add('ci', 'stopped'));
    stage.registry.switches.before = ({ method, path: asked }) => {
      if (method === 'PUT' && asked.endsWith('/manifests/_trust')) running.child.kill('SIGINT');
    };
    const run = await running.done;
    expect(run).toMatchObject({ status: 130, stdout: '' });
    expect(run.stderr).toContain(`\`dtrust trust signer list ${name}\``);
    expect(run.stderr).toContain(`dtrust trust signer remove ci ${name}`);
  });

  it('and says that the key is lost when nobody reads them any more', async () => {
    const name = await team.signed('unread');
    const running = owner.start(add('ci', 'unread'));
    running.child.stdout.destroy();
    const run = await running.done;
    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toContain(`the key of ci is listed in: ${name}\n`);
    expect(run.stderr).toContain('(FILE_UNWRITABLE)\n');
    expect(run.stderr).toContain('dtrust trust rotate signer ci');
  });

  it('but makes no second key for a name that is taken', async () => {
    await team.signed('again');
    await owner.succeed(add('ci', 'again'));
    const run = await refused(owner, add('ci', 'again'), { code: 'KEY_EXISTS', mayChange: MEMORY });
    expect(run.error.hint).toContain(`dtrust trust rotate signer ci ${stage.name('again')}`);
  });

  it('and rotate signer ci two lines with another key, with which alone the job then signs', async () => {
    const name = await team.signed('rotated');
    const before = await job('rotated', await owner.succeed(add('ci', 'rotated')));
    await team.pushed(before, 'rotated', '2.0');
    const run = await owner.succeed(['trust', 'rotate', 'signer', 'ci', name]);
    const after = await job('rotated', run);
    expect(after.env.DTRUST_KEY).not.toBe(before.env.DTRUST_KEY);
    await team.pushed(after, 'rotated', '3.0');
    team.local('rotated', '4.0');
    await refused(before, ['push', `${name}:4.0`], { code: 'KEY_MISSING', mayChange: MEMORY });
    await refused(owner, ['trust', 'rotate', 'signer', 'alice', name], { code: 'USAGE' });
    const { stdout } = await owner.succeed(['pull', `${name}:2.0`]);
    expect(stdout).toContain(`${name}:2.0@sha256:`);
  });

  it.each(['alice', 'cindy', 'ci-'])('but for %s asks for the key file, as docker does', async (name) => {
    const run = await refused(owner, add(name, 'app'), { code: 'USAGE' });
    expect(run.stderr).toContain('path to a public key must be provided using the `--key` flag');
    expect(run.stderr).toContain(`dtrust trust key generate ${name}`);
  });
});
