/** Names for what the file system refused, and the LocalStateError each of them becomes. */
import { LocalStateError } from './errors.ts';
import { escapeText } from './escape.ts';

/** Whether an error of a file-system call carries one of these errno names. */
export function hasErrno(error: unknown, ...names: readonly string[]): boolean {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && names.includes(error.code)
  );
}

const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG'];
const UNWRITABLE = ['EROFS', 'EACCES', 'EPERM', 'ENOTDIR', 'ENOENT', 'EISDIR', 'ELOOP', 'ENAMETOOLONG'];

/**
 * The error to throw for a failed write below `path`: DISK_FULL or FILE_UNWRITABLE for what a user can mend,
 * anything else unchanged.
 */
export function writeFailure(error: unknown, path: string): unknown {
  if (hasErrno(error, ...FULL)) {
    return new LocalStateError({
      code: 'DISK_FULL',
      message: `no space left to write ${escapeText(path)}`,
      cause: error,
    });
  }
  if (hasErrno(error, ...UNWRITABLE)) {
    return new LocalStateError({
      code: 'FILE_UNWRITABLE',
      message: `cannot write ${escapeText(path)}`,
      cause: error,
    });
  }
  return error;
}
