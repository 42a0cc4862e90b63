/** Images and containers of this engine: the ledger, `trust accept`, `commit`, `start` and `restart`. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sendJson } from '../helpers/fake-engine.ts';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { dockerCalls, type Machine, openStage, refused, type Stage, type StoredImage } from './harness.ts';

const REPO = 'acme/app';
const FAKE_ID = 'FAKE:ENGINE';

let stage: Stage;
let original: Machine;
let machine: Machine;
let name: string;
let good: StoredImage;
let old: StoredImage;
let strange: StoredImage;
let pinned: string;
let sim: RepositorySimulator;

beforeAll(async () => {
  stage = await openStage();
  name = stage.name(REPO);
  good = stage.image(REPO, '1.0', 'good');
  old = stage.image(REPO, '0.9', 'old');
  strange = stage.image('acme/strange', '1.0', 'strange');
  pinned = `${name}@${good.digest}`;
  sim = new RepositorySimulator({ collection: name, nowMs: Date.now() });
  sim.putTarget(`${name}:1.0`, good);
  sim.putTarget(`${name}:dev`, old);
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

const ledger = () => path.join(machine.config, 'trust', 'dtrust', 'ledger.json');
const containerId = (letter: string) => letter.repeat(64);

/** A container that the engine has. */
function container(letter: string, image: StoredImage, called: string, running = false): string {
  const made = {
    Id: containerId(letter),
    Name: `box-${letter}`,
    Image: image.id,
    Called: called,
    Running: running,
  };
  stage.engine.containers.push(made);
  return made.Name;
}

/** The engine holds the image as `docker load` leaves it: a name, and no digest. */
function loaded(image: StoredImage, tag = 'loaded'): string {
  stage.local('acme/strange', tag, image);
  return `${stage.name('acme/strange')}:${tag}`;
}

/** The engine holds the image as `docker pull` of it leaves it. */
function pulledByDocker(image: StoredImage): void {
  const held = { Id: image.id, RepoTags: [], RepoDigests: [`${name}@${image.digest}`] };
  for (const key of [image.id, ...held.RepoDigests]) stage.engine.images.set(key, held);
}

async function lastArgs(args: readonly string[]): Promise<readonly string[]> {
  await machine.succeed(args);
  return dockerCalls(stage)[0]?.args ?? [];
}

describe('dtrust trust accept', () => {
  test('by the full ID lets a loaded image run, by its ID, whatever it is called by', async () => {
    const local = loaded(strange);
    await refused(machine, ['run', strange.id], { code: 'IMAGE_UNVERIFIED', status: 125 });
    expect(await machine.succeed(['trust', 'accept', strange.id])).toMatchObject({
      stdout: `Accepted ${strange.id} (${local})\n`,
    });
    expect(stage.engineChanges()).toEqual([]);
    for (const image of [strange.id, strange.id.slice(7), strange.id.slice(7, 19), local]) {
      expect(await lastArgs(['run', image, 'sh'])).toEqual(['run', '--pull=never', strange.id, 'sh']);
    }
    expect(stage.registry.requests()).toEqual([]);
  });

  test('by a name, without a terminal, is refused: the name can be given to any image', async () => {
    for (const image of [loaded(strange), strange.id.slice(7), strange.id.slice(7, 19)]) {
      await refused(machine, ['trust', 'accept', image], { code: 'PROMPT_UNAVAILABLE' });
    }
    await refused(machine, ['run', strange.id], { code: 'IMAGE_UNVERIFIED', status: 125 });
  });

  test('accepts nothing that is not here, nothing while trust is off, and nothing without an image', async () => {
    loaded(strange);
    await refused(machine, ['trust', 'accept', good.id], { code: 'IMAGE_NOT_FOUND' });
    await refused(machine, ['trust', 'accept', strange.id], {
      code: 'USAGE',
      env: { DOCKER_CONTENT_TRUST: '0' },
    });
    await refused(machine, ['trust', 'accept'], { code: 'USAGE' });
    expect(fs.existsSync(ledger())).toBe(false);
  });

  test('counts for the image and not for its name: another image under that name is another image', async () => {
    const local = loaded(strange);
    await machine.succeed(['trust', 'accept', strange.id]);
    stage.local('acme/strange', 'loaded', old);
    await refused(machine, ['run', local], { code: 'NO_TRUST_DATA', status: 125 });
  });

  test('counts for one engine', async () => {
    loaded(strange);
    await machine.succeed(['trust', 'accept', strange.id]);
    const text = fs.readFileSync(ledger(), 'utf8');
    const body = text.slice(text.indexOf('"body":') + 7, -2).replace(FAKE_ID, 'ANOTHER');
    fs.writeFileSync(ledger(), framed(body));
    await refused(machine, ['run', strange.id], { code: 'IMAGE_UNVERIFIED', status: 125 });
  });

  test('is listed, and taken back', async () => {
    loaded(strange);
    await machine.succeed(['trust', 'accept', strange.id]);
    const { stdout } = await machine.succeed(['trust', 'accept', '--list', '--format', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({ Image: strange.id, Why: 'accepted', Engine: FAKE_ID });
    await machine.succeed(['trust', 'accept', '--remove', strange.id]);
    expect(await machine.succeed(['trust', 'accept', '--list', '--format', 'json'])).toMatchObject({
      stdout: '',
    });
    await refused(machine, ['run', strange.id], { code: 'IMAGE_UNVERIFIED', status: 125 });
    await refused(machine, ['trust', 'accept', '--remove', strange.id], {
      code: 'IMAGE_NOT_FOUND',
      mayChange: /ledger|trust\/dtrust /,
    });
  });
});

/** The frame that docs/files.md describes, made here anew. */
function framed(body: string): string {
  const hash = createHash('sha256').update(body).digest('hex');
  return `{"format":1,"sha256":"${hash}","body":${body}}\n`;
}

describe('contract (Disk): a ledger that is damaged', () => {
  test.each([
    ['cut short', (text: string) => text.slice(0, -20), 'LEDGER_DAMAGED'],
    ['with a changed byte', (text: string) => text.replace('accepted', 'acceptee'), 'LEDGER_DAMAGED'],
    ['empty', () => '', 'LEDGER_DAMAGED'],
    [
      'with a reason that nobody knows',
      () => framed('{"entries":[{"engine":"e","image":"sha256:0","why":"x"}]}'),
      'LEDGER_DAMAGED',
    ],
    ['of a newer format', (text: string) => text.replace('"format":1', '"format":2'), 'MEMORY_NEWER'],
  ])('%s is refused by name and stays as it is', async (_, damage, code) => {
    loaded(strange);
    await machine.succeed(['trust', 'accept', strange.id]);
    fs.writeFileSync(ledger(), damage(fs.readFileSync(ledger(), 'utf8')));
    const run = await refused(machine, ['run', strange.id], { code, status: 125 });
    expect(run.stderr).toContain('ledger.json');
    const box = container('a', strange, 'x');
    await refused(machine, ['start', box], { code });
    await refused(machine, ['commit', box], { code });
    expect(dockerCalls(stage)).toEqual([]);
  });
});

describe('an image by its ID', () => {
  test('runs when a digest of it is signed now, which is asked of the repository it was fetched from', async () => {
    pulledByDocker(good);
    expect(await lastArgs(['run', good.id])).toEqual(['run', '--pull=never', good.id]);
    expect(await lastArgs(['create', '--pull=always', good.id.slice(7, 20)])).toEqual([
      ...['create', '--pull=always', '--pull=never', good.id],
    ]);
    expect(stage.engineChanges()).toEqual([]);
  });

  test('is not vouched for by having been run by its digest', async () => {
    const digest = `${stage.name('acme/strange')}@${strange.digest}`;
    await machine.succeed(['run', '-q', digest]);
    dockerCalls(stage);
    await refused(machine, ['run', strange.id], { code: 'IMAGE_UNVERIFIED', status: 125 });
  });

  test('is not vouched for by names: those of a loaded archive, or of a containerd store', async () => {
    stage.local(REPO, '1.0', strange);
    await refused(machine, ['run', strange.id], { code: 'IMAGE_UNVERIFIED', status: 125 });
    // There each image is its own digest: another digest beside it stands for another image.
    const held = {
      Id: strange.id,
      RepoTags: [`${name}:1.0`],
      RepoDigests: [`${name}@${strange.id}`, pinned],
    };
    stage.engine.images.set(strange.id, held);
    await refused(machine, ['run', strange.id], {
      code: 'IMAGE_UNVERIFIED',
      status: 125,
      mayChange: /trust/,
    });
    expect(dockerCalls(stage)).toEqual([]);
  });
});

test('an image by its ID: on a containerd store another digest than the ID is another image, however it is described', async () => {
  stage.override((request, response) => {
    if (request.path !== '/info') return false;
    const DriverStatus = [['driver-type', 'io.containerd.snapshotter.v1']];
    sendJson(response, 200, { ID: FAKE_ID, OSType: 'linux', Architecture: 'x86_64', DriverStatus });
    return true;
  });
  stage.engine.images.set(strange.id, { Id: strange.id, RepoTags: [], RepoDigests: [pinned] });
  await refused(machine, ['run', strange.id], { code: 'IMAGE_UNVERIFIED', status: 125 });
  await refused(machine, ['start', container('a', strange, `${name}:1.0`)], {
    code: 'IMAGE_UNVERIFIED',
    mayChange: /trust/,
  });
  expect(dockerCalls(stage)).toEqual([]);
});

describe('dtrust start', () => {
  test('starts what dtrust made, without asking anybody, under its full ID', async () => {
    await machine.succeed(['run', '-q', '-d', `${name}:1.0`]);
    dockerCalls(stage);
    stage.registry.log.length = 0;
    const box = container('a', good, pinned);
    expect(await lastArgs(['start', '-a', '--detach-keys', box, box])).toEqual([
      ...['start', '-a', '--detach-keys', box, containerId('a')],
    ]);
    expect(await lastArgs(['container', 'start', containerId('a').slice(0, 12)])).toEqual([
      ...['container', 'start', containerId('a')],
    ]);
    expect(stage.registry.requests()).toEqual([]);
  });

  test('prints the containers as they were typed, as docker does, and what else docker says as it is', async () => {
    pulledByDocker(good);
    const first = container('a', good, `${name}:1.0`);
    container('b', good, `${name}:1.0`);
    const short = containerId('b').slice(0, 12);
    const says = (text: string, args: readonly string[]) =>
      machine.run(args, { FAKE_DOCKER_SAYS: text, FAKE_DOCKER_EXIT: '3' });
    const both = `${containerId('a')}\nanother line\n${containerId('b')}\n${containerId('a')}`;
    for (const command of ['start', 'restart']) {
      const run = await says(both, [command, first, short, first]);
      expect(run).toMatchObject({ status: 3, stdout: `${first}\nanother line\n${short}\n${first}\n` });
    }
    // Attached, what is printed is the container's own.
    const attached = await says(containerId('a'), ['start', '-a', first]);
    expect(attached).toMatchObject({ status: 3, stdout: `${containerId('a')}\n` });
  });

  test('starts what was made of a digest under enforcement', async () => {
    const digest = `${stage.name('acme/strange')}@${strange.digest}`;
    await machine.succeed(['create', '-q', digest]);
    dockerCalls(stage);
    expect(await lastArgs(['start', container('b', strange, digest)])).toEqual(['start', containerId('b')]);
  });

  test('starts what docker made when its image is signed now under the name it was made from', async () => {
    pulledByDocker(good);
    expect(await lastArgs(['start', container('c', good, `${name}:1.0`)])).toEqual([
      'start',
      containerId('c'),
    ]);
  });

  const others: readonly [what: string, made: () => readonly [StoredImage, string]][] = [
    ['an image signed for another tag', () => [old, `${name}:1.0`]],
    ['an image signed in another repository', () => [good, stage.name('acme/strange:1.0')]],
    ['an image that nobody signed', () => [strange, stage.name('acme/strange:1.0')]],
    [
      'an image that nobody signed, by its digest',
      () => [strange, `${stage.name('acme/strange')}@${strange.digest}`],
    ],
    ['an image that nobody signed, by its ID', () => [strange, strange.id]],
  ];
  test.each(others)('starts nothing when one of several was made from %s', async (_, made) => {
    pulledByDocker(good);
    pulledByDocker(old);
    loaded(strange);
    const [image, called] = made();
    const fine = container('d', good, `${name}:1.0`);
    const other = container('e', image, called);
    await refused(machine, ['start', fine, other], { code: 'IMAGE_UNVERIFIED', mayChange: /trust/ });
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('starts nothing when one of several is not there, or its image is gone', async () => {
    pulledByDocker(good);
    const fine = container('d', good, `${name}:1.0`);
    await refused(machine, ['start', fine, 'nobody'], { code: 'CONTAINER_NOT_FOUND', mayChange: /trust/ });
    await refused(machine, ['start', container('e', strange, 'x')], {
      code: 'IMAGE_NOT_FOUND',
      mayChange: /trust/,
    });
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('starts an accepted image, and not any more once it was taken back', async () => {
    loaded(strange);
    const box = container('f', strange, 'strange');
    await machine.succeed(['trust', 'accept', strange.id]);
    expect(await lastArgs(['start', '-i', box])).toEqual(['start', '-i', containerId('f')]);
    await machine.succeed(['trust', 'accept', '--remove', strange.id]);
    await refused(machine, ['start', box], { code: 'IMAGE_UNVERIFIED' });
  });

  test('is docker’s, names and all, while trust is off', async () => {
    const box = container('f', strange, 'strange');
    const run = await machine.succeed(['start', box], { DOCKER_CONTENT_TRUST: '0' });
    expect(run.stderr).toBe('');
    expect(dockerCalls(stage)[0]?.args).toEqual(['start', box]);
  });
});

describe('dtrust restart', () => {
  test('leaves a container that runs to docker, and decides on one that does not', async () => {
    loaded(strange);
    const running = container('a', strange, 'x', true);
    const stopped = container('b', strange, 'x');
    expect(await lastArgs(['restart', '-t', '1', running])).toEqual(['restart', '-t', '1', containerId('a')]);
    await refused(machine, ['restart', running, stopped], { code: 'IMAGE_UNVERIFIED' });
    await refused(machine, ['container', 'restart', stopped], { code: 'IMAGE_UNVERIFIED' });
    expect(dockerCalls(stage)).toEqual([]);
  });
});

describe('dtrust commit', () => {
  const env = () => ({ FAKE_DOCKER_SAYS: strange.id });

  test('of a container whose image is known makes an image that may run', async () => {
    pulledByDocker(good);
    const box = container('a', good, `${name}:1.0`);
    const run = await machine.succeed(['commit', '-m', box, box, 'mine:1'], env());
    expect(run.stdout).toBe(`${strange.id}\n`);
    const [call] = dockerCalls(stage);
    expect(call?.args).toEqual(['commit', '-m', box, containerId('a'), 'mine:1']);
    expect(call?.environment.DOCKER_CONTENT_TRUST).toBe('0');
    stage.engine.images.set('mine:1', { Id: strange.id, RepoTags: ['mine:1'], RepoDigests: [] });
    const ran = await machine.succeed(['run', 'mine:1']);
    expect(ran.stderr).toBe(`dtrust: mine:1 is ${strange.id}, committed here; no signature was asked for\n`);
    expect(dockerCalls(stage)[0]?.args).toEqual(['run', '--pull=never', strange.id]);
  });

  test.each([
    ['of a container whose image nobody knows', {}, []],
    ['that fails', { FAKE_DOCKER_EXIT: '1' }, ['good']],
    ['that prints no ID', { FAKE_DOCKER_SAYS: 'something else' }, ['good']],
    ['while trust is off', { DOCKER_CONTENT_TRUST: '0' }, ['good']],
  ] as const)('%s notes nothing', async (_, variables, known) => {
    pulledByDocker(good);
    loaded(strange);
    const box = known.length > 0 ? container('a', good, `${name}:1.0`) : container('a', strange, 'x');
    const status = 'FAKE_DOCKER_EXIT' in variables ? 1 : 0;
    expect(await machine.run(['commit', box, 'mine:1'], { ...env(), ...variables })).toMatchObject({
      status,
    });
    expect(dockerCalls(stage)).toHaveLength(1);
    await refused(machine, ['run', strange.id], { code: 'IMAGE_UNVERIFIED', status: 125 });
  });

  test('of a container that is not there is docker’s to refuse', async () => {
    expect(await lastArgs(['commit', 'nobody'])).toEqual(['commit', 'nobody']);
  });
});
