/**
 * One publish that changes keys: everything that it takes is looked for first, in the state as the change will leave it;
 * then new keys are stored; then it is published, and seen to stand as a client sees it.
 */
import { TrustError } from '../lib/errors.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { RELEASES } from '../trust/core/delegations.ts';
import type { Edit } from '../trust/core/editor.ts';
import { isSameKey, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import type { TopLevelRole } from '../trust/core/metadata.ts';
import { neededKeys } from '../trust/core/needed-keys.ts';
import { keysListed } from '../trust/signers.ts';
import { type NextKey, notePublished, storeNextKey } from './next-key.ts';
import { type Prepared, type PublishTools, prepare } from './prepare.ts';
import { publishEdits } from './publish-edits.ts';

export interface KeyChange {
  /** What is to be changed in this collection; it may refuse. */
  readonly edits: (collection: VerifiedCollection) => readonly Edit[];
  /** The new key of this user among the keys that come, if there is one. */
  readonly next?: NextKey;
  /** The keys that come and go, by role: what a client has to see in the end. */
  readonly roles: readonly TopLevelRole[];
  readonly comes?: readonly PublicKey[];
  /** What else a client has to see in the end. */
  readonly holds?: (seen: VerifiedCollection) => boolean;
  /** All repositories that the new key is for; by default this one alone. */
  readonly repositories?: readonly string[];
}

export interface KeysChanged {
  readonly seen: VerifiedCollection;
  /** Where the new key was written to. */
  readonly file?: string;
}

/**
 * Makes the change.
 *
 * @throws KeyError KEY_ROOT_MISSING, KEY_MISSING, KEY_NOT_LISTED, THRESHOLD_UNREACHABLE, KEY_PASSPHRASE and others of the
 * keys; TrustError PUBLISH_CONFLICT when a client does not see it in the end, and as `prepare` and `publishEdits`;
 * RegistryError; NetworkError; LocalStateError
 */
export async function changeKeys(tools: PublishTools, change: KeyChange): Promise<KeysChanged> {
  const { next, edits, repositories = [] } = change;
  const { canonical } = tools.repository;
  const prepared = await prepareChange(tools, change);
  const made = edits(prepared.collection);
  const file = next && (await storeNextKey(tools, next, canonical, repositories));
  const seen = await publishEdits(tools, prepared, made);
  verifyChanged(seen, change);
  if (next !== undefined) await notePublished(tools, next, canonical);
  return { seen, ...(file === undefined ? {} : { file }) };
}

async function prepareChange(
  tools: PublishTools,
  { edits, next }: KeyChange,
): Promise<Prepared & { readonly kind: 'existing' }> {
  const prepared = await prepare(tools, {
    targets: false,
    mayInitialise: false,
    administers: async (collection, again) => {
      const current = { trusted: collection.trusted, files: await collection.loadAll() };
      const signs = neededKeys(current, [...again, ...edits(collection)], tools.clock.now());
      return { roles: [], signs, fresh: next?.fresh === undefined ? [] : [next.fresh] };
    },
  });
  if (prepared.kind === 'existing') return prepared;
  throw new RangeError('a repository without trust data is refused');
}

function verifyChanged(seen: VerifiedCollection, { roles, comes = [], next, holds }: KeyChange): void {
  const { repository } = seen;
  const wanted = [...comes, ...(next === undefined ? [] : [next.publicKey])];
  const isSeen = roles.every((role) =>
    wanted.every((key) => keysOfRole(seen, role).some((other) => isSameKey(other, key))),
  );
  if (isSeen && holds?.(seen) !== false) return;
  throw new TrustError({
    code: 'PUBLISH_CONFLICT',
    message:
      'the change of keys was published, but a client does not find it: somebody else has changed them since',
    reference: repository.canonical,
    expected: wanted.map(tufKeyId).join(', '),
    hints: [`See which keys count now: dtrust trust status ${repository.familiar}`],
  });
}

/** The keys that a top-level role lists, each once. */
export function keysOfRole({ trusted }: VerifiedCollection, role: TopLevelRole): readonly PublicKey[] {
  const { roles, keys } = trusted.root.signed;
  return keysListed(roles[role].keyids, keys);
}

/**
 * The keys of snapshot and timestamp that are no signer's: the online key, and what a signer who was removed without
 * the root key has left behind (protocol 2.6).
 */
export function onlineKeysOf(collection: VerifiedCollection): readonly PublicKey[] {
  const signers = signersKeys(collection);
  const listed = [...keysOfRole(collection, 'snapshot'), ...keysOfRole(collection, 'timestamp')];
  const distinct = [...new Map(listed.map((key) => [tufKeyId(key), key])).values()];
  return distinct.filter((key) => !signers.some((other) => isSameKey(other, key)));
}

function signersKeys({ trusted }: VerifiedCollection): readonly PublicKey[] {
  const delegations = trusted.targets()?.signed.delegations;
  const repositoryKeys = keysListed(trusted.root.signed.roles.targets.keyids, trusted.root.signed.keys);
  return [...(delegations?.roles.values() ?? [])]
    .filter(({ name }) => name !== RELEASES)
    .flatMap(({ keyids }) => keysListed(keyids, delegations?.keys ?? new Map()))
    .filter((key) => !repositoryKeys.some((other) => isSameKey(other, key)));
}
