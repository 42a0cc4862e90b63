/** `dtrust build --push`: what is checked before buildx is called for the build, and what is signed after it. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { BuildxStub, builds, ENGINE_BUILDER } from './buildx-stub.ts';
import { type Machine, openStage, refused, type Stage, type StoredImage, type Variables } from './harness.ts';
import { MEMORY, Team } from './team.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let stage: Stage;
let team: Team;
let docker: BuildxStub;
let owner: Machine;
let reader: Machine;
/** In the registry, and what the build says it has made. */
let built: StoredImage;

beforeAll(async () => {
  stage = await openStage();
  team = new Team(stage);
  await team.signed('app');
  built = stage.image('app', '2.0', 'built');
  docker = new BuildxStub(path.join(stage.folder, 'buildx'));
  const env = { DTRUST_DOCKER: docker.program };
  owner = stage.machine({ like: team.owner, env });
  reader = stage.machine({ like: await team.pinned('app'), env });
  for (const machine of [owner, reader]) {
    fs.mkdirSync(path.join(machine.home, 'context'));
    fs.writeFileSync(path.join(machine.home, 'context', 'Dockerfile'), 'FROM scratch\n');
  }
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.calm();
  docker.behave({ inspect: ENGINE_BUILDER, metadata: made(built) });
  stage.engine.images.set(built.id, { Id: built.id, RepoTags: [], RepoDigests: [] });
});

/** As the engine's classic store and buildx write it. */
const made = (image: StoredImage, served: StoredImage = image) => ({
  'containerimage.config.digest': image.id,
  'containerimage.digest': served.digest,
});

const push = (tag = '2.0') => ['build', '--push', '-t', `${stage.name('app')}:${tag}`, 'context'];

async function signedAs(tag: string): Promise<string | undefined> {
  const { SignedTags } = await team.inspected(owner, 'app');
  const found = (SignedTags as { SignedTag: string; Digest: string }[]).find(
    (each) => each.SignedTag === tag,
  );
  return found === undefined ? undefined : `sha256:${found.Digest}`;
}

describe('design 6, push: what a build pushes is signed', () => {
  test("by the digest of its producer, and stdout stays docker's", async () => {
    const run = await owner.succeed([...push(), '--metadata-file', 'metadata.json']);
    expect(run.stdout).toBe('built\n');
    expect(run.stderr).toContain(
      `Signing and pushing trust metadata\nSuccessfully signed ${stage.name('app')}:2.0\n`,
    );
    expect(await signedAs('2.0')).toBe(built.digest);
    const metadata = fs.readFileSync(path.join(owner.home, 'metadata.json'), 'utf8');
    expect(JSON.parse(metadata)).toEqual(made(built));
  });

  test('protocol 5.1: not what somebody else has put under the tag in the meantime', async () => {
    const evil = stage.image('app', 'raced', 'of somebody else');
    docker.behave({ inspect: ENGINE_BUILDER, metadata: made(built, evil) });
    const run = await owner.run(push('raced'));
    expect(run.status).toBe(1);
    expect(run.stderr).toContain('(DIGEST_UNCONFIRMED)');
    expect(run.stderr).toContain('in the registry but not signed');
    expect(run.stderr).not.toContain(`@${evil.digest}`);
    expect(await signedAs('raced')).toBeUndefined();
  });

  test('also where the metadata file that was asked for cannot be written', async () => {
    const run = await owner.run([...push('unwritten'), '--metadata-file', 'nowhere/metadata.json']);
    expect(run.status).toBe(1);
    expect(run.stderr).toContain('nowhere/metadata.json');
    expect(await signedAs('unwritten')).toBe(built.digest);
  });

  test('also where the ledger is damaged, which is said after it', async () => {
    const ledger = path.join(owner.home, '.docker', 'trust', 'dtrust', 'ledger.json');
    const before = fs.existsSync(ledger) ? fs.readFileSync(ledger) : undefined;
    fs.writeFileSync(ledger, 'damaged');
    try {
      const run = await owner.run(push('damaged'));
      expect(run.status).toBe(1);
      expect(run.stderr).toContain(`Successfully signed ${stage.name('app')}:damaged\n`);
      expect(run.stderr).toContain('(LEDGER_DAMAGED)');
      expect(await signedAs('damaged')).toBe(built.digest);
    } finally {
      if (before === undefined) fs.rmSync(ledger);
      else fs.writeFileSync(ledger, before);
    }
  });

  // buildx: these write one variable, and the last one counts.
  test.each([
    [['--check', '--call=build']],
    [['--check', '--print=build']],
    [['--call=outline', '--call=build,format=json']],
  ])('also behind %j, which builds after all', async (flags) => {
    const tag = flags.join('').replace(/\W+/g, '.').slice(1);
    await owner.succeed([...push(tag), ...flags]);
    expect(await signedAs(tag)).toBe(built.digest);
  });

  test('and nothing where the build fails', async () => {
    docker.behave({ inspect: ENGINE_BUILDER, metadata: made(built), status: 9 });
    const before = team.trustTag('app');
    expect(await owner.run(push('failed'))).toMatchObject({ status: 9 });
    expect(team.trustTag('app')).toBe(before);
  });
});

describe('design 6, push: the build is not begun', () => {
  test.each<[string, string, () => Machine, () => readonly string[], Variables?]>([
    [
      'a wrong passphrase',
      'KEY_PASSPHRASE',
      () => owner,
      push,
      {
        DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'not the passphrase',
      },
    ],
    ['no key', 'KEY_MISSING', () => reader, push],
    ['the tag of trust data', 'TAG_RESERVED', () => owner, () => push('_trust')],
    ['no tag', 'USAGE', () => owner, () => ['build', '--push', 'context']],
    ['--push beside --load', 'NOT_YET_ENFORCED', () => owner, () => [...push(), '--load']],
  ])('%s: %s', async (_, code, machine, args, env = {}) => {
    await refused(machine(), args(), { code, env, mayChange: MEMORY });
    expect(builds(docker.calls()).real).toEqual([]);
  });

  test('a registry that is down: REGISTRY_UNAVAILABLE', async () => {
    stage.registry.faults.push({ when: () => true, fault: { status: 503 }, times: 1_000 });
    await refused(owner, push(), { code: 'REGISTRY_UNAVAILABLE', mayChange: MEMORY });
    expect(builds(docker.calls()).real).toEqual([]);
  });
});
