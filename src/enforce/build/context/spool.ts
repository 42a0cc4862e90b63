/**
 * What comes on a pipe or from the web, kept in a file without a name so that it can be read at any place: whoever ends
 * this process leaves nothing behind.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { UsageError } from '../../../lib/errors.ts';
import { writeFailure } from '../../../lib/fs-error.ts';
import type { ReadAt } from './tar-reader.ts';

export interface Spool {
  readonly size: number;
  readonly readAt: ReadAt;
  close(): void;
}

/** A spool that is being filled. */
export interface OpenSpool {
  /** From the beginning: what was written before is gone. */
  begin(): void;
  write(chunk: Uint8Array): void;
  /** What has been written. */
  whole(): Spool;
  close(): void;
}

const CHUNK_BYTES = 256 * 1024;

/**
 * Keeps a stream to its end.
 * @throws UsageError BUILD_CONTEXT_INVALID for more than `mostBytes`; LocalStateError DISK_FULL, FILE_UNWRITABLE; what
 * the stream throws
 */
export async function spoolStream(
  stream: AsyncIterable<Uint8Array>,
  folder: string,
  mostBytes = Number.POSITIVE_INFINITY,
): Promise<Spool> {
  const spool = openSpool(folder);
  try {
    let size = 0;
    for await (const chunk of stream) {
      size += chunk.length;
      if (size > mostBytes) throw tooLarge(mostBytes);
      spool.write(chunk);
    }
    return spool.whole();
  } catch (error) {
    spool.close();
    throw error;
  }
}

/**
 * An empty one; its functions throw as this does.
 * @throws LocalStateError DISK_FULL, FILE_UNWRITABLE
 */
export function openSpool(folder: string): OpenSpool {
  const file = path.join(folder, `dtrust-context-${randomBytes(12).toString('hex')}`);
  const fd = guarded(folder, () => openUnnamed(file));
  let size = 0;
  return {
    begin: () => {
      guarded(folder, () => fs.ftruncateSync(fd.number));
      size = 0;
    },
    write: (chunk) => {
      guarded(folder, () => writeWhole(fd.number, chunk, size));
      size += chunk.length;
    },
    whole: () => ({ size, readAt: reading(fd.number, size), close: fd.close }),
    close: fd.close,
  };
}

/** All of it, in pieces. */
export async function* contentOf({ size, readAt }: Spool): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < size; at += CHUNK_BYTES) yield readAt(at, CHUNK_BYTES);
}

function reading(fd: number, size: number): ReadAt {
  return (offset, length) => {
    const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, size - offset)));
    let read = 0;
    while (read < bytes.length) {
      const more = fs.readSync(fd, bytes, read, bytes.length - read, offset + read);
      if (more === 0) break;
      read += more;
    }
    return bytes.subarray(0, read);
  };
}

/** The name is gone before anything is written, where the system can do that. */
function openUnnamed(file: string): { readonly number: number; close(): void } {
  const number = fs.openSync(file, 'wx+', 0o600);
  let named = true;
  const forget = (): void => {
    if (named) fs.rmSync(file, { force: true });
    named = false;
  };
  if (path.sep === '/') forget();
  return {
    number,
    close: () => {
      fs.closeSync(number);
      forget();
    },
  };
}

function writeWhole(fd: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += fs.writeSync(fd, bytes, done, bytes.length - done, at + done);
  }
}

function tooLarge(mostBytes: number): UsageError {
  return new UsageError({
    code: 'BUILD_CONTEXT_INVALID',
    message: `the build context is larger than ${mostBytes} bytes, unpacked`,
  });
}

function guarded<T>(folder: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw writeFailure(error, folder);
  }
}
