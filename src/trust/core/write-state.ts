/**
 * From a draft to the files of a new state: versions, expiries, signatures, and the check of the whole by the same
 * state machine every client runs.
 */
import { createHash } from 'node:crypto';
import { KeyError, TrustError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../lib/strict-json.ts';
import { canonicalJson, serialiseJson } from './canonical-json.ts';
import { RELEASES, TARGETS } from './delegations.ts';
import type { Draft } from './draft.ts';
import type { EditOptions } from './edits.ts';
import { EXTENSION, snapshotExtensionJson } from './extension.ts';
import { isSameKey, type KeyId, keyContent, type PublicKey, tufKeyId } from './keys.ts';
import {
  HISTORY_LENGTH,
  MAX_VERSION_JUMP,
  ONLINE_LIFETIME_MS,
  ROOT_LIFETIME_MS,
  STAGED_FLOOR_ROOM,
  TARGETS_LIFETIME_MS,
} from './limits.ts';
import { metadataFileName, parseSignedJson, type RoleKeys, type RoleName, SPEC_VERSION } from './metadata.ts';
import { formatInstant } from './shape.ts';
import type { Signer } from './signer.ts';

/** Keys a role counts, and the table they stand in. */
export interface KeySet {
  readonly role: RoleKeys;
  readonly keys: ReadonlyMap<KeyId, PublicKey>;
}

export interface WrittenFiles {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly written: readonly string[];
  readonly versions: ReadonlyMap<string, number>;
  readonly timestamp: Uint8Array;
}

/** The different keys of the set, in its order. */
export function tableKeys({ role, keys }: KeySet): readonly PublicKey[] {
  const listed = role.keyids.flatMap((keyid) => keys.get(keyid) ?? []);
  return [...new Map(listed.map((key) => [tufKeyId(key), key])).values()];
}

/** How many different keys of the set the signers hold. */
export function countSigners(set: KeySet, signers: readonly Signer[]): number {
  const contents = signersFor(set, signers).map(({ key }) => keyContent(key));
  return new Set(contents).size;
}

/** The keys of the set that one of these signers holds. */
export function signersFor(
  set: KeySet,
  signers: readonly Signer[],
): readonly { readonly key: PublicKey; readonly signer: Signer }[] {
  return set.role.keyids.flatMap((keyid) => {
    const key = set.keys.get(keyid);
    const signer = key && signers.find(({ publicKey }) => isSameKey(key, publicKey));
    return key !== undefined && signer !== undefined ? [{ key, signer }] : [];
  });
}

/** A file of the new state whose content changed. */
export interface ChangedFile {
  readonly version: number;
  readonly bytes: Uint8Array;
}

/**
 * Signs the root and the targets roles that changed. Snapshot and timestamp, which list them, come after.
 *
 * @throws KeyError KEY_ROOT_MISSING, KEY_MISSING naming the key IDs that could sign, unless `partly`; TrustError
 * VERSION_JUMP.
 */
export async function writeChanged(
  draft: Draft,
  options: EditOptions,
): Promise<ReadonlyMap<RoleName | 'root', ChangedFile>> {
  const plan = new Plan(draft, options);
  const changed = new Map<RoleName | 'root', ChangedFile>();
  // The root first: who may sign the rest is said there.
  if (draft.rootChanged) changed.set('root', { version: plan.rootVersion, bytes: await plan.writeRoot() });
  for (const role of draft.changed) {
    const version = plan.versionOf(role);
    changed.set(role, { version, bytes: await plan.writeRole(role, version) });
  }
  return changed;
}

/**
 * Signs snapshot and timestamp over the files that changed, and puts the state together.
 *
 * @throws KeyError KEY_MISSING naming the key IDs that could sign, unless `partly`; TrustError VERSION_JUMP.
 */
export async function writeState(
  draft: Draft,
  options: EditOptions,
  changed: ReadonlyMap<RoleName | 'root', ChangedFile>,
): Promise<WrittenFiles> {
  const plan = new Plan(draft, options);
  const written = new Map<string, Uint8Array>();
  const versions = new Map<string, number>([['root', plan.rootVersion]]);
  const meta = new Map<string, JsonValue>(plan.listedMeta());
  for (const [role, { version, bytes }] of changed) {
    written.set(metadataFileName(role, version), bytes);
    versions.set(role, version);
    if (role !== 'root') meta.set(`${role}.json`, metaFile(version, bytes));
  }
  const snapshot = await plan.writeSnapshot(meta, changed.get('root')?.bytes);
  const timestamp = await plan.writeTimestamp(snapshot);
  written.set(metadataFileName('snapshot', plan.snapshotVersion), snapshot);
  written.set('timestamp.json', timestamp);
  versions.set('snapshot', plan.snapshotVersion).set('timestamp', plan.timestampVersion);
  for (const [role, version] of plan.unchangedVersions()) {
    if (!versions.has(role)) versions.set(role, version);
  }
  return {
    files: new Map([...plan.keptFiles(meta), ...written]),
    written: [...written.keys()],
    versions,
    timestamp,
  };
}

class Plan {
  readonly rootVersion: number;
  readonly snapshotVersion: number;
  readonly timestampVersion: number;
  readonly #draft: Draft;
  readonly #options: EditOptions;

  constructor(draft: Draft, options: EditOptions) {
    this.#draft = draft;
    this.#options = options;
    const trusted = draft.base?.trusted;
    this.rootVersion = this.#rootVersion();
    this.snapshotVersion = this.#next('snapshot', trusted?.snapshot?.signed.version);
    this.timestampVersion = this.#next('timestamp', trusted?.timestamp?.signed.version);
  }

  #rootVersion(): number {
    const base = this.#draft.base?.trusted.root.signed.version;
    // Roots chain one by one; only a collection begun anew may begin above what was seen.
    if (base === undefined) return this.#next('root', undefined);
    return this.#draft.rootChanged ? base + 1 : base;
  }

  versionOf(role: RoleName): number {
    const listed = this.#draft.base?.trusted.snapshot?.signed.meta.get(`${role}.json`);
    return this.#next(role, listed?.version);
  }

  /** Protocol 4.2: one more than the highest ever seen or written here. */
  #next(role: string, current: number | undefined): number {
    const { replacedRoles, goodVersions } = this.#draft;
    const highest =
      goodVersions === undefined ? this.#options.highestVersions?.get(role) : (goodVersions.get(role) ?? 0);
    const isOnline = role === 'snapshot' || role === 'timestamp';
    const recovers = goodVersions !== undefined || (replacedRoles.size === 2 && isOnline);
    const jumped = current !== undefined && highest !== undefined && current > highest + MAX_VERSION_JUMP;
    // protocol 2.5 (fast-forward): whoever held the keys for an hour could use up all versions there are. With all
    // snapshot and timestamp keys replaced, clients drop what they trusted, and counting goes on from what was good.
    if (recovers && jumped) return highest + 1;
    const next = Math.max(current ?? 0, highest ?? 0) + 1;
    if (jumped || !Number.isSafeInteger(next)) throw versionJump(role, current ?? next, highest);
    return next;
  }

  listedMeta(): JsonObject {
    const snapshot = this.#draft.base?.trusted.snapshot;
    const meta = snapshot && parseSignedJson(snapshot.bytes, 'snapshot').get('meta');
    return new Map([...(isJsonObject(meta) ? meta : [])].filter(([name]) => !this.#isForgotten(name)));
  }

  #isForgotten(metaName: string): boolean {
    return this.#draft.forgotten.has(metaName.replace(/\.json$/, '') as RoleName);
  }

  *unchangedVersions(): Generator<[string, number]> {
    for (const [name, file] of this.#draft.base?.trusted.snapshot?.signed.meta ?? []) {
      if (!this.#isForgotten(name)) yield [name.replace(/\.json$/, ''), file.version];
    }
  }

  /** Every root, and the files of the roles that did not change, as far as they are at hand. */
  *keptFiles(meta: JsonObject): Generator<[string, Uint8Array]> {
    const base = this.#draft.base;
    if (base === undefined) return;
    for (const root of base.trusted.roots) yield [metadataFileName('root', root.signed.version), root.bytes];
    for (const [name, bytes] of base.files) if (/^[1-9]\d*\.root\.json$/.test(name)) yield [name, bytes];
    for (const [name, file] of meta) {
      const role = name.replace(/\.json$/, '') as RoleName;
      const version = isJsonObject(file) ? file.get('version') : undefined;
      if (typeof version !== 'number') continue;
      const fileName = metadataFileName(role, version);
      const listed = base.trusted.snapshot?.signed.meta.get(name)?.version;
      const bytes =
        base.files.get(fileName) ?? (listed === version ? base.trusted.targets(role)?.bytes : undefined);
      if (bytes !== undefined) yield [fileName, bytes];
    }
  }

  async writeRoot(): Promise<Uint8Array> {
    const draft = this.#draft;
    const extension = draft.root.extension;
    if (draft.keysTakenAway && extension !== undefined) {
      draft.setExtension({
        ...extension,
        floor: this.#floor(),
      });
    }
    const json = this.#dated(draft.rootJson, this.rootVersion, ROOT_LIFETIME_MS);
    const sets: KeySet[] = [{ role: draft.root.roles.root, keys: draft.root.keys }];
    const before = draft.base?.trusted.root.signed;
    if (before !== undefined) sets.push({ role: before.roles.root, keys: before.keys });
    return await this.#sign(json, 'root', sets);
  }

  /**
   * protocol 2.5, 4.6: a root that others still have to sign says its floor before it is known which publish brings
   * it. Room is left for those that come first; whoever completes it writes no version below the floor.
   */
  #floor(): { readonly timestamp: number; readonly snapshot: number } {
    const room = this.#options.partly === true ? STAGED_FLOOR_ROOM : 0;
    return { timestamp: this.timestampVersion + room, snapshot: this.snapshotVersion + room };
  }

  async writeRole(role: RoleName, version: number): Promise<Uint8Array> {
    const { json, targets } = this.#draft.role(role);
    const dated = this.#dated(json, version, TARGETS_LIFETIME_MS);
    dated.set('targets', targets);
    return await this.#sign(dated, role, [this.#draft.keysFor(role)]);
  }

  async writeSnapshot(meta: JsonObject, newRoot: Uint8Array | undefined): Promise<Uint8Array> {
    const trusted = this.#draft.base?.trusted;
    const root = newRoot ?? trusted?.root.bytes;
    const before = trusted?.snapshot && parseSignedJson(trusted.snapshot.bytes, 'snapshot');
    const extension = trusted?.snapshot?.signed.extension;
    const last = trusted?.timestamp === undefined ? [] : [sha256Hex(trusted.timestamp.bytes)];
    const json = this.#dated(before ?? newJson('snapshot'), this.snapshotVersion, ONLINE_LIFETIME_MS);
    const other = before?.get(EXTENSION);
    const written = {
      turnSeconds: this.#options.turnSeconds ?? extension?.turnSeconds ?? 1,
      // protocol 4.2: which publishes this state contains.
      history: [...(extension?.history ?? []), ...last].slice(-HISTORY_LENGTH),
      // The timestamp's hash names a publish, so it has to depend on all of it. [Two machines with the same online key
      // replaced root keys in the same second: the same snapshot, the same timestamp, and both were told "done".]
      ...(root === undefined ? {} : { rootSha256: sha256Hex(root) }),
    };
    json.set('meta', meta);
    json.set(EXTENSION, snapshotExtensionJson(written, isJsonObject(other) ? other : undefined));
    return await this.#signOnline(json, 'snapshot');
  }

  async writeTimestamp(snapshot: Uint8Array): Promise<Uint8Array> {
    const trusted = this.#draft.base?.trusted.timestamp;
    const before = trusted && parseSignedJson(trusted.bytes, 'timestamp');
    const json = this.#dated(before ?? newJson('timestamp'), this.timestampVersion, ONLINE_LIFETIME_MS);
    json.set('meta', new Map([['snapshot.json', metaFile(this.snapshotVersion, snapshot)]]));
    return await this.#signOnline(json, 'timestamp');
  }

  #signOnline(json: JsonObject, role: 'snapshot' | 'timestamp'): Promise<Uint8Array> {
    const { roles, keys } = this.#draft.root;
    return this.#sign(json, role, [{ role: roles[role], keys }]);
  }

  #dated(json: JsonObject, version: number, lifetimeMs: number): Map<string, JsonValue> {
    const dated = new Map(json);
    dated.set('spec_version', SPEC_VERSION);
    dated.set('version', version);
    dated.set('expires', formatInstant(this.#options.nowMs + lifetimeMs));
    return dated;
  }

  async #sign(signed: JsonObject, role: string, sets: readonly KeySet[]): Promise<Uint8Array> {
    const { signers } = this.#options;
    for (const set of this.#options.partly === true ? [] : sets) {
      if (countSigners(set, signers) < set.role.threshold) throw keysMissing(role, set);
    }
    const bytes = canonicalJson(signed);
    const signatures = new Map<string, JsonValue>();
    for (const { key, signer } of sets.flatMap((set) => signersFor(set, signers))) {
      if (signatures.has(key.keyid)) continue;
      const sig = Buffer.from(await signer.sign(bytes)).toString('hex');
      signatures.set(
        key.keyid,
        new Map([
          ['keyid', key.keyid as string],
          ['sig', sig],
        ]),
      );
    }
    const file = new Map<string, JsonValue>([
      ['signatures', [...signatures.values()]],
      ['signed', signed],
    ]);
    return serialiseJson(file);
  }
}

function newJson(type: 'snapshot' | 'timestamp'): JsonObject {
  return new Map<string, JsonValue>([['_type', type]]);
}

function metaFile(version: number, bytes: Uint8Array): JsonObject {
  return new Map<string, JsonValue>([
    ['version', version],
    ['length', bytes.length],
    ['hashes', new Map([['sha256', sha256Hex(bytes)]])],
  ]);
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function keysMissing(role: string, set: KeySet): KeyError {
  const ids = set.role.keyids.flatMap((keyid) => set.keys.get(keyid) ?? []).map(tufKeyId);
  const shown = role === TARGETS || role === RELEASES || !role.includes('/') ? role : escapeShort(role);
  return new KeyError({
    code: role === 'root' ? 'KEY_ROOT_MISSING' : 'KEY_MISSING',
    message: `${shown} metadata needs ${set.role.threshold} of the keys ${ids.join(', ')} to be signed`,
    expected: ids.join(', '),
  });
}

function versionJump(role: string, found: number, highest: number | undefined): TrustError {
  return new TrustError({
    code: 'VERSION_JUMP',
    message: `${escapeShort(role)} version ${found} is more than ${MAX_VERSION_JUMP} above the highest one seen here (${highest ?? 'none'})`,
    attack: 'fast-forward',
    spec: 'protocol 2.5',
    role,
  });
}
