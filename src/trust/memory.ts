/**
 * What this machine has verified before, per collection, and which collection a repository belongs to.
 *
 * Guaranteed: only what the updater accepted is written; a state is replaced whole or not at all, whenever the
 * process is killed; two processes take turns, and one that verified against an outdated memory is told so
 * instead of putting an older state back (`save` says 'conflict'); what cannot be read is MEMORY_DAMAGED and
 * never "nothing remembered", because that would turn a damaged disk into a first use.
 *
 * Not guaranteed: anything against somebody who can write to these files. He can remove the folder, and with it
 * every floor; or replace the pins; or dtrust. Bytes read back are verified again by the state machine all the
 * same, which finds damage in them, and costs a millisecond.
 *
 *     memory/repositories.json            repository -> collection, where they differ
 *     memory/<sha256 of the name>/        one collection
 *       memory.json                       the index (memory-record.ts); replaced last, so it decides
 *       <sha256 of the bytes>.json        verified files
 *       last-check                        time of the last good check; not synced, loss means "long ago"
 *     memory/<sha256 of the name>.lock    held while a collection is being written
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { hasCode, LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno, isSystemError } from '../lib/fs-error.ts';
import type { LockOwner } from '../lib/lock-owner.ts';
import { digestHex, digestOf } from '../reference/digest.ts';
import { noteCheck, readLastCheck } from './last-check.ts';
import { loadBindings, saveBinding } from './memory-bindings.ts';
import { memoryDamaged } from './memory-frame.ts';
import { type KnownRepository, knownRepositories } from './memory-known.ts';
import {
  folderOf,
  MemoryMoved,
  type MemoryRecord,
  type NewMemory,
  parseRecord,
  type Remembered,
  rootVersionOf,
} from './memory-record.ts';
import { probeWritable, saveCollection } from './memory-save.ts';

export type { Anchor, FirstSight, NewMemory, Remembered, RememberedFile } from './memory-record.ts';

export interface MemoryOptions {
  readonly fs: FileSystem;
  /** `<dockerConfig>/trust/dtrust`; undefined when there is no home: nothing is remembered. */
  readonly directory: string | undefined;
  readonly clock: Clock;
  /** How long to wait for another process that is writing. Default 10 s; it holds the lock for milliseconds. */
  readonly waitMs?: number;
  readonly owner?: LockOwner;
}

export interface Memory {
  readonly directory: string | undefined;
  /** The collection a repository was bound to; undefined when it is its own, or unknown.
   * @throws LocalStateError MEMORY_DAMAGED, MEMORY_NEWER */
  collectionOf(repository: string): string | undefined;
  /** Every repository that something is remembered of, in no order that means anything.
   * @throws LocalStateError MEMORY_DAMAGED, MEMORY_NEWER */
  known(): readonly KnownRepository[];
  /** @throws LocalStateError MEMORY_DAMAGED, MEMORY_NEWER, MEMORY_UNWRITABLE, DISK_FULL, LOCK_TIMEOUT */
  bind(repository: string, collection: string): Promise<void>;
  /**
   * What is remembered of a collection, undefined when it was never verified here.
   * @param scope tells apart what one name means on several engines (protocol 1.3, loopback names)
   * @throws LocalStateError MEMORY_DAMAGED, MEMORY_NEWER
   */
  load(collection: string, scope?: string): Remembered | undefined;
  /**
   * Replaces what is remembered by a state that was verified on top of `previous`. 'conflict': another process
   * has written since `previous` was loaded, nothing was changed, and the verification is to be done again.
   * @throws LocalStateError MEMORY_DAMAGED, MEMORY_NEWER, MEMORY_UNWRITABLE, DISK_FULL, LOCK_TIMEOUT
   */
  save(previous: Remembered | undefined, next: NewMemory): Promise<'saved' | 'conflict'>;
  /** Notes that a source confirmed this state now. A failure to write is ignored: the last check then counts
   * as older than it was, which only ever refuses more. */
  noteCheck(remembered: Pick<MemoryRecord, 'collection' | 'scope' | 'state'>, atMs: number): void;
  /** @throws LocalStateError MEMORY_UNWRITABLE, DISK_FULL when a new collection could not be stored */
  assertWritable(): void;
}

/** The memory below a folder. Reads nothing yet. */
export function openMemory(options: MemoryOptions): Memory {
  const { fs, directory } = options;
  if (directory === undefined) {
    return NO_MEMORY;
  }
  const root = join(directory, 'memory');
  const writer = { ...options, root, waitMs: options.waitMs ?? 10_000 };
  return {
    directory,
    collectionOf: (repository) => loadBindings(fs, root).get(repository),
    known: () => knownRepositories(fs, root),
    bind: (repository, collection) => unwritable(() => saveBinding(writer, repository, collection)),
    load: (collection, scope = '') => loadCollection(fs, root, collection, scope),
    save: (previous, next) =>
      unwritable(() =>
        saveCollection(writer, previous, next, () =>
          loadCollection(fs, root, next.collection, next.scope ?? ''),
        ),
      ),
    noteCheck: ({ collection, scope, state }, atMs) => {
      noteCheck(fs, join(root, folderOf(collection, scope)), state, atMs);
    },
    assertWritable: () => probeWritable(fs, root),
  };
}

function loadCollection(
  fs: FileSystem,
  root: string,
  collection: string,
  scope: string,
): Remembered | undefined {
  const folder = join(root, folderOf(collection, scope));
  const path = join(folder, 'memory.json');
  const bytes = readState(fs, path, folder);
  if (bytes === undefined) {
    return undefined;
  }
  const record = parseRecord(bytes, path, collection, scope);
  // One of a newer format is refused now, by every command, and not only by the one that asks for its time.
  readLastCheck(fs, folder, record.state);
  const rootVersion = Math.max(0, ...[...record.files.keys()].map((name) => rootVersionOf(name) ?? 0));
  if (rootVersion === 0) {
    throw memoryDamaged(path, 'is damaged: it names no root');
  }
  return {
    ...record,
    folder,
    rootVersion,
    generation: createHash('sha256').update(bytes).digest('hex'),
    read: (name) => unlessMoved(fs, path, bytes, () => readRemembered(fs, folder, record, name, true)),
    readUnhashed: (name) =>
      unlessMoved(fs, path, bytes, () => readRemembered(fs, folder, record, name, false)),
    lastCheckMs: () => readLastCheck(fs, folder, record.state),
  };
}

/** The index's bytes, undefined only when the collection's folder is not there either. */
function readState(fs: FileSystem, path: string, folder: string): Uint8Array | undefined {
  try {
    return fs.readFileSync(path);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) {
      throw unreadable(path, error);
    }
  }
  try {
    fs.lstatSync(folder);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw unreadable(folder, error);
  }
  // A collection's folder gets its name only when it is complete, so an index that is missing got lost.
  throw memoryDamaged(folder, 'is damaged: memory.json is missing');
}

/** Tells a file that is damaged from one that another process removed when it remembered a newer state. */
function unlessMoved<T>(fs: FileSystem, path: string, index: Uint8Array, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!hasCode(error, 'MEMORY_DAMAGED')) {
      throw error;
    }
    let current: Uint8Array;
    try {
      current = fs.readFileSync(path);
    } catch (failure) {
      throw isSystemError(failure) ? error : failure;
    }
    throw Buffer.compare(current, index) === 0
      ? error
      : new MemoryMoved('the memory moved', { cause: error });
  }
}

function readRemembered(
  fs: FileSystem,
  folder: string,
  record: MemoryRecord,
  name: string,
  hashed: boolean,
): Uint8Array {
  const file = record.files.get(name);
  if (file === undefined) {
    throw memoryDamaged(folder, `is damaged: ${escapeText(name)} is not in its index`);
  }
  const path = join(folder, `${digestHex(file.digest)}.json`);
  let bytes: Uint8Array;
  try {
    bytes = fs.readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  if (bytes.length !== file.lengthBytes) {
    throw memoryDamaged(path, `is damaged: ${bytes.length} bytes, expected ${file.lengthBytes}`);
  }
  // A prior timestamp with a flipped bit would count as one whose keys were rotated away, and take the floor
  // with it; so damage is found here, before anybody asks what the bytes mean.
  if (hashed && digestOf(bytes) !== file.digest) {
    throw memoryDamaged(path, 'is damaged: its digest differs');
  }
  return bytes;
}

/** Protocol 6.3: memory that cannot be read is damaged, whatever the reason, and never first use. */
function unreadable(path: string, error: unknown): unknown {
  return isSystemError(error) ? memoryDamaged(path, 'cannot be read', error) : error;
}

/** FILE_UNWRITABLE from the writing functions is, for this folder, MEMORY_UNWRITABLE. */
async function unwritable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LocalStateError && error.code === 'FILE_UNWRITABLE') {
      throw memoryUnwritable(error);
    }
    throw error;
  }
}

function memoryUnwritable(cause?: unknown): LocalStateError {
  return new LocalStateError({
    code: 'MEMORY_UNWRITABLE',
    message:
      cause instanceof Error
        ? `what was verified cannot be remembered: ${cause.message}`
        : 'what was verified cannot be remembered: there is no home folder',
    hints: ['set DOCKER_CONFIG to a folder that can be written'],
    cause,
  });
}

const NO_MEMORY: Memory = {
  directory: undefined,
  collectionOf: () => undefined,
  known: () => [],
  bind: () => Promise.reject(memoryUnwritable()),
  load: () => undefined,
  save: () => Promise.reject(memoryUnwritable()),
  noteCheck: () => undefined,
  assertWritable: () => {
    throw memoryUnwritable();
  },
};
