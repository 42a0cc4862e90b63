/**
 * A staged state in words (docs/specification.md, rule 4.6): what it changes, what has been signed, whose signatures are
 * missing. Every name and value in it was chosen by somebody else: all of it is escaped, and nothing is cut short, since
 * what is not shown must not be signed.
 */
import { escapeText } from '../lib/escape.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/strict-json.ts';
import { serialiseJson } from '../trust/core/canonical-json.ts';
import { delegationsFor, RELEASES, TARGETS } from '../trust/core/delegations.ts';
import { ALL_NAMES } from '../trust/core/draft.ts';
import { isSameKey, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import type { TargetFound } from '../trust/core/search.ts';
import type { StagedRoleName } from '../trust/core/staged.ts';
import {
  type ListedKey,
  type RoleListing,
  type StagedChange,
  stagedChanges,
} from '../trust/core/staged-changes.ts';
import type { StagedQuorum, StagedRoleView, StagedView } from '../trust/core/staged-view.ts';
import type { TrustedMetadata } from '../trust/core/trusted-metadata.ts';
import { describeKeys, keysListed } from '../trust/signers.ts';

/** One line for each change, in the order of the roles. */
export function describeChanges(view: StagedView): readonly string[] {
  const changes = stagedChanges(view);
  const moves = movesIn(view, changes);
  const moved = new Set<StagedChange>(moves.flat());
  return [
    ...changes.filter((change) => !moved.has(change)).map((change) => describe(view, change)),
    ...moves.map(
      ([gone, come]) =>
        `keep ${escapeText(gone.path)} ${entry(gone.before)} (moves from ${escapeText(gone.role)} to ${escapeText(come.role)}, unchanged)`,
    ),
  ];
}

type TargetChange = StagedChange & { readonly kind: 'target' };

/** Entries that leave one releasing role and come into another one as they were: the first signer moves them all. */
function movesIn(
  { current, wouldBe }: StagedView,
  changes: readonly StagedChange[],
): readonly (readonly [TargetChange, TargetChange])[] {
  const targets = changes.filter((change): change is TargetChange => change.kind === 'target');
  const coming = new Map(
    targets
      .filter(({ role, path, before }) => before === undefined && releases(wouldBe, role, path))
      .map((change) => [change.path, change]),
  );
  return targets.flatMap((gone) => {
    if (gone.after !== undefined || !releases(current.trusted, gone.role, gone.path)) return [];
    const come = coming.get(gone.path);
    return come !== undefined && text(come.after) === text(gone.before) ? [[gone, come] as const] : [];
  });
}

function describe(view: StagedView, change: StagedChange): string {
  const { role } = change;
  const shown = escapeText(role);
  switch (change.kind) {
    case 'target':
      return describeTarget(view, change.role, change.path, change.before, change.after);
    case 'keys':
      return describeListing(view, change.role, change.before, change.after);
    case 'released':
      return `${escapeText(change.path)} is found otherwise by these delegations: ${found(change.before)} -> ${found(change.after)}`;
    case 'unlisted':
      return `WHAT IS RELEASED BEFORE OR AFTER CANNOT BE LISTED: ${escapeText(change.why)}`;
    case 'order':
      return `${shown}: delegations, in the order of the search: ${names(change.before)} -> ${names(change.after)}`;
    case 'expires':
      return `${shown}: good until ${text(change.before)} -> ${text(change.after)}`;
    case 'member':
      return describeMember(change);
  }
}

function describeMember({
  role,
  name,
  of,
  before,
  after,
}: StagedChange & { readonly kind: 'member' }): string {
  const values = `${text(before)} -> ${text(after)}`;
  if (of === undefined) return `${escapeText(role)}: ${escapeText(name)}: ${values}`;
  const listed = escapeText(of.role);
  if (of.list === 'delegations.roles' && before === undefined) {
    if (name === 'paths') return `${listed}: for what matches ${text(after)}`;
    if (name === 'path_hash_prefixes' && text(after) === text(ALL_NAMES)) return `${listed}: for all tags`;
    if (name === 'terminating')
      return `${listed}: the search ${after === true ? 'ends there' : 'goes on after it'}`;
  }
  return `${escapeText(role)}: ${of.list}, ${listed}: ${escapeText(name)}: ${values}`;
}

function describeTarget(
  view: StagedView,
  role: StagedRoleName,
  path: string,
  before: JsonObject | undefined,
  after: JsonObject | undefined,
): string {
  const name = escapeText(role);
  const where = releases(view.wouldBe, role, path)
    ? `in ${name}`
    : `in ${name}, which releases nothing${isBefore(view.wouldBe, role) ? ' of this name' : ''}`;
  const tag = escapeText(path);
  if (before === undefined) return `sign ${tag} ${entry(after)} (${where})`;
  if (after === undefined) return `revoke ${tag} ${entry(before)} (${where})`;
  return `change ${tag} ${entry(before)} -> ${entry(after)} (${where})`;
}

/** Digest, size and media type; all of the entry where it has other members. */
function entry(json: JsonObject | undefined): string {
  const [hashes, custom] = [json?.get('hashes'), json?.get('custom')];
  const sha256 = isJsonObject(hashes) ? hashes.get('sha256') : undefined;
  const mediaType = isJsonObject(custom) ? custom.get('mediaType') : undefined;
  const plain =
    json?.size === 3 &&
    isJsonObject(hashes) &&
    hashes.size === 1 &&
    isJsonObject(custom) &&
    custom.size === 1;
  if (!plain || typeof sha256 !== 'string' || typeof mediaType !== 'string') return text(json);
  return `sha256:${escapeText(sha256)} (${text(json?.get('length'))} bytes, ${escapeText(mediaType)})`;
}

/** Whether a search for this tag takes entries from this role (protocol 2.2). */
function releases(trusted: TrustedMetadata, role: StagedRoleName, path: string): boolean {
  if (role === TARGETS) return true;
  const delegations = trusted.targets()?.signed.delegations;
  const takes = delegationsFor(delegations, path).some(({ name }) => name === role);
  return takes && (delegations?.succinct !== undefined || isBefore(trusted, role));
}

/** Whether a search comes to this role at all. */
function isBefore(trusted: TrustedMetadata, role: StagedRoleName): boolean {
  const order: string[] = [...(trusted.targets()?.signed.delegations?.roles.keys() ?? [])];
  const at = order.indexOf(role);
  return at >= 0 && at <= order.indexOf(RELEASES);
}

function describeListing(
  view: StagedView,
  role: string,
  before: RoleListing | undefined,
  after: RoleListing | undefined,
): string {
  const name = escapeText(role);
  if (after === undefined) return `${name}: no longer listed`;
  if (before === undefined) return `${name}: ${quorum(view, after)}`;
  const added = after.keys.filter((key) => !before.keys.some((other) => isSameListing(key, other)));
  const gone = before.keys.filter((key) => !after.keys.some((other) => isSameListing(key, other)));
  return [
    `${name}: ${signatures(before)} -> ${signatures(after)}`,
    ...added.map((key) => `adds ${listedKey(view, key)}`),
    ...gone.map((key) => `takes away ${listedKey(view, key)}`),
  ].join('; ');
}

function isSameListing(left: ListedKey, right: ListedKey): boolean {
  if (left.keyid !== right.keyid || left.key === undefined || right.key === undefined) return false;
  return tufKeyId(left.key) === tufKeyId(right.key);
}

function quorum(view: StagedView, listing: RoleListing): string {
  return `${signatures(listing)}: ${listing.keys.map((key) => listedKey(view, key)).join(', ')}`;
}

function signatures({ keys, threshold }: RoleListing): string {
  return `${text(threshold)} of ${keys.length} keys`;
}

/** Whose key it is, and its ID as computed; the name it goes by where that is another one. */
function listedKey({ wouldBe, current }: StagedView, { keyid, key }: ListedKey): string {
  if (key === undefined) return `a key that is not there (${escapeText(keyid)})`;
  const id = tufKeyId(key);
  const [shown = ''] = describeKeys(wouldBe, [key]);
  const [before = ''] = describeKeys(current.trusted, [key]);
  const owner = shown.startsWith('a key ') ? before : shown;
  return keyid === id ? escapeText(owner) : `${escapeText(owner)}, listed as ${escapeText(keyid)}`;
}

function found(target: TargetFound | undefined): string {
  return target === undefined ? 'not released' : `${target.sha256} of ${escapeText(target.role)}`;
}

function names(roles: readonly string[]): string {
  return roles.length === 0 ? 'none' : roles.map(escapeText).join(', ');
}

function text(value: JsonValue | undefined): string {
  if (value === undefined) return 'none';
  return escapeText(typeof value === 'string' ? value : Buffer.from(serialiseJson(value)).toString());
}

/** A role that takes more signatures than it has. */
export interface MissingSignatures {
  readonly role: StagedRoleName;
  readonly by: string;
  readonly count: number;
  /** Whose would count: name and key ID. */
  readonly accepted: readonly string[];
}

export function missingSignatures(view: StagedView): readonly MissingSignatures[] {
  return view.roles.flatMap((each) =>
    each.quorums.flatMap((set, at) => {
      const count = set.role.threshold - set.signed.length;
      if (count <= 0) return [];
      const accepted = describeKeys(view.wouldBe, unsigned(set)).map(escapeText);
      return [{ role: each.role, by: listedBy(each, at), count, accepted }];
    }),
  );
}

/** The usable keys of a quorum that have not signed. */
export function unsigned({ role, keys, signed }: StagedQuorum): readonly PublicKey[] {
  return keysListed(role.keyids, keys).filter(
    (key) => key.supported && !signed.some((other) => isSameKey(key, other)),
  );
}

/** `by root 7`, `by the new root`, `by targets`: whose listing a quorum is of. */
export function listedBy({ role, staged, quorums }: StagedRoleView, at: number): string {
  if (role !== 'root') return role === TARGETS ? 'root' : 'targets';
  return at === 0 && quorums.length > 1 ? `root ${staged.replaces?.version ?? ''}` : `root ${staged.version}`;
}

/** One line for each quorum that is not met; the two of a root as one where they want the same. */
export function describeMissing(view: StagedView): readonly string[] {
  const lines = missingSignatures(view).map(
    ({ role, count, accepted }) =>
      `${escapeText(role)} needs ${count} more of: ${accepted.length === 0 ? 'nobody' : accepted.join(', ')}`,
  );
  return [...new Set(lines)];
}
