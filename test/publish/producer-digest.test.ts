import { beforeEach, describe, expect, test } from 'vitest';
import type { LocalImage } from '../../src/engine/local-image.ts';
import { RegistryError, TrustError } from '../../src/lib/errors.ts';
import { confirmProducerDigest } from '../../src/publish/producer-digest.ts';
import { type Digest, digestOf } from '../../src/reference/digest.ts';
import { parseRepository, parseTag } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import { createMemoryRegistry, type MemoryRegistry } from '../helpers/memory-registry.ts';
import { rejectsCode } from '../helpers/throws-code.ts';

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const repository = parseRepository('registry.test/acme/app');
const tag = parseTag('1.0');
const { signal } = new AbortController();

let registry: MemoryRegistry;
beforeEach(() => {
  registry = createMemoryRegistry();
});

/** An image of the classic store, whose ID is the digest of its configuration. */
function classic(configDigest: Digest): LocalImage {
  return image({ id: configDigest, store: 'classic', configDigest });
}

function containerd(target: Digest, manifests: readonly Digest[] = []): LocalImage {
  return image({ id: target, store: 'containerd', target, manifests });
}

function image(parts: Partial<LocalImage> & Pick<LocalImage, 'id' | 'store'>): LocalImage {
  const platform = { os: 'linux', architecture: 'amd64' };
  const nothing = { configDigest: undefined, target: undefined, manifests: [] };
  return { ...nothing, repoTags: [], repoDigests: [], onBuild: [], layers: [], platform, ...parts };
}

/** Puts an image into the registry; returns its digest, size, and the digest of its configuration. */
function put(text: string, under = '1.0') {
  const { digest, bytes, mediaType } = registry.putImage('acme/app', under, text);
  const { config } = JSON.parse(Buffer.from(bytes).toString()) as { config: { digest: Digest } };
  return { digest, lengthBytes: bytes.length, mediaType, config: config.digest };
}

const confirm = (digests: readonly Digest[], local: LocalImage) =>
  confirmProducerDigest(
    createRegistryClient(registry.http),
    { repository, tag, digests, image: local },
    signal,
  );

describe('protocol 5.1: of the digests that the engine names', () => {
  test('the one whose configuration is the image inspected before the push is described, by its own bytes', async () => {
    const pushed = put('pushed');
    const { entry } = await confirm([pushed.digest], classic(pushed.config));
    expect(entry).toEqual({
      path: 'registry.test/acme/app:1.0',
      lengthBytes: pushed.lengthBytes,
      sha256: pushed.digest,
      mediaType: pushed.mediaType,
    });
    expect(registry.requests()).toEqual([`GET manifests/${pushed.digest}`]);
  });

  test('the tag is never asked: bytes that a racing pusher put under it do not count', async () => {
    const pushed = put('pushed');
    put('of somebody else');
    const { entry } = await confirm([pushed.digest], classic(pushed.config));
    expect(entry.sha256).toBe(pushed.digest);
    expect(registry.requests().filter((each) => each.includes('1.0'))).toEqual([]);
  });

  test('one that is another image is DIGEST_UNCONFIRMED', async () => {
    const pushed = put('pushed');
    const other = put('of somebody else');
    const error = await rejectsCode(
      confirm([other.digest], classic(pushed.config)),
      TrustError,
      'DIGEST_UNCONFIRMED',
    );
    expect(error).toMatchObject({ spec: 'protocol 5.1', attack: 'arbitrary software' });
    expect(error.found).toContain(other.digest);
  });

  test('none is DIGEST_UNCONFIRMED, and nothing is asked', async () => {
    const pushed = put('pushed');
    await rejectsCode(confirm([], classic(pushed.config)), TrustError, 'DIGEST_UNCONFIRMED');
    expect(registry.log).toEqual([]);
  });

  test('two that both are the image are DIGEST_UNCONFIRMED: which one is meant is not known', async () => {
    const pushed = put('pushed');
    const stored = registry.repository('acme/app').manifests.get(pushed.digest);
    const spaced = Buffer.from(`${Buffer.from(stored?.bytes ?? []).toString()}\n`);
    const again = registry.putManifest('acme/app', digestOf(spaced), spaced, pushed.mediaType);
    await rejectsCode(
      confirm([pushed.digest, again], classic(pushed.config)),
      TrustError,
      'DIGEST_UNCONFIRMED',
    );
  });

  test('one that the registry does not have is DIGEST_UNCONFIRMED', async () => {
    const pushed = put('pushed');
    const absent = digestOf(Buffer.from('absent'));
    await rejectsCode(confirm([absent], classic(pushed.config)), TrustError, 'DIGEST_UNCONFIRMED');
  });

  test('one under which the registry serves other bytes is REGISTRY_DIGEST', async () => {
    const pushed = put('pushed');
    registry.faults.push({ when: ({ kind }) => kind === 'manifest', fault: 'wrong-body' });
    await rejectsCode(confirm([pushed.digest], classic(pushed.config)), RegistryError, 'REGISTRY_DIGEST');
  });

  test('protocol 1.1: a document that is both index and image is not signed', async () => {
    const { config } = put('pushed');
    const both = JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config, size: 2 },
      layers: [],
      manifests: [],
    });
    const digest = registry.putManifest('acme/app', '1.0', both, OCI_INDEX);
    await rejectsCode(confirm([digest], classic(config)), RegistryError, 'REGISTRY_RESPONSE');
  });

  describe("on containerd's store", () => {
    function putIndex(...of: readonly { digest: Digest; lengthBytes: number; mediaType: string }[]): Digest {
      const manifests = of.map(({ digest, lengthBytes, mediaType }) => ({
        mediaType,
        digest,
        size: lengthBytes,
        platform: { os: 'linux', architecture: 'amd64' },
      }));
      const bytes = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
      return registry.putManifest('acme/app', '1.0', bytes, OCI_INDEX);
    }

    test('the image itself counts, an index as well', async () => {
      const index = putIndex(put('part'));
      const { entry } = await confirm([index], containerd(index));
      expect(entry).toMatchObject({ sha256: index, mediaType: OCI_INDEX });
    });

    test('a manifest that the image lists counts, whether the engine lists it or the index in the registry', async () => {
      const part = put('part');
      const index = putIndex(part);
      expect((await confirm([part.digest], containerd(index, [part.digest]))).entry.sha256).toBe(part.digest);
      expect((await confirm([part.digest], containerd(index))).entry.sha256).toBe(part.digest);
    });

    test('one that the image does not list is DIGEST_UNCONFIRMED', async () => {
      const index = putIndex(put('part'));
      const other = put('other');
      await rejectsCode(confirm([other.digest], containerd(index)), TrustError, 'DIGEST_UNCONFIRMED');
    });
  });
});
