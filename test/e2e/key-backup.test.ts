/** `trust key backup` and `restore`: one machine is lost, another goes on; and what bad input gets. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { hasScript, PtyRun } from '../keys/pty.ts';
import { assertNoSecret, type Machine, openStage, ROOT_PASSPHRASE, refused, type Stage } from './harness.ts';
import { beginRepository, pinArguments } from './owner.ts';
import { NODE } from './program.ts';

const REPO = 'acme/app';
const PASSPHRASE = 'backup-passphrase-of-a-test';

let stage: Stage;
let owner: Machine;
let pinLine: readonly string[];

vi.setConfig({ testTimeout: 120_000 });
beforeAll(async () => {
  stage = await openStage();
  const begun = await beginRepository(stage, REPO);
  owner = begun.machine;
  pinLine = pinArguments(begun.first.stderr);
  writeSecret(owner, 'passphrase', PASSPHRASE);
  await owner.succeed(backup('backup'));
}, 120_000);
afterEach(() => stage.calm());
afterAll(() => stage.close());

function writeSecret(machine: Machine, name: string, text: string): void {
  fs.writeFileSync(path.join(machine.home, name), text, { mode: 0o600 });
}

function backup(file: string, ...more: string[]): string[] {
  return ['trust', 'key', 'backup', '--passphrase-file', 'passphrase', ...more, file];
}

const restore = (file: string): string[] => [
  'trust',
  'key',
  'restore',
  '--passphrase-file',
  'passphrase',
  file,
];
const keyFiles = (machine: Machine): readonly string[] =>
  machine.content().filter((line) => /private\/[0-9a-f]{64}\.key/.test(line));

/** A machine with the backup's file and passphrase, and nothing else. */
function freshMachine(change: (text: string) => string = (text) => text): Machine {
  const machine = stage.machine();
  const text = fs.readFileSync(path.join(owner.home, 'backup'), 'latin1');
  fs.writeFileSync(path.join(machine.home, 'backup'), change(text), { mode: 0o600 });
  writeSecret(machine, 'passphrase', PASSPHRASE);
  return machine;
}

describe('contract (Keys): a backup of all keys', () => {
  it('is one private file, and the machine that it is put back on signs where the lost one did', async () => {
    expect(fs.statSync(path.join(owner.home, 'backup')).mode & 0o777).toBe(0o600);
    const machine = freshMachine();
    const run = await machine.succeed(restore('backup'));
    expect(run.stdout).toContain('Restored 3 of 3 keys from backup\n');
    expect(run.stderr).toContain('restored keys have the passphrase of the backup');
    assertNoSecret(run, PASSPHRASE);
    expect(keyFiles(machine).map((line) => line.split(' ')[0])).toEqual(
      keyFiles(owner).map((line) => line.split(' ')[0]),
    );
    await machine.succeed(pinLine);
    stage.local(REPO, '2.0', stage.image(REPO, '2.0'));
    const env = {
      DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: PASSPHRASE,
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: PASSPHRASE,
    };
    await machine.succeed(['push', `${stage.name(REPO)}:2.0`], env);
  });

  it('says what is in it, and what to do with it', async () => {
    const run = await owner.succeed(backup('only-root', '--only', 'root', '--only', 'root'));
    expect(run.stdout).toMatch(/^ROLE .*\nroot .*\nBacked up 1 key to only-root, and read/);
    expect(run.stderr).toContain('to put the keys back: dtrust trust key restore FILE');
    assertNoSecret(run, PASSPHRASE);
  });

  it('leaves keys that are here as they are, and says so', async () => {
    const before = owner.content();
    const run = await owner.succeed(restore('backup'));
    expect(run.stdout).toContain('Restored 0 of 3 keys');
    expect(run.stdout.match(/was here already, left as it is/g)).toHaveLength(3);
    expect(owner.content()).toEqual(before);
  });

  it('is not made over another file, into no folder, or without a passphrase that will do', async () => {
    await refused(owner, backup('backup'), { code: 'KEY_EXISTS' });
    await refused(owner, backup('nowhere/backup'), { code: 'FILE_UNWRITABLE' });
    const none = await refused(owner, ['trust', 'key', 'backup', 'new'], { code: 'KEY_PASSPHRASE_MISSING' });
    expect(none.error.hint).toContain('--passphrase-file');
    writeSecret(owner, 'short', 'short');
    writeSecret(owner, 'empty', '\n');
    const from = (name: string) => ['trust', 'key', 'backup', '--passphrase-file', name, 'new'];
    await refused(owner, from('short'), { code: 'KEY_PASSPHRASE_SHORT' });
    await refused(owner, from('empty'), { code: 'FILE_UNREADABLE' });
    await refused(owner, from('absent'), { code: 'FILE_UNREADABLE' });
  });

  it('is not made where one key cannot be had, which is named', async () => {
    const machine = stage.machine({ like: owner });
    const env = { DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'not the right passphrase' };
    const wrong = await refused(machine, backup('new'), { code: 'KEY_PASSPHRASE', env });
    expect(wrong.stderr).toMatch(/wrong passphrase for root key with ID [0-9a-f]{7}/);
    const [file = ''] = keyFiles(machine)[0]?.split(' ') ?? [];
    fs.chmodSync(path.join(machine.home, file), 0o640);
    const open = await refused(machine, backup('new'), { code: 'KEY_FILE_MODE' });
    expect(open.stderr).toContain(file);
    await refused(stage.machine({ like: freshMachine() }), backup('new'), { code: 'KEY_MISSING' });
  });
});

describe('contract (Keys): of several root keys', () => {
  const passphrases = {
    DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: PASSPHRASE,
    DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: PASSPHRASE,
    DTRUST_INIT: '1',
  };
  /** The root key that a repository begins with. */
  async function beginsWith(machine: Machine, repository: string, env: Record<string, string>) {
    const { stderr } = await machine.succeed(['trust', 'init', stage.name(repository)], env);
    return /Root key ([0-9a-f]{64}) now vouches/.exec(stderr)?.[1];
  }

  it('the one that a rotation has put in the place of the others is so again on the machine it is restored to', async () => {
    const machine = stage.machine({ like: owner });
    const env = { DTRUST_INIT: '1' };
    const { stdout } = await machine.succeed(['trust', 'rotate', 'root', stage.name(REPO)], env);
    await machine.succeed(backup('rotated', '--only', rootKeys(machine)[0], '--only', rootKeys(machine)[1]));
    const fresh = stage.machine();
    fs.copyFileSync(path.join(machine.home, 'rotated'), path.join(fresh.home, 'backup'));
    writeSecret(fresh, 'passphrase', PASSPHRASE);
    const restored = await fresh.succeed(restore('backup'));
    expect(restored.stderr).toMatch(/warning: there are 2 root keys/);
    expect(stdout).toContain(`${await beginsWith(fresh, 'acme/restored', passphrases)}`);
  });
});

/** The Notary IDs of the root keys on a machine. */
function rootKeys(machine: Machine): [string, string] {
  const folder = path.join(machine.config, 'trust', 'private');
  const names = fs
    .readdirSync(folder)
    .filter((name) => fs.readFileSync(path.join(folder, name), 'utf8').includes('role: root'))
    .map((name) => name.replace('.key', ''));
  expect(names).toHaveLength(2);
  return names as [string, string];
}

describe('contract (Keys): a key in DTRUST_KEY', () => {
  it('is in no file, so it is in no backup, and a restore puts it into one', async () => {
    const machine = freshMachine();
    const [block = ''] = /-----BEGIN [^-]+-----[^-]+role: targets[^-]+-----END [^-]+-----\n/.exec(
      fs.readFileSync(path.join(owner.home, 'backup'), 'latin1'),
    ) ?? [''];
    const env = {
      DTRUST_KEY: Buffer.from(block).toString('base64'),
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: PASSPHRASE,
    };
    await refused(machine, backup('new'), { code: 'KEY_MISSING', env });
    const run = await machine.succeed(restore('backup'), env);
    expect(run.stdout).toContain('Restored 3 of 3 keys');
    expect(keyFiles(machine)).toHaveLength(3);
  });
});

describe('contract (Keys): nothing is restored', () => {
  it.each<[string, (text: string) => string, string]>([
    ['from a backup that is cut short', (text) => text.slice(0, -30), 'KEY_FILE_INVALID'],
    ['from a backup of another format', (text) => text.replace('format 1', 'format 7'), 'KEY_UNSUPPORTED'],
    ['from a relabelled backup', (text) => text.replace('role: targets', 'role: root'), 'KEY_FILE_INVALID'],
  ])('%s', async (_, change, code) => {
    await refused(freshMachine(change), restore('backup'), { code });
  });

  it('with a wrong passphrase, or without any', async () => {
    const machine = freshMachine();
    writeSecret(machine, 'passphrase', 'another passphrase');
    await refused(machine, restore('backup'), { code: 'KEY_PASSPHRASE' });
    await refused(machine, ['trust', 'key', 'restore', 'backup'], { code: 'KEY_PASSPHRASE_MISSING' });
    await refused(machine, restore('absent'), { code: 'FILE_UNREADABLE' });
  });
});

describe.skipIf(!hasScript())('contract (Keys): on a terminal', () => {
  it('the passphrase of a backup is asked for twice and not shown, and once when it is put back', async () => {
    const machine = stage.machine({ like: owner });
    const env = Object.fromEntries(
      Object.entries({
        HOME: machine.home,
        DOCKER_CONFIG: machine.config,
        DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: ROOT_PASSPHRASE,
        XDG_RUNTIME_DIR: machine.home,
      }),
    );
    const file = path.join(machine.home, 'typed');
    const run = new PtyRun(
      `${NODE} ${stage.program} trust key backup --only root ${file}; echo status=$?`,
      env,
    );
    await run.waitFor('Enter new passphrase for the backup: ');
    run.type('typed secret\r');
    await run.waitFor('Repeat passphrase for the backup: ');
    run.type('typed secret\r');
    const shown = await run.shown();
    expect(shown).toContain('status=0');
    expect(shown).toContain('Backed up 1 key');
    expect(shown).not.toContain('typed secret');
    const fresh = stage.machine();
    const home = { ...env, HOME: fresh.home, DOCKER_CONFIG: fresh.config };
    const back = new PtyRun(`${NODE} ${stage.program} trust key restore ${file}; echo status=$?`, home);
    await back.waitFor('Enter passphrase for the backup: ');
    back.type('wrong secret\r');
    await back.waitFor('Passphrase incorrect. Please retry.');
    await back.waitFor('Enter passphrase for the backup: ');
    back.type('typed secret\r');
    expect(await back.shown()).toMatch(/Restored 1 of 1 keys[\s\S]*status=0/);
  });
});
