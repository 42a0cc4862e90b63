/**
 * Edits of entries: which role an entry belongs to, and what it says.
 */
import assert from 'node:assert';
import { TrustError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import type { JsonObject, JsonValue } from '../../lib/strict-json.ts';
import { delegationsFor, RELEASES, TARGETS } from './delegations.ts';
import type { Draft } from './draft.ts';
import { cutDelegations, rolesSayingYesBelow } from './edit-below.ts';
import type { TargetEntry } from './edits.ts';
import type { RoleName } from './metadata.ts';
import { isNamed } from './names.ts';

/** Whether the keys at hand reach the threshold of a role. */
export type CanSign = (role: RoleName) => boolean;

/**
 * Adds or replaces one entry.
 *
 * @throws TrustError COLLECTION_MISMATCH for a path outside the collection's names, TAG_HELD_BY_ROLE when another
 * role holds the tag, ROLE_MISSING.
 */
export function putTarget(
  draft: Draft,
  entry: TargetEntry,
  wanted: RoleName | undefined,
  canSign: CanSign,
): void {
  assert(/^sha256:[0-9a-f]{64}$/.test(entry.sha256) && entry.mediaType !== '', 'a digest and a media type');
  assert(Number.isSafeInteger(entry.lengthBytes) && entry.lengthBytes > 0, 'the length of a manifest');
  const names = draft.root.extension?.names ?? [];
  // protocol 1.2: an entry outside the names would be signed and never believed.
  if (!isNamed(entry.path, names)) throw notNamed(entry.path, names);
  const role = roleForEntry(draft, entry.path, wanted, canSign);
  draft.putEntry(role, entry.path, entryJson(entry));
  if (role !== RELEASES) return;
  for (const own of signersOwnRoles(draft, entry.path, canSign)) {
    loadOrBegin(draft, own);
    draft.putEntry(own, entry.path, entryJson(entry));
  }
}

/**
 * The roles of signers behind `targets/releases` whose keys are at hand: what they list says who signed a released
 * entry, and decides nothing.
 */
function signersOwnRoles(draft: Draft, path: string, canSign: CanSign): readonly RoleName[] {
  const delegations = draft.delegations;
  if (delegations === undefined || !draft.hasReleases) return [];
  const names = [...delegations.roles.keys()];
  const behind = new Set(names.slice(names.indexOf(RELEASES) + 1));
  return delegationsFor(delegations, path)
    .map(({ name }) => name)
    .filter((role) => behind.has(role) && canSign(role));
}

/** A signer who came back under his old name finds his old role, which his new key did not sign: begun anew. */
function loadOrBegin(draft: Draft, role: RoleName): void {
  try {
    if (draft.hasRole(role)) {
      draft.role(role);
      return;
    }
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
  }
  draft.addEmptyRole(role);
}

function roleForEntry(draft: Draft, path: string, wanted: RoleName | undefined, canSign: CanSign): RoleName {
  const candidates = releasingRoles(draft, path);
  const holder = candidates.find((role) => draft.hasRole(role) && draft.role(role).targets.has(path));
  // protocol 2.3: a tag stands in one released role; a second entry would be shadowed, or shadow.
  if (holder !== undefined && (wanted ?? holder) !== holder) throw held(path, holder);
  if (holder !== undefined && !canSign(holder) && candidates.some(canSign)) throw held(path, holder);
  if (holder !== undefined) return holder;
  if (wanted !== undefined) {
    assert(candidates.includes(wanted), 'the role releases this path');
    return wanted;
  }
  const last = candidates.at(-1) ?? TARGETS;
  return canSign(last) ? last : (candidates.find(canSign) ?? last);
}

/** The roles whose entry for this path would be found, in the order of the search. */
function releasingRoles(draft: Draft, path: string): readonly RoleName[] {
  const delegations = draft.delegations;
  const takers = delegationsFor(delegations, path).map(({ name }) => name);
  if (delegations?.succinct !== undefined) return takers;
  if (!draft.hasReleases) return [TARGETS];
  const names = [...(delegations?.roles.keys() ?? [])];
  return takers.filter((role) => names.indexOf(role) <= names.indexOf(RELEASES));
}

/**
 * Takes the tag out of every role that could release it: one entry left would still be found. Out of the roles of
 * signers as well, where their keys are at hand.
 *
 * What roles below a releasing one say is ended with the delegation that leads there.
 *
 * @throws TrustError TARGET_NOT_SIGNED when no releasing role holds it, TAG_HELD_BY_ROLE when one below a role does that
 * cannot be signed here, ROLE_MISSING.
 */
export function removeTarget(draft: Draft, path: string, canSign: CanSign): void {
  const roles = [...new Set([TARGETS, ...releasingRoles(draft, path)])].filter((role) => draft.hasRole(role));
  const removed = roles.filter((role) => draft.removeEntry(role, path));
  const cut = roles.filter((role) => role !== TARGETS && cutBelow(draft, role, path, canSign));
  if (removed.length + cut.length > 0) {
    for (const own of signersOwnRoles(draft, path, canSign)) {
      loadOrBegin(draft, own);
      draft.removeEntry(own, path);
    }
    return;
  }
  throw new TrustError({
    code: 'TARGET_NOT_SIGNED',
    message: `${escapeShort(path)} is not signed, so there is nothing to remove`,
    spec: '5.7.2',
    reference: path,
  });
}

/** Whether roles below this one said yes to the path, which they now do no more. */
function cutBelow(draft: Draft, role: RoleName, path: string, canSign: CanSign): boolean {
  const below = rolesSayingYesBelow(draft, role, path);
  const [first] = below;
  if (first === undefined) return false;
  if (!canSign(role)) throw held(path, first);
  cutDelegations(draft, role, below);
  draft.warnings.push(
    `${escapeShort(role)} delegated ${escapeShort(path)} to other roles, whose word cannot be taken back one tag at a time: these delegations are gone, and what only they signed is no longer signed (${escapeShort(below.join(', '))}).`,
  );
  return true;
}

function entryJson(entry: TargetEntry): JsonObject {
  const custom = new Map<string, JsonValue>(entry.custom ?? []);
  custom.set('mediaType', entry.mediaType);
  return new Map<string, JsonValue>([
    ['length', entry.lengthBytes],
    ['hashes', new Map([['sha256', entry.sha256.slice('sha256:'.length)]])],
    ['custom', custom],
  ]);
}

function notNamed(path: string, names: readonly string[]): TrustError {
  return new TrustError({
    code: 'COLLECTION_MISMATCH',
    message: `this collection does not speak for ${escapeShort(path)}`,
    spec: 'protocol 1.2',
    reference: path,
    expected: escapeShort(names.join(', ')),
    found: escapeShort(path),
  });
}

function held(path: string, role: RoleName): TrustError {
  return new TrustError({
    code: 'TAG_HELD_BY_ROLE',
    message: `${escapeShort(path)} stands in the role ${escapeShort(role)} already`,
    spec: 'protocol 2.3',
    role,
    reference: path,
    hints: [`Sign it with a key of ${escapeShort(role)}, or revoke it there first.`],
  });
}
