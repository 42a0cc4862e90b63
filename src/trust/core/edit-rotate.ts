/**
 * Edits that put keys in the place of others, and that change thresholds: protocol 2.3, 2.5 and 2.8.
 *
 * A key that is replaced must still be listed when the edit is made. Two people who replace the same key at once
 * would otherwise both succeed, and the second one would leave the first one's new key listed, or drop it unasked.
 */
import { KeyError, TrustError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import { isJsonArray, isJsonObject } from '../../lib/strict-json.ts';
import { type DelegatedRole, RELEASES, TARGETS } from './delegations.ts';
import { type Draft, unionOfKeys, withKeys, withoutKeys } from './draft.ts';
import { listedKeys, setKeys, signerRole } from './edit-keys.ts';
import { type PublicKey, tufKeyId } from './keys.ts';
import { MAX_VERSION_JUMP } from './limits.ts';
import type { RoleName, TopLevelRole } from './metadata.ts';
import { assertReachable } from './reachable.ts';

/** Keys that stand in the place of others. */
export interface Replacement {
  readonly gone: readonly PublicKey[];
  readonly keys: readonly PublicKey[];
}

export interface SignerReplacement extends Replacement {
  readonly name: string;
}

export interface NewThreshold {
  readonly role: 'root' | typeof RELEASES;
  readonly threshold: number;
  /** What it was when this was decided on; another one by then is somebody else's decision. */
  readonly from?: number;
}

/** What replaces every key of snapshot and timestamp at once (protocol 2.5). */
export interface Recovery {
  /** All keys of snapshot and timestamp as the edit was decided on; those of signers included. */
  readonly gone: readonly PublicKey[];
  readonly onlineKey: PublicKey;
  readonly signers: readonly SignerReplacement[];
  /** By role, the highest version known to be good; versions go on from there when those of the base are far above. */
  readonly goodVersions: ReadonlyMap<string, number>;
}

/**
 * Replaces keys of a top-level role; the other keys and the threshold stay. For `targets` in every releasing role as
 * well (protocol 2.3).
 *
 * @throws KeyError KEY_NOT_LISTED when a key that is to go is not listed, THRESHOLD_UNREACHABLE, KEY_UNSUPPORTED.
 */
export function replaceKeys(draft: Draft, role: TopLevelRole, { gone, keys }: Replacement): void {
  const listed = draft.rootKeysOf(role);
  assertListed(role, gone, listed);
  const next = unionOfKeys(withoutKeys(listed, gone), keys);
  const { threshold } = draft.root.roles[role];
  assertReachable(role, next, threshold);
  setKeys(draft, role, next, threshold);
}

/**
 * Replaces keys of a signer: in his role, in `targets/releases` where he is not limited to paths, and in snapshot and
 * timestamp (protocol 2.4). The role that counts his signature is signed again, without the old key.
 *
 * @throws KeyError KEY_NOT_LISTED when there is no such signer or a key that is to go is not his, KEY_NAME,
 * THRESHOLD_UNREACHABLE, KEY_UNSUPPORTED.
 */
export function replaceSignerKeys(draft: Draft, signer: SignerReplacement): void {
  const { gone } = replaceInDelegations(draft, signer);
  for (const online of ['snapshot', 'timestamp'] as const) {
    const next = unionOfKeys(withoutKeys(draft.rootKeysOf(online), gone), signer.keys);
    setKeys(draft, online, next, draft.root.roles[online].threshold);
  }
}

/** Returns those of his old keys that nobody else in the delegations has, nor the repository. */
function replaceInDelegations(
  draft: Draft,
  { name, gone, keys }: SignerReplacement,
): { readonly gone: readonly PublicKey[] } {
  const role = signerRole(name);
  const delegations = draft.delegations;
  const known = delegations?.roles.get(role);
  if (delegations === undefined || known === undefined) {
    throw new KeyError({ code: 'KEY_NOT_LISTED', message: `there is no signer ${escapeShort(name)}` });
  }
  const own = listedKeys(known.keyids, delegations.keys);
  assertListed(role, gone, own);
  const names = [...delegations.roles.keys()];
  const isBehind = (other: RoleName): boolean =>
    draft.hasReleases && names.indexOf(RELEASES) < names.indexOf(other);
  const others = [...delegations.roles.values()].filter((other) => ![role, RELEASES].includes(other.name));
  const keysOf = (roles: readonly DelegatedRole[]): readonly PublicKey[] => [
    ...roles.flatMap(({ keyids }) => listedKeys(keyids, delegations.keys)),
    ...draft.rootKeysOf('targets'),
  ];
  const next = unionOfKeys(withoutKeys(own, gone), keys);
  assertReachable(role, next, known.threshold);
  const goneReleasing = withoutKeys(gone, keysOf(others.filter((other) => isBehind(other.name))));
  const edited = draft.delegatedRolesJson().map((json) => {
    if (json.get('name') === role) return withKeys(json, next, known.threshold);
    const releases = delegations.roles.get(RELEASES);
    if (json.get('name') !== RELEASES || releases === undefined || !isBehind(role)) return json;
    const listed = listedKeys(releases.keyids, delegations.keys);
    const kept = unionOfKeys(withoutKeys(listed, goneReleasing), keys);
    assertReachable(RELEASES, kept, releases.threshold);
    return withKeys(json, kept, releases.threshold);
  });
  draft.setDelegations(edited, [...delegations.keys.values(), ...keys]);
  signAnew(draft, isBehind(role) ? RELEASES : role, name);
  return { gone: withoutKeys(gone, keysOf(others)) };
}

/**
 * The role that the old key could sign, to be signed without it. What it delegates to goes: dtrust writes no
 * delegations there, and whoever has stolen the key could have put one to a key of his own.
 */
function signAnew(draft: Draft, role: RoleName, name: string): void {
  const { json } = draft.role(role);
  draft.changed.add(role);
  const below = json.get('delegations');
  if (below === undefined) return;
  const roles = isJsonObject(below) ? below.get('roles') : undefined;
  const named = isJsonArray(roles) ? roles.map((each) => (isJsonObject(each) ? each.get('name') : '')) : [];
  json.delete('delegations');
  draft.warnings.push(
    `${escapeShort(role)} delegated to other roles, which the old key of ${escapeShort(name)} may have added: these delegations are gone, and what only they signed is no longer signed (${escapeShort(named.join(', '))}).`,
  );
}

/**
 * Replaces every key of snapshot and timestamp (protocol 2.5). Signers who are given new keys get them everywhere;
 * the others keep their right to sign tags and can no longer publish alone.
 *
 * @throws KeyError as `replaceSignerKeys`.
 */
export function recover(draft: Draft, recovery: Recovery): void {
  const { onlineKey, signers, gone, goodVersions } = recovery;
  for (const role of ['snapshot', 'timestamp'] as const) assertListed(role, gone, onlineKeysOf(draft));
  for (const signer of signers) replaceInDelegations(draft, signer);
  const keys = unionOfKeys(
    [onlineKey],
    signers.flatMap((signer) => signer.keys),
  );
  for (const role of ['snapshot', 'timestamp'] as const) {
    const lasting = keys.find((key) => withoutKeys([key], draft.rootKeysOf(role)).length === 0);
    if (lasting !== undefined) throw stillThere(lasting);
    setKeys(draft, role, keys, draft.root.roles[role].threshold);
  }
  draft.goodVersions = goodVersions;
  replaceRunAwayRoles(draft, goodVersions);
}

/**
 * Whoever could sign a snapshot could list any version of any role, and with a key of the role make it true. What a yes
 * comes from is signed again with a version that goes on from what was good; what decides nothing is listed no more.
 */
function replaceRunAwayRoles(draft: Draft, goodVersions: ReadonlyMap<string, number>): void {
  const names = [...(draft.delegations?.roles.keys() ?? [])];
  const needed = new Set<RoleName>([TARGETS, ...names.slice(0, names.indexOf(RELEASES) + 1)]);
  for (const [name, { version }] of draft.base?.trusted.snapshot?.signed.meta ?? []) {
    const role = name.replace(/\.json$/, '') as RoleName;
    if (version <= (goodVersions.get(role) ?? 0) + MAX_VERSION_JUMP) continue;
    if (needed.has(role)) draft.role(role);
    (needed.has(role) ? draft.changed : draft.forgotten).add(role);
  }
}

function onlineKeysOf(draft: Draft): readonly PublicKey[] {
  return [...draft.rootKeysOf('snapshot'), ...draft.rootKeysOf('timestamp')];
}

/**
 * Changes how many keys must sign `root` or `targets/releases` (protocol 2.8).
 *
 * @throws KeyError THRESHOLD_UNREACHABLE; KEY_NOT_LISTED when there is no `targets/releases`; TrustError PUBLISH_CONFLICT
 * when it is no longer what it was.
 */
export function setThreshold(draft: Draft, { role, threshold, from }: NewThreshold): void {
  if (role === 'root') {
    const keys = draft.rootKeysOf('root');
    assertUnchanged(role, draft.root.roles.root.threshold, from);
    assertReachable(role, keys, threshold);
    draft.setRootKeys('root', keys, threshold);
    return;
  }
  const delegations = draft.delegations;
  const releases = delegations?.roles.get(RELEASES);
  if (delegations === undefined || releases === undefined) {
    throw new KeyError({
      code: 'KEY_NOT_LISTED',
      message: `there are no signers yet, so tags are signed by the repository key alone`,
      expected: 'at least one signer',
      found: 'none',
    });
  }
  const keys = listedKeys(releases.keyids, delegations.keys);
  assertUnchanged(role, releases.threshold, from);
  assertReachable(RELEASES, keys, threshold);
  const edited = draft
    .delegatedRolesJson()
    .map((json) => (json.get('name') === RELEASES ? withKeys(json, keys, threshold) : json));
  draft.setDelegations(edited, [...delegations.keys.values()]);
  draft.role(RELEASES);
  draft.changed.add(RELEASES);
}

function assertListed(role: string, gone: readonly PublicKey[], listed: readonly PublicKey[]): void {
  const missing = withoutKeys(gone, listed);
  if (missing.length === 0) return;
  throw new KeyError({
    code: 'KEY_NOT_LISTED',
    message: `the key that was to be replaced in ${escapeShort(role)} is not listed there any more: somebody else has changed the keys meanwhile`,
    expected: missing.map(tufKeyId).join(', '),
    found: listed.map(tufKeyId).join(', '),
  });
}

function assertUnchanged(role: string, threshold: number, from = threshold): void {
  if (threshold === from) return;
  throw new TrustError({
    code: 'PUBLISH_CONFLICT',
    message: `somebody else has changed the threshold of ${role} meanwhile`,
    spec: 'protocol 2.8',
    role,
    expected: `${from}`,
    found: `${threshold}`,
  });
}

function stillThere(key: PublicKey): KeyError {
  return new KeyError({
    code: 'KEY_EXISTS',
    message: `a recovery replaces every key of snapshot and timestamp, and ${tufKeyId(key)} is one of them`,
    found: tufKeyId(key),
  });
}
