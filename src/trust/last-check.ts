/**
 * When a source last confirmed a remembered state: `last-check` beside its index. Written without lock and sync; what
 * is lost or damaged means "long ago", which only ever refuses more.
 *
 *     {"format":1,"atMs":1764180000000,"state":"sha256:..."}
 */
import { join } from 'node:path';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { LocalStateError } from '../lib/errors.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { isSystemError } from '../lib/fs-error.ts';
import { type OwnFormat, upgraded } from '../lib/own-format.ts';
import type { Digest } from '../reference/digest.ts';

const FILE = 'last-check';
const PRESENT = /^\{"format":(\d{1,9})[,}]/;

/** Format 0, of the first versions, was the time and the state with a space between. */
const FORMAT: OwnFormat<string> = {
  format: 1,
  steps: new Map([
    [
      0,
      (text) => text.replace(/^(\d{1,15}) (sha256:[0-9a-f]{64})\n$/, '{"format":1,"atMs":$1,"state":"$2"}\n'),
    ],
  ]),
};

/**
 * The time, when it is known and is that of this state.
 *
 * @throws LocalStateError MEMORY_NEWER
 */
export function readLastCheck(fs: FileSystem, folder: string, state: Digest): number | undefined {
  const path = join(folder, FILE);
  const text = readText(fs, path);
  const current = upgraded(text, formatOf(text), FORMAT, path) ?? '';
  const [, at = '', confirmed] =
    /^\{"format":1,"atMs":(\d{1,15}),"state":"(sha256:[0-9a-f]{64})"\}\n$/.exec(current) ?? [];
  return confirmed === state ? Number(at) : undefined;
}

/** Notes that a source confirmed this state. A failure to write is ignored; a newer format is left as it is. */
export function noteCheck(fs: FileSystem, folder: string, state: Digest, atMs: number): void {
  const path = join(folder, FILE);
  if (formatOf(readText(fs, path)) > FORMAT.format) return;
  const line = `${JSON.stringify({ format: FORMAT.format, atMs, state })}\n`;
  try {
    writeFileAtomic(fs, path, Buffer.from(line), 0o600, false);
  } catch (error) {
    if (!(error instanceof LocalStateError)) throw error;
  }
}

function formatOf(text: string): number {
  return Number(PRESENT.exec(text)?.[1] ?? '0');
}

/** Whatever keeps this file from being read, the answer is the strict one: not known. */
function readText(fs: FileSystem, path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    if (isSystemError(error)) return '';
    throw error;
  }
}
