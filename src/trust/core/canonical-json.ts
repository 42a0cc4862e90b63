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
  return new Writer(quoteCanonical).bytes(value);
}

/** The same order and spacing as canonical JSON, but always JSON: for the bytes of a file. */
export function serialiseJson(value: JsonValue): Uint8Array {
  return new Writer(quoteJson).bytes(value);
}

/** Appends to one text and turns it into bytes now and then, so that no rope of millions of pieces is built. */
class Writer {
  readonly #quote: (text: string) => string;
  readonly #chunks: Buffer[] = [];
  #text = '';

  constructor(quote: (text: string) => string) {
    this.#quote = quote;
  }

  bytes(value: JsonValue): Uint8Array {
    this.#write(value);
    this.#chunks.push(Buffer.from(this.#text, 'utf8'));
    return this.#chunks.length === 1 ? (this.#chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#chunks);
  }

  #write(value: JsonValue): void {
    if (typeof value === 'string') this.#text += this.#quote(value);
    else if (typeof value === 'number') this.#text += quoteNumber(value);
    else if (isJsonObject(value)) this.#writeObject(value);
    else if (isJsonArray(value)) this.#writeArray(value);
    else this.#text += String(value);
  }

  #writeArray(items: readonly JsonValue[]): void {
    let before = '[';
    for (const item of items) {
      this.#text += before;
      before = ',';
      this.#write(item);
    }
    this.#text += items.length === 0 ? '[]' : ']';
  }

  #writeObject(members: JsonObject): void {
    let before = '{';
    for (const [name, member] of inOrder(members)) {
      this.#text += before + this.#quote(name);
      before = ',';
      this.#text += ':';
      this.#write(member);
    }
    this.#text += members.size === 0 ? '{}' : '}';
    if (this.#text.length < 65_536) return;
    this.#chunks.push(Buffer.from(this.#text, 'utf8'));
    this.#text = '';
  }
}

/** The members by code point; as they are when they stand in order already, as they do in what dtrust wrote. */
function inOrder(members: JsonObject): Iterable<readonly [string, JsonValue]> {
  let last = '';
  for (const name of members.keys()) {
    if (name < last || SURROGATE.test(name)) return sorted(members);
    last = name;
  }
  return members;
}

function sorted(members: JsonObject): readonly (readonly [string, JsonValue])[] {
  const entries = [...members];
  const surrogates = entries.some(([name]) => SURROGATE.test(name));
  return entries.sort(surrogates ? byCodePoint : byUnit);
}

const SURROGATE = /[\ud800-\udfff]/;

type Entry = readonly [string, JsonValue];

/** JavaScript's own order; no two names are equal. */
function byUnit([left]: Entry, [right]: Entry): number {
  return left < right ? -1 : 1;
}

/**
 * Python sorts str by code point, JavaScript by UTF-16 unit; they differ only where surrogates meet U+E000 and
 * above, so this slow comparison is used only when a surrogate is there. UTF-8 keeps the order of code points.
 */
function byCodePoint([left]: Entry, [right]: Entry): number {
  return Buffer.compare(Buffer.from(left, 'utf8'), Buffer.from(right, 'utf8'));
}

function quoteNumber(value: number): string {
  // securesystemslib refuses floats; what parseStrictJson lets through by default is always a safe integer.
  assert(Number.isSafeInteger(value) && !Object.is(value, -0), 'canonical JSON holds safe integers only');
  return String(value);
}

function quoteCanonical(text: string): string {
  assert(text.isWellFormed(), 'canonical JSON holds no unpaired surrogates');
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`;
}

function quoteJson(text: string): string {
  assert(text.isWellFormed(), 'metadata holds no unpaired surrogates');
  return JSON.stringify(text);
}
