/**
 * Writing one collection's memory so that a reader finds the old state or the new one, whole.
 *
 * First time: everything into a folder with a temporary name, synced, then renamed to the collection's name.
 * Later: new files under the digest of their bytes (never over another file), the folder synced, then the index
 * replaced, then files no longer named removed. The index decides, so wherever the process dies the bytes it
 * names are all there. What a killed process left is removed by the next one that holds the lock.
 */
import { dirname, join } from 'node:path';
import {
  isTemporaryName,
  makePrivateDirectory,
  syncDirectory,
  temporaryPath,
  writeFileAtomic,
  writeNew,
} from '../lib/atomic-write.ts';
import type { Clock } from '../lib/clock.ts';
import { LocalStateError } from '../lib/errors.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno, isSystemError, writeFailure } from '../lib/fs-error.ts';
import { withLock } from '../lib/lock.ts';
import type { LockOwner } from '../lib/lock-owner.ts';
import { digestHex, digestOf } from '../reference/digest.ts';
import {
  folderOf,
  MAX_SIGHTS,
  type MemoryRecord,
  type NewMemory,
  type Remembered,
  type RememberedFile,
  renderRecord,
} from './memory-record.ts';

export interface MemoryWriter {
  readonly fs: FileSystem;
  readonly clock: Clock;
  /** `.../trust/dtrust/memory` */
  readonly root: string;
  readonly waitMs: number;
  readonly owner?: LockOwner;
}

/**
 * Remembers `next`, which was verified on top of `previous`, unless somebody else was faster.
 *
 * @throws LocalStateError MEMORY_DAMAGED, MEMORY_NEWER, FILE_UNWRITABLE, DISK_FULL, LOCK_TIMEOUT
 */
export async function saveCollection(
  writer: MemoryWriter,
  previous: Remembered | undefined,
  next: NewMemory,
  loadCurrent: () => Remembered | undefined,
): Promise<'saved' | 'conflict'> {
  const name = folderOf(next.collection, next.scope ?? '');
  makePrivateDirectory(writer.fs, writer.root);
  return withCollectionLock(writer, name, async () => {
    const current = loadCurrent();
    if (current?.generation !== previous?.generation) {
      // The other process may have verified the very same state; then there is nothing left to write.
      return isCoveredBy(next, current) ? 'saved' : 'conflict';
    }
    const record = recordOf(next, current, writer.clock.now());
    const folder = join(writer.root, name);
    try {
      if (current === undefined) {
        createFolder(writer.fs, writer.root, name, record, next.files);
      } else {
        updateFolder(writer.fs, folder, current, record, next.files);
      }
    } catch (error) {
      throw writeFailure(error, folder);
    }
    return 'saved';
  });
}

/** Runs `work` under the lock of one entry below the memory's folder. */
export function withCollectionLock<T>(
  writer: MemoryWriter,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  const { fs, clock, waitMs, owner } = writer;
  const path = join(writer.root, `${name}.lock`);
  return withLock({ fs, clock, waitMs, path, ...(owner === undefined ? {} : { owner }) }, work);
}

function isCoveredBy(next: NewMemory, current: Remembered | undefined): boolean {
  if (current === undefined || current.state !== next.state) {
    return false;
  }
  return [...next.files.keys(), ...next.keep].every((name) => current.files.has(name));
}

function recordOf(next: NewMemory, current: Remembered | undefined, nowMs: number): MemoryRecord {
  const files = new Map<string, RememberedFile>();
  for (const name of next.keep) {
    const kept = current?.files.get(name);
    if (kept !== undefined) {
      files.set(name, kept);
    }
  }
  for (const [name, bytes] of next.files) {
    files.set(name, { name, digest: digestOf(bytes), lengthBytes: bytes.length });
  }
  const highest = new Map(next.versionsBeginAnew === true ? [] : current?.highest);
  for (const [role, version] of next.versions) {
    highest.set(role, Math.max(version, highest.get(role) ?? 0));
  }
  const sights = [...(current?.sights ?? [])];
  if (!sights.some(({ state }) => state === next.state)) {
    sights.push({ state: next.state, timestampVersion: next.timestampVersion, atMs: Math.max(0, nowMs) });
  }
  return {
    collection: next.collection,
    scope: next.scope ?? '',
    dialect: 'tuf-1.0',
    anchor: next.anchor,
    state: next.state,
    files,
    highest,
    sights: sights.slice(-MAX_SIGHTS),
  };
}

function createFolder(
  fs: FileSystem,
  root: string,
  name: string,
  record: MemoryRecord,
  files: ReadonlyMap<string, Uint8Array>,
): void {
  removeLeftovers(fs, root, (entry) => isTemporaryName(entry) && entry.startsWith(`.${name}.`));
  const temporary = temporaryPath(join(root, name));
  try {
    fs.mkdirSync(temporary, { mode: 0o700 });
    for (const [fileName, bytes] of files) {
      const path = blobPath(temporary, record, fileName);
      if (!exists(fs, path)) {
        writeNew(fs, path, bytes, 0o600, true);
      }
    }
    writeNew(fs, join(temporary, 'memory.json'), renderRecord(record), 0o600, true);
    syncDirectory(fs, temporary);
    fs.renameSync(temporary, join(root, name));
    syncDirectory(fs, root);
  } catch (error) {
    removeLeftovers(fs, root, (entry) => join(root, entry) === temporary);
    throw error;
  }
}

function updateFolder(
  fs: FileSystem,
  folder: string,
  current: Remembered,
  record: MemoryRecord,
  files: ReadonlyMap<string, Uint8Array>,
): void {
  const written: string[] = [];
  const index = join(folder, 'memory.json');
  const indexBytes = renderRecord(record);
  try {
    let added = false;
    for (const [name, bytes] of files) {
      const path = blobPath(folder, record, name);
      if (!exists(fs, path)) {
        written.push(path);
        writeBlob(fs, path, bytes);
        added = true;
      }
    }
    if (added) {
      // The index must not reach the disk before the names it depends on.
      syncDirectory(fs, folder);
    }
    writeFileAtomic(fs, index, indexBytes);
  } catch (error) {
    // When the index was replaced and only its folder could not be synced, the new files are the ones that count.
    if (holdsOther(fs, index, indexBytes)) {
      discardUnnamed(fs, folder, written, current);
    }
    throw error;
  }
  removeUnnamed(fs, folder, record);
}

/** Whether the file certainly has other bytes; a file that cannot be read may have these. */
function holdsOther(fs: FileSystem, path: string, bytes: Uint8Array): boolean {
  let different = false;
  tolerateSystem(() => {
    different = Buffer.compare(fs.readFileSync(path), bytes) !== 0;
  });
  return different;
}

/** A temporary file, synced, renamed: a file under its digest's name is always whole. */
function writeBlob(fs: FileSystem, path: string, bytes: Uint8Array): void {
  const temporary = temporaryPath(path);
  try {
    writeNew(fs, temporary, bytes, 0o600, true);
    fs.renameSync(temporary, path);
  } catch (error) {
    removeFile(fs, temporary);
    throw error;
  }
}

/** After a failed write: what was added goes again, so that a full disk leaves things as they were. */
function discardUnnamed(
  fs: FileSystem,
  folder: string,
  written: readonly string[],
  current: Remembered,
): void {
  const named = new Set([...current.files.values()].map(({ digest }) => join(folder, blobName(digest))));
  for (const path of written) {
    if (!named.has(path)) {
      removeFile(fs, path);
    }
  }
}

/** Files that the index no longer names, and temporary files of killed processes. The lock is held. */
function removeUnnamed(fs: FileSystem, folder: string, record: MemoryRecord): void {
  const named = new Set([...record.files.values()].map(({ digest }) => blobName(digest)));
  removeLeftovers(fs, folder, (entry) => {
    // last-check is written without the lock, so its temporary file may be somebody's right now.
    const temporary = isTemporaryName(entry) && !entry.startsWith('.last-check.');
    return temporary || (/^[0-9a-f]{64}\.json$/.test(entry) && !named.has(entry));
  });
}

/** That something cannot be removed does no harm: what was verified is stored, and it is tried again later. */
function removeLeftovers(fs: FileSystem, folder: string, isLeftover: (entry: string) => boolean): void {
  tolerateSystem(() => {
    for (const entry of fs.readdirSync(folder)) {
      if (isLeftover(entry)) {
        removeTree(fs, join(folder, entry));
      }
    }
  });
}

/** A file, or a folder of files. */
function removeTree(fs: FileSystem, path: string): void {
  if (!removeFile(fs, path)) {
    tolerateSystem(() => {
      for (const entry of fs.readdirSync(path)) {
        removeFile(fs, join(path, entry));
      }
      fs.rmdirSync(path);
    });
  }
}

function removeFile(fs: FileSystem, path: string): boolean {
  return tolerateSystem(() => fs.unlinkSync(path));
}

function tolerateSystem(step: () => void): boolean {
  try {
    step();
    return true;
  } catch (error) {
    if (!isSystemError(error)) {
      throw error;
    }
    return false;
  }
}

function blobName(digest: RememberedFile['digest']): string {
  return `${digestHex(digest)}.json`;
}

function blobPath(folder: string, record: MemoryRecord, name: string): string {
  const file = record.files.get(name);
  if (file === undefined) {
    throw new RangeError('a file to be written is in the index');
  }
  return join(folder, blobName(file.digest));
}

function exists(fs: FileSystem, path: string): boolean {
  try {
    fs.lstatSync(path);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return false;
    }
    throw error;
  }
}

/**
 * Finds out whether a new collection could be stored, by storing something where the memory is or will be: in the
 * nearest folder that is there, so that a command that is refused later leaves nothing behind.
 *
 * @throws LocalStateError MEMORY_UNWRITABLE, DISK_FULL
 */
export function probeWritable(fs: FileSystem, root: string): void {
  try {
    const probe = temporaryPath(join(nearestFolder(fs, root), 'probe'));
    try {
      writeNew(fs, probe, Buffer.from('probe\n'), 0o600, false);
    } finally {
      removeFile(fs, probe);
    }
  } catch (error) {
    const failure = writeFailure(error, root);
    if (failure instanceof LocalStateError && failure.code === 'FILE_UNWRITABLE') {
      throw new LocalStateError({
        code: 'MEMORY_UNWRITABLE',
        message: `what is verified could not be remembered: ${failure.message}`,
        hints: ['set DOCKER_CONFIG to a folder that can be written'],
        cause: failure,
      });
    }
    throw failure;
  }
}

function nearestFolder(fs: FileSystem, path: string): string {
  const above = dirname(path);
  const there = above === path || fs.statSync(path, { throwIfNoEntry: false }) !== undefined;
  return there ? path : nearestFolder(fs, above);
}
