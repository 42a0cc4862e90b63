/** What the real docker gets, and what it does not get: with a docker on PATH that writes down how it was called. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NOT_BUILT } from '../../src/cli/table.ts';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { dockerCalls, type Machine, openStage, refused, type Stage } from './harness.ts';

const REPO = 'acme/app';

let stage: Stage;
let machine: Machine;
let image: string;

beforeAll(async () => {
  stage = await openStage();
  const collection = stage.name(REPO);
  const sim = new RepositorySimulator({ collection, nowMs: Date.now() });
  sim.putTarget(`${collection}:1.0`, stage.image(REPO, '1.0')).publish();
  await stage.publish(REPO, sim.files());
  machine = stage.machine().pin(REPO, sim.pin());
  image = `${collection}:1.0`;
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.calm();
  dockerCalls(stage);
});

const OUT = 'docker was called\n';

/** Runs dtrust, which must do nothing itself; returns what docker was called with. */
async function handedOn(args: readonly string[], env: Record<string, string> = {}) {
  stage.mark();
  const before = machine.content();
  const run = await machine.run(args, env);
  const calls = dockerCalls(stage);
  expect(calls, run.stderr).toHaveLength(1);
  expect(run.stdout).toBe(OUT);
  expect(machine.content()).toEqual(before);
  expect(stage.registry.log).toEqual([]);
  return { run, call: calls[0] ?? { args: [], environment: {} } };
}

describe('trust switched off', () => {
  test.each(['0', 'false', 'FALSE', 'f', 'F', 'False'])(
    'DOCKER_CONTENT_TRUST=%s: docker does it, with trust off for its own part',
    async (value) => {
      const { run, call } = await handedOn(['pull', image], { DOCKER_CONTENT_TRUST: value });
      expect(run.status).toBe(0);
      expect(call.args).toEqual(['pull', image]);
      expect(call.environment.DOCKER_CONTENT_TRUST).toBe('0');
    },
  );

  test.each([
    [
      ['pull', '--disable-content-trust', 'IMAGE'],
      ['pull', 'IMAGE'],
    ],
    [
      ['pull', '--disable-content-trust=true', '-q', 'IMAGE'],
      ['pull', '-q', 'IMAGE'],
    ],
    [
      ['pull', '--disable-content-trust=false', '--disable-content-trust', 'IMAGE'],
      ['pull', 'IMAGE'],
    ],
    [
      ['image', 'pull', 'IMAGE', '--disable-content-trust=1'],
      ['image', 'pull', 'IMAGE'],
    ],
    [
      ['push', '--disable-content-trust', 'IMAGE'],
      ['push', 'IMAGE'],
    ],
    [
      ['-D', 'run', '--disable-content-trust', '--rm', 'IMAGE', 'sh'],
      ['-D', 'run', '--rm', 'IMAGE', 'sh'],
    ],
    [
      ['create', '--disable-content-trust', 'IMAGE'],
      ['create', 'IMAGE'],
    ],
    [
      ['build', '--disable-content-trust', '.'],
      ['build', '.'],
    ],
  ])('%j reaches docker without the flag', async (given, wanted) => {
    const { run, call } = await handedOn(given);
    expect(call.args).toEqual(wanted);
    expect(call.environment.DOCKER_CONTENT_TRUST).toBe('0');
    expect(run.stderr).toBe('');
  });

  test("docker's exit status and arguments come through", async () => {
    const { run, call } = await handedOn(['run', '--rm', 'x', '--flag=a b', '', "'"], {
      DOCKER_CONTENT_TRUST: '0',
      FAKE_DOCKER_EXIT: '42',
    });
    expect(run.status).toBe(42);
    expect(call.args).toEqual(['run', '--rm', 'x', '--flag=a b', '', "'"]);
  });

  test('a command line that dtrust cannot read is docker to refuse', async () => {
    const { call } = await handedOn(['pull', '--no-such-flag', image], { DOCKER_CONTENT_TRUST: '0' });
    expect(call.args).toEqual(['pull', '--no-such-flag', image]);
  });
});

describe('trust that stays on', () => {
  test.each([
    ['', []],
    ['1', []],
    ['off', []],
    ['no', []],
    ['flase', []],
    ['0', ['--disable-content-trust=false']],
    ['1', ['--disable-content-trust', '--disable-content-trust=false']],
  ])('DOCKER_CONTENT_TRUST=%j with %j enforces', async (value, flags) => {
    const run = await machine.succeed(['pull', '-q', ...flags, image], { DOCKER_CONTENT_TRUST: value });
    expect(run.stdout).toBe(`${image}\n`);
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('a flag behind the first positional of run is not dtrust’s to read', async () => {
    const args = ['run', `${image}-unsigned`, '--disable-content-trust'];
    await refused(machine, args, { code: 'TARGET_NOT_SIGNED', status: 125, mayChange: /trust/ });
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('DOCKER_CONTENT_TRUST in config.json or an env file changes nothing', async () => {
    fs.writeFileSync(path.join(machine.home, '.env'), 'DOCKER_CONTENT_TRUST=0\n');
    await refused(machine, ['compose', 'up'], { code: 'NOT_YET_ENFORCED' });
    expect(dockerCalls(stage)).toEqual([]);
    fs.rmSync(path.join(machine.home, '.env'));
  });
});

describe('commands that bring no image in', () => {
  test.each([
    [['ps', '-a']],
    [['images']],
    [['--context', 'default', 'container', 'ls']],
    [['exec', '-it', 'x', 'sh', '-c', 'a  b', '--disable-content-trust']],
    [['version']],
    [['--version']],
    [['pull', '--help']],
    [['run', '--help']],
    [[]],
  ])('%j reaches docker as it is', async (args) => {
    const { run, call } = await handedOn(args, { DOCKER_CONTENT_TRUST: '1' });
    expect(call.args).toEqual(args);
    expect(call.environment.DOCKER_CONTENT_TRUST).toBe('1');
    expect(run.stderr).toBe('');
  });

  test('contract (Passing): nothing of the environment changes', async () => {
    const { call } = await handedOn(['ps'], { DTRUST_DEBUG: '1', ODD: 'a=b c', EMPTY: '' });
    expect(call.environment).toMatchObject({
      DTRUST_DEBUG: '1',
      ODD: 'a=b c',
      EMPTY: '',
      HOME: machine.home,
    });
    expect(call.environment).not.toHaveProperty('DOCKER_CONTENT_TRUST');
  });

  test('a command that dtrust does not know runs after one warning line', async () => {
    const { run, call } = await handedOn(['frobnicate', '--all', 'x']);
    expect(call.args).toEqual(['frobnicate', '--all', 'x']);
    expect(run.stderr.split('\n')).toHaveLength(2);
    expect(run.stderr).toMatch(/^dtrust: warning: .*frobnicate.* is not known to dtrust/);
  });
});

describe('commands that are not yet enforced', () => {
  test.each([
    [['buildx', 'bake'], 1],
    [['compose', 'up'], 1],
    [['compose', 'pull'], 1],
    [['service', 'create', 'IMAGE'], 1],
    [['stack', 'deploy', 'x'], 1],
    [['plugin', 'install', 'x'], 1],
    [['load'], 1],
    [['import', 'x'], 1],
  ] as const)('%j is refused with status %i, and docker is not called', async (args, status) => {
    const run = await refused(machine, args, { code: 'NOT_YET_ENFORCED', status });
    expect(run.stderr).toMatch(/^dtrust: refused: /m);
    expect(run.stderr).toMatch(/^dtrust: hint: /m);
    expect(dockerCalls(stage)).toEqual([]);
  });

  test.each([
    [['debug', 'c']],
    [['scout', 'cves', 'IMAGE']],
    [['swarm', 'join', 'x']],
    [['buildx', 'dial-stdio']],
    [['buildx', 'debug', 'build', '.']],
  ])('%j, which cannot be enforced, is refused, and docker is not called', async (args) => {
    const run = await refused(machine, args, { code: 'CANNOT_BE_ENFORCED', status: 1 });
    expect(run.stderr).toMatch(/^dtrust: refused: /m);
    expect(run.stderr).toMatch(/^dtrust: hint: .*DOCKER_CONTENT_TRUST=0/m);
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('trust commands still to come are refused, also with trust off: docker has none', async () => {
    const commands = NOT_BUILT.flatMap((group) => group.commands).map((each) => each.replace(/\|.*/, ''));
    for (const env of [{}, { DOCKER_CONTENT_TRUST: '0' }]) {
      for (const command of commands.slice(-2)) {
        await refused(machine, command.split(' '), { code: 'NOT_YET_ENFORCED', env });
      }
    }
    expect(dockerCalls(stage)).toEqual([]);
  });
});

describe('a `trust` command that there is not', () => {
  test.each([{}, { DOCKER_CONTENT_TRUST: '0' }])(
    'is USAGE with the command that was meant, nothing asked of anybody, under %j',
    async (env) => {
      const run = await refused(machine, ['trust', 'sgin', 'IMAGE'], { code: 'USAGE', env });
      expect(run.stderr.split('\n').slice(0, 3)).toEqual([
        'dtrust: error: there is no command `dtrust trust sgin` (USAGE)',
        'dtrust: hint: Did you mean `dtrust trust sign`?',
        'dtrust: hint: Run `dtrust trust --help` for the commands that there are.',
      ]);
      expect(dockerCalls(stage)).toEqual([]);
    },
  );
});

describe('a command line that docker would not take', () => {
  test.each([
    [['pull', '--no-such-flag', 'IMAGE'], 'unknown flag: --no-such-flag'],
    [['push', '-z', 'IMAGE'], "unknown shorthand flag: 'z' in -z"],
    [['--no-such-global', 'pull', 'IMAGE'], 'unknown flag: --no-such-global'],
  ] as const)('%j ends as docker ends', async (args, message) => {
    const before = machine.content();
    stage.mark();
    const run = await machine.run(args);
    expect(run.stderr).toContain(message);
    expect(run.stderr).toContain('Usage:');
    expect(run.status).toBe(125);
    expect(run.stdout).toBe('');
    expect(stage.engineChanges()).toEqual([]);
    expect(machine.content()).toEqual(before);
    expect(dockerCalls(stage)).toEqual([]);
  });

  test.each([
    [['pull']],
    [['pull', 'a', 'b']],
    [['push']],
    [['pull', '-a', 'IMAGE:1.0']],
    [['push', '-a', 'IMAGE:1.0']],
    [['push', `IMAGE@sha256:${'a'.repeat(64)}`]],
    [['pull', 'example.test/UPPER/case']],
    [['pull', 'IMAGE:']],
    [['pull', '--platform', 'a/b/c/d/e', 'IMAGE']],
    [['trust', 'frobnicate']],
    [['trust', 'inspect', '--frobnicate', 'IMAGE']],
    [['trust', 'inspect', '--pretty', '--format', 'json', 'IMAGE']],
    [['trust', 'inspect']],
    [['trust', 'sign', 'IMAGE']],
    [['trust', 'refresh']],
    [['trust', 'pin', 'add', 'IMAGE']],
    [['trust', 'key', 'list', '--format', 'table']],
  ])('%j is refused with nothing asked of anybody', async (given) => {
    const args = given.map((each) => each.replace('IMAGE', stage.name(REPO)));
    const before = machine.content();
    stage.mark();
    const run = await machine.run(args);
    expect(run.status).not.toBe(0);
    expect(run.stdout).toBe('');
    expect(run.stderr).not.toContain('internal error');
    expect(stage.engineChanges()).toEqual([]);
    expect(stage.registry.log).toEqual([]);
    expect(machine.content()).toEqual(before);
    expect(dockerCalls(stage)).toEqual([]);
  });
});

describe('no docker on PATH', () => {
  const without = { PATH: '/nonexistent' };

  test('contract (Passing): a command for it is DOCKER_NOT_FOUND with status 127', async () => {
    await refused(machine, ['ps'], { code: 'DOCKER_NOT_FOUND', status: 127, env: without });
    await refused(machine, ['pull', image], {
      code: 'DOCKER_NOT_FOUND',
      status: 127,
      env: { ...without, DOCKER_CONTENT_TRUST: '0' },
    });
  });

  test('contract (Passing): pull works without it', async () => {
    const run = await machine.succeed(['pull', '-q', image], without);
    expect(run.stdout).toBe(`${image}\n`);
  });

  test('dtrust installed as docker does not call itself', async () => {
    const folder = fs.mkdtempSync(path.join(stage.folder, 'own-'));
    fs.symlinkSync(stage.program, path.join(folder, 'docker'));
    await refused(machine, ['ps'], { code: 'DOCKER_NOT_FOUND', status: 127, env: { PATH: folder } });
  });

  test('a docker that calls dtrust again is DOCKER_LOOP', async () => {
    const folder = fs.mkdtempSync(path.join(stage.folder, 'loop-'));
    const { NODE } = await import('./program.ts');
    const script = `#!/bin/sh\nexec '${NODE}' '${stage.program}' "$@"\n`;
    fs.writeFileSync(path.join(folder, 'docker'), script, { mode: 0o755 });
    await refused(machine, ['ps'], {
      code: 'DOCKER_LOOP',
      status: 127,
      env: { PATH: `${folder}:/usr/bin:/bin` },
    });
  });
});
