/**
 * What comes on a pipe, kept in a file without a name so that it can be read at any place: whoever ends this process
 * leaves nothing behind.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { writeFailure } from '../../../lib/fs-error.ts';
import type { ReadAt } from './tar-reader.ts';

export interface Spool {
  readonly size: number;
  readonly readAt: ReadAt;
  close(): void;
}

/**
 * Keeps a stream to its end.
 * @throws LocalStateError DISK_FULL, FILE_UNWRITABLE; what the stream throws
 */
export async function spoolStream(stream: AsyncIterable<Uint8Array>, folder: string): Promise<Spool> {
  const file = path.join(folder, `dtrust-context-${randomBytes(12).toString('hex')}`);
  const fd = guarded(folder, () => openUnnamed(file));
  try {
    let size = 0;
    for await (const chunk of stream) {
      guarded(folder, () => writeWhole(fd.number, chunk));
      size += chunk.length;
    }
    const readAt: ReadAt = (offset, length) => {
      const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(length, size - offset)));
      let read = 0;
      while (read < bytes.length) {
        const more = fs.readSync(fd.number, bytes, read, bytes.length - read, offset + read);
        if (more === 0) break;
        read += more;
      }
      return bytes.subarray(0, read);
    };
    return { size, readAt, close: fd.close };
  } catch (error) {
    fd.close();
    throw error;
  }
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

function writeWhole(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done);
}

function guarded<T>(folder: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw writeFailure(error, folder);
  }
}
