/**
 * Canonical JSON, the form TUF metadata is signed in: OLPC's, exactly as securesystemslib (python-tuf) and
 * @tufjs/canonical-json write it.
 *
 * No white space; members sorted by Unicode code point; only `"` and `\` are escaped, so control characters stand
 * raw and the result is not always JSON; whole numbers only. It is a signing form: files are written by
 * `serialiseJson`, which escapes what JSON wants escaped and reads back to the same value.
 */
import assert from 'node:assert';
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from '../../lib/strict-json.ts';

/** The bytes a signature is made over. Linear in the size of a value whose members are sorted already. */
export function canonicalJson(value: JsonValue): Uint8Array {
  return Buffer.from(write(value, quoteCanonical), 'utf8');
}

/** The same order and spacing as canonical JSON, but always JSON: for the bytes of a file. */
export function serialiseJson(value: JsonValue): Uint8Array {
  return Buffer.from(write(value, quoteJson), 'utf8');
}

type Quote = (text: string) => string;

function write(value: JsonValue, quote: Quote): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number') {
    // securesystemslib refuses floats; what parseStrictJson lets through by default is always a safe integer.
    assert(Number.isSafeInteger(value) && !Object.is(value, -0), 'canonical JSON holds safe integers only');
    return String(value);
  }
  if (isJsonObject(value)) return writeObject(value, quote);
  if (isJsonArray(value)) return writeArray(value, quote);
  return String(value);
}

function writeArray(items: readonly JsonValue[], quote: Quote): string {
  let text = '[';
  for (const item of items) text += (text.length > 1 ? ',' : '') + write(item, quote);
  return `${text}]`;
}

function writeObject(members: JsonObject, quote: Quote): string {
  const names = sortByCodePoint([...members.keys()]);
  let text = '{';
  let separator = '';
  for (const name of names) {
    const member = members.get(name);
    assert(member !== undefined);
    text += `${separator}${quote(name)}:${write(member, quote)}`;
    separator = ',';
  }
  return `${text}}`;
}

function quoteCanonical(text: string): string {
  assert(text.isWellFormed(), 'canonical JSON holds no unpaired surrogates');
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`;
}

function quoteJson(text: string): string {
  assert(text.isWellFormed(), 'metadata holds no unpaired surrogates');
  return JSON.stringify(text);
}

/**
 * Python sorts str by code point, JavaScript by UTF-16 unit; they differ only where surrogates meet U+E000 and
 * above, so the slow comparison is used only when a surrogate is there.
 */
function sortByCodePoint(names: string[]): string[] {
  return names.some((name) => /[\ud800-\udfff]/.test(name)) ? names.sort(compareCodePoints) : names.sort();
}

function compareCodePoints(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left, 'utf8'), Buffer.from(right, 'utf8'));
}
