/**
 * Making a file that was not there: whole or not at all, and never over another one.
 *
 * The bytes go to a temporary file, are synced, and the file gets its name by link(2), which fails when the name is
 * taken; a crash before leaves only the temporary file. Where the file system knows no links (FAT, some network
 * shares) the file is made under its name with O_EXCL instead, and a crash in between can leave it cut short.
 */
import { dirname } from 'node:path';
import { removeIfThere, syncDirectory, temporaryPath, writeNew } from '../lib/atomic-write.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno, writeFailure } from '../lib/fs-error.ts';

/**
 * Makes the file with mode 0600. Returns false when something stands under that name.
 *
 * @throws LocalStateError DISK_FULL, FILE_UNWRITABLE
 */
export function createNewFile(fs: FileSystem, path: string, bytes: Uint8Array): boolean {
  const temporary = temporaryPath(path);
  try {
    writeNew(fs, temporary, bytes, 0o600, true);
    const made = linkOrWrite(fs, temporary, path, bytes);
    if (made) syncDirectory(fs, dirname(path));
    return made;
  } catch (error) {
    throw writeFailure(error, path);
  } finally {
    // Where even that fails, what was wrong has been said by then; the next process removes it.
    removeIfThere(fs, temporary);
  }
}

function linkOrWrite(fs: FileSystem, temporary: string, path: string, bytes: Uint8Array): boolean {
  try {
    fs.linkSync(temporary, path);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false;
    if (!hasErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) throw error;
  }
  return writeExclusive(fs, path, bytes);
}

function writeExclusive(fs: FileSystem, path: string, bytes: Uint8Array): boolean {
  try {
    writeNew(fs, path, bytes, 0o600, true);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false;
    throw error;
  }
}
