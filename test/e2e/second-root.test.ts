/** A root of threshold 1 that lists two keys on two machines: one of them is lost, the other goes on. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { hasScript, PtyRun } from '../keys/pty.ts';
import { type Machine, openStage, refused, type Stage } from './harness.ts';
import { pinArguments } from './owner.ts';
import { NODE } from './program.ts';
import { publicHalf, Team } from './team.ts';

let stage: Stage;
let team: Team;
let owner: Machine;
let second: Machine;

vi.setConfig({ testTimeout: 120_000 });
beforeAll(async () => {
  stage = await openStage();
  team = new Team(stage);
  owner = team.owner;
  second = stage.machine();
  await second.succeed(['trust', 'key', 'generate', 'root'], { DTRUST_INIT: '1' });
  fs.copyFileSync(publicHalf(second, 'root'), publicHalf(owner, 'second'));
}, 60_000);
afterEach(() => stage.calm());
afterAll(() => stage.close());

const init = (name: string, ...files: string[]): string[] => [
  ...['trust', 'init', ...files.flatMap((file) => ['--second-root-key', file])],
  name,
];

function loseRootKey(machine: Machine): void {
  const folder = path.join(machine.config, 'trust', 'private');
  const root = fs
    .readdirSync(folder)
    .filter((name) => /role: root/.test(fs.readFileSync(path.join(folder, name), 'utf8')));
  expect(root).toHaveLength(1);
  for (const name of root) fs.rmSync(path.join(folder, name));
}

describe('protocol 2.1: a second root key', () => {
  it('is listed beside the first with threshold 1, stands in the pin line, and goes on when the first is lost', async () => {
    const name = stage.name('two');
    const { stderr } = await owner.succeed(init(name, 'second.pub'));
    const ids = [...stderr.matchAll(/oot key ([0-9a-f]{64})/g)].map(([, id = '']) => id);
    expect(new Set(ids).size).toBe(2);
    const pin = pinArguments(stderr);
    expect(pin[4]?.split(',').sort()).toEqual([...ids].sort());
    expect(pin.slice(5, 7)).toEqual(['--threshold', '1']);
    await team.pushed(owner, 'two', '1.0');
    const client = stage.machine();
    await client.succeed(pin);
    await client.succeed(['pull', `${name}:1.0`]);

    loseRootKey(owner);
    await second.succeed(pin);
    await second.succeed(['trust', 'key', 'generate', 'alice']);
    fs.copyFileSync(publicHalf(second, 'alice'), publicHalf(owner, 'alice'));
    const add = ['trust', 'signer', 'add', '--key', 'alice.pub', 'alice', name];
    await refused(owner, add, {
      code: 'KEY_ROOT_MISSING',
      stdout: /^Adding signer/,
      mayChange: /trust\/dtrust\//,
    });
    // The repository key of the lost machine comes with its backup; here it is copied.
    copyKeys(owner, second);
    await second.succeed(add);
    await team.pushed(second, 'two', '2.0');
    await client.succeed(['pull', `${name}:2.0`]);
    // Root N + 1, signed by the second key alone, takes the lost one out; the pin line lists who is left.
    const [, first = ''] = /Root key ([0-9a-f]{64}) now vouches/.exec(stderr) ?? [];
    await second.succeed(['trust', 'threshold', '--remove-key', first, 'root', '1', name]);
    await client.succeed(['pull', `${name}:2.0`]);
    const { stdout } = await second.succeed(['trust', 'pin', 'export', name]);
    expect(pinArguments(stdout)[4]).toBe(ids.find((id) => id !== first));
    for (const line of [pin, pinArguments(stdout)]) {
      const fresh = stage.machine();
      await fresh.succeed(line);
      await fresh.succeed(['pull', `${name}:2.0`]);
    }
  });

  it('is not the first one again, nor one file twice, nor a private key, nor for a repository that is begun', async () => {
    const owner = stage.machine({ env: { DTRUST_INIT: '1' } });
    await owner.succeed(['trust', 'key', 'generate', 'root']);
    fs.copyFileSync(publicHalf(second, 'root'), publicHalf(owner, 'second'));
    const name = stage.name('refused');
    await refused(owner, init(name, 'root.pub'), { code: 'KEY_EXISTS' });
    await refused(owner, init(name, 'second.pub', 'second.pub'), { code: 'KEY_EXISTS' });
    await refused(owner, init(name, 'absent.pub'), { code: 'FILE_UNREADABLE' });
    fs.writeFileSync(path.join(owner.home, 'private'), '-----BEGIN PRIVATE KEY-----\n');
    await refused(owner, init(name, 'private'), { code: 'KEY_FILE_INVALID' });
    await owner.succeed(init(name));
    await refused(owner, init(name, 'second.pub'), {
      code: 'PUBLISH_CONFLICT',
      mayChange: /trust\/dtrust\//,
    });
  });
});

describe('protocol 2.1: a second root key of a repository that is begun', () => {
  it('is listed by the line that the first push prints, with its place filled in', async () => {
    const machine = stage.machine({ env: { DTRUST_INIT: '1' } });
    const name = stage.name('begun');
    const { stderr } = await machine.succeed(init(name));
    const [, line = ''] = /then here, dtrust (trust threshold [^\n]+)/.exec(stderr) ?? [];
    fs.copyFileSync(publicHalf(second, 'root'), publicHalf(machine, 'root'));
    await machine.succeed(line.split(' '));
    const { stdout } = await machine.succeed(['trust', 'pin', 'export', name]);
    expect(pinArguments(stdout)[4]?.split(',')).toHaveLength(2);
    expect(pinArguments(stdout).slice(5, 7)).toEqual(['--threshold', '1']);
  });
});

describe.skipIf(!hasScript())('protocol 2.1: a first push on a terminal', () => {
  const REPO = 'offered';

  it('says before it asks for a passphrase how to begin with two root keys; Ctrl-C there loses nothing', async () => {
    const machine = stage.machine();
    const name = stage.name(REPO);
    stage.local(REPO, '1.0', stage.image(REPO, '1.0'));
    const env = Object.fromEntries(
      Object.entries(machine.environment()).filter(([key]) => !/PASSPHRASE|^CI$/.test(key)),
    );
    const push = `${NODE} ${stage.program} push ${name}:1.0; echo status=$?`;
    stage.mark();
    const stopped = new PtyRun(push, env);
    await stopped.waitFor('--second-root-key root.pub ');
    await stopped.waitFor('Enter passphrase for new root key');
    stopped.type('\x03');
    const shown = await stopped.shown();
    expect(shown).toContain('status=130');
    expect(shown).toContain(`dtrust trust init --second-root-key root.pub ${name}`);
    expect(stage.engineChanges()).toEqual([]);
    expect(stage.registry.repository(REPO).tags.has('_trust')).toBe(false);
    expect(machine.content().filter((line) => /\.key|\.pub/.test(line))).toEqual([]);

    // The line as it was shown, with the file where it says, and the push again.
    fs.copyFileSync(publicHalf(second, 'root'), publicHalf(machine, 'root'));
    await machine.succeed(init(name, 'root.pub'), { DTRUST_INIT: '1' });
    await machine.succeed(['push', `${name}:1.0`]);
    const { stdout } = await machine.succeed(['trust', 'pin', 'export', name]);
    expect(pinArguments(stdout)[4]?.split(',')).toHaveLength(2);
  });
});

describe('contract (Keys): without a terminal no root key', () => {
  it('is made by trust key generate root either, nor a second one on a machine, nor beside a file that may be one', async () => {
    const machine = stage.machine();
    const generate = ['trust', 'key', 'generate', 'root'];
    await refused(machine, generate, { code: 'KEY_ROOT_MISSING' });
    const { stderr } = await machine.succeed(generate, { DTRUST_INIT: '1' });
    expect(stderr).toContain('dtrust trust init --second-root-key root.pub REPO');
    expect(stderr).toContain('dtrust trust threshold --add-key root.pub root 1 REPO');
    fs.rmSync(publicHalf(machine, 'root'));
    await refused(machine, generate, { code: 'KEY_EXISTS', env: { DTRUST_INIT: '1' } });
    const folder = path.join(machine.config, 'trust', 'private');
    for (const name of fs.readdirSync(folder)) fs.chmodSync(path.join(folder, name), 0o644);
    await refused(machine, generate, { code: 'KEY_FILE_MODE', env: { DTRUST_INIT: '1' } });
  });
});

function copyKeys(from: Machine, to: Machine): void {
  const folder = (machine: Machine) => path.join(machine.config, 'trust', 'private');
  fs.cpSync(folder(from), folder(to), { recursive: true });
}
