/**
 * From the bytes of a Dockerfile to its lines.
 *
 * Builders read bytes and make the best of what is no text; dtrust would have to guess the same, so it refuses NUL and
 * bytes that are no UTF-8, which no Dockerfile needs. Lines longer than what BuildKit's scanner takes are refused, as
 * there. A byte-order mark at the front is taken off, as there.
 */
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { refuseAt } from './invalid.ts';

// Far more than anybody writes; what is read takes time by its length.
const MAX_FILE_BYTES = 1024 * 1024;
// The builders' scanner holds 64 KiB, the line end included; one less at the end of the file.
const MAX_LINE_BYTES = 64 * 1024 - 2;

/**
 * The text of a Dockerfile without its byte-order mark.
 * @throws UsageError DOCKERFILE_INVALID for NUL, what is no UTF-8, a line or file that is too long.
 */
export function decodeSource(bytes: Uint8Array, file: string): string {
  const refuse = refuseAt(file, 0);
  if (bytes.length > MAX_FILE_BYTES) refuse(`the Dockerfile is longer than ${MAX_FILE_BYTES} bytes`);
  const tooLong = lineTooLong(bytes);
  if (tooLong > 0) refuseAt(file, tooLong)(`the line is longer than ${MAX_LINE_BYTES} bytes`);
  const text = decodeUtf8(bytes, file);
  const nul = text.indexOf('\0');
  if (nul >= 0) refuseAt(file, text.slice(0, nul).split('\n').length)('the line holds a NUL character');
  return text.startsWith('\u{feff}') ? text.slice(1) : text;
}

function decodeUtf8(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    // The decoder's only way to say that the bytes are no UTF-8.
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError({
      code: 'DOCKERFILE_INVALID',
      message: `${escapeShort(file)}: the Dockerfile is not UTF-8`,
      cause: error,
    });
  }
}

/** The number of the first line that is too long, or 0. */
function lineTooLong(bytes: Uint8Array): number {
  let line = 1;
  let start = 0;
  while (start < bytes.length) {
    const end = bytes.indexOf(0x0a, start);
    const length = (end < 0 ? bytes.length : end) - start;
    if (length > MAX_LINE_BYTES) return line;
    if (end < 0) return 0;
    start = end + 1;
    line += 1;
  }
  return 0;
}

/** The lines with their line ends; nothing after the last line feed is no line. */
export function splitLines(text: string): readonly string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** A line without its line feed and the carriage returns before it. */
export function withoutLineEnd(line: string): string {
  let end = line.length;
  while (end > 0 && (line[end - 1] === '\n' || line[end - 1] === '\r')) end -= 1;
  return line.slice(0, end);
}
