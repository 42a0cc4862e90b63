/** What `trust inspect` knows of a collection, as plain values for the renderers. */
import { digestHex, isSha256 } from '../reference/digest.ts';
import { isTag, type Reference } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { type KeyId, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import type { TopLevelRole } from '../trust/core/metadata.ts';
import type { RoleKeys } from '../trust/core/role-keys.ts';
import type { TargetFound } from '../trust/core/search.ts';
import { signedBy, signersOf } from '../trust/signers.ts';
import { byNaturalOrder } from './natural-order.ts';

export interface InspectedTag {
  readonly tag: string;
  /** 64 hex digits. */
  readonly digest: string;
  readonly signers: readonly string[];
  readonly role: string;
  readonly mediaType: string;
  readonly lengthBytes: number;
}

export interface InspectedKeys {
  readonly name: string;
  readonly keyIds: readonly KeyId[];
  readonly threshold: number;
}

export interface InspectedRole {
  readonly name: string;
  readonly version: number;
  readonly expires: string;
}

export interface Inspected {
  /** As typed. */
  readonly given: string;
  readonly repository: string;
  readonly collection: string;
  readonly tags: readonly InspectedTag[];
  readonly signers: readonly InspectedKeys[];
  readonly root: InspectedKeys;
  readonly targets: InspectedKeys;
  readonly online: InspectedKeys;
  readonly roles: readonly InspectedRole[];
}

/** Docker's name for a signature that no signer of his own made. */
const REPOSITORY_ADMIN = 'Repo Admin';

/** Reads everything that is signed; with a tag in the reference only that one. Throws as `listTargets`. */
export async function inspectCollection(
  collection: VerifiedCollection,
  reference: Reference,
  given: string,
): Promise<Inspected> {
  const { trusted } = collection;
  const { repository, tag } = reference;
  const prefix = `${repository.canonical}:`;
  const found = await collection.listTargets();
  await collection.loadAll();
  const tags = found
    .filter(({ path, sha256 }) => path.startsWith(prefix) && isSha256(sha256))
    .map((target) => ({ target, name: target.path.slice(prefix.length) }))
    .filter(({ name }) => isTag(name) && (tag === undefined || name === tag))
    .sort((left, right) => byNaturalOrder(left.name, right.name))
    .map(({ target, name }) => ({
      tag: name,
      digest: digestHex(target.sha256 as Parameters<typeof digestHex>[0]),
      signers: namesOfSigners(collection, target),
      role: target.role,
      mediaType: target.mediaType,
      lengthBytes: target.lengthBytes,
    }));
  const root = trusted.root.signed;
  const top = (name: TopLevelRole, shown: string) => keysOf(shown, root.roles[name], root.keys);
  return {
    given,
    repository: repository.canonical,
    collection: collection.collection,
    tags,
    signers: signerRoles(collection),
    root: top('root', 'Root'),
    targets: top('targets', 'Repository'),
    online: top('timestamp', 'Online'),
    roles: rolesOf(collection),
  };
}

function namesOfSigners({ trusted }: VerifiedCollection, target: TargetFound): readonly string[] {
  const signers = signersOf(trusted).filter((signer) => signedBy(trusted, signer, [target]).length > 0);
  return signers.length === 0 ? [REPOSITORY_ADMIN] : signers.map(({ name }) => name).sort();
}

function signerRoles({ trusted }: VerifiedCollection): readonly InspectedKeys[] {
  return signersOf(trusted).map(({ name, keys, threshold }) => ({
    name,
    keyIds: keys.map(tufKeyId),
    threshold,
  }));
}

function keysOf(name: string, role: RoleKeys, keys: ReadonlyMap<KeyId, PublicKey>): InspectedKeys {
  const listed = role.keyids.map((id) => keys.get(id)).filter((key) => key !== undefined);
  return { name, keyIds: [...new Set(listed.map(tufKeyId))], threshold: role.threshold };
}

function rolesOf({ trusted }: VerifiedCollection): readonly InspectedRole[] {
  const all = [
    ['root', trusted.root.signed],
    ['timestamp', trusted.timestamp?.signed],
    ['snapshot', trusted.snapshot?.signed],
    ['targets', trusted.targets()?.signed],
  ] as const;
  return all.flatMap(([name, signed]) =>
    signed === undefined
      ? []
      : [{ name, version: signed.version, expires: new Date(signed.expiresAtMs).toISOString() }],
  );
}
