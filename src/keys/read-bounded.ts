/** Reading a small file whole: bounded while reading, because a pipe or a device has no size to look at first. */
import { LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { isSystemError } from '../lib/fs-error.ts';

export interface ReadBoundedOptions {
  readonly maxBytes: number;
  /** How an error names the file, for example `the passphrase file named by X`. */
  readonly what: string;
  /** Looks at the open file before anything is read, and throws when it must not be. */
  readonly inspect?: (stat: OpenFileStat) => void;
}

/** What is looked at on an open file: the file itself, not whatever its name points at a moment later. */
export interface OpenFileStat {
  readonly mode: number;
  isFile(): boolean;
}

/**
 * The bytes of a file of at most `maxBytes`.
 *
 * @throws LocalStateError FILE_UNREADABLE (absent, a folder, no permission, too long)
 */
export function readBounded(fs: FileSystem, path: string, options: ReadBoundedOptions): Buffer {
  try {
    const fd = fs.openSync(path, 'r');
    try {
      options.inspect?.(fs.fstatSync(fd));
      return readToEnd(fs, fd, path, options);
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    throw unreadableError(path, options.what, error);
  }
}

function readToEnd(fs: FileSystem, fd: number, path: string, { maxBytes, what }: ReadBoundedOptions): Buffer {
  // One byte more than allowed, so that "too long" is seen without reading on.
  const buffer = Buffer.alloc(maxBytes + 1);
  let length = 0;
  while (length < buffer.length) {
    const count = fs.readSync(fd, buffer, length, buffer.length - length, null);
    if (count === 0) return buffer.subarray(0, length);
    length += count;
  }
  throw new LocalStateError({
    code: 'FILE_UNREADABLE',
    message: `${what}, ${escapeText(path)}, is too long`,
    expected: `at most ${maxBytes} bytes`,
  });
}

/** FILE_UNREADABLE for what the operating system answered; anything else is a bug and stays one. */
export function unreadableError(path: string, what: string, cause: unknown): unknown {
  if (!isSystemError(cause)) return cause;
  return new LocalStateError({
    code: 'FILE_UNREADABLE',
    message: `cannot read ${what}, ${escapeText(path)}`,
    cause,
  });
}
