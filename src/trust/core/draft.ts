/**
 * The next state of a collection while it is being edited: JSON copied from the verified files, so that members this
 * version does not understand are carried on.
 *
 * A draft checks nothing that `TrustedMetadata` checks; what is written from it is verified before it is given away.
 */
import assert from 'node:assert';
import { TrustError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../lib/strict-json.ts';
import { type Delegations, parseDelegations, RELEASES, TARGETS } from './delegations.ts';
import type { CurrentState } from './edits.ts';
import { EXTENSION, type RootExtension, rootExtensionJson } from './extension.ts';
import { isSameKey, type KeyId, type PublicKey } from './keys.ts';
import {
  metadataFileName,
  parseSignedJson,
  type RoleKeys,
  type RoleName,
  type Root,
  readRoot,
  SPEC_VERSION,
  type TopLevelRole,
} from './metadata.ts';
import { formatInstant, Shape } from './shape.ts';

type MutableJson = Map<string, JsonValue>;

interface DraftRole {
  readonly json: MutableJson;
  readonly targets: MutableJson;
}

/** All names, in a form that does not stop at `/` (protocol 2.2). */
export const ALL_NAMES: readonly string[] = Object.freeze([...'0123456789abcdef']);

export class Draft {
  readonly base: CurrentState | undefined;
  readonly #root: MutableJson;
  readonly #roles = new Map<RoleName, DraftRole>();
  /** Parsed views, made again after a change. */
  #rootView: Root | undefined;
  #delegationsView: { readonly parsed: Delegations | undefined } | undefined;
  /** Roles whose content changed. */
  readonly changed = new Set<RoleName>();
  rootChanged = false;
  /** Set when keys of snapshot or timestamp were taken away: the new root carries a floor. */
  keysTakenAway = false;
  /** Set when all keys of snapshot and timestamp were replaced: what was trusted before will be dropped. */
  readonly replacedRoles = new Set<TopLevelRole>();
  /** Set by a recovery: the highest versions known to be good. */
  goodVersions: ReadonlyMap<string, number> | undefined;
  /** Roles that the next snapshot lists no more; only a recovery, after which nobody compares, may do that. */
  readonly forgotten = new Set<RoleName>();
  readonly warnings: string[] = [];

  constructor(base: CurrentState | undefined) {
    this.base = base;
    this.#root = new Map(
      base === undefined ? newRootJson() : parseSignedJson(base.trusted.root.bytes, 'root'),
    );
    if (base !== undefined) return;
    this.rootChanged = true;
    this.addEmptyRole(TARGETS);
  }

  /** The root as edited so far. */
  get root(): Root {
    this.#rootView ??= readRoot(this.#root);
    return this.#rootView;
  }

  get rootJson(): JsonObject {
    return this.#root;
  }

  get roles(): ReadonlyMap<RoleName, DraftRole> {
    return this.#roles;
  }

  /** Takes over a root that was written before (protocol 4.6). */
  adoptRoot(json: JsonObject): void {
    this.#root.clear();
    for (const [name, value] of json) this.#root.set(name, value);
    this.#rootView = undefined;
    this.rootChanged = true;
  }

  /** Takes over a targets role that was written before. */
  adoptRole(role: RoleName, json: JsonObject): void {
    this.#roles.set(role, { json: new Map(json), targets: mutable(json.get('targets')) });
    this.#delegationsView = undefined;
    this.changed.add(role);
  }

  rootKeysOf(role: TopLevelRole): readonly PublicKey[] {
    const { keys, roles } = this.root;
    return roles[role].keyids.flatMap((keyid) => keys.get(keyid) ?? []);
  }

  /** Replaces keys and threshold of a top-level role; keys no role lists any more leave the key table. */
  setRootKeys(role: TopLevelRole, keys: readonly PublicKey[], threshold: number): void {
    const roles = mutable(this.#root.get('roles'));
    const table = mutable(this.#root.get('keys'));
    roles.set(role, withKeys(roles.get(role), keys, threshold));
    for (const key of keys) table.set(key.keyid, key.json);
    this.#root.set('roles', roles);
    this.#root.set('keys', usedKeys(table, [...roles.values()]));
    this.#rootView = undefined;
    this.rootChanged = true;
  }

  setExtension(extension: RootExtension): void {
    const before = this.#root.get(EXTENSION);
    this.#root.set(EXTENSION, rootExtensionJson(extension, isJsonObject(before) ? before : new Map()));
    this.#rootView = undefined;
    this.rootChanged = true;
  }

  /** The delegations of `targets` as edited so far. */
  get delegations(): Delegations | undefined {
    if (this.#delegationsView === undefined) {
      const json = this.role(TARGETS).json.get('delegations');
      const parsed = isJsonObject(json) ? parseDelegations(json, new Shape(TARGETS)) : undefined;
      this.#delegationsView = { parsed };
    }
    return this.#delegationsView.parsed;
  }

  /** Replaces the named roles and the key table below `targets`; none at all removes the delegations. */
  setDelegations(roles: readonly JsonObject[], keys: readonly PublicKey[]): void {
    const { json } = this.role(TARGETS);
    const before = json.get('delegations');
    const delegations = mutable(isJsonObject(before) ? before : undefined);
    const table = new Map<string, JsonValue>(keys.map((key) => [key.keyid, key.json]));
    delegations.set('keys', usedKeys(table, roles));
    delegations.set('roles', roles);
    if (roles.length === 0) json.delete('delegations');
    else json.set('delegations', delegations);
    this.#delegationsView = undefined;
    this.changed.add(TARGETS);
  }

  /** The JSON of the delegated roles, in order. */
  delegatedRolesJson(): readonly JsonObject[] {
    const delegations = this.role(TARGETS).json.get('delegations');
    const roles = isJsonObject(delegations) ? delegations.get('roles') : undefined;
    return Array.isArray(roles) ? roles.filter(isJsonObject) : [];
  }

  /** Whether there is a released role, which then holds all entries that are not restricted (protocol 2.3). */
  get hasReleases(): boolean {
    return this.delegations?.roles.has(RELEASES) ?? false;
  }

  /** The keys and threshold for a targets role as edited so far. */
  keysFor(role: RoleName): { readonly role: RoleKeys; readonly keys: ReadonlyMap<KeyId, PublicKey> } {
    if (role === TARGETS) return { role: this.root.roles.targets, keys: this.root.keys };
    const delegations = this.delegations;
    const keys = delegations?.succinct ?? delegations?.roles.get(role);
    assert(delegations !== undefined && keys !== undefined, 'the role is delegated by targets');
    return { role: keys, keys: delegations.keys };
  }

  addEmptyRole(role: RoleName): void {
    const json: MutableJson = new Map<string, JsonValue>([
      ['_type', 'targets'],
      ['spec_version', SPEC_VERSION],
      ['version', 1],
      ['expires', formatInstant(0)],
    ]);
    this.#roles.set(role, { json, targets: new Map() });
    this.changed.add(role);
  }

  /**
   * A targets role of the draft, loaded from the state's files when it is touched first.
   *
   * @throws TrustError ROLE_MISSING, and as `TrustedMetadata.updateDelegatedTargets`.
   */
  role(role: RoleName): DraftRole {
    const known = this.#roles.get(role);
    if (known !== undefined) return known;
    const json = new Map(parseSignedJson(this.#verifiedBytes(role), role));
    const loaded = { json, targets: mutable(json.get('targets')) };
    this.#roles.set(role, loaded);
    return loaded;
  }

  /** Whether the state holds a file for the role, or the draft made one. */
  hasRole(role: RoleName): boolean {
    const listed = this.base?.trusted.snapshot?.signed.meta.has(`${role}.json`) ?? false;
    return listed || this.#roles.has(role);
  }

  #verifiedBytes(role: RoleName): Uint8Array {
    assert(this.base !== undefined, 'a new collection has only the roles it was made with');
    const { trusted, files } = this.base;
    const loaded = trusted.targets(role);
    if (loaded !== undefined) return loaded.bytes;
    const bytes = files.get(metadataFileName(role, trusted.roleFile(role).version));
    if (bytes === undefined) throw roleNotAtHand(role);
    return role === TARGETS
      ? trusted.updateTargets(bytes).bytes
      : trusted.updateDelegatedTargets(bytes, role, TARGETS).bytes;
  }

  putEntry(role: RoleName, path: string, entry: JsonObject): void {
    this.role(role).targets.set(path, entry);
    this.changed.add(role);
  }

  /** Removes an entry and says whether it was there. */
  removeEntry(role: RoleName, path: string): boolean {
    const removed = this.role(role).targets.delete(path);
    if (removed) this.changed.add(role);
    return removed;
  }
}

function newRootJson(): JsonObject {
  return new Map<string, JsonValue>([
    ['_type', 'root'],
    ['spec_version', SPEC_VERSION],
    ['version', 1],
    ['expires', formatInstant(0)],
    ['consistent_snapshot', true],
    ['keys', new Map()],
    [
      'roles',
      new Map(['root', 'timestamp', 'snapshot', 'targets'].map((role) => [role, withKeys(undefined, [], 1)])),
    ],
  ]);
}

/** The JSON of a role with other keys; what else stood there stays. */
export function withKeys(
  before: JsonValue | undefined,
  keys: readonly PublicKey[],
  threshold: number,
): JsonObject {
  const role = mutable(before);
  role.set('keyids', [...new Set(keys.map((key) => key.keyid))]);
  role.set('threshold', threshold);
  return role;
}

/** Those keys of the table that a role lists. */
function usedKeys(table: JsonObject, roles: readonly JsonValue[]): JsonObject {
  const used = new Set(roles.flatMap((role) => (isJsonObject(role) ? role.get('keyids') : [])));
  return new Map([...table].filter(([keyid]) => used.has(keyid)));
}

/** The keys of both, each content once; keys that are not understood are kept as they are. */
export function unionOfKeys(keys: readonly PublicKey[], more: readonly PublicKey[]): readonly PublicKey[] {
  const union: PublicKey[] = [];
  for (const key of [...keys, ...more]) {
    if (!union.some((other) => isSameKey(key, other))) union.push(key);
  }
  return union;
}

/** The keys without those that are among `others` by content. */
export function withoutKeys(keys: readonly PublicKey[], others: readonly PublicKey[]): readonly PublicKey[] {
  return keys.filter((key) => !others.some((other) => isSameKey(key, other)));
}

function mutable(value: JsonValue | undefined): MutableJson {
  return new Map(isJsonObject(value) ? value : []);
}

function roleNotAtHand(role: RoleName): TrustError {
  return new TrustError({
    code: 'ROLE_MISSING',
    message: `the role ${escapeShort(role)} is not at hand, so it cannot be edited`,
    spec: '5.6.1',
    role,
  });
}
