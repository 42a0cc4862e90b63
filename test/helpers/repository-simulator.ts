/**
 * A TUF repository in memory that signs on demand, can be told to go wrong in named ways, and records every request.
 *
 * It shares no code with the editor: its model is plain objects, and its canonical JSON is its own. What `publish`
 * froze is a state; `files()` is the current one as a registry would hold it.
 *
 *   const repository = new RepositorySimulator({ collection: 'docker.io/acme/app' });
 *   repository.putTarget('docker.io/acme/app:1.0', { bytes: manifest });
 *   repository.publish();
 *   repository.corrupt('snapshot', 'one byte changed');
 */
import { createHash } from 'node:crypto';
import { metadataFileName, type RoleName, type TopLevelRole } from '../../src/trust/core/metadata.ts';
import type { Pin } from '../../src/trust/core/pin.ts';
import { TrustedMetadata, type TrustOptions } from '../../src/trust/core/trusted-metadata.ts';
import { labelledSimKey, type SimKey } from './sim-keys.ts';

/** Ways in which the file of one role goes wrong. */
export type Corruption =
  // made by whoever holds the keys above: hashes and lengths are listed as they are
  | 'unsigned'
  | 'wrong key'
  | 'unlisted key'
  | 'under threshold'
  | 'same key twice'
  | 'expired'
  | 'rolled back'
  | 'fast-forwarded'
  | 'not JSON'
  | 'wrong shape'
  | 'wrong type'
  | 'repeated member'
  // made on the way: nothing above knows of it
  | 'missing'
  | 'mixed from two states'
  | 'oversized'
  | 'cut short'
  | 'one byte changed'
  | 'white space added';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type JsonObject = { [name: string]: Json };

export interface SimRole {
  version: number;
  expiresMs: number;
  keys: SimKey[];
  threshold: number;
  /** Members of `signed` to add or to replace. */
  extra: JsonObject;
}

export interface SimTargetsRole extends SimRole {
  targets: Map<string, JsonObject>;
  delegations: SimDelegation[];
  succinct: { keys: SimKey[]; threshold: number; bit_length: number; name_prefix: string } | undefined;
}

export interface SimDelegation {
  name: string;
  keys: SimKey[];
  threshold: number;
  terminating: boolean;
  paths?: string[];
  path_hash_prefixes?: string[];
}

export interface SimTarget {
  readonly bytes?: Uint8Array;
  readonly sha256?: string;
  readonly length?: number;
  readonly mediaType?: string;
  readonly custom?: JsonObject;
}

export interface SimulatorOptions {
  readonly collection?: string;
  readonly names?: string[];
  readonly nowMs?: number;
  /** Default 1; all four top-level roles get this many keys, plus one when it is above 1. */
  readonly threshold?: number;
  readonly keyFor?: (label: string) => SimKey;
}

export const SIM_NOW_MS = Date.UTC(2027, 0, 15, 12);
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DAY_MS = 86_400_000;

export class RepositorySimulator {
  readonly collection: string;
  readonly names: string[];
  nowMs: number;
  readonly top: Record<TopLevelRole, SimRole>;
  readonly roles = new Map<string, SimTargetsRole>();
  /** `x-dtrust` of root and snapshot, as it is written; undefined leaves it out. */
  rootExtension: JsonObject | undefined;
  snapshotExtension: JsonObject | undefined;
  /** Names of metadata files asked for through `fetch`, in order. */
  readonly requests: string[] = [];
  /** Files of every state published, oldest first. */
  readonly states: Map<string, Uint8Array>[] = [];
  readonly #corruptions = new Map<string, Corruption>();
  readonly #roots: { version: number; bytes: Uint8Array }[] = [];
  /** Snapshot entries are kept for ever, as TUF 5.5.5 asks. */
  readonly #formerMeta = new Map<string, Json>();

  constructor(options: SimulatorOptions = {}) {
    this.collection = options.collection ?? 'docker.io/acme/app';
    this.names = options.names ?? [this.collection];
    this.nowMs = options.nowMs ?? SIM_NOW_MS;
    const threshold = options.threshold ?? 1;
    const keyFor = options.keyFor ?? labelledSimKey;
    const role = (name: string, days: number): SimRole => ({
      version: 1,
      expiresMs: this.nowMs + days * DAY_MS,
      keys: Array.from({ length: threshold > 1 ? threshold + 1 : 1 }, (_, index) =>
        keyFor(`${name} ${index}`),
      ),
      threshold,
      extra: {},
    });
    const targets = { ...role('targets', 1095), targets: new Map(), delegations: [], succinct: undefined };
    this.roles.set('targets', targets);
    this.top = {
      root: role('root', 1095),
      timestamp: role('timestamp', 365),
      snapshot: role('snapshot', 365),
      targets,
    };
    this.rootExtension = { collection: this.collection, names: this.names };
    this.snapshotExtension = { turn: 1, history: [] };
    this.publishRoot();
  }

  /** The file name of the newest root. */
  get rootName(): string {
    return `${this.top.root.version}.root.json`;
  }

  /** A role below `targets`, made when it is not there. */
  role(name: string): SimTargetsRole {
    const known = this.roles.get(name);
    if (known !== undefined) return known;
    const made: SimTargetsRole = {
      version: 1,
      expiresMs: this.nowMs + 1095 * DAY_MS,
      keys: [labelledSimKey(name)],
      threshold: 1,
      extra: {},
      targets: new Map(),
      delegations: [],
      succinct: undefined,
    };
    this.roles.set(name, made);
    return made;
  }

  putTarget(path: string, target: SimTarget = {}, role = 'targets'): this {
    const bytes = target.bytes ?? Buffer.from(`manifest of ${path}`);
    this.role(role).targets.set(path, {
      length: target.length ?? bytes.length,
      hashes: { sha256: target.sha256 ?? sha256(bytes) },
      custom: target.custom ?? { mediaType: target.mediaType ?? OCI_INDEX },
    });
    return this;
  }

  removeTarget(path: string, role = 'targets'): this {
    this.role(role).targets.delete(path);
    return this;
  }

  /** Delegates; the role's own keys are those of the delegation. */
  delegate(
    delegation: Omit<SimDelegation, 'keys' | 'threshold' | 'terminating'> & Partial<SimDelegation>,
    from = 'targets',
  ): SimTargetsRole {
    const role = this.role(delegation.name);
    this.role(from).delegations.push({
      keys: role.keys,
      threshold: role.threshold,
      terminating: false,
      ...delegation,
    });
    return role;
  }

  /** Signs a root with the version, keys and extension set now, by these keys (default: its own). */
  publishRoot(signedBy: readonly SimKey[] = this.top.root.keys): Uint8Array {
    const bytes = this.#file(this.#rootSigned(), signedBy, this.top.root);
    this.#roots.push({ version: this.top.root.version, bytes });
    return bytes;
  }

  /** The next root version after a change of keys, signed by the keys before and the keys now. */
  rotate(change: (repository: this) => void): Uint8Array {
    const before = [...this.top.root.keys];
    change(this);
    this.top.root.version += 1;
    return this.publishRoot([...new Set([...before, ...this.top.root.keys])]);
  }

  /** A new state: versions of snapshot, timestamp and the named targets roles go up by one. */
  publish(...changedRoles: string[]): Map<string, Uint8Array> {
    if (this.states.length > 0) {
      this.top.snapshot.version += 1;
      this.top.timestamp.version += 1;
      for (const name of changedRoles) this.role(name).version += 1;
    }
    const files = this.#generate(new Map());
    this.states.push(files);
    return files;
  }

  /** The file of this role goes wrong from now on, until `heal`. */
  corrupt(role: string, corruption: Corruption): this {
    this.#corruptions.set(role, corruption);
    return this;
  }

  heal(): this {
    this.#corruptions.clear();
    return this;
  }

  /** The current state as a registry holds it: every root, and each role's file by its consistent name. */
  files(): Map<string, Uint8Array> {
    return this.#generate(this.#corruptions);
  }

  /** One file of the current state, or undefined where there is none. Recorded. */
  fetch(name: string): Uint8Array | undefined {
    this.requests.push(name);
    return this.files().get(name);
  }

  /** A pin on the newest root. */
  pin(): Pin {
    return {
      keyIds: this.top.root.keys.map((key) => key.keyid),
      threshold: this.top.root.threshold,
      rootVersion: this.top.root.version,
      timestampVersion: this.top.timestamp.version,
      dialect: 'tuf-1.0',
    };
  }

  /** Bytes of a root version as published. */
  rootBytes(version = 1): Uint8Array {
    const root = this.#roots.findLast((one) => one.version === version);
    if (root === undefined) throw new Error(`the simulator has no root ${version}`);
    return root.bytes;
  }

  /**
   * The client workflow on the current state, up to and including `targets`, from root 1 or the bytes given; what was
   * trusted before is given as an earlier state.
   */
  verify(
    options: Partial<TrustOptions> & { from?: Uint8Array; prior?: Map<string, Uint8Array> } = {},
  ): TrustedMetadata {
    const { from = this.rootBytes(), prior, ...rest } = options;
    const trusted = new TrustedMetadata(from, {
      startTimeMs: this.nowMs,
      collection: this.collection,
      ...rest,
    });
    if (prior !== undefined) trusted.loadPrior(priorOf(prior));
    for (let next: Uint8Array | undefined; ; ) {
      next = this.fetch(`${trusted.root.signed.version + 1}.root.json`);
      if (next === undefined) break;
      trusted.updateRoot(next);
    }
    trusted.finishRoot();
    trusted.updateTimestamp(this.#need('timestamp.json'));
    const snapshotVersion = trusted.timestamp?.signed.snapshot.version ?? 0;
    trusted.updateSnapshot(this.#need(`${snapshotVersion}.snapshot.json`));
    const version = trusted.roleFile('targets' as RoleName).version;
    trusted.updateTargets(this.#need(`${version}.targets.json`));
    return trusted;
  }

  #need(name: string): Uint8Array {
    const bytes = this.fetch(name);
    if (bytes === undefined) throw new MissingFile(name);
    return bytes;
  }

  #generate(corruptions: ReadonlyMap<string, Corruption>): Map<string, Uint8Array> {
    const files = new Map<string, Uint8Array>();
    for (const { version, bytes } of this.#roots) files.set(`${version}.root.json`, bytes);
    const rootCorruption = corruptions.get('root');
    if (rootCorruption !== undefined) this.#addCorruptRoot(files, rootCorruption);
    const meta: JsonObject = Object.fromEntries(this.#formerMeta);
    for (const [name, role] of this.roles) {
      const bytes = this.#write(files, name, role, this.#targetsSigned(role), corruptions);
      meta[`${name}.json`] = metaFile(this.#listedVersion(role, corruptions.get(name)), bytes);
      if (corruptions.size === 0) this.#formerMeta.set(`${name}.json`, meta[`${name}.json`] ?? null);
    }
    const { snapshot, timestamp } = this.top;
    const snapshotSigned = {
      ...this.#common('snapshot', snapshot),
      meta,
      ...extension(this.snapshotExtension),
    };
    const snapshotBytes = this.#write(files, 'snapshot', snapshot, snapshotSigned, corruptions);
    const listed = metaFile(this.#listedVersion(snapshot, corruptions.get('snapshot')), snapshotBytes);
    const timestampSigned = { ...this.#common('timestamp', timestamp), meta: { 'snapshot.json': listed } };
    this.#write(files, 'timestamp', timestamp, timestampSigned, corruptions);
    return files;
  }

  /** Adds one file as it will be served, and gives back the bytes that the role above lists. */
  #write(
    files: Map<string, Uint8Array>,
    name: string,
    role: SimRole,
    signed: JsonObject,
    corruptions: ReadonlyMap<string, Corruption>,
  ): Uint8Array {
    const corruption = corruptions.get(name);
    const listed = this.#file(signed, role.keys, role, corruption);
    const fileName = metadataFileName(name as RoleName, this.#listedVersion(role, corruption));
    const served = this.#onTheWay(name, fileName, listed, corruption);
    if (served !== undefined) files.set(fileName, served);
    return listed;
  }

  /** The version the role above lists: a role that is fast-forwarded alone is listed as it was. */
  #listedVersion(role: SimRole, corruption: Corruption | undefined): number {
    return corruption === 'rolled back' ? role.version - 1 : role.version;
  }

  #addCorruptRoot(files: Map<string, Uint8Array>, corruption: Corruption): void {
    const { root } = this.top;
    const next: SimRole = { ...root, version: root.version + 1 };
    const signed = { ...this.#rootSigned(), version: next.version };
    const name = `${next.version}.root.json`;
    const bytes = this.#onTheWay('root', name, this.#file(signed, root.keys, next, corruption), corruption);
    if (bytes !== undefined) files.set(name, bytes);
  }

  #file(signed: JsonObject, keys: readonly SimKey[], role: SimRole, corruption?: Corruption): Uint8Array {
    const content = corruptSigned({ ...signed, ...role.extra }, role, corruption);
    if (corruption === 'not JSON') return Buffer.from('<!doctype html><title>502 Bad Gateway</title>');
    const signatures = signaturesOf(canonical(content), keys, role, corruption);
    const text = JSON.stringify({ signatures, signed: content });
    if (corruption === 'repeated member') return Buffer.from(text.replace(/\}$/, ',"signatures":[]}'));
    return Buffer.from(text);
  }

  #onTheWay(
    role: string,
    name: string,
    bytes: Uint8Array,
    corruption: Corruption | undefined,
  ): Uint8Array | undefined {
    switch (corruption) {
      case 'missing':
        return undefined;
      case 'mixed from two states':
        return this.#older(role, name);
      case 'oversized':
        return Buffer.concat([bytes, Buffer.alloc(OVERSIZE[role] ?? 1, ' ')]);
      case 'white space added':
        return Buffer.concat([bytes, Buffer.from('\n')]);
      case 'cut short':
        return bytes.subarray(0, bytes.length - 7);
      case 'one byte changed': {
        const changed = Buffer.from(bytes);
        const at = changed.lastIndexOf('"expires":"2') + '"expires":"2'.length;
        changed[at] = (changed[at] ?? 0) ^ 1;
        return changed;
      }
      default:
        return bytes;
    }
  }

  #older(role: string, name: string): Uint8Array {
    const pattern = new RegExp(`^(?:[0-9]+\\.)?${encodeURIComponent(role)}\\.json$`);
    for (const state of this.states.toReversed()) {
      for (const [other, bytes] of state) {
        if (pattern.test(other) && (other !== name || role === 'timestamp')) return bytes;
      }
    }
    throw new Error(`no older state of ${role}`);
  }

  #rootSigned(): JsonObject {
    const { top } = this;
    const keys = Object.values(top).flatMap((role) => role.keys);
    const roles = Object.entries(top).map(([name, role]) => [name, roleJson(role)]);
    return {
      ...this.#common('root', top.root),
      consistent_snapshot: true,
      keys: keysJson(keys),
      roles: Object.fromEntries(roles),
      ...extension(this.rootExtension),
    };
  }

  #targetsSigned(role: SimTargetsRole): JsonObject {
    const { delegations, succinct } = role;
    const signed = { ...this.#common('targets', role), targets: Object.fromEntries(role.targets) };
    if (succinct !== undefined) {
      const { keys, threshold, bit_length, name_prefix } = succinct;
      const succinct_roles = { ...roleJson({ keys, threshold }), bit_length, name_prefix };
      return { ...signed, delegations: { keys: keysJson(keys), succinct_roles } };
    }
    if (delegations.length === 0) return signed;
    const keys = keysJson(delegations.flatMap((one) => one.keys));
    const roles = delegations.map(({ name, terminating, paths, path_hash_prefixes, ...one }) => ({
      name,
      terminating,
      ...roleJson(one),
      ...(paths && { paths }),
      ...(path_hash_prefixes && { path_hash_prefixes }),
    }));
    return { ...signed, delegations: { keys, roles } };
  }

  #common(type: string, role: SimRole): JsonObject {
    return {
      _type: type,
      spec_version: '1.0.34',
      version: role.version,
      expires: `${new Date(role.expiresMs).toISOString().slice(0, 19)}Z`,
    };
  }
}

/** A file the simulator was asked for and does not have. */
export class MissingFile extends Error {}

/** What an earlier state leaves behind on a machine. */
export function priorOf(state: Map<string, Uint8Array>): { timestamp: Uint8Array; snapshot: Uint8Array } {
  const timestamp = state.get('timestamp.json');
  const snapshots = [...state].filter(([name]) => name.endsWith('.snapshot.json'));
  const snapshot = snapshots.at(-1)?.[1];
  if (timestamp === undefined || snapshot === undefined) throw new Error('no complete state');
  return { timestamp, snapshot };
}

const OVERSIZE: Readonly<Record<string, number>> = { root: 512_000, timestamp: 16_384, snapshot: 2_000_000 };

function corruptSigned(signed: JsonObject, role: SimRole, corruption: Corruption | undefined): JsonObject {
  switch (corruption) {
    case 'expired':
      return { ...signed, expires: '2020-01-01T00:00:00Z' };
    case 'rolled back':
      return { ...signed, version: role.version - 1 };
    case 'fast-forwarded':
      return { ...signed, version: Number.MAX_SAFE_INTEGER };
    case 'wrong shape':
      return { ...signed, version: `${role.version}` };
    case 'wrong type':
      return { ...signed, _type: signed._type === 'targets' ? 'snapshot' : 'targets' };
    default:
      return signed;
  }
}

function signaturesOf(
  bytes: Uint8Array,
  keys: readonly SimKey[],
  role: SimRole,
  corruption: Corruption | undefined,
): JsonObject[] {
  const stranger = labelledSimKey('a stranger');
  const listing = (key: SimKey, by = key): JsonObject => ({ keyid: key.keyid, sig: by.signHex(bytes) });
  switch (corruption) {
    case 'unsigned':
      return [];
    case 'wrong key':
      return keys.map((key) => listing(key, stranger));
    case 'unlisted key':
      return [listing(stranger)];
    case 'under threshold':
      return keys.slice(0, role.threshold - 1).map((key) => listing(key));
    case 'same key twice':
      return keys.slice(0, role.threshold).map((key) => listing(key, keys[0]));
    default:
      return keys.map((key) => listing(key));
  }
}

function extension(value: JsonObject | undefined): JsonObject {
  return value === undefined ? {} : { 'x-dtrust': value };
}

function roleJson(role: { keys: readonly SimKey[]; threshold: number }): JsonObject {
  return { keyids: [...new Set(role.keys.map((key) => key.keyid))], threshold: role.threshold };
}

function keysJson(keys: readonly SimKey[]): JsonObject {
  return Object.fromEntries(keys.map((key) => [key.keyid, key.json]));
}

function metaFile(version: number, bytes: Uint8Array): JsonObject {
  return { version, length: bytes.length, hashes: { sha256: sha256(bytes) } };
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function canonical(value: Json): Uint8Array {
  return Buffer.from(canonicalText(value));
}

function canonicalText(value: Json): string {
  if (typeof value === 'string') return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  if (value === null || typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(',')}]`;
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${canonicalText(name)}:${canonicalText(value[name] ?? null)}`).join(',')}}`;
}
