/**
 * The outside of dtrust's own state files: a format number, a checksum, and a JSON body.
 *
 *     {"format":1,"sha256":"<hex of body>","body":{...}}
 *
 * The checksum tells damage (a cut file, a flipped bit that would lower a floor) from a state that was written.
 * It is no protection against somebody who can write here: whoever can change these files can as well change
 * the pins, the keys or dtrust itself, and is not what this guards against (docs/files.md).
 */
import { createHash } from 'node:crypto';
import { LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { newerFormat, type OwnFormat, upgraded } from '../lib/own-format.ts';
import { isJsonObject, JsonError, type JsonObject, parseStrictJson } from '../lib/strict-json.ts';

/** Format of every such file that this version writes. A change of any of them raises it and adds a step. */
export const MEMORY_FORMAT: OwnFormat<JsonObject> = { format: 1, steps: new Map() };

const HEAD = /^\{"format":(\d{1,9}),"sha256":"([0-9a-f]{64})","body":/;
const ANY_FORMAT = /^\{"format":(\d{1,9})[,}]/;

/** What a person can do about a damaged memory without giving up what it protects against. */
export function damagedHints(path: string): readonly string[] {
  return [
    `restore ${escapeText(path)} from a backup; or remove it and start again from a pin: ` +
      'get the line from the owner with dtrust trust pin export REPO',
  ];
}

/** MEMORY_DAMAGED for the file or folder at `path`. `what` completes "the memory at ... ". */
export function memoryDamaged(path: string, what: string, cause?: unknown): LocalStateError {
  return new LocalStateError({
    code: 'MEMORY_DAMAGED',
    message: `the memory at ${escapeText(path)} ${what}`,
    hints: damagedHints(path),
    cause,
  });
}

/** The bytes of a state file with this body, which must be the text of one JSON object. */
export function frameBody(body: string, { format } = MEMORY_FORMAT): Uint8Array {
  return Buffer.from(`{"format":${format},"sha256":"${sha256(body)}","body":${body}}\n`, 'utf8');
}

/**
 * The body of a state file, in the present format.
 *
 * @throws LocalStateError MEMORY_NEWER for a format this version does not know, MEMORY_DAMAGED for anything else
 * that is not exactly what `frameBody` wrote.
 */
export function unframeBody(bytes: Uint8Array, path: string, known = MEMORY_FORMAT): JsonObject {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const format = Number(ANY_FORMAT.exec(text)?.[1] ?? '0');
  // Before anything else of it is looked at: a newer one may have another form altogether.
  if (format > known.format) {
    throw newerFormat(path, known.format, format);
  }
  const head = HEAD.exec(text);
  if (head === null || !text.endsWith('}\n')) {
    throw memoryDamaged(path, 'is damaged: not a state file');
  }
  const body = text.slice(head[0].length, -2);
  if (sha256(body) !== head[2]) {
    throw memoryDamaged(path, 'is damaged: its checksum differs');
  }
  try {
    // Names of roles are members in the journal, and others choose them; members end up in Maps, so any name will do.
    const value = parseStrictJson(Buffer.from(body, 'utf8'), 'memory', { prototypeNames: 'keep' });
    const upgradedBody = isJsonObject(value) ? upgraded(value, format, known, path) : undefined;
    if (upgradedBody !== undefined) {
      return upgradedBody;
    }
  } catch (error) {
    if (!(error instanceof JsonError)) {
      throw error;
    }
    throw memoryDamaged(path, 'is damaged: not JSON', error);
  }
  throw memoryDamaged(path, `is damaged: no object of a format up to ${known.format}`);
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}
