/** `dtrust push` and the other publishers, where something is wrong with what would be signed or where it would go. */
import fs from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { KeyStore } from '../../src/keys/key-store.ts';
import { createPassphrases } from '../../src/keys/passphrases.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { editCollection } from '../../src/trust/core/editor.ts';
import type { Signer } from '../../src/trust/core/signer.ts';
import { TrustedMetadata } from '../../src/trust/core/trusted-metadata.ts';
import { writeMessages } from '../helpers/fake-engine.ts';
import {
  digestOfText,
  type Machine,
  openStage,
  REPOSITORY_PASSPHRASE,
  type Refusal,
  ROOT_PASSPHRASE,
  refused,
  type Stage,
} from './harness.ts';
import { beginRepository } from './owner.ts';

const REPO = 'acme/app';

let stage: Stage;
let original: Machine;
let owner: Machine;
/** `_trust` as the first push left it. */
let begun: string;
const push = () => ['push', `${stage.name(REPO)}:2.0`];
const noted: Pick<Refusal, 'mayChange'> = { mayChange: /last-check/ };

beforeAll(async () => {
  stage = await openStage();
  original = (await beginRepository(stage, REPO)).machine;
  begun = stage.registry.repository(REPO).tags.get('_trust') ?? '';
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.calm();
  stage.registry.repository(REPO).tags.set('_trust', begun);
  owner = stage.machine({ like: original });
  stage.local(REPO, '2.0', stage.image(REPO, '2.0'));
});

/** What is signed for a tag now; undefined for nothing. */
async function signedDigest(tag: string): Promise<string | undefined> {
  const run = await owner.succeed(['trust', 'inspect', '--format', 'json', stage.name(REPO)]);
  const [inspected] = JSON.parse(run.stdout) as { Targets: { Tag: string; Digest: string }[] }[];
  return inspected?.Targets.find((each) => each.Tag === tag)?.Digest;
}

describe('what is signed', () => {
  const uploaded = () => [`POST /images/${stage.name(REPO)}/push`];
  const printed = /^The push refers/;

  test('protocol 5.1: is what the engine pushed, also when the tag has been moved before the signature', async () => {
    const mine = stage.image(REPO, '2.0');
    stage.override((request) => {
      if (request.method !== 'POST' || !request.path.includes('/push')) return false;
      stage.registry.putImage(REPO, '2.0', 'evil');
      return false;
    });
    const run = await owner.succeed(push());
    expect(run.stderr).toMatch(/warning: .*:2\.0 in the registry points at sha256:[0-9a-f]{64} already/);
    expect(await signedDigest('2.0')).toBe(mine.digest);
  });

  test.each([
    ['an image that is not the local one', () => stage.image(REPO, 'evil', 'evil').digest],
    ['a manifest that the registry does not have', () => digestOfText('nothing')],
  ])('protocol 5.1: is never %s: DIGEST_UNCONFIRMED', async (_what, reported) => {
    stage.engine.images.clear();
    stage.local(REPO, '2.0', stage.image(REPO, '2.0'), reported());
    const run = await refused(owner, push(), {
      code: 'DIGEST_UNCONFIRMED',
      engine: uploaded(),
      stdout: printed,
      ...noted,
    });
    expect(run.stderr).toContain('The image is in the registry but not signed');
    expect(await signedDigest('2.0')).toBeUndefined();
  });

  test('protocol 5.1: is nothing when the engine names no digest', async () => {
    stage.override((request, response) => {
      if (request.method !== 'POST') return false;
      writeMessages(response, { status: 'Pushed' });
      response.end();
      return true;
    });
    await refused(owner, push(), {
      code: 'DIGEST_UNCONFIRMED',
      engine: uploaded(),
      stdout: /^Pushed/,
      ...noted,
    });
  });

  test('is nothing when the engine reports that the push failed', async () => {
    stage.override((request, response) => {
      if (request.method !== 'POST') return false;
      writeMessages(
        response,
        { status: 'Preparing' },
        { error: 'denied: requested access to the resource is denied' },
      );
      response.end();
      return true;
    });
    await refused(owner, push(), {
      code: 'ENGINE_ERROR',
      engine: uploaded(),
      stdout: /^Preparing/,
      ...noted,
    });
  });

  test('is nothing for an image that is not here', async () => {
    const run = await refused(owner, ['push', `${stage.name(REPO)}:nowhere`], { code: 'IMAGE_NOT_FOUND' });
    expect(run.stderr).toContain('an image does not exist locally with the tag');
  });

  test('protocol 5.2: trust sign of an image that is not here wants its digest', async () => {
    stage.image(REPO, '3.0');
    const args = ['trust', 'sign', `${stage.name(REPO)}:3.0`];
    await refused(owner, args, { code: 'DIGEST_UNCONFIRMED' });
    const nothing = ['trust', 'sign', `${stage.name(REPO)}:3.0@${digestOfText('nothing')}`];
    await refused(owner, nothing, { code: 'DIGEST_UNCONFIRMED' });
  });

  test.each(['_trust', '_trust-staged'])(
    'protocol 3.4: a local image called %s stops push -a before the upload',
    async (tag) => {
      stage.local(REPO, tag, stage.image(REPO, 'x'));
      await refused(owner, ['push', '-a', stage.name(REPO)], { code: 'TAG_RESERVED' });
    },
  );
});

describe('where it would go', () => {
  test.each(['harbor', 'ecr'] as const)(
    'protocol 3.4: a registry like %s that keeps _trust immutable is TRUST_TAG_IMMUTABLE',
    async (as) => {
      stage.registry.switches.immutable = { tags: /^_trust$/, as };
      const run = await refused(owner, push(), {
        code: 'TRUST_TAG_IMMUTABLE',
        engine: [`POST /images/${stage.name(REPO)}/push`],
        stdout: /^The push refers/,
        mayWrite: true,
        mayChange: /last-check|journal|\/memory\//,
      });
      expect(run.stderr).toContain('DTRUST_TRUST_REPOSITORY');
      expect(stage.registry.repository(REPO).tags.get('_trust')).toBe(begun);
    },
  );

  test('a registry that is in the way of the trust data stops the push before the upload', async () => {
    stage.registry.faults.push({
      when: ({ reference }) => reference === '_trust',
      fault: { status: 403, code: 'DENIED' },
    });
    await refused(owner, push(), { code: 'REGISTRY_DENIED' });
  });

  test('what stands there as an image stops the push before the upload', async () => {
    stage.registry.putManifest(
      REPO,
      '_trust',
      stage.image(REPO, 'x').bytes,
      'application/vnd.oci.image.manifest.v1+json',
    );
    await refused(owner, push(), { code: 'TRUST_DATA_INVALID' });
  });

  test('protocol 2.5: a timestamp that has jumped stops the push before the upload: VERSION_JUMP', async () => {
    await stage.publish(REPO, await jumped());
    await refused(owner, push(), { code: 'VERSION_JUMP' });
    // Trying again does not help, and does not wear the refusal out.
    const { stderr } = await refused(owner, push(), { code: 'VERSION_JUMP' });
    // Who slept through so many publishes looks first; keys are replaced where one was stolen, and nowhere else.
    const [look = '', recover = ''] = stderr.split('\n').filter((line) => line.startsWith('dtrust: hint:'));
    expect(recover).toMatch(/^dtrust: hint: Only if a key was stolen: .* dtrust trust rotate --recover /);
    const command = /: dtrust (trust inspect \S+)$/.exec(look)?.[1] ?? '';
    await owner.succeed(command.split(' '));
    await owner.succeed(push());
  });

  test('protocol 4.3: a publish of ours that others have overwritten is LOST_UPDATE before the upload', async () => {
    const second = stage.machine({ like: original });
    await owner.succeed(push());
    stage.registry.repository(REPO).tags.set('_trust', begun);
    for (const tag of ['3.0', '4.0']) {
      stage.local(REPO, tag, stage.image(REPO, tag));
      await second.succeed(['push', '-q', `${stage.name(REPO)}:${tag}`]);
    }
    stage.local(REPO, '5.0', stage.image(REPO, '5.0'));
    const run = await refused(owner, ['push', `${stage.name(REPO)}:5.0`], {
      code: 'LOST_UPDATE',
      mayChange: /memory/,
    });
    expect(run.stderr).toContain('2.0');
  });
});

/** The next state of the collection by its own keys, with versions a thousand and more ahead. */
async function jumped(): Promise<ReadonlyMap<string, Uint8Array>> {
  const collection = stage.name(REPO);
  const files = filesUnder(begun);
  const rootBytes = files.get('1.root.json') ?? new Uint8Array();
  const trusted = new TrustedMetadata(rootBytes, { startTimeMs: Date.now(), collection });
  trusted.finishRoot();
  trusted.updateTimestamp(files.get('timestamp.json') ?? new Uint8Array());
  const named = (role: string) =>
    [...files].find(([name]) => name.endsWith(`.${role}.json`))?.[1] ?? new Uint8Array();
  trusted.updateSnapshot(named('snapshot'));
  trusted.updateTargets(named('targets'));
  const highestVersions = new Map([
    ['timestamp', 5000],
    ['snapshot', 5000],
  ]);
  const options = { signers: await ownerKeys(), nowMs: Date.now(), highestVersions };
  return (await editCollection({ trusted, files }, [], options)).files;
}

function filesUnder(digest: string): Map<string, Uint8Array> {
  const manifest = stage.registry.repository(REPO).manifests.get(digest);
  const { layers } = JSON.parse(Buffer.from(manifest?.bytes ?? []).toString()) as {
    layers: { data: string; annotations: Record<string, string> }[];
  };
  return new Map(
    layers.map(({ data, annotations }) => [
      annotations['tuf.io/filename'] ?? '',
      Buffer.from(data, 'base64'),
    ]),
  );
}

async function ownerKeys(): Promise<readonly Signer[]> {
  const store = new KeyStore({ fs: realFileSystem, dockerConfig: owner.config, platform: 'linux' });
  const nobody = { canPrompt: () => false } as Parameters<typeof createPassphrases>[0]['terminal'];
  const passphrases = createPassphrases({
    environment: { rootPassphrase: ROOT_PASSPHRASE, repositoryPassphrase: REPOSITORY_PASSPHRASE },
    terminal: nobody,
    fs: realFileSystem,
  });
  const signers: Signer[] = [];
  for (const entry of store.list()) signers.push(await store.load(entry, passphrases));
  return signers;
}

describe('what is begun', () => {
  test('protocol 4.4: trust init where there is trust data already is PUBLISH_CONFLICT', async () => {
    await refused(owner, ['trust', 'init', stage.name(REPO)], {
      code: 'PUBLISH_CONFLICT',
      env: { DTRUST_INIT: '1' },
      ...noted,
    });
  });

  test('protocol 4.4: trust init with a root key that does not meet the pin is ROOT_PIN', async () => {
    const other = stage.name('acme/other');
    await owner.succeed(['trust', 'pin', 'add', other, 'ab'.repeat(32)]);
    await refused(owner, ['trust', 'init', other], { code: 'ROOT_PIN', env: { DTRUST_INIT: '1' } });
  });

  test('trust refresh, revoke, inspect and pin export of what is not signed are NO_TRUST_DATA', async () => {
    const nothing = stage.name('acme/nothing');
    for (const args of [
      ['trust', 'refresh', nothing],
      ['trust', 'revoke', '-y', nothing],
      ['trust', 'inspect', nothing],
      ['trust', 'pin', 'export', nothing],
    ]) {
      await refused(owner, args, { code: 'NO_TRUST_DATA' });
    }
  });

  test('trust revoke of all tags asks first: PROMPT_UNAVAILABLE without a terminal', async () => {
    await refused(owner, ['trust', 'revoke', stage.name(REPO)], { code: 'PROMPT_UNAVAILABLE', ...noted });
    const tag = `${stage.name(REPO)}:nowhere`;
    await refused(owner, ['trust', 'revoke', tag], { code: 'TARGET_NOT_SIGNED', ...noted });
  });
});

test('nothing of all this has left a temporary file, or a file that others can read', () => {
  const files = fs
    .readdirSync(owner.config, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => fs.statSync(`${entry.parentPath}/${entry.name}`).mode & 0o077);
  expect(new Set(files)).toEqual(new Set([0]));
});
