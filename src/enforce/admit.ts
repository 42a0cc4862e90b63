/**
 * From what the user named to what the engine may fetch. The only maker of admissions.
 *
 * A tag is admitted as the digest that the verified collection holds for it; a digest names bytes and is admitted
 * as it stands (protocol 8), with `why: named`, which is never printed as signed.
 */
import { TrustError } from '../lib/errors.ts';
import { type Admission, sealAdmission } from '../reference/admission.ts';
import type { Digest } from '../reference/digest.ts';
import { isSha256 } from '../reference/digest.ts';
import type { Platform } from '../reference/platform.ts';
import { type Reference, type Repository, type Tag, targetPath } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import type { TargetFound } from '../trust/core/search.ts';

/** A tag that stands for signed bytes, with what was signed about them. */
export interface AdmittedTag {
  readonly admission: Admission;
  readonly target: TargetFound;
  readonly digest: Digest;
  readonly tag: Tag;
}

/**
 * The admission of a tag: the digest that is signed for it, in a role that may release it.
 *
 * @throws TrustError TARGET_NOT_SIGNED, TARGET_NOT_RELEASED, TARGET_HASH_MISSING, TARGET_MEDIA_TYPE, ROLE_* and
 * TARGETS_* as `VerifiedCollection.resolve`; RegistryError, NetworkError
 */
export async function admitTag(
  collection: VerifiedCollection,
  repository: Repository,
  tag: Tag,
  platform: Platform | undefined,
): Promise<AdmittedTag> {
  const path = targetPath(repository, tag);
  const target = await collection.resolve(path);
  return admitTarget(collection, repository, tag, target, platform);
}

/** The admission of a target that the collection has found. */
export function admitTarget(
  collection: VerifiedCollection,
  repository: Repository,
  tag: Tag,
  target: TargetFound,
  platform: Platform | undefined,
): AdmittedTag {
  const digest = assertSha256(target);
  const { trusted } = collection;
  const admission = sealAdmission({
    fetch: { kind: 'digest', repository, digest },
    tagAs: tag,
    ...(platform === undefined ? {} : { platform }),
    why: 'verified',
    evidence: {
      reference: target.path,
      collection: collection.collection,
      role: target.role,
      rootVersion: trusted.root.signed.version,
      signedLengthBytes: target.lengthBytes,
      mediaType: target.mediaType,
      ...(trusted.timestamp && {
        timestampVersion: trusted.timestamp.signed.version,
        timestampExpiresAtMs: trusted.timestamp.signed.expiresAtMs,
      }),
    },
  });
  return { admission, target, digest, tag };
}

/** The admission of bytes that the user named by their digest (protocol 8). */
export function admitDigest(
  reference: Reference & { readonly digest: Digest },
  platform: Platform | undefined,
): Admission {
  return sealAdmission({
    fetch: { kind: 'digest', repository: reference.repository, digest: reference.digest },
    ...(platform === undefined ? {} : { platform }),
    why: 'named',
    evidence: { reference: reference.canonical },
  });
}

/** The admission of a digest that an exception was made for, under the tag that stands for it. */
export function admitAllowed(
  repository: Repository,
  tag: Tag,
  digest: Digest,
  platform: Platform | undefined,
): Admission {
  return sealAdmission({
    fetch: { kind: 'digest', repository, digest },
    tagAs: tag,
    ...(platform === undefined ? {} : { platform }),
    why: 'allowed',
    evidence: { reference: `${repository.canonical}@${digest}` },
  });
}

/** The admission of an image that the engine holds and that the ledger names. */
export function admitLocal(id: Digest, reference: string): Admission {
  return sealAdmission({ fetch: { kind: 'imageId', id }, why: 'local', evidence: { reference } });
}

/** The admission, by its ID, of an image that the engine holds and whose digest is signed. */
export function admitSignedImage(id: Digest, target: TargetFound): Admission {
  return sealAdmission({
    fetch: { kind: 'imageId', id },
    why: 'verified',
    evidence: {
      reference: target.path,
      role: target.role,
      signedLengthBytes: target.lengthBytes,
      mediaType: target.mediaType,
    },
  });
}

function assertSha256(target: TargetFound): Digest {
  if (isSha256(target.sha256)) return target.sha256;
  throw new TrustError({
    code: 'TARGET_HASH_MISSING',
    message: `${target.path} is signed without a sha256 of its manifest`,
    spec: 'protocol 1.1',
    reference: target.path,
  });
}
