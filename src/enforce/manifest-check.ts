/**
 * The manifest itself, before the engine is asked for it (docs/specification.md, rule 1.1; TUF 5.7.3).
 *
 * The digest fixes the bytes, not how they are read: the same bytes can be an image to one reader and an index to
 * another (a document with both `manifests` and `layers`), and the registry chooses the label. So the bytes are
 * read once here: they must be of the signed length, be what was signed they are, and be only that.
 */
import { RegistryError, TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { Digest } from '../reference/digest.ts';
import type { Repository } from '../reference/reference.ts';
import type { RegistryClient } from '../registry/client.ts';
import { type Manifest, parseManifest } from '../registry/manifest.ts';
import type { TargetFound } from '../trust/core/search.ts';

/**
 * Fetches the signed manifest by its digest and checks it against what was signed.
 *
 * @throws TrustError TARGET_MISMATCH; RegistryError REGISTRY_NOT_FOUND when the registry no longer has the bytes,
 * REGISTRY_RESPONSE for a document that is no manifest, and others; NetworkError
 */
export async function verifyManifest(
  client: RegistryClient,
  repository: Repository,
  digest: Digest,
  target: TargetFound,
  signal: AbortSignal,
): Promise<Manifest> {
  const fetched = await client.getManifest(repository, digest, { signal });
  if (fetched === undefined) throw gone(repository, digest, target);
  // TUF 5.7.3: the length that was signed, not merely at most it.
  if (fetched.bytes.length !== target.lengthBytes) {
    throw mismatch(target, 'length', `${target.lengthBytes} bytes`, `${fetched.bytes.length} bytes`);
  }
  const manifest = parseManifest(fetched.bytes, fetched.mediaType);
  // protocol 1.1: mediaType is part of what was signed.
  if (manifest.mediaType !== target.mediaType) {
    throw mismatch(target, 'media type', target.mediaType, manifest.mediaType);
  }
  return manifest;
}

function gone(repository: Repository, digest: Digest, target: TargetFound): RegistryError {
  return new RegistryError({
    code: 'REGISTRY_NOT_FOUND',
    message: `the registry no longer has the signed bytes of ${escapeShort(target.path)}`,
    reference: target.path,
    expected: `${repository.canonical}@${digest}`,
    found: 'no such manifest',
    hints: [`Push the image again and sign it: dtrust push ${escapeShort(target.path)}`],
  });
}

function mismatch(target: TargetFound, what: string, expected: string, found: string): TrustError {
  return new TrustError({
    code: 'TARGET_MISMATCH',
    message: `the manifest of ${escapeShort(target.path)} is not what was signed: ${what} ${escapeShort(found)}, signed is ${escapeShort(expected)}`,
    attack: 'arbitrary software',
    spec: '5.7.3',
    reference: target.path,
    expected,
    found,
  });
}
