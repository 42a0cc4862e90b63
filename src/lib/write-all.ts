/**
 * Writing text to a file descriptor until all of it is out.
 *
 * dtrust prints with writeSync and never through process.stdout and process.stderr: touching those makes pipes
 * non-blocking for every program that shares them, the real docker among them. Another program may have done
 * so already, so EAGAIN is waited out here.
 */
import fs from 'node:fs';

const PAUSE_MS = 5;

/**
 * Writes the whole text. Returns false when the reader is gone (EPIPE): nobody is left to tell.
 * @throws the system's own error for anything but EAGAIN and EPIPE.
 */
export function writeAll(fd: number, text: string, write: typeof fs.writeSync = fs.writeSync): boolean {
  let rest: Uint8Array = Buffer.from(text, 'utf8');
  while (rest.length > 0) {
    try {
      rest = rest.subarray(write(fd, rest));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EPIPE') return false;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    }
  }
  return true;
}
