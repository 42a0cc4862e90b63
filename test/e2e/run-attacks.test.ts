/**
 * Attempts to get an image that nobody signed into a container by `run` and `create`. Judged from outside: the real
 * docker is not called, or is called with nothing but what is signed; the engine is asked for nothing but to look.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sendJson } from '../helpers/fake-engine.ts';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { dockerCalls, type Machine, openStage, refused, type Stage, type StoredImage } from './harness.ts';

const REPO = 'acme/app';

let stage: Stage;
let original: Machine;
let machine: Machine;
let sim: RepositorySimulator;
let name: string;
let good: StoredImage;
let evil: StoredImage;
let pinned: string;

beforeAll(async () => {
  stage = await openStage();
  name = stage.name(REPO);
  good = stage.image(REPO, '1.0', 'good');
  evil = stage.image(REPO, 'evil', 'evil');
  stage.image('acme/unsigned', '1.0', 'evil');
  pinned = `${name}@${good.digest}`;
  sim = new RepositorySimulator({ collection: name, nowMs: Date.now() });
  sim.putTarget(`${name}:1.0`, good);
  sim.putTarget(`${name}:wrong-length`, { ...good, length: good.bytes.length + 1 });
  sim.putTarget(`${name}:wrong-type`, { ...good, mediaType: 'application/vnd.oci.image.index.v1+json' });
  sim.publish();
  original = stage.machine().pin(REPO, sim.pin());
});
afterAll(() => stage.close());
beforeEach(async () => {
  stage.calm();
  dockerCalls(stage);
  await stage.publish(REPO, sim.files());
  machine = stage.machine({ like: original });
});

const short = (image: StoredImage) => image.id.slice(7, 19);

describe('is refused, docker not called, the engine not asked', () => {
  const cases: readonly [what: string, code: string, args: () => readonly string[]][] = [
    ['a tag that is not signed', 'TARGET_NOT_SIGNED', () => ['run', `${name}:evil`]],
    ['the same, made and not run', 'TARGET_NOT_SIGNED', () => ['create', `${name}:evil`]],
    ['the same by the long form', 'TARGET_NOT_SIGNED', () => ['container', 'run', '-d', `${name}:evil`]],
    ['latest, when only others are signed', 'TARGET_NOT_SIGNED', () => ['run', name]],
    ['a repository without trust data', 'NO_TRUST_DATA', () => ['run', stage.name('acme/unsigned:1.0')]],
    ['one that is always pulled', 'TARGET_NOT_SIGNED', () => ['run', '--pull', 'always', `${name}:evil`]],
    ['one that is never pulled', 'TARGET_NOT_SIGNED', () => ['run', '--pull=never', `${name}:evil`]],
    ['the trust data as an image', 'TAG_RESERVED', () => ['run', `${name}:_trust`]],
    ['a manifest of another length than signed', 'TARGET_MISMATCH', () => ['run', `${name}:wrong-length`]],
    ['a manifest of another type than signed', 'TARGET_MISMATCH', () => ['run', `${name}:wrong-type`]],
    ['an image ID', 'IMAGE_UNVERIFIED', () => ['run', evil.id]],
    ['an image ID without its algorithm', 'IMAGE_UNVERIFIED', () => ['run', evil.id.slice(7)]],
    ['a short ID', 'IMAGE_UNVERIFIED', () => ['run', short(evil)]],
    ['a short ID with its algorithm', 'IMAGE_UNVERIFIED', () => ['create', `sha256:${short(evil)}`]],
    [
      'an ID that must be pulled, which docker takes for a name',
      'IMAGE_UNVERIFIED',
      () => ['run', '--pull=always', evil.id],
    ],
    [
      'the switch behind the image',
      'TARGET_NOT_SIGNED',
      () => ['run', `${name}:evil`, '--disable-content-trust'],
    ],
    [
      'the switch as a value',
      'TARGET_NOT_SIGNED',
      () => ['run', '--name', '--disable-content-trust', `${name}:evil`],
    ],
    [
      'the switch as a variable',
      'TARGET_NOT_SIGNED',
      () => ['run', '-e', '--disable-content-trust', `${name}:evil`],
    ],
    [
      'the switch behind --',
      'REFERENCE_INVALID',
      () => ['run', '--', '--disable-content-trust', `${name}:evil`],
    ],
    [
      'the switch taken back',
      'TARGET_NOT_SIGNED',
      () => ['run', '--disable-content-trust', '--disable-content-trust=F', `${name}:evil`],
    ],
    ['the switch abbreviated', 'USAGE', () => ['run', '--disable-content', `${name}:evil`]],
    ['a flag that nobody knows', 'USAGE', () => ['run', '--image', `${name}:evil`, `${name}:1.0`]],
    [
      'an image mounted',
      'NOT_YET_ENFORCED',
      () => ['run', '--mount', `type=image,source=${name}:evil,target=/x`, `${name}:1.0`],
    ],
    [
      'an image mounted, in CSV and capitals',
      'NOT_YET_ENFORCED',
      () => ['run', '--mount', `"TYPE=Image",src=${name}:evil,dst=/x`, `${name}:1.0`],
    ],
    [
      'an image mounted, in Turkish capitals',
      'NOT_YET_ENFORCED',
      () => ['run', '--mount=type=\u0130mage,src=x,dst=/x', `${name}:1.0`],
    ],
    ['a way to pull that there is not', 'USAGE', () => ['run', '--pull', 'Always', `${name}:1.0`]],
    ['a platform that is none', 'PLATFORM_INVALID', () => ['run', '--platform', '../x', `${name}:1.0`]],
    ['a name in capitals', 'REFERENCE_INVALID', () => ['run', name.replace('acme', 'Acme')]],
    ['no name', 'REFERENCE_INVALID', () => ['run', '']],
  ];
  test.each(cases)('%s: %s', async (_, code, args) => {
    stage.local(REPO, 'evil', evil);
    const env = args()[1] === '--disable-content-trust' ? { DOCKER_CONTENT_TRUST: '0' } : {};
    // What docker refuses in the same words has no code in its text.
    if (code === 'USAGE' && !args().includes('--pull')) {
      const run = await machine.run(args(), env);
      expect(run).toMatchObject({ status: 125, stdout: '' });
      expect(stage.engineChanges()).toEqual([]);
    } else await refused(machine, args(), { code, status: 125, env, mayChange: /trust/ });
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('a tag that was revoked since, on a machine that ran it before', async () => {
    await machine.succeed(['run', `${name}:1.0`]);
    dockerCalls(stage);
    const later = new RepositorySimulator({ collection: name, nowMs: Date.now() });
    later.putTarget(`${name}:other`, good);
    later.publish();
    later.publish('targets');
    await stage.publish(REPO, later.files());
    const options = {
      code: 'TARGET_NOT_SIGNED',
      status: 125,
      env: { DTRUST_RECHECK: '0' },
      mayChange: /trust/,
    };
    await refused(machine, ['run', `${name}:1.0`], options);
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('trust data that has gone, at once and not after the recheck', async () => {
    stage.registry.deleteTag(REPO, '_trust');
    await refused(machine, ['run', `${name}:1.0`], { code: 'TRUST_DATA_GONE', status: 125 });
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('an engine that answers for one ID with another image', async () => {
    stage.override((request, response) => {
      if (!request.path.startsWith(`/images/${short(good)}/json`)) return false;
      sendJson(response, 200, {
        Id: evil.id,
        RepoTags: [],
        RepoDigests: [],
        Os: 'linux',
        Architecture: 'amd64',
      });
      return true;
    });
    await refused(machine, ['run', short(good)], { code: 'ENGINE_BROKEN', status: 125 });
    expect(dockerCalls(stage)).toEqual([]);
  });
});

describe('docker gets what is signed, and nothing else', () => {
  async function runsTheSigned(...args: readonly string[]): Promise<void> {
    await machine.succeed(args);
    const calls = dockerCalls(stage);
    expect(calls.map((call) => call.args.at(-1))).toEqual([pinned]);
    expect(calls[0]?.args.at(-2)).toBe('--pull=never');
  }

  test('when an archive was loaded under the signed name', async () => {
    stage.local(REPO, '1.0', evil);
    await runsTheSigned('run', `${name}:1.0`);
    expect(stage.engine.images.get(`${name}:1.0`)?.Id).toBe(good.id);
  });

  test('when the name is given to another image between the check and the use', async () => {
    await machine.succeed(['pull', '-q', `${name}:1.0`]);
    stage.override(() => {
      // At each request, the last one before docker is called included.
      stage.local(REPO, '1.0', evil);
      return false;
    });
    await runsTheSigned('run', `${name}:1.0`);
    expect(stage.engine.images.get(`${name}:1.0`)?.Id).toBe(evil.id);
  });

  test('when the registry moves the tag', async () => {
    stage.registry.repository(REPO).tags.set('1.0', evil.digest);
    await runsTheSigned('run', '--pull=always', `${name}:1.0`);
    stage.registry.repository(REPO).tags.set('1.0', good.digest);
  });

  test('when the engine holds the signed bytes under another repository alone', async () => {
    const other = { Id: evil.id, RepoTags: [], RepoDigests: [`${stage.name('acme/evil')}@${good.digest}`] };
    stage.engine.images.set(other.RepoDigests[0] ?? '', other);
    await runsTheSigned('run', `${name}:1.0`);
    expect(stage.engine.images.get(pinned)?.Id).toBe(good.id);
  });

  test('when a name looks like an ID: a name of that spelling comes first, and is checked as a name', async () => {
    const beef = { Id: evil.id, RepoTags: ['beef:latest'], RepoDigests: [] };
    stage.engine.images.set('beef:latest', beef);
    const env = { HTTPS_PROXY: 'http://127.0.0.1:1', DTRUST_TIMEOUT: '5' };
    const run = await machine.run(['run', 'beef'], env);
    expect(run.stderr).toContain('docker.io/library/beef');
    expect(run.status).toBe(125);
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('protocol 8: a tag and a digest use the digest, and say for what the tag is signed', async () => {
    await machine.succeed(['pull', '-q', `${name}:1.0`]);
    const run = await machine.succeed(['run', `${name}:1.0@${evil.digest}`]);
    expect(run.stderr).toContain(`${name}:1.0 is signed for ${good.digest}, not for ${evil.digest}`);
    expect(dockerCalls(stage).map((call) => call.args.at(-1))).toEqual([`${name}@${evil.digest}`]);
  });
});
