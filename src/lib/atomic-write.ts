/**
 * Writing a file so that whoever reads it finds the old content or the new one, whole, whenever the process
 * or the machine stops.
 *
 * A temporary file in the same folder (made exclusively, so nobody's file or link is written through), all
 * bytes, fsync, rename, fsync of the folder. A temporary file left by a killed process is named
 * `.<name>.<random>.tmp`; `isTemporaryName` tells it apart for those who clean up.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { FileSystem } from './file-system.ts';
import { hasErrno, isSystemError, writeFailure } from './fs-error.ts';

const TEMPORARY = /^\..+\.[0-9a-f]{16}\.tmp$/;

/** A name for a temporary file or folder beside `path`, on the same file system. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.tmp`);
}

/** Whether a file name is one that `temporaryPath` makes. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

/**
 * Replaces the file at `path` with these bytes, atomically and durably. On failure the old file is untouched
 * and no temporary file stays behind.
 *
 * @throws LocalStateError DISK_FULL, FILE_UNWRITABLE
 */
export function writeFileAtomic(
  fs: FileSystem,
  path: string,
  bytes: Uint8Array,
  mode = 0o600,
  durable = true,
): void {
  const temporary = temporaryPath(path);
  try {
    writeNew(fs, temporary, bytes, mode, durable);
    fs.renameSync(temporary, path);
    if (durable) {
      syncDirectory(fs, dirname(path));
    }
  } catch (error) {
    removeIfThere(fs, temporary);
    throw writeFailure(error, path);
  }
}

/** Makes a new file with these bytes and syncs it. Fails when the name is taken. Errors are the system's. */
export function writeNew(
  fs: FileSystem,
  path: string,
  bytes: Uint8Array,
  mode: number,
  durable: boolean,
): void {
  // O_EXCL also refuses a symbolic link, so nothing is written through one that somebody else put there.
  const fd = fs.openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
  try {
    let written = 0;
    while (written < bytes.length) {
      written += fs.writeSync(fd, bytes, written, bytes.length - written);
    }
    if (durable) {
      fs.fsyncSync(fd);
    }
  } finally {
    fs.closeSync(fd);
  }
}

/** Makes renames and new names in a folder durable, where the system can do that at all. */
export function syncDirectory(fs: FileSystem, directory: string): void {
  let fd: number;
  try {
    fd = fs.openSync(directory, constants.O_RDONLY);
  } catch (error) {
    // Windows opens no folders, and syncs renames by itself.
    if (hasErrno(error, 'EISDIR', 'EPERM', 'EACCES')) {
      return;
    }
    throw error;
  }
  try {
    fs.fsyncSync(fd);
  } catch (error) {
    // Some network and overlay file systems cannot sync a folder; the rename has happened all the same.
    if (!hasErrno(error, 'EINVAL', 'ENOTSUP', 'EPERM', 'EBADF')) {
      throw error;
    }
  } finally {
    fs.closeSync(fd);
  }
}

/** Removes a file of ours after a failure; the failure that is on its way up is the one worth reporting. */
export function removeIfThere(fs: FileSystem, path: string): void {
  try {
    fs.unlinkSync(path);
  } catch (error) {
    if (!isSystemError(error)) {
      throw error;
    }
  }
}

/**
 * Makes a folder that only its owner can enter, with what is missing above it; a folder that is there and is
 * looser is narrowed to 0700.
 *
 * @throws LocalStateError DISK_FULL, FILE_UNWRITABLE
 */
export function makePrivateDirectory(fs: FileSystem, path: string): void {
  try {
    if (fs.mkdirSync(path, { recursive: true, mode: 0o700 }) === undefined) {
      const { mode } = fs.statSync(path);
      if ((mode & 0o077) !== 0) {
        fs.chmodSync(path, 0o700);
      }
    }
  } catch (error) {
    throw writeFailure(error, path);
  }
}
