import { beforeEach, describe, expect, test } from 'vitest';
import { verifyManifest } from '../../src/enforce/manifest-check.ts';
import { RegistryError, TrustError } from '../../src/lib/errors.ts';
import { type Digest, digestOf } from '../../src/reference/digest.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import type { TargetFound } from '../../src/trust/core/search.ts';
import { createMemoryRegistry, type MemoryRegistry } from '../helpers/memory-registry.ts';
import { rejectsCode } from '../helpers/throws-code.ts';

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const repository = parseRepository('registry.test/acme/app');
const { signal } = new AbortController();

let registry: MemoryRegistry;
beforeEach(() => {
  registry = createMemoryRegistry();
});

/** What is signed about bytes that the registry has. */
function signed(digest: Digest, change: Partial<TargetFound> = {}): TargetFound {
  const stored = registry.repository('acme/app').manifests.get(digest);
  return {
    path: 'registry.test/acme/app:1.0',
    lengthBytes: stored?.bytes.length ?? 0,
    sha256: digest,
    mediaType: stored?.mediaType ?? OCI_MANIFEST,
    role: 'targets',
    ...change,
  } as TargetFound;
}

const verify = (digest: Digest, target: TargetFound) =>
  verifyManifest(createRegistryClient(registry.http), repository, digest, target, signal);

describe('protocol 1.1: what is not what was signed', () => {
  test('the signed manifest is read by its digest, and taken', async () => {
    const { digest } = registry.putImage('acme/app', '1.0');
    expect(await verify(digest, signed(digest))).toMatchObject({ kind: 'image', mediaType: OCI_MANIFEST });
    expect(registry.requests()).toEqual([`GET manifests/${digest}`]);
  });

  test('another length is TARGET_MISMATCH', async () => {
    const { digest, bytes } = registry.putImage('acme/app', '1.0');
    for (const lengthBytes of [bytes.length - 1, bytes.length + 1]) {
      const error = await rejectsCode(
        verify(digest, signed(digest, { lengthBytes })),
        TrustError,
        'TARGET_MISMATCH',
      );
      expect(error).toMatchObject({ spec: '5.7.3', expected: `${lengthBytes} bytes` });
    }
  });

  test('another media type than was signed is TARGET_MISMATCH', async () => {
    const { digest } = registry.putImage('acme/app', '1.0');
    await rejectsCode(
      verify(digest, signed(digest, { mediaType: OCI_INDEX })),
      TrustError,
      'TARGET_MISMATCH',
    );
  });

  test('a document that is both index and image is refused, whatever was signed', async () => {
    const { bytes } = registry.putImage('acme/app', '1.0');
    const image = JSON.parse(Buffer.from(bytes).toString()) as object;
    const both = JSON.stringify({ ...image, manifests: [] });
    const digest = registry.putManifest('acme/app', '1.0', both, OCI_MANIFEST);
    await rejectsCode(verify(digest, signed(digest)), RegistryError, 'REGISTRY_RESPONSE');
  });

  test('a manifest of schema 1 is refused', async () => {
    const type = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
    const schema1 = JSON.stringify({ schemaVersion: 1, name: 'acme/app', fsLayers: [], history: [] });
    const digest = registry.putManifest('acme/app', '1.0', schema1, type);
    await rejectsCode(verify(digest, signed(digest)), RegistryError, 'REGISTRY_RESPONSE');
  });

  test('other bytes under the digest are REGISTRY_DIGEST, none are REGISTRY_NOT_FOUND', async () => {
    const { digest } = registry.putImage('acme/app', '1.0');
    const target = signed(digest);
    registry.faults.push({ when: () => true, fault: 'wrong-body', times: 1 });
    await rejectsCode(verify(digest, target), RegistryError, 'REGISTRY_DIGEST');
    const gone = digestOf(Buffer.from('gone'));
    await rejectsCode(verify(gone, { ...target, sha256: gone }), RegistryError, 'REGISTRY_NOT_FOUND');
  });
});
