/** `dtrust pull` that succeeds: what it prints, what it asks of registry and engine, what it remembers. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import {
  assertNoSecret,
  digestOfText,
  dockerCalls,
  type Machine,
  openStage,
  refused,
  type Stage,
  type StoredImage,
} from './harness.ts';

const REPO = 'acme/app';
const NOW_MS = Date.now();

let stage: Stage;
let original: Machine;
let machine: Machine;
let name: string;
let images: Readonly<Record<'1.0' | '2.0' | '10.0', StoredImage>>;

beforeAll(async () => {
  stage = await openStage();
  name = stage.name(REPO);
  const sim = new RepositorySimulator({ collection: name, nowMs: NOW_MS });
  images = {
    '1.0': stage.image(REPO, '1.0'),
    '2.0': stage.image(REPO, '2.0'),
    '10.0': stage.image(REPO, '10.0'),
  };
  for (const [tag, image] of Object.entries(images)) sim.putTarget(`${name}:${tag}`, image);
  sim.publish();
  await stage.publish(REPO, sim.files());
  original = stage.machine().pin(REPO, sim.pin());
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.calm();
  machine = stage.machine({ like: original });
});

/** Requests about trust data. */
const trustRequests = () =>
  stage.registry.requests(({ reference, kind }) => reference === '_trust' || kind === 'blob');

describe('protocol 3.2: requests for trust data', () => {
  test('are one GET for a machine that knows nothing, one HEAD for one that does', async () => {
    await machine.succeed(['pull', `${name}:1.0`]);
    expect(trustRequests()).toEqual(['GET manifests/_trust']);
    stage.registry.log.length = 0;
    await machine.succeed(['pull', `${name}:1.0`]);
    expect(trustRequests()).toEqual(['HEAD manifests/_trust']);
    expect(stage.registry.requests()).toEqual(['HEAD manifests/_trust']);
    stage.registry.log.length = 0;
    await machine.succeed(['pull', `${name}:2.0`]);
    expect(trustRequests()).toEqual(['HEAD manifests/_trust']);
  });

  test('are one HEAD and one GET when something was signed since', async () => {
    await machine.succeed(['pull', `${name}:1.0`]);
    const sim = new RepositorySimulator({ collection: name, nowMs: NOW_MS });
    for (const [tag, image] of Object.entries(images)) sim.putTarget(`${name}:${tag}`, image);
    sim.publish();
    const first = await stage.publish(REPO, sim.files());
    await stage.publish(REPO, sim.publish('targets'));
    await machine.succeed(['pull', `${name}:1.0`]);
    expect(trustRequests()).toEqual(['HEAD manifests/_trust', 'GET manifests/_trust']);
    stage.registry.repository(REPO).tags.set('_trust', first);
  });
});

describe('what is printed', () => {
  test('contract (Engine): the lines that Docker Content Trust printed, the full reference last', async () => {
    const { digest } = images['1.0'];
    const run = await machine.succeed(['pull', `${name}:1.0`]);
    const lines = run.stdout.trimEnd().split('\n');
    expect(lines[0]).toBe(`Pull (1 of 1): ${name}:1.0@${digest}`);
    expect(lines.at(-1)).toBe(`${name}:1.0`);
    expect(run.stdout).toContain(`Status: Downloaded newer image for ${name}@${digest}`);
    expect(run.stderr).toBe(`Tagging ${name}@${digest} as ${name}:1.0\n`);
    assertNoSecret(run);
  });

  test('contract (Terminal): -q prints the final reference and nothing else', async () => {
    for (const args of [
      ['pull', '-q', `${name}:1.0`],
      ['image', 'pull', '--quiet', `${name}:1.0`],
      ['pull', `${name}:1.0`, '-q'],
    ]) {
      expect(await machine.succeed(args)).toMatchObject({ stdout: `${name}:1.0\n`, stderr: '' });
    }
  });

  test('without a tag it is latest, and that is said', async () => {
    const run = await refused(machine, ['pull', name], {
      code: 'TARGET_NOT_SIGNED',
      stdout: /^Using default tag: latest\n$/,
      mayChange: /trust/,
    });
    expect(run.error.reference).toBe(`${name}:latest`);
  });

  test('a second time: up to date, and the engine is asked to change nothing', async () => {
    await machine.succeed(['pull', `${name}:1.0`]);
    stage.mark();
    const run = await machine.succeed(['pull', `${name}:1.0`]);
    expect(run.stdout).toContain('Status: Image is up to date for');
    expect(stage.engineChanges()).toEqual([]);
  });

  test('the name is taken from another image that has it', async () => {
    await machine.succeed(['pull', '-q', `${name}:1.0`]);
    stage.local(REPO, '1.0', stage.image(REPO, 'evil', 'evil'));
    stage.mark();
    await machine.succeed(['pull', '-q', `${name}:1.0`]);
    expect(stage.engineChanges()).toEqual([`POST /images/${name}@${images['1.0'].digest}/tag`]);
    expect(stage.engine.images.get(`${name}:1.0`)?.Id).toBe(images['1.0'].id);
  });
});

describe('-a', () => {
  test('pulls every tag that is signed, in natural order, and no other', async () => {
    stage.image(REPO, 'unsigned');
    const run = await machine.succeed(['pull', '-a', name]);
    const lines = run.stdout.split('\n').filter((line) => line.startsWith('Pull ('));
    expect(lines).toEqual([
      `Pull (1 of 3): ${name}:1.0@${images['1.0'].digest}`,
      `Pull (2 of 3): ${name}:2.0@${images['2.0'].digest}`,
      `Pull (3 of 3): ${name}:10.0@${images['10.0'].digest}`,
    ]);
    for (const tag of ['1.0', '2.0', '10.0'] as const) {
      expect(stage.engine.images.get(`${name}:${tag}`)?.Id).toBe(images[tag].id);
    }
    expect(stage.engine.images.has(`${name}:unsigned`)).toBe(false);
    expect(stage.engine.images.has(`${name}:_trust`)).toBe(false);
    expect(trustRequests()).toEqual(['GET manifests/_trust']);
  });

  test('-aq prints the references', async () => {
    const run = await machine.succeed(['pull', '-aq', name]);
    expect(run).toMatchObject({ stdout: `${name}:1.0\n${name}:2.0\n${name}:10.0\n`, stderr: '' });
  });

  test('stops at the first image that is not what was signed', async () => {
    stage.registry.faults.push({
      when: ({ reference }) => reference === images['2.0'].digest,
      fault: 'wrong-body',
    });
    const run = await refused(machine, ['pull', '-a', name], {
      code: 'REGISTRY_DIGEST',
      stdout: /^Pull \(1 of 3\)/,
      engine: ['POST /images/create', `POST /images/${name}@${images['1.0'].digest}/tag`],
      mayChange: /trust/,
    });
    expect(run.stdout).not.toContain('Pull (3 of 3)');
  });
});

describe('protocol 8: a digest names bytes', () => {
  test('name@digest passes without trust data, and is nowhere called signed', async () => {
    const evil = stage.image('acme/strange', '1.0');
    const reference = `${stage.name('acme/strange')}@${evil.digest}`;
    const run = await machine.succeed(['pull', reference]);
    expect(run.stdout.trimEnd().split('\n').at(-1)).toBe(reference);
    expect(run.stdout).not.toMatch(/sign|trust/i);
    expect(run.stderr).toBe('dtrust: pulled as named by its digest; no signature was asked for\n');
    expect(stage.registry.log).toEqual([]);
    expect(stage.engineChanges()).toEqual(['POST /images/create']);
  });

  test('name:tag@digest says so when the tag is signed for something else', async () => {
    const { digest } = images['2.0'];
    const run = await machine.succeed(['pull', `${name}:1.0@${digest}`]);
    expect(run.stderr.split('\n')[0]).toBe(
      `dtrust: warning: ${name}:1.0 is signed for ${images['1.0'].digest}, not for ${digest}`,
    );
    expect(`${run.stdout}${run.stderr}`).not.toContain('Tagging');
    expect(stage.engineChanges()).toEqual(['POST /images/create']);
  });

  test('name:tag@digest is silent when the tag is signed for it', async () => {
    const run = await machine.succeed(['pull', '-q', `${name}:1.0@${images['1.0'].digest}`]);
    expect(run.stderr).toBe('');
  });

  test('name:tag@digest goes on when what is signed cannot be told, and says that', async () => {
    stage.registry.faults.push({
      when: ({ reference }) => reference === '_trust',
      fault: { status: 403, code: 'DENIED' },
    });
    const run = await machine.succeed(['pull', `${name}:1.0@${images['1.0'].digest}`]);
    expect(run.stderr).toContain('cannot be told (REGISTRY_DENIED)');
  });

  test('a digest that the registry does not have is the engine to refuse', async () => {
    await refused(machine, ['pull', `${name}@${digestOfText('nothing')}`], {
      code: 'IMAGE_NOT_FOUND',
      engine: ['POST /images/create'],
    });
  });
});

describe('how failures are told', () => {
  test('contract (Terminal): DTRUST_ERRORS=json ends stderr with one object of six members', async () => {
    const run = await machine.run(['pull', `${name}:nowhere`], { DTRUST_ERRORS: 'json' });
    const last = run.stderr.trimEnd().split('\n').at(-1) ?? '';
    const object = JSON.parse(last) as Record<string, unknown>;
    expect(Object.keys(object)).toEqual(['code', 'class', 'reference', 'expected', 'found', 'hint']);
    expect(object).toMatchObject({ code: 'TARGET_NOT_SIGNED', class: 'trust', reference: `${name}:nowhere` });
    expect(run.stderr.endsWith('}\n')).toBe(true);
  });

  test('without it there is no JSON, and without DTRUST_DEBUG no step', async () => {
    const run = await machine.run(['pull', `${name}:nowhere`]);
    expect(run.stderr).not.toMatch(/[{}]|debug/);
    for (const line of run.stderr.trimEnd().split('\n')) {
      expect(line).toMatch(/^dtrust: (refused|hint): /);
    }
  });

  test('DTRUST_DEBUG=1 names step, role, causes and requests', async () => {
    const run = await machine.run(['pull', `${name}:nowhere`], { DTRUST_DEBUG: '1' });
    expect(run.stderr).toMatch(/^dtrust: debug: step 5\./m);
    expect(run.stderr).toMatch(/^dtrust: debug: GET http:\/\/\S+\/manifests\/_trust: 200/m);
    assertNoSecret(run);
  });

  test('a reader who has gone away ends the call quietly', async () => {
    const { child, done } = machine.start(['trust', 'inspect', name]);
    child.stdout.destroy();
    const run = await done;
    expect(run.stderr).not.toContain('internal error');
  });
});

test('none of this has called the docker on PATH', () => {
  expect(dockerCalls(stage)).toEqual([]);
});
