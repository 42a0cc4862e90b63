/** `dtrust run` and `dtrust create`: what docker is handed, what is fetched before, and what is said meanwhile. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import {
  dockerCalls,
  type Machine,
  openStage,
  refused,
  type Stage,
  type StoredImage,
  type Variables,
} from './harness.ts';

const REPO = 'acme/app';

let stage: Stage;
let original: Machine;
let machine: Machine;
let name: string;
let image: StoredImage;
let pinned: string;

beforeAll(async () => {
  stage = await openStage();
  name = stage.name(REPO);
  image = stage.image(REPO, '1.0');
  pinned = `${name}@${image.digest}`;
  const sim = new RepositorySimulator({ collection: name, nowMs: Date.now() });
  sim.putTarget(`${name}:1.0`, image);
  sim.putTarget(`${name}:latest`, image);
  sim.publish();
  await stage.publish(REPO, sim.files());
  original = stage.machine().pin(REPO, sim.pin());
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.calm();
  dockerCalls(stage);
  machine = stage.machine({ like: original });
});

/** Runs it, and returns the one call of docker that came of it. */
async function handedOn(args: readonly string[], env: Variables = {}) {
  const run = await machine.succeed(args, env);
  const [call, ...more] = dockerCalls(stage);
  expect(more).toEqual([]);
  if (call === undefined) throw new Error(`docker was not called: ${run.stderr}`);
  return { run, call };
}

/** The image is here, as an earlier pull left it. */
async function havingPulled(): Promise<void> {
  await machine.succeed(['pull', '-q', `${name}:1.0`]);
  stage.registry.log.length = 0;
  stage.mark();
}

describe('contract (Passing on): the real docker gets the digest and all other arguments as they are', () => {
  test.each([
    [
      ['run', 'IMAGE'],
      ['run', '--pull=never', 'PINNED'],
    ],
    [
      ['container', 'run', 'IMAGE'],
      ['container', 'run', '--pull=never', 'PINNED'],
    ],
    [
      ['create', 'IMAGE', 'sh'],
      ['create', '--pull=never', 'PINNED', 'sh'],
    ],
    [
      ['container', 'create', '--name', 'IMAGE', 'IMAGE'],
      ['container', 'create', '--name', 'IMAGE', '--pull=never', 'PINNED'],
    ],
    [
      ['-D', '--log-level', 'info', 'run', '-it', '--rm', '-e', 'A=b c', '--', 'IMAGE', '--', '-x'],
      [
        '-D',
        '--log-level',
        'info',
        'run',
        '-it',
        '--rm',
        '-e',
        'A=b c',
        '--pull=never',
        '--',
        'PINNED',
        '--',
        '-x',
      ],
    ],
    [
      ['run', '--name', '--', 'IMAGE', '--pull', 'always', '--disable-content-trust', 'IMAGE', ''],
      [
        'run',
        '--name',
        '--',
        '--pull=never',
        'PINNED',
        '--pull',
        'always',
        '--disable-content-trust',
        'IMAGE',
        '',
      ],
    ],
    [
      ['run', '--disable-content-trust=false', '-d', '--disable-content-trust=0', 'IMAGE'],
      ['run', '-d', '--pull=never', 'PINNED'],
    ],
    [
      ['run', '--pull', 'missing', '--entrypoint', '/bin/sh', 'IMAGE', '-c', 'echo --platform x; exit'],
      [
        'run',
        '--pull',
        'missing',
        '--entrypoint',
        '/bin/sh',
        '--pull=never',
        'PINNED',
        '-c',
        'echo --platform x; exit',
      ],
    ],
    [
      ['run', '--platform', 'linux/amd64', '-h', 'host', '--cidfile=/tmp/x', 'IMAGE', '-q'],
      ['run', '--platform', 'linux/amd64', '-h', 'host', '--cidfile=/tmp/x', '--pull=never', 'PINNED', '-q'],
    ],
  ])('%j', async (given, wanted) => {
    await havingPulled();
    const put = (args: readonly string[], text: string) =>
      args.map((arg) => arg.replace(text, text === 'IMAGE' ? `${name}:1.0` : pinned));
    const { run, call } = await handedOn(put(given, 'IMAGE'), { KEPT: 'a=b c', DOCKER_CONTENT_TRUST: '1' });
    expect(call.args).toEqual(put(put(wanted, 'IMAGE'), 'PINNED'));
    expect(call.environment).toMatchObject({ DOCKER_CONTENT_TRUST: '0', KEPT: 'a=b c' });
    expect(run).toMatchObject({ stdout: 'docker was called\n', stderr: '' });
    expect(stage.engineChanges()).toEqual([]);
  });

  test('its exit status is the exit status', async () => {
    await havingPulled();
    expect(await machine.run(['run', `${name}:1.0`], { FAKE_DOCKER_EXIT: '42' })).toMatchObject({
      status: 42,
    });
  });

  test('without a docker nothing is begun, and the status is 127', async () => {
    await refused(machine, ['run', `${name}:1.0`], {
      code: 'DOCKER_NOT_FOUND',
      status: 127,
      env: { PATH: '/nonexistent' },
    });
  });
});

describe('an image that is not here', () => {
  test('is fetched by its digest, named as pull names it, and then used; all that is said is on stderr', async () => {
    const { run, call } = await handedOn(['run', '--rm', name]);
    expect(call.args).toEqual(['run', '--rm', '--pull=never', pinned]);
    expect(stage.engineChanges()).toEqual(['POST /images/create', `POST /images/${pinned}/tag`]);
    expect(stage.engine.images.get(`${name}:latest`)?.Id).toBe(image.id);
    expect(run.stdout).toBe('docker was called\n');
    const lines = run.stderr.trimEnd().split('\n');
    expect(lines[0]).toBe(`Unable to find image '${name}:latest' locally`);
    expect(lines[1]).toBe(`Pull (1 of 1): ${name}:latest@${image.digest}`);
    expect(lines.at(-1)).toBe(`Tagging ${pinned} as ${name}:latest`);
  });

  test('is fetched in silence with -q', async () => {
    const { run } = await handedOn(['run', '-q', `${name}:1.0`]);
    expect(run.stderr).toBe('');
    expect(stage.engineChanges()).toHaveLength(2);
  });

  test('is not fetched with --pull never: docker says that it is missing', async () => {
    const { call } = await handedOn(['run', '--pull', 'never', `${name}:1.0`]);
    expect(call.args).toEqual(['run', '--pull', 'never', '--pull=never', pinned]);
    expect(stage.engineChanges()).toEqual([]);
  });

  test('protocol 8: is fetched as named by its digest, and no trust data is asked for', async () => {
    const { run, call } = await handedOn(['run', pinned]);
    expect(call.args).toEqual(['run', '--pull=never', pinned]);
    expect(run.stderr).toContain('no signature was asked for');
    expect(stage.engineChanges()).toEqual(['POST /images/create']);
    expect(stage.registry.requests(({ reference }) => reference === '_trust')).toEqual([]);
  });
});

describe('DTRUST_RECHECK: an image that is here', () => {
  test('within ten minutes of the last check costs no request to the registry', async () => {
    await havingPulled();
    await handedOn(['run', `${name}:1.0`]);
    expect(stage.registry.requests()).toEqual([]);
  });

  test.each([
    ['DTRUST_RECHECK=0', ['run'], { DTRUST_RECHECK: '0' }],
    ['--pull always', ['run', '--pull', 'always'], {}],
  ])('with %s costs one HEAD', async (_, args, env) => {
    await havingPulled();
    await handedOn([...args, `${name}:1.0`], env);
    expect(stage.registry.requests()).toEqual(['HEAD manifests/_trust']);
    expect(stage.engineChanges()).toEqual([]);
  });

  test('is looked up again when what is remembered does not sign the tag', async () => {
    await havingPulled();
    await refused(machine, ['run', `${name}:2.0`], {
      code: 'TARGET_NOT_SIGNED',
      status: 125,
      mayChange: /last-check|trust\/dtrust /,
    });
    expect(stage.registry.requests()).toEqual(['HEAD manifests/_trust']);
  });

  test.each(['soon', '25h', '-1', '1e9', '99999h', '10 m'])(
    'refuses %j, which is no time of at most a day',
    async (value) => {
      await havingPulled();
      const env = { DTRUST_RECHECK: value };
      await refused(machine, ['run', `${name}:1.0`], { code: 'USAGE', status: 125, env });
      expect(dockerCalls(stage)).toEqual([]);
    },
  );

  test.each(['10', '10s', '24h'])('takes %s', async (value) => {
    await havingPulled();
    await handedOn(['run', `${name}:1.0`], { DTRUST_RECHECK: value });
    expect(stage.registry.requests()).toEqual([]);
  });
});

describe('protocol 7.3: a registry that cannot be reached', () => {
  const failing = (status: number) => stage.registry.faults.push({ when: () => true, fault: { status } });
  const env = { DTRUST_RECHECK: '0' };

  /** Moves the last good check to so long ago. */
  function checkedAgo(ageMs: number): void {
    const memory = path.join(machine.config, 'trust', 'dtrust', 'memory');
    for (const entry of fs.globSync(`${memory}/*/last-check`)) {
      const noted = JSON.parse(fs.readFileSync(entry, 'utf8'));
      fs.writeFileSync(entry, `${JSON.stringify({ ...noted, atMs: Date.now() - ageMs })}\n`);
    }
  }

  test('is no obstacle for an image that was verified today, and is said in one line', async () => {
    await havingPulled();
    failing(503);
    checkedAgo(23 * 3_600_000);
    const { run, call } = await handedOn(['run', `${name}:1.0`], env);
    expect(call.args).toEqual(['run', '--pull=never', pinned]);
    expect(run.stderr).toMatch(
      /^dtrust: warning: \S+ cannot be reached \(REGISTRY_UNAVAILABLE\); going on with what \S+ had signed 1380 min ago\n$/,
    );
  });

  test.each([
    ['was verified more than a day ago', 25 * 3_600_000],
    ['was verified tomorrow', -3_600_000],
  ])('refuses an image that %s', async (_, ageMs) => {
    await havingPulled();
    failing(503);
    checkedAgo(ageMs);
    await refused(machine, ['run', `${name}:1.0`], { code: 'REGISTRY_UNAVAILABLE', status: 125, env });
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('refuses an image that is not here, one to be pulled in any case, and a tag that was not signed', async () => {
    await havingPulled();
    failing(503);
    const code = 'REGISTRY_UNAVAILABLE';
    await refused(machine, ['run', '--pull=always', `${name}:1.0`], { code, status: 125, env });
    await refused(machine, ['run', `${name}:2.0`], { code, status: 125, env });
    stage.engine.images.clear();
    await refused(machine, ['run', `${name}:1.0`], { code, status: 125, env });
    expect(dockerCalls(stage)).toEqual([]);
  });

  test.each([
    [401, 'REGISTRY_UNAUTHORIZED'],
    [403, 'REGISTRY_DENIED'],
    [404, 'REGISTRY_NOT_FOUND'],
  ])('is not one that answers %i', async (status, code) => {
    await havingPulled();
    failing(status);
    await refused(machine, ['run', `${name}:1.0`], { code, status: 125, env });
    expect(dockerCalls(stage)).toEqual([]);
  });
});
