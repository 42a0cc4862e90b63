/**
 * What `memory.json` of one collection says: an index over the verified bytes beside it.
 *
 * Floors are not numbers here but the remembered files themselves: the next state is checked against the bytes
 * of the last one. `highest` is kept as well, for publishers (protocol 4.2: one more than the highest version ever seen
 * or written here), and falls only with a root that dropped what came before it (protocol 2.5).
 */
import { createHash } from 'node:crypto';
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from '../lib/strict-json.ts';
import { type Digest, isSha256 } from '../reference/digest.ts';
import { frameBody, memoryDamaged, unframeBody } from './memory-frame.ts';

/** What the first root of a remembered collection was trusted by. */
export type Anchor = 'pin' | 'own-key' | 'first-use';

/** One remembered file: its bytes lie beside the index under their digest. */
export interface RememberedFile {
  readonly name: string;
  readonly digest: Digest;
  readonly lengthBytes: number;
}

/** When a state was first seen here; TUF does not record when it was signed. */
export interface FirstSight {
  readonly state: Digest;
  readonly timestampVersion: number;
  readonly atMs: number;
}

export interface MemoryRecord {
  readonly collection: string;
  readonly scope: string;
  readonly dialect: 'tuf-1.0';
  readonly anchor: Anchor;
  /** The source's digest of the state these files belong to. */
  readonly state: Digest;
  readonly files: ReadonlyMap<string, RememberedFile>;
  readonly highest: ReadonlyMap<string, number>;
  /** Oldest first, at most `MAX_SIGHTS`. */
  readonly sights: readonly FirstSight[];
}

/** One collection as remembered. */
export interface Remembered extends MemoryRecord {
  /** Where it is, for messages. */
  readonly folder: string;
  /** Of the newest root known. */
  readonly rootVersion: number;
  /**
   * The bytes of one remembered file, checked against the digest they were stored under.
   * @throws LocalStateError MEMORY_DAMAGED; MemoryMoved
   */
  read(name: string): Uint8Array;
  /**
   * The same without hashing, for files that are hashed anyway by whoever verifies them (5.5.2, 5.6.2).
   * @throws LocalStateError MEMORY_DAMAGED; MemoryMoved
   */
  readUnhashed(name: string): Uint8Array;
  /** When a source last confirmed exactly this state; undefined when that is not known. */
  lastCheckMs(): number | undefined;
  /** Digest of the index itself: what `save` compares with to find another process's work. */
  readonly generation: string;
}

/** A verified state to be remembered. */
export interface NewMemory {
  readonly collection: string;
  readonly scope?: string;
  readonly anchor: Anchor;
  readonly state: Digest;
  readonly timestampVersion: number;
  /** Names of files that stay as remembered: roots known, roles that did not change. */
  readonly keep: Iterable<string>;
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Versions in this state by role; `highest` takes them in. */
  readonly versions: ReadonlyMap<string, number>;
  /**
   * Protocol 2.5: a root has dropped what was trusted before, so that `highest` begins anew with this state. [Whoever
   * held the online keys could use up all versions, and nobody who saw that could ever publish again.]
   */
  readonly versionsBeginAnew?: boolean;
}

/**
 * Another process has replaced this memory since it was loaded, and the file asked for is gone with the old state:
 * not damage, but a reason to load again.
 */
export class MemoryMoved extends Error {
  override readonly name = 'MemoryMoved';
}

export const MAX_SIGHTS = 16;

const ANCHORS: ReadonlySet<string> = new Set(['pin', 'own-key', 'first-use']);
const ROOT_NAME = /^([1-9]\d{0,15})\.root\.json$/;

/** The name of a collection's folder: a repository's path may be longer than a file name, and hold slashes. */
export function folderOf(collection: string, scope: string): string {
  const name = scope === '' ? collection : `${collection}\n${scope}`;
  return createHash('sha256').update(name, 'utf8').digest('hex');
}

/** The version in `N.root.json`, undefined for any other file name. */
export function rootVersionOf(name: string): number | undefined {
  const version = Number(ROOT_NAME.exec(name)?.[1] ?? Number.NaN);
  return Number.isSafeInteger(version) ? version : undefined;
}

/** The bytes of `memory.json`. */
export function renderRecord(record: MemoryRecord): Uint8Array {
  return frameBody(
    JSON.stringify({
      collection: record.collection,
      scope: record.scope,
      dialect: record.dialect,
      anchor: record.anchor,
      state: record.state,
      files: [...record.files.values()],
      highest: [...record.highest].map(([role, version]) => ({ role, version })),
      sights: record.sights,
    }),
  );
}

/**
 * Reads `memory.json` of the collection that is looked for.
 *
 * @throws LocalStateError MEMORY_DAMAGED, MEMORY_NEWER
 */
export function parseRecord(
  bytes: Uint8Array,
  path: string,
  collection: string,
  scope: string,
): MemoryRecord {
  const reader = new Reader(unframeBody(bytes, path), path);
  const record: MemoryRecord = {
    collection: reader.text('collection'),
    scope: reader.text('scope'),
    dialect: reader.oneOf('dialect', new Set(['tuf-1.0'])) as 'tuf-1.0',
    anchor: reader.oneOf('anchor', ANCHORS) as Anchor,
    state: reader.digest('state'),
    files: new Map(reader.list('files').map((entry) => [entry.text('name'), fileOf(entry)])),
    highest: new Map(reader.list('highest').map((entry) => [entry.text('role'), entry.number('version')])),
    sights: reader.list('sights').map((entry) => ({
      state: entry.digest('state'),
      timestampVersion: entry.number('timestampVersion'),
      atMs: entry.number('atMs'),
    })),
  };
  // A folder copied over another one's place would hand out another collection's floors.
  if (record.collection !== collection || record.scope !== scope) {
    throw memoryDamaged(path, 'is damaged: it belongs to another collection');
  }
  return record;
}

function fileOf(entry: Reader): RememberedFile {
  return {
    name: entry.text('name'),
    digest: entry.digest('digest'),
    lengthBytes: entry.number('lengthBytes'),
  };
}

/** Reads members of one object; whatever is missing or of another type is MEMORY_DAMAGED. */
export class Reader {
  readonly #object: JsonObject;
  readonly #path: string;

  constructor(object: JsonObject, path: string) {
    this.#object = object;
    this.#path = path;
  }

  text(name: string): string {
    const value = this.#object.get(name);
    return typeof value === 'string' ? value : this.#fail(name);
  }

  number(name: string): number {
    const value = this.#object.get(name);
    return typeof value === 'number' && value >= 0 ? value : this.#fail(name);
  }

  digest(name: string): Digest {
    const value = this.text(name);
    return isSha256(value) ? value : this.#fail(name);
  }

  oneOf(name: string, allowed: ReadonlySet<string>): string {
    const value = this.text(name);
    return allowed.has(value) ? value : this.#fail(name);
  }

  list(name: string): readonly Reader[] {
    const value = this.#object.get(name);
    return isJsonArray(value) ? value.map((item) => this.#nested(item, name)) : this.#fail(name);
  }

  #nested(item: JsonValue, name: string): Reader {
    return isJsonObject(item) ? new Reader(item, this.#path) : this.#fail(name);
  }

  #fail(name: string): never {
    throw memoryDamaged(this.#path, `is damaged: no valid ${name}`);
  }
}
