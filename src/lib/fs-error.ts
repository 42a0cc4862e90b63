/** Names for what the file system refused, and the LocalStateError each of them becomes. */
import { LocalStateError } from './errors.ts';
import { escapeText } from './escape.ts';

/** Whether an error of a file-system call carries one of these errno names. */
export function hasErrno(error: unknown, ...names: readonly string[]): boolean {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && names.includes(error.code)
  );
}

/** Whether an error is the operating system's answer to a call, rather than a bug. */
export function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

/**
 * The error to throw for a failed write below `path`: DISK_FULL or FILE_UNWRITABLE for what the system refused,
 * anything else (bugs, errors that are dtrust's own) unchanged.
 */
export function writeFailure(error: unknown, path: string): unknown {
  if (hasErrno(error, 'ENOSPC', 'EDQUOT')) {
    return new LocalStateError({
      code: 'DISK_FULL',
      message: `no space left to write ${escapeText(path)}`,
      hints: ['free some space, or set DOCKER_CONFIG to a folder on another disk'],
      cause: error,
    });
  }
  if (isSystemError(error)) {
    return new LocalStateError({
      code: 'FILE_UNWRITABLE',
      message: `cannot write ${escapeText(path)}`,
      cause: error,
    });
  }
  return error;
}
