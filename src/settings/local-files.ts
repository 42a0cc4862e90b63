/** Reading the small files of Docker's configuration: absent is an answer, unreadable is an error. */
import { LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno } from '../lib/fs-error.ts';

export type ReadableFiles = Pick<FileSystem, 'readFileSync' | 'readdirSync' | 'statSync'>;

/**
 * The file's bytes, or undefined when it, or a folder on its way, does not exist.
 * @throws LocalStateError FILE_UNREADABLE
 */
export function readFileIfPresent(fs: ReadableFiles, path: string): Buffer | undefined {
  try {
    return fs.readFileSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw unreadable(path, error);
  }
}

/**
 * The bytes of a file that has to be there.
 * @throws LocalStateError FILE_UNREADABLE
 */
export function readFile(fs: ReadableFiles, path: string): Buffer {
  try {
    return fs.readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/**
 * The names in a folder, sorted; undefined when it does not exist.
 * @throws LocalStateError FILE_UNREADABLE
 */
export function listFolderIfPresent(fs: ReadableFiles, path: string): readonly string[] | undefined {
  try {
    return fs.readdirSync(path).toSorted();
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): LocalStateError {
  return new LocalStateError({ code: 'FILE_UNREADABLE', message: `cannot read ${escapeText(path)}`, cause });
}
