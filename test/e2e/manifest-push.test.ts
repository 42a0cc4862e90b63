/**
 * `manifest push` under enforcement, with a docker that claims to push: which images of a list count, whose digest is
 * signed, and what is refused before docker is called. test/real has the real one.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { digestOf } from '../../src/reference/digest.ts';
import { stubDocker } from './docker-stub.ts';
import { dockerCalls, type Machine, openStage, refused, type Stage, type StoredImage } from './harness.ts';
import { MEMORY, Team } from './team.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const AMD64 = { architecture: 'amd64', os: 'linux' };
const ARM64 = { architecture: 'arm64', os: 'linux', variant: 'v8' };

let stage: Stage;
let team: Team;
let owner: Machine;
let signed: StoredImage;
let evil: StoredImage;

beforeAll(async () => {
  stage = await openStage();
  team = new Team(stage);
  owner = team.owner;
  await team.signed('app');
  signed = stage.image('app', '1.0', 'app 1.0');
  evil = stage.image('app', 'evil', 'evil');
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.calm();
  dockerCalls(stage);
  fs.rmSync(path.join(owner.config, 'manifests'), { recursive: true, force: true });
});

interface Listed {
  /** Behind the repository's name. */
  readonly as: string;
  readonly image: StoredImage;
  readonly platform?: object;
}

/** What `docker manifest create` and `annotate` leave behind. */
function create(machine: Machine, list: string, images: readonly Listed[]): void {
  const safe = (text: string) => text.replaceAll(':', '-').replaceAll('/', '_');
  const folder = path.join(machine.config, 'manifests', safe(`${stage.name('app')}:${list}`));
  fs.mkdirSync(folder, { recursive: true });
  for (const { as, image, platform = AMD64 } of images) {
    const Ref = `${stage.name('app')}${as}`;
    const { mediaType, digest, bytes } = image;
    const content = { Ref, Descriptor: { mediaType, digest, size: bytes.length, platform } };
    fs.writeFileSync(path.join(folder, safe(Ref)), JSON.stringify(content));
  }
}

function listOf(images: readonly (readonly [StoredImage, object])[]): Buffer {
  const manifests = images.map(([{ mediaType, digest, bytes }, platform]) => ({
    ...{ mediaType, size: bytes.length, digest },
    platform,
  }));
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: LIST, manifests }, null, 3));
}

/** A docker that says it has pushed `list`, which the registry has. */
function pushes(list: Buffer, says: string = digestOf(list)): string {
  stage.registry.putManifest('app', digestOf(list), list, LIST);
  const stdout = `Pushed ref ${stage.name('app')} with digest: ${signed.digest}\n${says}\n`;
  fs.writeFileSync(path.join(stage.folder, 'says'), stdout);
  stubDocker(stage, `cat ${stage.folder}/says; exit $DOCKER_STUB_STATUS`);
  return stdout;
}

const PUSH = (list: string) => ['manifest', 'push', '--insecure', `${stage.name('app')}:${list}`];

async function signedAs(tag: string): Promise<string | undefined> {
  const inspected = await team.inspected(owner, 'app');
  const tags = inspected.SignedTags as { SignedTag: string; Digest: string }[];
  return tags.find(({ SignedTag }) => SignedTag === tag)?.Digest;
}

describe('design 6, push: manifest push is signed after', () => {
  test("the list is signed by the digest that docker prints, and stdout stays docker's", async () => {
    create(owner, 'list', [
      { as: ':1.0', image: signed },
      { as: `@${evil.digest}`, image: evil, platform: ARM64 },
    ]);
    const list = listOf([
      [signed, AMD64],
      [evil, ARM64],
    ]);
    const says = pushes(list);
    const run = await owner.succeed(PUSH('list'));
    expect(run.stdout).toBe(says);
    expect(run.stderr).toBe(
      `Signing and pushing trust metadata\nSuccessfully signed ${stage.name('app')}:list\n`,
    );
    expect(dockerCalls(stage).map(({ args }) => args)).toEqual([PUSH('list')]);
    expect(await signedAs('list')).toBe(digestOf(list).slice('sha256:'.length));
  });

  test("docker's own failure is its own, and nothing is signed", async () => {
    create(owner, 'failed', [{ as: ':1.0', image: signed }]);
    const says = pushes(listOf([[signed, AMD64]]));
    const run = await owner.run(PUSH('failed'), { DOCKER_STUB_STATUS: '3' });
    expect(run).toMatchObject({ status: 3, stdout: says, stderr: '' });
    expect(await signedAs('failed')).toBeUndefined();
  });
});

describe('protocol 5.1: the digest that docker has from the registry counts with the images of the list only', () => {
  test.each<[string, () => Buffer]>([
    ['another image', () => listOf([[evil, AMD64]])],
    [
      'one image more',
      () =>
        listOf([
          [signed, AMD64],
          [evil, ARM64],
        ]),
    ],
    ['another platform', () => listOf([[signed, ARM64]])],
    ['none', () => listOf([])],
  ])('a list with %s: DIGEST_UNCONFIRMED, and it is not offered for signing', async (_, list) => {
    create(owner, 'other', [{ as: ':1.0', image: signed }]);
    pushes(list());
    const run = await refused(owner, PUSH('other'), {
      code: 'DIGEST_UNCONFIRMED',
      mayChange: MEMORY,
      stdout: /^Pushed ref /,
    });
    expect(run.stderr).toContain(`dtrust trust sign ${stage.name('app')}:other@sha256:DIGEST\n`);
  });

  test.each(['', 'no digest'])('docker prints %j in its place: DIGEST_UNCONFIRMED', async (says) => {
    create(owner, 'other', [{ as: ':1.0', image: signed }]);
    pushes(listOf([[signed, AMD64]]), says);
    await refused(owner, PUSH('other'), { code: 'DIGEST_UNCONFIRMED', mayChange: MEMORY, stdout: /./ });
  });
});

describe('docker is not called', () => {
  const WRONG = { DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'not the passphrase' };

  test.each<[string, string, () => readonly Listed[], object?]>([
    ['a tag that is not signed', 'TARGET_NOT_SIGNED', () => [{ as: ':evil', image: evil }]],
    ['a tag that is signed for another image', 'TARGET_MISMATCH', () => [{ as: ':1.0', image: evil }]],
    [
      'a digest that is not what docker found',
      'TARGET_MISMATCH',
      () => [{ as: `@${signed.digest}`, image: evil }],
    ],
    ['a wrong passphrase', 'KEY_PASSPHRASE', () => [{ as: ':1.0', image: signed }], WRONG],
    ['no such list', 'IMAGE_NOT_FOUND', () => []],
  ])('%s: %s', async (_, code, images, env = {}) => {
    create(owner, 'list', images());
    pushes(listOf([[signed, AMD64]]));
    await refused(owner, PUSH('list'), { code, env: env as never, mayChange: MEMORY });
    expect(dockerCalls(stage)).toEqual([]);
  });

  test.each(['{}', 'no JSON', '{"Ref":"app:1"}', '{"Ref":"App","Descriptor":{}}'])(
    'a file that is not as docker writes it: CONFIG_INVALID (%s)',
    async (content) => {
      create(owner, 'list', [{ as: ':1.0', image: signed }]);
      const folder = path.join(owner.config, 'manifests');
      const [list = ''] = fs.readdirSync(folder);
      fs.writeFileSync(path.join(folder, list, 'another'), content);
      pushes(listOf([[signed, AMD64]]));
      await refused(owner, PUSH('list'), { code: 'CONFIG_INVALID', mayChange: MEMORY });
      expect(dockerCalls(stage)).toEqual([]);
    },
  );

  test('a name with a digest, and the tag of trust data', async () => {
    pushes(listOf([[signed, AMD64]]));
    await refused(owner, PUSH(`list@${signed.digest}`), { code: 'USAGE' });
    await refused(owner, PUSH('_trust'), { code: 'TAG_RESERVED' });
    expect(dockerCalls(stage)).toEqual([]);
  });

  test('a machine without keys: KEY_MISSING', async () => {
    const other = await team.pinned('app');
    create(other, 'list', [{ as: ':1.0', image: signed }]);
    pushes(listOf([[signed, AMD64]]));
    await refused(other, PUSH('list'), { code: 'KEY_MISSING', mayChange: MEMORY });
    expect(dockerCalls(stage)).toEqual([]);
  });
});
