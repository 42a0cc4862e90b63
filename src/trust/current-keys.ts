/**
 * Which of this user's own keys are the ones in use, where several of a kind are in the key store: after a rotation the
 * old key stays there, for it still opens what was signed before.
 *
 *     current-keys.json       role, repository (none for the root key), the current key, and the next one of a rotation
 *     current-keys.lock       held while it is being written
 *
 * The next key is written down before its file is made, and becomes the current one when it was published: a rotation
 * that is interrupted goes on with the same key, and never makes a second one. No secrets; what it decides is which key
 * is used where either would do.
 */
import { join } from 'node:path';
import { makePrivateDirectory, writeFileAtomic } from '../lib/atomic-write.ts';
import type { Clock } from '../lib/clock.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno, isSystemError } from '../lib/fs-error.ts';
import { withLock } from '../lib/lock.ts';
import { isJsonArray, isJsonObject, type JsonValue } from '../lib/strict-json.ts';
import { frameBody, memoryDamaged, unframeBody } from './memory-frame.ts';

/** `root`, which is one for all repositories, or a repository's own key. */
export type OwnRole = 'root' | 'targets' | 'snapshot';

export interface OwnKey {
  readonly role: OwnRole;
  /** Canonical; none for the root key. */
  readonly repository?: string;
}

/** A rotation that has begun. */
export interface NextKey {
  /** By the ID that its file is named after. */
  readonly keyId: string;
  /** The repositories that it is still to be published in. */
  readonly repositories: readonly string[];
}

interface KeyRecord extends OwnKey {
  /** By the ID that its file is named after. */
  readonly current?: string;
  readonly next?: NextKey;
}

export interface CurrentKeysOptions {
  readonly fs: FileSystem;
  /** `<dockerConfig>/trust/dtrust` */
  readonly directory: string;
  readonly clock: Clock;
}

const LOCK_WAIT_MS = 10_000;
const ROLES: ReadonlySet<string> = new Set(['root', 'targets', 'snapshot']);

/** All methods throw LocalStateError MEMORY_DAMAGED, MEMORY_NEWER; those that write also FILE_UNWRITABLE, DISK_FULL, LOCK_TIMEOUT. */
export class CurrentKeys {
  readonly #options: CurrentKeysOptions;
  readonly #path: string;

  constructor(options: CurrentKeysOptions) {
    this.#options = options;
    this.#path = join(options.directory, 'current-keys.json');
  }

  /** The key in use; undefined where nothing was ever rotated. */
  current(key: OwnKey): string | undefined {
    return this.#load().find((record) => isSame(record, key))?.current;
  }

  /** The rotation that has begun and is not done. */
  next(key: OwnKey): NextKey | undefined {
    return this.#load().find((record) => isSame(record, key))?.next;
  }

  /** Where nothing is written down yet: that this is the one in use, and others of its kind are not. */
  async settle(key: OwnKey, keyId: string): Promise<void> {
    await this.#change(key, (record) =>
      record.current === undefined && record.next === undefined ? { ...record, current: keyId } : record,
    );
  }

  /** Before the next key's file is written. */
  async begin(key: OwnKey, next: NextKey): Promise<void> {
    await this.#change(key, (record) => ({ ...record, next }));
  }

  /** Once it was published in one of the repositories. */
  async publishedIn(key: OwnKey, keyId: string, repository: string): Promise<void> {
    await this.#change(key, ({ next, current: _, ...record }) => {
      const left = next?.keyId === keyId ? next.repositories.filter((name) => name !== repository) : [];
      // Another rotation that has begun meanwhile is not this one.
      const kept = next !== undefined && next.keyId !== keyId ? next : undefined;
      const waiting = left.length > 0 ? { keyId, repositories: left } : kept;
      return { ...record, current: keyId, ...(waiting && { next: waiting }) };
    });
  }

  #load(): readonly KeyRecord[] {
    let bytes: Uint8Array;
    try {
      bytes = this.#options.fs.readFileSync(this.#path);
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
      throw isSystemError(error) ? memoryDamaged(this.#path, 'cannot be read', error) : error;
    }
    const keys = unframeBody(bytes, this.#path).get('keys');
    const records = isJsonArray(keys) ? keys.map(recordOf) : [undefined];
    return records.map((record) => {
      if (record === undefined) throw memoryDamaged(this.#path, 'is damaged: not a list of keys');
      return record;
    });
  }

  async #change(key: OwnKey, change: (record: KeyRecord) => KeyRecord): Promise<void> {
    const { fs, clock, directory } = this.#options;
    makePrivateDirectory(fs, directory);
    const path = join(directory, 'current-keys.lock');
    await withLock({ fs, clock, path, waitMs: LOCK_WAIT_MS }, async () => {
      const records = this.#load();
      const record = records.find((each) => isSame(each, key)) ?? key;
      const others = records.filter((each) => !isSame(each, key));
      writeFileAtomic(fs, this.#path, frameBody(JSON.stringify({ keys: [...others, change(record)] })));
    });
  }
}

function isSame(left: OwnKey, right: OwnKey): boolean {
  return left.role === right.role && left.repository === right.repository;
}

function recordOf(json: JsonValue): KeyRecord | undefined {
  if (!isJsonObject(json)) return undefined;
  const [role, repository, current, next] = ['role', 'repository', 'current', 'next'].map((name) =>
    json.get(name),
  );
  if (typeof role !== 'string' || !ROLES.has(role)) return undefined;
  if (repository !== undefined && typeof repository !== 'string') return undefined;
  if (current !== undefined && !isId(current)) return undefined;
  const rotation = next === undefined ? undefined : nextOf(next);
  if (next !== undefined && rotation === undefined) return undefined;
  return {
    role: role as OwnRole,
    ...(repository === undefined ? {} : { repository }),
    ...(current === undefined ? {} : { current }),
    ...(rotation === undefined ? {} : { next: rotation }),
  };
}

function nextOf(json: JsonValue): NextKey | undefined {
  if (!isJsonObject(json)) return undefined;
  const [keyId, repositories] = [json.get('keyId'), json.get('repositories')];
  if (!isId(keyId) || !isJsonArray(repositories)) return undefined;
  const names = repositories.filter((name) => typeof name === 'string');
  return names.length === repositories.length ? { keyId, repositories: names } : undefined;
}

function isId(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}
