/**
 * Edits of keys and signers: protocol 2.2 to 2.6.
 */
import assert from 'node:assert';
import { KeyError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from '../../lib/strict-json.ts';
import { type DelegatedRole, RELEASES, TARGETS } from './delegations.ts';
import { ALL_NAMES, type Draft, unionOfKeys, withKeys, withoutKeys } from './draft.ts';
import { type KeyId, type PublicKey, tufKeyId } from './keys.ts';
import type { RoleName, TopLevelRole } from './metadata.ts';
import { withoutClasses } from './path-pattern.ts';
import { assertReachable } from './reachable.ts';

/** Adds one key to a role; the threshold stays. */
export function addKey(draft: Draft, role: TopLevelRole, key: PublicKey): void {
  setKeys(draft, role, unionOfKeys(draft.rootKeysOf(role), [key]), draft.root.roles[role].threshold);
}

/**
 * Takes one key from a role; the threshold stays.
 *
 * @throws KeyError KEY_NOT_LISTED, THRESHOLD_UNREACHABLE.
 */
export function removeKey(draft: Draft, role: TopLevelRole, keyId: KeyId): void {
  const keys = draft.rootKeysOf(role);
  const kept = keys.filter((key) => key.keyid !== keyId && tufKeyId(key) !== keyId);
  if (kept.length === keys.length) {
    throw new KeyError({ code: 'KEY_NOT_LISTED', message: `the key ${keyId} is not listed for ${role}` });
  }
  assertReachable(role, kept, draft.root.roles[role].threshold);
  setKeys(draft, role, kept, draft.root.roles[role].threshold);
}

/**
 * Replaces the keys of a role. For `targets`, the repository key is replaced in `targets/releases` and in every role
 * before it as well (protocol 2.3).
 *
 * @throws KeyError KEY_UNSUPPORTED when the threshold could not be met by these keys.
 */
export function setKeys(
  draft: Draft,
  role: TopLevelRole,
  keys: readonly PublicKey[],
  threshold: number,
): void {
  const usable = unionOfKeys(
    [],
    keys.filter((key) => key.supported),
  );
  if (!(threshold >= 1) || usable.length < threshold) {
    throw new KeyError({
      code: 'KEY_UNSUPPORTED',
      message: `${usable.length} usable keys for ${role}, ${threshold} needed`,
    });
  }
  const before = draft.rootKeysOf(role);
  draft.setRootKeys(role, keys, threshold);
  const gone = withoutKeys(before, keys);
  if (role === 'targets') replaceRepositoryKeys(draft, gone, keys);
  if (role !== 'timestamp' && role !== 'snapshot') return;
  if (gone.length > 0) draft.keysTakenAway = true;
  if (gone.length === before.length) draft.replacedRoles.add(role);
}

function replaceRepositoryKeys(draft: Draft, gone: readonly PublicKey[], keys: readonly PublicKey[]): void {
  draft.role(TARGETS);
  draft.changed.add(TARGETS);
  const delegations = draft.delegations;
  const roles = draft.delegatedRolesJson();
  const last = roles.findIndex((role) => role.get('name') === RELEASES);
  if (delegations === undefined || last === -1) return;
  const table = [...delegations.keys.values()];
  const edited = roles.map((role, index) => {
    const listed = delegations.roles.get(role.get('name') as RoleName);
    if (index > last || listed === undefined) return role;
    const kept = withoutKeys(listedKeys(listed.keyids, delegations.keys), gone);
    draft.role(listed.name);
    draft.changed.add(listed.name);
    return withKeys(role, unionOfKeys(kept, keys), listed.threshold);
  });
  draft.setDelegations(edited, [...table, ...keys]);
}

/** The keys behind these IDs that the table has. */
export function listedKeys(
  keyids: readonly KeyId[],
  table: ReadonlyMap<KeyId, PublicKey>,
): readonly PublicKey[] {
  return keyids.flatMap((keyid) => table.get(keyid) ?? []);
}

/**
 * Adds a signer: `targets/<name>`, before `targets/releases` when restricted to paths, behind it otherwise; in the
 * latter case among the keys of `targets/releases` too. The keys are listed for snapshot and timestamp (protocol
 * 2.4). With the first signer all entries move from `targets` to `targets/releases` (protocol 2.3). A signer who is
 * there gets more keys, when those he has are given as well.
 *
 * @throws KeyError KEY_NAME, KEY_EXISTS, KEY_UNSUPPORTED.
 */
export function addSigner(
  draft: Draft,
  signer: { readonly name: string; readonly keys: readonly PublicKey[]; readonly paths?: readonly string[] },
): void {
  const { name, keys, paths } = signer;
  const role = signerRole(name);
  if (keys.length === 0 || keys.some((key) => !key.supported)) {
    throw new KeyError({ code: 'KEY_UNSUPPORTED', message: `a key of ${name} cannot be used for signing` });
  }
  const known = draft.delegations?.roles.get(role);
  if (known !== undefined) {
    addKeysToSigner(draft, known, signer);
    return;
  }
  assert(draft.delegations?.succinct === undefined, 'hash bins and signers do not stand side by side');
  if (!draft.hasReleases) createReleases(draft);
  const repositoryKeys = draft.rootKeysOf('targets');
  if (paths !== undefined) addRestricted(draft, role, unionOfKeys(keys, repositoryKeys), paths);
  else addUnrestricted(draft, role, keys);
  addOnlineKeys(draft, keys);
}

function addOnlineKeys(draft: Draft, keys: readonly PublicKey[]): void {
  for (const online of ['snapshot', 'timestamp'] as const) {
    const { threshold } = draft.root.roles[online];
    setKeys(draft, online, unionOfKeys(draft.rootKeysOf(online), keys), threshold);
  }
}

/**
 * More keys for a signer who is there: all that he has must be among those given. [A name that somebody else has
 * already would get a second person's key without anybody having meant it.]
 */
function addKeysToSigner(
  draft: Draft,
  known: DelegatedRole,
  {
    name,
    keys,
    paths,
  }: { readonly name: string; readonly keys: readonly PublicKey[]; readonly paths?: readonly string[] },
): void {
  const table = draft.delegations?.keys ?? new Map<KeyId, PublicKey>();
  const listed = listedKeys(known.keyids, table);
  const own = withoutKeys(listed, draft.rootKeysOf('targets'));
  const fresh = withoutKeys(keys, own);
  const samePaths = paths === undefined || paths.map(withoutClasses).join('\n') === known.paths?.join('\n');
  if (withoutKeys(own, keys).length > 0 || fresh.length === 0 || !samePaths) {
    const message =
      fresh.length === 0 ? `the signer ${name} has these keys already` : `there is a signer ${name} already`;
    throw new KeyError({
      code: 'KEY_EXISTS',
      message,
      expected: own.map(tufKeyId).join(', '),
      hints: [`For another key of the same person, name all of his keys with --key, the present ones too.`],
    });
  }
  const names = [...(draft.delegations?.roles.keys() ?? [])];
  const releases = names.indexOf(RELEASES) < names.indexOf(known.name);
  const edited = draft.delegatedRolesJson().map((json) => {
    if (json.get('name') === known.name) return withKeys(json, unionOfKeys(listed, fresh), known.threshold);
    return releases && json.get('name') === RELEASES ? withMoreKeys(draft, json, fresh) : json;
  });
  draft.setDelegations(edited, [...allKeys(draft), ...fresh]);
  addOnlineKeys(draft, fresh);
}

/** @throws KeyError KEY_NAME */
export function signerRole(name: string): RoleName {
  if (/^[a-z0-9][a-z0-9_-]{0,127}$/.test(name) && name !== 'releases') return `targets/${name}` as RoleName;
  throw new KeyError({
    code: 'KEY_NAME',
    message: 'a signer has a name of lower-case letters, digits, "-" and "_", and is not called releases',
  });
}

/** Protocol 2.3: one publish moves all entries and makes the role that counts as released. */
function createReleases(draft: Draft): void {
  const keys = draft.rootKeysOf('targets');
  const releases = delegationJson(RELEASES, keys, true, new Map([['path_hash_prefixes', ALL_NAMES]]));
  draft.setDelegations([releases], keys);
  draft.addEmptyRole(RELEASES);
  moveEntries(draft, TARGETS, RELEASES);
}

function moveEntries(draft: Draft, from: RoleName, to: RoleName): void {
  for (const [path, entry] of draft.role(from).targets) draft.role(to).targets.set(path, entry);
  draft.role(from).targets.clear();
  draft.changed.add(from).add(to);
}

function addRestricted(
  draft: Draft,
  role: RoleName,
  keys: readonly PublicKey[],
  paths: readonly string[],
): void {
  const roles = draft.delegatedRolesJson();
  const at = roles.findIndex((other) => other.get('name') === RELEASES);
  const added = delegationJson(role, keys, false, new Map([['paths', paths.map(withoutClasses)]]));
  draft.setDelegations(roles.toSpliced(at, 0, added), [...allKeys(draft), ...keys]);
  draft.addEmptyRole(role);
}

function addUnrestricted(draft: Draft, role: RoleName, keys: readonly PublicKey[]): void {
  const table = [...allKeys(draft), ...keys];
  const roles = draft
    .delegatedRolesJson()
    .map((other) => (other.get('name') === RELEASES ? withMoreKeys(draft, other, keys) : other));
  const added = delegationJson(role, keys, false, new Map([['path_hash_prefixes', ALL_NAMES]]));
  draft.setDelegations([...roles, added], table);
}

function withMoreKeys(draft: Draft, json: JsonObject, keys: readonly PublicKey[]): JsonObject {
  const releases = draft.keysFor(RELEASES);
  const listed = listedKeys(releases.role.keyids, releases.keys);
  return withKeys(json, unionOfKeys(listed, keys), releases.role.threshold);
}

function allKeys(draft: Draft): readonly PublicKey[] {
  return [...(draft.delegations?.keys.values() ?? [])];
}

function delegationJson(
  name: RoleName,
  keys: readonly PublicKey[],
  terminating: boolean,
  scope: JsonObject,
): JsonObject {
  const role = new Map<string, JsonValue>([['name', name], ['terminating', terminating], ...scope]);
  return withKeys(role, keys, 1);
}

/**
 * Removes a signer (protocol 2.6): his role, and his keys from `targets/releases`, snapshot and timestamp. Keys that
 * another signer shares stay. His file stays listed in the snapshot for ever (TUF 5.5.5). With the last signer the
 * entries move back to `targets`.
 *
 * @param canSignRoot without it snapshot and timestamp keep his keys, and a warning says so.
 * @throws KeyError KEY_NOT_LISTED, THRESHOLD_UNREACHABLE.
 */
export function removeSigner(draft: Draft, name: string, canSignRoot: boolean): void {
  const role = signerRole(name);
  const delegations = draft.delegations;
  const listed = delegations?.roles.get(role);
  if (delegations === undefined || listed === undefined) {
    throw new KeyError({ code: 'KEY_NOT_LISTED', message: `there is no signer ${name}` });
  }
  const others = [...delegations.roles.values()].filter((other) => ![role, RELEASES].includes(other.name));
  const own = listedKeys(listed.keyids, delegations.keys);
  // A key that he shares stays where somebody else needs it, and only there: a signer restricted to paths needs
  // snapshot and timestamp, not releases.
  const keysOf = (roles: readonly DelegatedRole[]): readonly PublicKey[] =>
    roles.flatMap(({ keyids }) => listedKeys(keyids, delegations.keys));
  const goneOnline = withoutKeys(own, [...keysOf(others), ...draft.rootKeysOf('targets')]);
  const names = [...delegations.roles.keys()];
  const releasing = others.filter((other) => names.indexOf(other.name) > names.indexOf(RELEASES));
  const goneReleasing = withoutKeys(own, [...keysOf(releasing), ...draft.rootKeysOf('targets')]);
  const roles = draft.delegatedRolesJson().filter((json) => json.get('name') !== role);
  const edited = roles.map((json) => {
    return json.get('name') === RELEASES ? withFewerKeys(draft, json, goneReleasing) : json;
  });
  // With the last signer the role goes, and its threshold with it.
  if (others.length > 0 && draft.hasReleases) assertStillReachable(draft, goneReleasing);
  draft.setDelegations(edited, allKeys(draft));
  if (draft.hasReleases) cutBelowReleases(draft, name);
  draft.changed.add(RELEASES);
  if (others.length === 0) dissolveReleases(draft);
  removeOnlineKeys(draft, name, goneOnline, canSignRoot);
}

/**
 * Takes the delegations out of the released role. dtrust writes none there; the signer who goes could have, to a key
 * that nobody knows, and it would say yes in his place for ever.
 */
function cutBelowReleases(draft: Draft, name: string): void {
  const { json } = draft.role(RELEASES);
  const below = json.get('delegations');
  if (below === undefined) return;
  const roles = isJsonObject(below) ? below.get('roles') : undefined;
  const named = isJsonArray(roles) ? roles.map((role) => (isJsonObject(role) ? role.get('name') : '')) : [];
  json.delete('delegations');
  draft.warnings.push(
    `${RELEASES} delegated to other roles, which ${name} may have added: these delegations are gone, and what only they signed is no longer signed (${escapeShort(named.join(', '))}).`,
  );
}

/** Protocol 2.8. @throws KeyError THRESHOLD_UNREACHABLE */
function assertStillReachable(draft: Draft, gone: readonly PublicKey[]): void {
  const releases = draft.keysFor(RELEASES);
  const listed = listedKeys(releases.role.keyids, releases.keys);
  assertReachable(RELEASES, withoutKeys(listed, gone), releases.role.threshold);
}

function withFewerKeys(draft: Draft, json: JsonObject, gone: readonly PublicKey[]): JsonObject {
  const releases = draft.keysFor(RELEASES);
  const listed = listedKeys(releases.role.keyids, releases.keys);
  return withKeys(json, withoutKeys(listed, gone), releases.role.threshold);
}

function dissolveReleases(draft: Draft): void {
  moveEntries(draft, RELEASES, TARGETS);
  draft.setDelegations([], []);
  // No longer delegated, so nothing signs it again: its last version stays listed, unreachable.
  draft.changed.delete(RELEASES);
}

function removeOnlineKeys(
  draft: Draft,
  name: string,
  gone: readonly PublicKey[],
  canSignRoot: boolean,
): void {
  if (gone.length === 0) return;
  if (!canSignRoot) {
    draft.warnings.push(
      `${name} can still sign snapshot and timestamp: take those rights away with the root key: dtrust trust rotate online ${draft.root.extension?.collection ?? 'REPO'}`,
    );
    return;
  }
  for (const online of ['snapshot', 'timestamp'] as const) {
    const { threshold } = draft.root.roles[online];
    setKeys(draft, online, withoutKeys(draft.rootKeysOf(online), gone), threshold);
  }
}
