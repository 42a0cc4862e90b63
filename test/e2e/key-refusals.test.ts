/** `dtrust push` and its like without the keys and passphrases they need: refused before anything is uploaded. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type Machine,
  openStage,
  REPOSITORY_PASSPHRASE,
  type Refusal,
  refused,
  type Stage,
} from './harness.ts';
import { beginRepository } from './owner.ts';

const REPO = 'acme/app';

let stage: Stage;
let original: Machine;
/** A copy of the owner's machine. */
let owner: Machine;
let push: readonly string[];

beforeAll(async () => {
  stage = await openStage();
  original = (await beginRepository(stage, REPO)).machine;
  push = ['push', `${stage.name(REPO)}:2.0`];
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.calm();
  owner = stage.machine({ like: original });
  stage.local(REPO, '2.0', stage.image(REPO, '2.0'));
});

/** The trust data was looked at, and good: that is noted. */
const noted: Pick<Refusal, 'mayChange'> = { mayChange: /last-check/ };

const privateFolder = (machine: Machine) => path.join(machine.config, 'trust', 'private');

/** Key files of a role, by what stands in their headers. */
function keyFiles(machine: Machine, role: string): readonly string[] {
  return fs
    .readdirSync(privateFolder(machine))
    .map((name) => path.join(privateFolder(machine), name))
    .filter((file) => new RegExp(`^role: ${role}$`, 'm').test(fs.readFileSync(file, 'utf8')));
}

function onlyKeyFile(machine: Machine, role: string): string {
  const files = keyFiles(machine, role);
  expect(files).toHaveLength(1);
  return files[0] ?? '';
}

describe('a passphrase', () => {
  test('that is wrong is KEY_PASSPHRASE, and not shown', async () => {
    const wrong = 'not-the-passphrase-at-all';
    const env = { DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: wrong };
    const run = await refused(owner, push, { code: 'KEY_PASSPHRASE', env, ...noted });
    expect(run.stderr).not.toContain(wrong);
    expect(run.error.class).toBe('key');
  });

  test('that nobody gives, without a terminal, names both variables', async () => {
    const env = { DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: undefined };
    const run = await refused(owner, push, { code: 'KEY_PASSPHRASE_MISSING', env, ...noted });
    expect(run.stderr).toContain('DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE');
    expect(run.stderr).toContain('DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE');
  });

  test('that stands in a file which is not there, or readable by others, or twice, is refused', async () => {
    const file = path.join(owner.home, 'passphrase');
    const env = {
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: undefined,
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE_FILE: file,
    };
    await refused(owner, push, { code: 'FILE_UNREADABLE', env, ...noted });
    fs.writeFileSync(file, REPOSITORY_PASSPHRASE, { mode: 0o600 });
    await refused(owner, push, {
      code: 'CONFIG_INVALID',
      env: { ...env, DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: REPOSITORY_PASSPHRASE },
      ...noted,
    });
  });

  test('that is too short for a new key is KEY_PASSPHRASE_SHORT, and no key is made', async () => {
    stage.local('acme/new', '1.0', stage.image('acme/new', '1.0'));
    const short = 'short';
    const run = await refused(stage.machine(), ['push', `${stage.name('acme/new')}:1.0`], {
      code: 'KEY_PASSPHRASE_SHORT',
      env: { DTRUST_INIT: '1', DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: short },
    });
    expect(run.stderr).not.toMatch(/\bshort\b(?! for)/);
    expect(run.stderr).toContain('which takes 8 characters or more');
  });
});

describe('a key file', () => {
  test('cut short is KEY_FILE_INVALID', async () => {
    const file = onlyKeyFile(owner, 'targets');
    fs.truncateSync(file, fs.statSync(file).size - 80);
    const run = await refused(owner, push, { code: 'KEY_FILE_INVALID', ...noted });
    expect(run.stderr).toContain(path.basename(file));
  });

  test('that others can read is KEY_FILE_MODE, with the command that mends it', async () => {
    const file = onlyKeyFile(owner, 'targets');
    fs.chmodSync(file, 0o644);
    const run = await refused(owner, push, { code: 'KEY_FILE_MODE', ...noted });
    expect(run.stderr).toContain(`chmod 600 ${file}`);
  });

  test('that holds another key than its name says is KEY_FILE_INVALID', async () => {
    fs.copyFileSync(onlyKeyFile(owner, 'snapshot'), onlyKeyFile(owner, 'targets'));
    await refused(owner, push, { code: 'KEY_FILE_INVALID', ...noted });
  });

  test('that is not there is KEY_MISSING, naming the key that would do', async () => {
    fs.rmSync(onlyKeyFile(owner, 'targets'));
    const run = await refused(owner, push, { code: 'KEY_MISSING', ...noted });
    expect(run.error.expected).toMatch(/[0-9a-f]{64}/);
  });
});

describe('a root key', () => {
  const fresh = () => {
    stage.local('acme/new', '1.0', stage.image('acme/new', '1.0'));
    return ['push', `${stage.name('acme/new')}:1.0`];
  };

  test('is never made without a terminal: KEY_ROOT_MISSING, with what to run where', async () => {
    const run = await refused(stage.machine(), fresh(), { code: 'KEY_ROOT_MISSING' });
    expect(run.stderr).toContain(`dtrust trust init ${stage.name('acme/new')}`);
    expect(run.stderr).toContain('DTRUST_INIT=1');
    await refused(stage.machine(), ['trust', 'init', stage.name('acme/new')], { code: 'KEY_ROOT_MISSING' });
    await refused(stage.machine(), fresh(), { code: 'KEY_ROOT_MISSING', env: { DTRUST_INIT: 'yes' } });
  });

  test.each([
    ['cut short', 'KEY_FILE_INVALID', (file: string) => fs.truncateSync(file, 200)],
    ['readable by others', 'KEY_FILE_MODE', (file: string) => fs.chmodSync(file, 0o640)],
  ] as const)('that is %s is %s, and no second one is made', async (_what, code, spoil) => {
    spoil(onlyKeyFile(owner, 'root'));
    await refused(owner, fresh(), { code, env: { DTRUST_INIT: '1' } });
  });

  test('with a wrong passphrase is KEY_PASSPHRASE, and no second one is made', async () => {
    const env = { DTRUST_INIT: '1', DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'another-passphrase' };
    await refused(owner, fresh(), { code: 'KEY_PASSPHRASE', env });
  });
});

describe("another's machine", () => {
  test('pushes nothing without a pin: FIRST_USE_REFUSED before the upload', async () => {
    await refused(stage.machine(), push, { code: 'FIRST_USE_REFUSED' });
  });

  test('pushes nothing without a key, pinned or not', async () => {
    const machine = stage.machine();
    const { stdout } = await owner.succeed(['trust', 'pin', 'export', stage.name(REPO)]);
    await machine.succeed(stdout.trim().split(' ').slice(1));
    await refused(machine, push, { code: 'KEY_MISSING', mayChange: /memory/ });
    const revoke = ['trust', 'revoke', `${stage.name(REPO)}:1.0`];
    await refused(machine, revoke, { code: 'KEY_MISSING', mayChange: /memory/ });
    await refused(machine, ['trust', 'refresh', stage.name(REPO)], {
      code: 'KEY_MISSING',
      mayChange: /memory/,
    });
  });
});

describe('dtrust trust key', () => {
  test.each([
    ['a file that is not there', undefined, 'FILE_UNREADABLE'],
    ['a file that is no key', 'hello\n', 'KEY_FILE_INVALID'],
    ['half a key', '-----BEGIN PRIVATE KEY-----\nMC4CAQ\n', 'KEY_FILE_INVALID'],
  ] as const)('load: %s is refused, nothing is kept', async (_what, content, code) => {
    const file = path.join(owner.home, 'given.pem');
    if (content !== undefined) fs.writeFileSync(file, content, { mode: 0o600 });
    await refused(owner, ['trust', 'key', 'load', file], { code, stdout: /^Loading key from ".*"\.\.\.\n$/ });
  });

  test('load: a key that others can read is KEY_FILE_MODE', async () => {
    const file = path.join(owner.home, 'given.pem');
    fs.copyFileSync(onlyKeyFile(owner, 'targets'), file);
    fs.chmodSync(file, 0o644);
    await refused(stage.machine(), ['trust', 'key', 'load', file], {
      code: 'KEY_FILE_MODE',
      stdout: /^Loading key from ".*"\.\.\.\n$/,
    });
  });

  test('generate: a name that no signer may have is KEY_NAME', async () => {
    for (const name of ['Alice', 'releases', '../x', '']) {
      await refused(owner, ['trust', 'key', 'generate', name], { code: 'KEY_NAME' });
    }
  });

  test('export and passwd: a key that is not here is KEY_MISSING; passwd needs a terminal', async () => {
    await refused(owner, ['trust', 'key', 'export', 'nobody'], { code: 'KEY_MISSING' });
    await refused(owner, ['trust', 'key', 'passwd', 'nobody'], { code: 'KEY_MISSING' });
    await refused(owner, ['trust', 'key', 'passwd', 'root'], { code: 'KEY_PASSPHRASE_MISSING' });
  });
});
