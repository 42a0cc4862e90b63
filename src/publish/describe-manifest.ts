/**
 * What is signed about an image: length, sha256 and media type of its manifest, taken from the bytes that the
 * registry has under that very digest (docs/specification.md, rule 5.1), never from what a tag points at.
 */
import { TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { type Digest, isSha256 } from '../reference/digest.ts';
import { type Repository, type Tag, targetPath } from '../reference/reference.ts';
import type { RegistryClient } from '../registry/client.ts';
import { type Manifest, parseManifest } from '../registry/manifest.ts';
import type { TargetEntry } from '../trust/core/editor.ts';

export interface DescribedManifest {
  readonly entry: TargetEntry;
  readonly manifest: Manifest;
}

/**
 * Reads `manifests/<digest>` and describes it for signing.
 *
 * @throws TrustError DIGEST_UNCONFIRMED when it is no sha256 or the registry does not have it; RegistryError REGISTRY_RESPONSE when it
 * is no manifest or an ambiguous one, REGISTRY_DIGEST and others; NetworkError
 */
export async function describeManifest(
  client: RegistryClient,
  repository: Repository,
  tag: Tag,
  digest: Digest,
  signal: AbortSignal,
): Promise<DescribedManifest> {
  const path = targetPath(repository, tag);
  if (!isSha256(digest)) throw notSha256(path, digest);
  const fetched = await client.getManifest(repository, digest, { signal });
  if (fetched === undefined) throw notThere(path, digest);
  const manifest = parseManifest(fetched.bytes, fetched.mediaType);
  return {
    manifest,
    entry: { path, lengthBytes: fetched.bytes.length, sha256: digest, mediaType: manifest.mediaType },
  };
}

function notSha256(path: string, digest: Digest): TrustError {
  return new TrustError({
    code: 'DIGEST_UNCONFIRMED',
    message: `nothing is signed: trust data names manifests by sha256, not by ${digest}`,
    spec: 'protocol 1.1',
    reference: path,
    expected: 'a digest that begins with sha256:',
    found: digest,
    hints: [`Name the same manifest by its sha256: dtrust trust sign ${escapeShort(path)}@sha256:DIGEST`],
  });
}

function notThere(path: string, digest: Digest): TrustError {
  return new TrustError({
    code: 'DIGEST_UNCONFIRMED',
    message: `nothing is signed: the registry has no manifest ${digest} for ${escapeShort(path)}`,
    spec: 'protocol 5.1',
    reference: path,
    expected: digest,
    found: 'no such manifest',
    hints: [`Push the image again: dtrust push ${escapeShort(path)}`],
  });
}
