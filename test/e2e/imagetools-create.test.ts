/**
 * `buildx imagetools create` under enforcement, with a docker that prints a plan and claims to push: what it is called
 * with, what is signed, and what is refused before it is called at all. test/real has the real one.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { digestOf } from '../../src/reference/digest.ts';
import { stubDocker } from './docker-stub.ts';
import {
  digestOfText,
  dockerCalls,
  type Machine,
  openStage,
  refused,
  type Stage,
  type StoredImage,
} from './harness.ts';
import { MEMORY, Team } from './team.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const INDEX = 'application/vnd.oci.image.index.v1+json';
const CREATE = ['buildx', 'imagetools', 'create'];

let stage: Stage;
let team: Team;
let owner: Machine;
/** Signed as 1.0-amd64 and 1.0-arm64. */
let amd64: StoredImage;
let arm64: StoredImage;
let evil: StoredImage;

async function signedImage(tag: string): Promise<StoredImage> {
  const image = stage.image('app', tag, `app ${tag}`);
  stage.local('app', tag, image);
  await owner.succeed(['push', `${stage.name('app')}:${tag}`]);
  return image;
}

beforeAll(async () => {
  stage = await openStage();
  team = new Team(stage);
  owner = team.owner;
  amd64 = await signedImage('1.0-amd64');
  arm64 = await signedImage('1.0-arm64');
  evil = stage.image('app', 'evil', 'evil');
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.registry.deleteTag('app', '1.0');
  stage.calm();
  dockerCalls(stage);
});

/** The index that buildx would make of these images. */
function indexOf(images: readonly StoredImage[], more: object = {}): Buffer {
  const platform = { os: 'linux', architecture: 'amd64' };
  const manifests = images.map(({ digest, bytes, mediaType }) => ({
    mediaType,
    digest,
    size: bytes.length,
    platform,
    ...more,
  }));
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }, null, 2));
}

const mediaTypeOf = (manifest: Buffer) => JSON.parse(manifest.toString()).mediaType as string;

const NOTHING = Symbol('docker pushes nothing');

/** A docker that prints `plan` for `--dry-run`; `pushed` is what the registry then has, under the tag as well. */
function docker(plan: Buffer, pushed: Buffer | typeof NOTHING = plan, status = 0): void {
  fs.writeFileSync(path.join(stage.folder, 'plan'), `${plan}\n`);
  stubDocker(
    stage,
    `for each in "$@"; do case "$each" in --dry-run*) exec cat ${stage.folder}/plan;; esac; done; exit ${status}`,
  );
  if (pushed !== NOTHING) stage.registry.putManifest('app', '1.0', pushed, mediaTypeOf(pushed));
}

async function signedAs(tag: string): Promise<string | undefined> {
  const inspected = await team.inspected(owner, 'app');
  const tags = inspected.SignedTags as { SignedTag: string; Digest: string }[];
  return tags.find(({ SignedTag }) => SignedTag === tag)?.Digest;
}

const from = (...tags: string[]) => tags.map((tag) => `${stage.name('app')}:${tag}`);
const pinned = (...images: StoredImage[]) => images.map(({ digest }) => `${stage.name('app')}@${digest}`);
const TAG = () => ['-t', `${stage.name('app')}:1.0`];

describe('design 6, push: imagetools create is signed after', () => {
  test('sources by tag are put together by the digests that are signed for them, and the index is signed', async () => {
    const plan = indexOf([amd64, arm64]);
    docker(plan);
    const run = await owner.succeed([...CREATE, ...TAG(), ...from('1.0-amd64', '1.0-arm64')]);
    expect(dockerCalls(stage).map(({ args }) => args)).toEqual([
      [...CREATE, '--dry-run', `--tag=${TAG()[1]}`, '--', ...pinned(amd64, arm64)],
      [...CREATE, `--tag=${TAG()[1]}`, '--', ...pinned(amd64, arm64)],
    ]);
    expect(run.stdout).toBe('');
    expect(run.stderr).toBe(
      `Signing and pushing trust metadata\nSuccessfully signed ${stage.name('app')}:1.0\n`,
    );
    expect(await signedAs('1.0')).toBe(digestOf(plan).slice('sha256:'.length));
    const other = await team.pinned('app');
    const pull = await other.run(['trust', 'inspect', `${stage.name('app')}:1.0`]);
    expect(pull.stdout).toContain(digestOf(plan).slice('sha256:'.length));
  });

  test('protocol 5.1: the tag in the registry decides nothing', async () => {
    const plan = indexOf([amd64]);
    docker(plan);
    stage.registry.putManifest('app', '1.0', evil.bytes, evil.mediaType);
    const run = await owner.succeed([...CREATE, ...TAG(), ...from('1.0-amd64')]);
    expect(run.stderr).toContain(`points at ${evil.digest} already`);
    expect(await signedAs('1.0')).toBe(digestOf(plan).slice('sha256:'.length));
  });

  test('what is signed may be a copy of the one source, and annotations are the ones asked for', async () => {
    docker(Buffer.from(amd64.bytes), Buffer.from(amd64.bytes));
    await owner.succeed([...CREATE, '--prefer-index=false', ...TAG(), ...from('1.0-amd64')]);
    expect(await signedAs('1.0')).toBe(amd64.digest.slice('sha256:'.length));
    const plan = indexOf([amd64], { annotations: { 'org.example': 'x' } });
    docker(plan);
    await owner.succeed([
      ...[...CREATE, '--annotation', 'manifest-descriptor:org.example=x'],
      ...[...TAG(), ...from('1.0-amd64')],
    ]);
    expect(await signedAs('1.0')).toBe(digestOf(plan).slice('sha256:'.length));
  });

  test('--append puts the signed image of the first tag before the files, and files before what is typed', async () => {
    const descriptor = JSON.stringify({
      ...{ mediaType: arm64.mediaType, digest: arm64.digest, size: arm64.bytes.length },
      platform: { os: 'linux', architecture: 'arm64' },
    });
    const file = path.join(owner.home, 'descriptor.json');
    fs.writeFileSync(file, descriptor);
    docker(indexOf([amd64, arm64]), NOTHING);
    await owner.run([
      ...[...CREATE, '--append', '-f', file, '-t', `${stage.name('app')}:1.0-amd64`],
      ...[evil.digest, `${stage.name('app')}:x@${arm64.digest}`],
    ]);
    const [planned] = dockerCalls(stage);
    expect(planned?.args.slice(planned.args.indexOf('--') + 1)).toEqual([
      ...[pinned(amd64)[0], descriptor, evil.digest, pinned(arm64)[0]],
    ]);
    expect(planned?.args).not.toContain('--append');
    fs.rmSync(file);
  });

  test('--dry-run prints, with the sources pinned, and signs nothing', async () => {
    docker(indexOf([amd64]), NOTHING);
    const before = team.trustTag('app');
    const run = await owner.succeed([...CREATE, '--dry-run', ...from('1.0-amd64')]);
    expect(run.stdout).toBe(`${indexOf([amd64])}\n`);
    expect(dockerCalls(stage).map(({ args }) => args)).toEqual([
      [...CREATE, '--dry-run=true', '--', ...pinned(amd64)],
    ]);
    expect(team.trustTag('app')).toBe(before);
  });

  test("docker's own failure is its own, and nothing is signed", async () => {
    docker(indexOf([amd64]), NOTHING, 7);
    const before = team.trustTag('app');
    const run = await owner.run([...CREATE, ...TAG(), ...from('1.0-amd64')]);
    expect(run).toMatchObject({ status: 7, stderr: '' });
    expect(team.trustTag('app')).toBe(before);
  });
});

describe('protocol 5.1: what is put together is what was named', () => {
  test.each<[string, () => Buffer]>([
    ['another image', () => indexOf([amd64, evil])],
    ['another platform', () => indexOf([amd64], { platform: { os: 'linux', architecture: 'arm64' } })],
    ['another size', () => indexOf([amd64], { size: 1 })],
    ['another media type', () => indexOf([amd64], { mediaType: INDEX })],
    ['an annotation of its own', () => indexOf([amd64], { annotations: { a: 'b' } })],
    ['a source missing', () => indexOf([])],
    ['an image that is none of the sources', () => Buffer.from(evil.bytes)],
    ['no manifest', () => Buffer.from('docker says hello')],
  ])('a plan with %s is not carried out: DIGEST_UNCONFIRMED', async (_, plan) => {
    docker(plan(), NOTHING);
    await refused(owner, [...CREATE, ...TAG(), ...from('1.0-amd64')], {
      code: 'DIGEST_UNCONFIRMED',
      mayChange: MEMORY,
    });
    expect(dockerCalls(stage)).toHaveLength(1);
  });

  test('other bytes in the registry than planned are not signed, nor offered for signing', async () => {
    docker(indexOf([arm64]), indexOf([evil]));
    const run = await refused(owner, [...CREATE, ...TAG(), ...from('1.0-arm64')], {
      code: 'DIGEST_UNCONFIRMED',
      mayChange: MEMORY,
    });
    expect(run.stderr).toContain(`dtrust trust sign ${stage.name('app')}:1.0@sha256:DIGEST\n`);
  });
});

describe('docker is not asked for anything', () => {
  const WRONG = { DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'not the passphrase' };
  const create = () => [...CREATE, ...TAG(), ...from('1.0-amd64')];

  test.each<[string, string, () => readonly string[], object?]>([
    ['a source tag that is not signed', 'TARGET_NOT_SIGNED', () => [...CREATE, ...TAG(), ...from('evil')]],
    ['a source without trust data', 'NO_TRUST_DATA', () => [...CREATE, ...TAG(), `${stage.name('new')}:1`]],
    [
      'an image to append to that is not signed',
      'TARGET_NOT_SIGNED',
      () => [...[...CREATE, '--append', '-t', ...from('evil', '1.0-amd64')]],
    ],
    [
      'a source that is not there',
      'DIGEST_UNCONFIRMED',
      () => [...[...CREATE, ...TAG(), `${stage.name('app')}@${digestOfText('nothing')}`]],
    ],
    ['a wrong passphrase', 'KEY_PASSPHRASE', create, WRONG],
    [
      'a digest in two repositories',
      'USAGE',
      () => [...[...CREATE, ...TAG(), '-t', `${stage.name('other')}:1`, amd64.digest]],
    ],
    ['no source', 'USAGE', () => [...CREATE, ...TAG()]],
    ['no tag', 'USAGE', () => [...CREATE, ...from('1.0-amd64')]],
    ['a tag with a digest', 'USAGE', () => [...CREATE, '-t', `${TAG()[1]}@${amd64.digest}`, amd64.digest]],
    ['the tag of trust data', 'TAG_RESERVED', () => [...CREATE, '-t', ...from('_trust', '1.0-amd64')]],
    ['trust data as a source', 'TAG_RESERVED', () => [...CREATE, ...TAG(), ...from('_trust')]],
    ['a folder of layers', 'REFERENCE_INVALID', () => [...CREATE, ...TAG(), 'oci-layout://x']],
    ['a descriptor that is none', 'USAGE', () => [...CREATE, ...TAG(), '{"digest":"sha256:1"}']],
    ['a file that is not there', 'FILE_UNREADABLE', () => [...CREATE, ...TAG(), '-f', 'none.json']],
  ])('%s: %s', async (_, code, args, env = {}) => {
    docker(indexOf([amd64]), NOTHING);
    await refused(owner, args(), { code, env: env as never, mayChange: MEMORY });
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('a machine without keys: KEY_MISSING', async () => {
    docker(indexOf([amd64]), NOTHING);
    const other = await team.pinned('app');
    await refused(other, create(), { code: 'KEY_MISSING', mayChange: MEMORY });
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('a registry that is down: REGISTRY_UNAVAILABLE', async () => {
    docker(indexOf([amd64]), NOTHING);
    stage.registry.faults.push({ when: () => true, fault: { status: 503 }, times: 1_000 });
    await refused(owner, create(), { code: 'REGISTRY_UNAVAILABLE', mayChange: MEMORY });
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('with trust off it is docker, and nothing else', async () => {
    docker(indexOf([amd64]), NOTHING);
    const logged = stage.registry.log.length;
    await owner.run([...CREATE, ...TAG(), ...from('evil')], { DOCKER_CONTENT_TRUST: '0' });
    expect(dockerCalls(stage).map(({ args }) => args)).toEqual([[...CREATE, ...TAG(), ...from('evil')]]);
    expect(stage.registry.log).toHaveLength(logged);
  });
});
