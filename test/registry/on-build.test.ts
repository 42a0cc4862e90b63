/** ONBUILD as it stands in the registry: verified bytes, the platform a builder takes, and Go's reading of the members. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { DtrustError } from '../../src/lib/errors.ts';
import { parsePlatform } from '../../src/reference/platform.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import { parseManifest } from '../../src/registry/manifest.ts';
import { fetchOnBuild, parseOnBuild } from '../../src/registry/on-build.ts';
import {
  createMemoryRegistry,
  describe as descriptor,
  type MemoryRegistry,
} from '../helpers/memory-registry.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const repository = parseRepository('acme/app');

let registry: MemoryRegistry;
beforeEach(() => {
  registry = createMemoryRegistry();
});

interface Put {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

function image(config: object | string, changed: object = {}): Put {
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  registry.putBlob('acme/app', text);
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { ...descriptor(CONFIG, Buffer.from(text)), ...changed },
      layers: [],
    }),
  );
  registry.putManifest('acme/app', 'x', bytes, MANIFEST);
  return { bytes, mediaType: MANIFEST };
}
const runs = (...OnBuild: string[]) => image({ os: 'linux', config: { OnBuild } });

function index(...entries: readonly (readonly [string, Put])[]): Put {
  const manifests = entries.map(([platform, { bytes, mediaType }]) => {
    const [os, architecture, variant] = platform.split('/');
    const named = platform === '' ? {} : { platform: { os, architecture, ...(variant && { variant }) } };
    return { ...descriptor(mediaType, bytes), ...named };
  });
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }));
  registry.putManifest('acme/app', 'x', bytes, INDEX);
  return { bytes, mediaType: INDEX };
}

function onBuild({ bytes, mediaType }: Put, platform = 'linux/amd64'): Promise<readonly string[]> {
  registry.log.length = 0;
  const client = createRegistryClient(registry.http);
  const { signal } = new AbortController();
  const asked = { client, repository, platform: parsePlatform(platform), signal };
  return fetchOnBuild(asked, parseManifest(bytes, mediaType));
}

async function refusal(work: Promise<unknown>): Promise<DtrustError> {
  return await work.then(
    () => expect.unreachable('it was read'),
    (error: DtrustError) => error,
  );
}

describe('design 3: what a base has others run is read from bytes that the digest stands for', () => {
  test('of an image, with one request', async () => {
    expect(await onBuild(runs('COPY --from=a /x /', 'RUN y'))).toEqual(['COPY --from=a /x /', 'RUN y']);
    expect(registry.requests().length).toBe(1);
  });

  test('of an index, the image for the platform', async () => {
    const all = index(
      ['unknown/unknown', image('no json')],
      ['linux/arm64/v8', runs('RUN arm64')],
      ['linux/amd64', runs('RUN amd64')],
      ['linux/arm/v6', runs('RUN v6')],
      ['linux/arm/v7', runs('RUN v7')],
    );
    expect(await onBuild(all)).toEqual(['RUN amd64']);
    expect(await onBuild(all, 'linux/arm64')).toEqual(['RUN arm64']);
    expect(await onBuild(all, 'linux/arm/v7')).toEqual(['RUN v7']);
    // As a builder, the best that the machine runs.
    expect(await onBuild(all, 'linux/arm/v8')).toEqual(['RUN v7']);
    expect(await onBuild(all, 'linux/amd64/v3')).toEqual(['RUN amd64']);
    expect(registry.requests().length).toBe(2);
  });

  test('where an index leaves open which, of all that it may be', async () => {
    const two = index(['linux/amd64', runs('RUN a', 'RUN both')], ['linux/amd64', runs('RUN both', 'RUN b')]);
    expect(await onBuild(two)).toEqual(['RUN a', 'RUN both', 'RUN b']);
    expect(await onBuild(index(['', runs('RUN unnamed')], ['linux/arm64', runs()]))).toEqual(['RUN unnamed']);
    const many = index(...Array.from({ length: 9 }, (_, i) => ['linux/amd64', runs(`RUN ${i}`)] as const));
    expect(await refusal(onBuild(many))).toMatchObject({ code: 'REGISTRY_RESPONSE' });
  });

  test('of an index in an index, not deeper', async () => {
    const inner = index(['linux/amd64', runs('RUN deep')]);
    const outer = index(['linux/amd64', inner]);
    expect(await onBuild(outer)).toEqual(['RUN deep']);
    expect(await refusal(onBuild(index(['linux/amd64', outer])))).toMatchObject({
      code: 'REGISTRY_RESPONSE',
    });
  });
});

describe('design 3: anything else is refused', () => {
  test('an index without an image for the platform, or with one that is gone', async () => {
    const arm = index(['linux/arm64', runs()]);
    const error = await refusal(onBuild(arm));
    expect(error).toMatchObject({ code: 'REGISTRY_NOT_FOUND', expected: 'linux/amd64' });
    registry.repository('acme/app').manifests.clear();
    expect(await refusal(onBuild(arm, 'linux/arm64'))).toMatchObject({ code: 'REGISTRY_NOT_FOUND' });
  });

  test('other bytes than the manifest names', async () => {
    const put = runs('RUN a');
    registry.faults.push({ when: ({ kind }) => kind === 'blob', fault: 'wrong-body' });
    expect(await refusal(onBuild(put))).toMatchObject({ code: 'REGISTRY_DIGEST' });
  });

  test('another manifest than the index names', async () => {
    const put = index(['linux/amd64', runs('RUN a')]);
    registry.faults.push({ when: ({ kind }) => kind === 'manifest', fault: 'wrong-body' });
    expect(await refusal(onBuild(put))).toMatchObject({ code: 'REGISTRY_DIGEST' });
  });

  test('a configuration that says it is huge before it is asked for, one that is huge while it comes', async () => {
    const said = image({}, { size: 5 * 1024 * 1024 });
    expect(await refusal(onBuild(said))).toMatchObject({ code: 'REGISTRY_RESPONSE' });
    expect(registry.requests()).toEqual([]);
    const put = runs();
    registry.faults.push({ when: ({ kind }) => kind === 'blob', fault: { oversize: 5 * 1024 * 1024 } });
    expect(await refusal(onBuild(put))).toMatchObject({ code: 'NETWORK_TOO_LARGE' });
  });

  test('a configuration of another length than the manifest says', async () => {
    expect(await refusal(onBuild(image({}, { size: 3 })))).toMatchObject({ code: 'REGISTRY_DIGEST' });
  });

  const parsed = (text: string) => parseOnBuild(Buffer.from(text), { repository });

  test.each([
    '[]',
    '"text"',
    '{"config": []}',
    '{"config": {"OnBuild": "RUN a"}}',
    '{"config": {"OnBuild": [1]}}',
    '{"config": {"OnBuild": [null]}}',
    '{"config": {}, "config": {"OnBuild": ["RUN a"]}}',
    // Go takes the last of these; a reader that minds the case takes the first.
    '{"config": {"OnBuild": []}, "Config": {"OnBuild": ["RUN a"]}}',
    '{"config": {"OnBuild": [], "onbuild": ["RUN a"]}}',
    `{"config": {"OnBuild": [${Array.from({ length: 501 }, () => '"RUN a"').join()}]}}`,
    `{"config": {"OnBuild": ["${'x'.repeat(300_000)}"]}}`,
  ])('%.70s', (text) => {
    expect(() => parsed(text)).toThrow(expect.objectContaining({ code: 'REGISTRY_RESPONSE' }));
  });

  test.each([
    ['{}', []],
    ['{"config": null}', []],
    ['{"config": {"OnBuild": null, "Labels": {"constructor": "x"}, "Weight": 1.5}}', []],
    ['{"CONFIG": {"onbuild": ["RUN a"]}}', ['RUN a']],
    ['{"container_config": {"OnBuild": ["RUN a"]}}', []],
  ])('while %s is read', (text, lines) => {
    expect(parsed(text)).toEqual(lines);
  });
});
