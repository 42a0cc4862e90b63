/**
 * A signer who is to be removed (docs/specification.md, rule 2.6): what he signed last, what becomes of it, and whether
 * it is still what was shown when that was decided.
 */
import { TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { Digest } from '../reference/digest.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { RELEASES, TARGETS } from '../trust/core/delegations.ts';
import type { Edit, TargetEntry } from '../trust/core/editor.ts';
import { isSameKey } from '../trust/core/keys.ts';
import { signingKeys } from '../trust/core/role-keys.ts';
import type { TargetFound } from '../trust/core/search.ts';
import { type SignerRole, signedBy, signersOf } from '../trust/signers.ts';
import { signerNamed } from './signers-keys.ts';

export type TagDecision =
  | { readonly kind: 'keep' }
  | { readonly kind: 'revoke' }
  /** Signed for another digest in the same publish. */
  | { readonly kind: 'repoint'; readonly digest: Digest };

/** By target path. */
export type TagDecisions = ReadonlyMap<string, TagDecision>;

/** The signer as the collection has him, what he signed last of what is released, and what else is. */
export interface Leaving {
  readonly signer: SignerRole;
  readonly own: readonly TargetFound[];
  readonly others: readonly TargetFound[];
  /** What other signers list in their own roles, as `nameOf` writes it. */
  readonly listedByOthers: ReadonlySet<string>;
}

/** @throws KeyError KEY_NOT_LISTED; as `listTargets` and `loadAll` */
export async function leavingSigner(collection: VerifiedCollection, name: string): Promise<Leaving> {
  const signer = signerNamed(collection, name);
  const released = await collection.listTargets('passed-over');
  await collection.loadAll();
  const { trusted } = collection;
  const own = signedBy(trusted, signer, released);
  const listedByOthers = new Set(
    signersOf(trusted)
      .filter(({ role }) => role !== signer.role)
      .flatMap(({ role }) => [...(trusted.targets(role)?.signed.targets ?? [])])
      .map(([path, { sha256 }]) => nameOf({ path, sha256: `sha256:${sha256}` })),
  );
  return { signer, own, others: released.filter((target) => !own.includes(target)), listedByOthers };
}

function nameOf({ path, sha256 }: Pick<TargetFound, 'path' | 'sha256'>): string {
  return `${path} ${sha256}`;
}

/**
 * The decisions with what they are about: tags that he signed last, or others that are released where he could write.
 * [A tag mistyped in `--revoke` would be kept.]
 *
 * @throws TrustError TARGET_NOT_SIGNED, TAG_HELD_BY_ROLE
 */
export function verifyDecisions(
  { own, others, signer }: Leaving,
  { repository }: VerifiedCollection,
  decisions: TagDecisions,
): readonly (readonly [TargetFound, TagDecision])[] {
  const prefix = `${repository.canonical}:`;
  return [...decisions].flatMap(([path, decision]) => {
    if (!path.startsWith(prefix)) return [];
    const target = [...own, ...others].find((each) => each.path === path);
    if (target === undefined) throw notReleased(path, repository.familiar);
    const his = own.includes(target) || target.role === RELEASES || target.role === TARGETS;
    if (his || target.role === signer.role) return [[target, decision] as const];
    throw new TrustError({
      code: 'TAG_HELD_BY_ROLE',
      message: `${escapeShort(path)} stands in the role ${escapeShort(target.role)}, where ${escapeShort(signer.name)} cannot sign`,
      spec: 'protocol 2.3',
      role: target.role,
      reference: path,
      hints: [`To revoke it all the same: dtrust trust revoke ${escapeShort(path)}`],
    });
  });
}

/**
 * What a decision changes. What stands in a role of his own goes with it: to stay it is signed again where everybody
 * else's tags are.
 */
export function editsFor(
  { role }: SignerRole,
  target: TargetFound,
  decision: TagDecision,
  entry: TargetEntry | undefined,
): readonly Edit[] {
  const { path, lengthBytes, sha256, mediaType, custom } = target;
  switch (decision.kind) {
    case 'keep':
      if (target.role !== role) return [];
      return [{ kind: 'putTarget', target: { path, lengthBytes, sha256, mediaType, custom } }];
    case 'revoke':
      return target.role === role ? [] : [{ kind: 'removeTarget', path }];
    case 'repoint':
      return entry === undefined ? [] : [{ kind: 'putTarget', target: entry }];
  }
}

/**
 * What was decided on is what is published upon. [While the owner reads the question, the one who is to go signs
 * another digest for a tag that the owner then keeps; or he writes one into `targets/releases`, which his key may sign,
 * and leaves it out of his own role: the owner would sign it anew for good.]
 *
 * @throws TrustError PUBLISH_CONFLICT; KeyError KEY_NOT_LISTED
 */
export async function verifyStillSigned(base: VerifiedCollection, shown: Leaving): Promise<void> {
  const now = await leavingSigner(base, shown.signer.name);
  const before = new Map(shown.own.map(({ path, sha256 }) => [path, sha256]));
  const after = new Map(now.own.map(({ path, sha256 }) => [path, sha256]));
  const paths = new Set([...before.keys(), ...after.keys()]);
  const changed = [...paths].filter((path) => before.get(path) !== after.get(path));
  changed.push(...hisPerhaps(now, shown).filter((path) => !paths.has(path)));
  if (changed.length === 0) return;
  throw new TrustError({
    code: 'PUBLISH_CONFLICT',
    message: `what ${escapeShort(shown.signer.name)} signed last, or could have signed, has changed since it was shown: ${escapeShort(changed.join(', '))}`,
    spec: 'protocol 2.6',
    reference: base.repository.canonical,
    hints: ['Nothing was published. Run the command again: it shows what is signed now.'],
  });
}

/** Released entries that are new or others than were shown, and that no other signer has listed as his since then. */
function hisPerhaps(now: Leaving, shown: Leaving): readonly string[] {
  const before = new Set([...shown.own, ...shown.others].map(nameOf));
  return now.others
    .filter(({ role }) => role === RELEASES)
    .filter((target) => !before.has(nameOf(target)))
    .filter((target) => {
      const name = nameOf(target);
      return !now.listedByOthers.has(name) || shown.listedByOthers.has(name);
    })
    .map(({ path }) => path);
}

/** Whoever may sign releases can write any entry into it; which ones he wrote only his own role says. */
export function othersInHisHand(
  { trusted }: VerifiedCollection,
  { signer, others }: Leaving,
): readonly TargetFound[] {
  const releases = trusted.targets(RELEASES);
  const delegations = trusted.targets()?.signed.delegations;
  const listed = delegations?.roles.get(RELEASES);
  if (releases === undefined || delegations === undefined || listed === undefined) return [];
  const last = signingKeys(releases, listed, delegations.keys);
  const his = last.every((key) => signer.keys.some((own) => isSameKey(key, own)));
  return his ? others.filter(({ role }) => role === RELEASES) : [];
}

function notReleased(path: string, familiar: string): TrustError {
  return new TrustError({
    code: 'TARGET_NOT_SIGNED',
    message: `${escapeShort(path)} is not signed`,
    spec: '5.7.2',
    reference: path,
    hints: [`See what is signed: dtrust trust inspect --pretty ${familiar}`],
  });
}
