/** The real program in front of a docker that writes down how it was called. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { dockerCalls, type Machine, openStage, refused, type Stage } from './harness.ts';

const REPO = 'acme/app';

let stage: Stage;
let machine: Machine;
let image: string;

beforeAll(async () => {
  stage = await openStage();
  image = `${stage.name(REPO)}:1.0`;
  const sim = new RepositorySimulator({ collection: stage.name(REPO), nowMs: Date.now() });
  sim.putTarget(image, stage.image(REPO, '1.0')).publish();
  await stage.publish(REPO, sim.files());
  machine = stage.machine({ env: { FAKE_DOCKER_EXIT: '0' } }).pin(REPO, sim.pin());
});
afterAll(() => stage.close());
afterEach(() => {
  dockerCalls(stage);
  stage.calm();
});

/** What docker got besides what a shell sets by itself. */
function callOf() {
  const calls = dockerCalls(stage);
  expect(calls).toHaveLength(1);
  const { args = [], environment = {} } = calls[0] ?? {};
  const { PWD: _pwd, SHLVL: _level, _: _last, OLDPWD: _old, ...rest } = environment;
  return { args, environment: rest };
}

describe('contract (Passing on): what is passed on reaches docker', () => {
  test.each([
    [['ps', '-a', '--format', '{{.ID}} ünï']],
    [['--context', 'x', '-D', 'exec', '-it', 'c', 'sh', '-c', 'pull me']],
    [['--version']],
    [['version', '--format', 'json']],
    [['help', 'pull']],
    [['pull', '--help']],
    [['__complete', 'pull', '']],
    [['docker-cli-plugin-metadata']],
    [['frobnicate', '--x']],
  ])('%j as it was typed, and its exit status comes back', async (args) => {
    const run = await machine.run(args, { FAKE_DOCKER_EXIT: '37', DOCKER_CONTENT_TRUST: '1' });
    expect(run).toMatchObject({ status: 37, stdout: 'docker was called\n' });
    expect(run.stderr).toBe(
      args[0] === 'frobnicate'
        ? 'dtrust: warning: `frobnicate` is not known to dtrust and is run without a check\n'
        : '',
    );
    const call = callOf();
    expect(call.args).toEqual(args);
    // The docker here is a script, which might call dtrust again.
    expect(call.environment).toMatchObject({ DOCKER_CONTENT_TRUST: '1', DTRUST_DEPTH: '1' });
  });

  test('with the environment it was started in, and without a look at config.json, engine or registry', async () => {
    const before = machine.content();
    fs.writeFileSync(path.join(machine.config, 'kept'), '');
    fs.rmSync(path.join(machine.config, 'kept'));
    const asked = stage.engine.requests.length;
    await machine.succeed(['ps'], { ODD: 'a\tb', EMPTY: '', DOCKER_CONTEXT: 'nowhere' });
    expect(callOf().environment).toEqual({
      ...machine.env,
      ODD: 'a\tb',
      EMPTY: '',
      DOCKER_CONTEXT: 'nowhere',
      PATH: `${stage.binFolder}:/usr/bin:/bin`,
      HOME: machine.home,
      DOCKER_CONFIG: machine.config,
      DOCKER_HOST: stage.engine.host,
      XDG_CACHE_HOME: path.join(stage.folder, 'cache'),
      DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: expect.any(String),
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: expect.any(String),
      DTRUST_DEPTH: '1',
    });
    expect(machine.content()).toEqual(before);
    expect(stage.engine.requests).toHaveLength(asked);
    expect(stage.registry.log).toEqual([]);
  });
});

describe('contract (Passing on): with trust off docker gets', () => {
  test.each([
    [['pull', '-q', 'alpine'], ['pull', '-q', 'alpine'], '0'],
    [['pull', '--disable-content-trust', 'alpine'], ['pull', 'alpine'], '1'],
    [
      ['run', '--disable-content-trust=true', '--rm', 'alpine', 'true'],
      ['run', '--rm', 'alpine', 'true'],
      '',
    ],
    [['build', '--disable-content-trust', '.'], ['build', '.'], '1'],
  ])(
    '%j as %j, with DOCKER_CONTENT_TRUST=0, and nothing is verified or remembered',
    async (args, wanted, value) => {
      const before = machine.content();
      await machine.succeed(args, { DOCKER_CONTENT_TRUST: value, KEPT: 'as it is' });
      const call = callOf();
      expect(call.args).toEqual(wanted);
      expect(call.environment).toMatchObject({ DOCKER_CONTENT_TRUST: '0', KEPT: 'as it is' });
      expect(stage.registry.log).toEqual([]);
      expect(machine.content()).toEqual(before);
    },
  );
});

describe('what is refused while trust is on', () => {
  test.each([
    [['buildx', 'bake'], 1],
    [['compose', 'up'], 1],
  ])('%j never gets to docker', async (args, status) => {
    await refused(machine, args, { code: 'NOT_YET_ENFORCED', status });
    expect(dockerCalls(stage)).toEqual([]);
  });
});

describe('contract (Passing on): without a docker on PATH', () => {
  const env = { PATH: '/nonexistent' };

  test('what is docker’s ends with 127 and DOCKER_NOT_FOUND', async () => {
    await refused(machine, ['ps'], { code: 'DOCKER_NOT_FOUND', status: 127, env });
  });

  test('a pull works', async () => {
    const run = await machine.succeed(['pull', '-q', image], env);
    expect(run.stdout).toBe(`${image}\n`);
  });

  test('DTRUST_DOCKER names it outright', async () => {
    await machine.succeed(['ps', '-q'], { ...env, DTRUST_DOCKER: path.join(stage.binFolder, 'docker') });
    expect(callOf().args).toEqual(['ps', '-q']);
  });
});

describe('contract (Passing on): its own version is not docker’s', () => {
  test('`dtrust trust version` prints it, and no docker is needed', async () => {
    const run = await machine.succeed(['trust', 'version'], { PATH: '/nonexistent' });
    expect(run.stdout).toMatch(/^dtrust \d+\.\d+\.\d+\n$/);
  });
});
