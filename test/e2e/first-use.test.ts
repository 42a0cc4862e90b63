/** Whom to trust at first: pins, first use, and what is written down about it. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { labelledSimKey } from '../helpers/sim-keys.ts';
import { type Machine, openStage, refused, type Stage } from './harness.ts';

const REPO = 'acme/app';

let stage: Stage;
let sim: RepositorySimulator;
let name: string;
let keyId: string;
let machine: Machine;

beforeAll(async () => {
  stage = await openStage();
  name = stage.name(REPO);
  sim = new RepositorySimulator({ collection: name, nowMs: Date.now() });
  sim.putTarget(`${name}:1.0`, stage.image(REPO, '1.0')).publish();
  await stage.publish(REPO, sim.files());
  keyId = sim.pin().keyIds[0] ?? '';
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.calm();
  machine = stage.machine();
});

const pull = () => ['pull', `${name}:1.0`];

describe('protocol 6.4: first use', () => {
  test('without a terminal is refused, and the key just received is not printed', async () => {
    const run = await refused(machine, pull(), { code: 'FIRST_USE_REFUSED' });
    expect(run.stderr).toContain(`dtrust trust pin add ${name} <KEYID>`);
    expect(run.stderr).toContain(`dtrust trust pin export ${name}`);
    expect(run.stderr).not.toContain(keyId);
    expect(run.stderr).not.toContain(keyId.slice(0, 12));
  });

  test.each(['yes', '1', 'Accept', 'accept '])('DTRUST_FIRST_USE=%j is no consent', async (value) => {
    await refused(machine, pull(), { code: 'FIRST_USE_REFUSED', env: { DTRUST_FIRST_USE: value } });
  });

  test('DTRUST_FIRST_USE=accept prints fingerprint and pin line, once; then it is remembered', async () => {
    const env = { DTRUST_FIRST_USE: 'accept' };
    const run = await machine.succeed(pull(), env);
    expect(run.stderr).toContain(`root key ${keyId}`);
    expect(run.stderr).toContain(`dtrust trust pin add ${name} ${keyId} --threshold 1 --root-version 1`);
    const again = await machine.succeed(pull(), env);
    expect(again.stderr).not.toContain(keyId);
    await machine.succeed(pull());
  });

  test('DTRUST_FIRST_USE=accept does not outvote a pin', async () => {
    const other = labelledSimKey('other').keyid;
    machine.pin(REPO, { keyIds: [other] });
    await refused(machine, pull(), { code: 'ROOT_PIN', env: { DTRUST_FIRST_USE: 'accept' } });
  });

  test('DTRUST_FIRST_USE=accept does not outvote a memory', async () => {
    await machine.succeed(pull(), { DTRUST_FIRST_USE: 'accept' });
    const other = new RepositorySimulator({
      collection: name,
      nowMs: Date.now(),
      keyFor: (label) => labelledSimKey(`evil ${label}`),
    });
    other.putTarget(`${name}:1.0`, stage.image(REPO, 'evil', 'evil')).publish();
    await stage.publish(REPO, other.files());
    try {
      await refused(machine, pull(), { code: 'TIMESTAMP_THRESHOLD', env: { DTRUST_FIRST_USE: 'accept' } });
    } finally {
      await stage.publish(REPO, sim.files());
    }
  });

  test('contract (Terminal): CI, DTRUST_PROMPT and a stdin that says yes change nothing', async () => {
    for (const env of [
      { CI: 'false' },
      { CI: '1' },
      { DTRUST_PROMPT: 'always' },
      { DTRUST_PROMPT: 'never' },
    ]) {
      await refused(machine, pull(), { code: 'FIRST_USE_REFUSED', env });
    }
  });

  test('trust inspect and pin export ask no less than a pull', async () => {
    await refused(machine, ['trust', 'inspect', name], { code: 'FIRST_USE_REFUSED' });
    await refused(machine, ['trust', 'pin', 'export', name], { code: 'FIRST_USE_REFUSED' });
  });

  test('protocol 1.3: a loopback name is remembered for the engine it was seen with', async () => {
    await machine.succeed(pull(), { DTRUST_FIRST_USE: 'accept' });
    const moved = path.join(stage.folder, 'other.sock');
    fs.symlinkSync(stage.engine.socketPath, moved);
    await refused(machine, pull(), {
      code: 'FIRST_USE_REFUSED',
      env: { DOCKER_HOST: `unix://${moved}` },
    });
  });
});

describe('pins', () => {
  const add = (...more: readonly string[]) => ['trust', 'pin', 'add', name, keyId, ...more];

  test('what pin export prints, pin add takes elsewhere; list shows it, remove takes it back', async () => {
    await machine.succeed(pull(), { DTRUST_FIRST_USE: 'accept' });
    const { stdout } = await machine.succeed(['trust', 'pin', 'export', name]);
    expect(stdout).toBe(
      `dtrust trust pin add ${name} ${keyId} --threshold 1 --root-version 1 --timestamp-version 1\n`,
    );
    const other = stage.machine();
    const added = await other.succeed(stdout.trim().split(' ').slice(1));
    expect(added.stdout).toBe(`Pinned ${name}\n`);
    const run = await other.succeed(pull());
    expect(run.stderr).not.toContain(keyId);
    const listed = await other.succeed(['trust', 'pin', 'list', '--format', 'json']);
    expect(JSON.parse(listed.stdout)).toEqual({
      Repository: name,
      Keys: [keyId],
      Threshold: 1,
      RootVersion: 1,
      TimestampVersion: 1,
      Dialect: 'tuf-1.0',
    });
    expect((await other.succeed(['trust', 'pin', 'ls'])).stdout).toContain(keyId);
    expect((await other.succeed(['trust', 'pin', 'rm', name])).stdout).toBe(`Removed the pin of ${name}\n`);
    expect((await other.succeed(['trust', 'pin', 'list', '--format', 'json'])).stdout).toBe('');
    expect(fs.statSync(other.pinsFile).mode & 0o777).toBe(0o600);
  });

  test('protocol 1.3: another spelling of the host is the same pin', async () => {
    await machine.succeed(['trust', 'pin', 'add', 'EXAMPLE.test:443/acme/app', keyId]);
    const { stdout } = await machine.succeed(['trust', 'pin', 'list', '--format', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({ Repository: 'example.test/acme/app' });
  });

  test('a pin is raised, never lowered, without being removed first', async () => {
    await machine.succeed(add());
    expect((await machine.succeed(add())).stdout).toBe(`Already pinned: ${name}\n`);
    expect((await machine.succeed(add('--timestamp-version', '5'))).stdout).toBe(
      `Raised the pin of ${name}\n`,
    );
    await refused(machine, add(), { code: 'PIN_INVALID' });
    await refused(machine, ['trust', 'pin', 'add', name, 'ab'.repeat(32)], { code: 'PIN_INVALID' });
    const short = await refused(machine, ['trust', 'pin', 'add', name, '5f2a'], { code: 'PIN_INVALID' });
    expect(short.stderr).toContain('5f2a is no root key ID, which has 64 lower-case hex digits');
    expect(short.stderr).toContain('dtrust trust pin export REPO');
    await refused(machine, pull(), { code: 'ROOT_BELOW_PIN' });
  });

  test.each([
    [['not-a-key'], 'PIN_INVALID'],
    [['AB'.repeat(32)], 'PIN_INVALID'],
    [['ab'.repeat(32), '--threshold', '2'], 'PIN_INVALID'],
    [['ab'.repeat(32), '--threshold', '0'], 'PIN_INVALID'],
    [['ab'.repeat(32), '--root-version', '1.5'], 'PIN_INVALID'],
    [[`${'ab'.repeat(32)},${'ab'.repeat(32)}`], 'PIN_INVALID'],
    [['ab'.repeat(32), '--threshold', '1', '--threshold', '1'], 'USAGE'],
  ] as const)('pin add with %j is %s, and nothing is written', async (args, code) => {
    await refused(machine, ['trust', 'pin', 'add', name, ...args], {
      code,
      mayChange: /(trust|dtrust) 700 folder/,
    });
    expect(fs.existsSync(machine.pinsFile)).toBe(false);
  });

  test('pin remove of what is not pinned is PIN_MISSING', async () => {
    await refused(machine, ['trust', 'pin', 'remove', name], {
      code: 'PIN_MISSING',
      mayChange: /(trust|dtrust) 700 folder/,
    });
  });
});
