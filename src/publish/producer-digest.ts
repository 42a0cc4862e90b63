/**
 * Which digest a push has produced (docs/specification.md, rule 5.1).
 *
 * The engine says which digests it pushed; a digest counts only when it is the image that was inspected before the
 * push: on the classic store the pushed manifest names the image's configuration, on containerd's store the digest is
 * the local image itself or a manifest that it lists. The registry's tag is never asked: whoever moved it in
 * between would have had his bytes signed.
 */
import type { LocalImage } from '../engine/local-image.ts';
import { TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { Digest } from '../reference/digest.ts';
import { type Repository, type Tag, targetPath } from '../reference/reference.ts';
import type { RegistryClient } from '../registry/client.ts';
import { parseManifest } from '../registry/manifest.ts';
import { type DescribedManifest, describeManifest } from './describe-manifest.ts';

export interface PushedTag {
  readonly repository: Repository;
  readonly tag: Tag;
  /** What the engine named for this tag. */
  readonly digests: readonly Digest[];
  /** The image as it was before the push. */
  readonly image: LocalImage;
}

/**
 * The one manifest that was pushed for this tag, described for signing.
 *
 * @throws TrustError DIGEST_UNCONFIRMED when none or several of the engine's digests are this image; RegistryError,
 * NetworkError
 */
export async function confirmProducerDigest(
  client: RegistryClient,
  pushed: PushedTag,
  signal: AbortSignal,
): Promise<DescribedManifest> {
  const confirmed: DescribedManifest[] = [];
  for (const digest of pushed.digests) {
    const described = await describeManifest(client, pushed.repository, pushed.tag, digest, signal);
    if (await isOfImage(client, pushed, described, digest, signal)) confirmed.push(described);
  }
  const [only, another] = confirmed;
  if (only === undefined || another !== undefined) throw unconfirmed(pushed, confirmed.length);
  return only;
}

async function isOfImage(
  client: RegistryClient,
  { image, repository }: PushedTag,
  { manifest }: DescribedManifest,
  digest: Digest,
  signal: AbortSignal,
): Promise<boolean> {
  if (image.store === 'classic') {
    return manifest.kind === 'image' && manifest.config?.digest === image.configDigest;
  }
  if (digest === image.target || image.manifests.includes(digest)) return true;
  // Engines before API 1.48 do not list an index's manifests; the index itself does, when it is in the registry.
  if (image.target === undefined || image.manifests.length > 0) return false;
  const index = await client.getManifest(repository, image.target, { signal });
  if (index === undefined) return false;
  const parsed = parseManifest(index.bytes, index.mediaType);
  return parsed.kind === 'index' && parsed.manifests.some((each) => each.digest === digest);
}

function unconfirmed({ repository, tag, digests, image }: PushedTag, count: number): TrustError {
  const path = targetPath(repository, tag);
  const named = digests.length === 0 ? 'none' : digests.join(', ');
  return new TrustError({
    code: 'DIGEST_UNCONFIRMED',
    message: `nothing is signed: ${count === 0 ? 'no' : 'more than one'} digest that the engine pushed for ${escapeShort(path)} is the image ${image.id}`,
    attack: 'arbitrary software',
    spec: 'protocol 5.1',
    reference: path,
    expected: `one manifest of image ${image.id}`,
    found: `the engine named ${named}`,
    hints: [`Sign the digest you mean: dtrust trust sign ${escapeShort(path)}@sha256:DIGEST`],
  });
}
