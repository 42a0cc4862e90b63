/**
 * A JSON parser for text that others wrote and that signatures, digests or decisions depend on.
 *
 * It guarantees that two readers cannot understand one text differently: UTF-8 without errors and without a byte
 * order mark, no member twice in one object, no unpaired surrogates, nothing after the value, and (unless asked
 * otherwise) whole numbers that a double holds exactly. Objects become Maps, so no name chosen by an attacker
 * meets a prototype. Nesting is bounded, time is linear in the length of the text.
 *
 * It does not guarantee anything about the meaning: shapes are checked by whoever asked.
 */

export type JsonObject = ReadonlyMap<string, JsonValue>;
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

export interface StrictJsonLimits {
  /** Arrays and objects inside one another; default 64. */
  readonly maxDepth?: number;
  /** 'safe-integers' (default) refuses fractions, exponents, -0 and what a double cannot hold exactly. */
  readonly numbers?: 'safe-integers' | 'finite';
  /** Member names `__proto__`, `constructor` and `prototype`: 'refuse' by default. */
  readonly prototypeNames?: 'refuse' | 'keep';
}

/** The text is not JSON as `parseStrictJson` understands it. The message holds no part of the text. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
  /** Where, counted in UTF-16 units of the decoded text. */
  readonly offset: number;

  constructor(what: string, problem: string, offset: number) {
    super(`${what}: ${problem} at offset ${offset}`);
    this.offset = offset;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

const PROTOTYPE_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Parses one JSON text completely.
 *
 * @param what names the text in messages; it is printed as it is.
 * @throws JsonError when the bytes are anything but one strict JSON value.
 */
export function parseStrictJson(bytes: Uint8Array, what: string, limits: StrictJsonLimits = {}): JsonValue {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    // TextDecoder throws a TypeError on malformed UTF-8, and nothing else can go wrong with bytes.
    if (error instanceof TypeError) throw new JsonError(what, 'not UTF-8', 0);
    throw error;
  }
  return new Parser(text, what, limits).parse();
}

/** Whether a value is a JSON object. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof Map;
}

/** Whether a value is a JSON array. */
export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

class Parser {
  readonly #text: string;
  readonly #what: string;
  readonly #maxDepth: number;
  readonly #anyNumber: boolean;
  readonly #keepPrototypeNames: boolean;
  #at = 0;

  constructor(text: string, what: string, limits: StrictJsonLimits) {
    this.#text = text;
    this.#what = what;
    this.#maxDepth = limits.maxDepth ?? 64;
    this.#anyNumber = limits.numbers === 'finite';
    this.#keepPrototypeNames = limits.prototypeNames === 'keep';
  }

  parse(): JsonValue {
    if (this.#text.charCodeAt(0) === 0xfeff) this.#fail('byte order mark');
    this.#skipSpace();
    const value = this.#value(0);
    this.#skipSpace();
    if (this.#at !== this.#text.length) this.#fail('something after the value');
    return value;
  }

  #fail(problem: string): never {
    throw new JsonError(this.#what, problem, this.#at);
  }

  #skipSpace(): void {
    for (;;) {
      const unit = this.#text.charCodeAt(this.#at);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return;
      this.#at += 1;
    }
  }

  #value(depth: number): JsonValue {
    const unit = this.#text.charCodeAt(this.#at);
    switch (unit) {
      case QUOTE:
        return this.#string();
      case 0x7b: // {
        return this.#object(depth + 1);
      case 0x5b: // [
        return this.#array(depth + 1);
      case 0x74: // t
        return this.#word('true', true);
      case 0x66: // f
        return this.#word('false', false);
      case 0x6e: // n
        return this.#word('null', null);
      default:
        if (unit === MINUS || (unit >= ZERO && unit <= NINE)) return this.#number();
        return this.#fail(Number.isNaN(unit) ? 'unexpected end' : 'unexpected character');
    }
  }

  #word<T extends JsonValue>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail('unexpected character');
    this.#at += word.length;
    return value;
  }

  #object(depth: number): JsonObject {
    if (depth > this.#maxDepth) this.#fail('too deep');
    const members = new Map<string, JsonValue>();
    this.#at += 1;
    this.#skipSpace();
    if (this.#text.charCodeAt(this.#at) === 0x7d) {
      this.#at += 1;
      return members;
    }
    for (;;) {
      if (this.#text.charCodeAt(this.#at) !== QUOTE) this.#fail('member name expected');
      const name = this.#string();
      if (!this.#keepPrototypeNames && PROTOTYPE_NAMES.has(name)) this.#fail('forbidden member name');
      this.#skipSpace();
      if (this.#text.charCodeAt(this.#at) !== COLON) this.#fail('colon expected');
      this.#at += 1;
      this.#skipSpace();
      const before = members.size;
      members.set(name, this.#value(depth));
      if (members.size === before) this.#fail('member twice in one object');
      this.#skipSpace();
      if (this.#endOrComma(0x7d)) return members;
    }
  }

  #array(depth: number): readonly JsonValue[] {
    if (depth > this.#maxDepth) this.#fail('too deep');
    const items: JsonValue[] = [];
    this.#at += 1;
    this.#skipSpace();
    if (this.#text.charCodeAt(this.#at) === 0x5d) {
      this.#at += 1;
      return Object.freeze(items);
    }
    for (;;) {
      items.push(this.#value(depth));
      this.#skipSpace();
      if (this.#endOrComma(0x5d)) return Object.freeze(items);
    }
  }

  /** After a member or item: true at the closing bracket, false behind a comma and the space after it. */
  #endOrComma(close: number): boolean {
    const unit = this.#text.charCodeAt(this.#at);
    if (unit !== close && unit !== COMMA) this.#fail('comma or closing bracket expected');
    this.#at += 1;
    if (unit === close) return true;
    this.#skipSpace();
    return false;
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at + 1;
    for (let at = start; ; at += 1) {
      const unit = text.charCodeAt(at);
      if (unit === QUOTE) {
        this.#at = at + 1;
        return text.slice(start, at);
      }
      if (unit === BACKSLASH) return this.#escapedString(start, at);
      if (!(unit >= 0x20)) {
        this.#at = at;
        this.#fail(Number.isNaN(unit) ? 'unexpected end' : 'control character in a string');
      }
    }
  }

  /** The slow way, from the first backslash on. Decoded UTF-8 has no unpaired surrogates, escapes may. */
  #escapedString(start: number, firstEscape: number): string {
    const text = this.#text;
    let value = text.slice(start, firstEscape);
    let plainFrom = firstEscape;
    for (let at = firstEscape; ; ) {
      const unit = text.charCodeAt(at);
      if (unit === QUOTE) {
        this.#at = at + 1;
        value += text.slice(plainFrom, at);
        if (!value.isWellFormed()) this.#fail('unpaired surrogate');
        return value;
      }
      this.#at = at;
      if (!(unit >= 0x20))
        this.#fail(Number.isNaN(unit) ? 'unexpected end' : 'control character in a string');
      if (unit !== BACKSLASH) {
        at += 1;
        continue;
      }
      value += text.slice(plainFrom, at) + this.#escape();
      at = this.#at;
      plainFrom = at;
    }
  }

  /** One escape sequence at the current position; leaves the position behind it. */
  #escape(): string {
    const letter = this.#text.charAt(this.#at + 1);
    if (letter === 'u') {
      const hex = this.#text.slice(this.#at + 2, this.#at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(hex)) this.#fail('malformed escape');
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const index = '"\\/bfnrt'.indexOf(letter);
    if (letter === '' || index === -1) this.#fail('malformed escape');
    this.#at += 2;
    return '"\\/\b\f\n\r\t'.charAt(index);
  }

  #number(): number {
    const text = this.#text;
    const start = this.#at;
    let at = text.charCodeAt(start) === MINUS ? start + 1 : start;
    const firstDigit = text.charCodeAt(at);
    if (!(firstDigit >= ZERO && firstDigit <= NINE)) this.#fail('malformed number');
    at += 1;
    if (firstDigit !== ZERO) at = skipDigits(text, at);
    const next = text.charCodeAt(at);
    if (next >= ZERO && next <= NINE) this.#fail('malformed number');
    if (next === 0x2e || next === 0x65 || next === 0x45) return this.#fraction(start, at);
    this.#at = at;
    const value = Number(text.slice(start, at));
    const exact = Number.isSafeInteger(value) && !Object.is(value, -0);
    if (!exact && !(this.#anyNumber && Number.isFinite(value))) this.#fail('number is no safe integer');
    return value;
  }

  /** A number with a fraction or an exponent, whose integer part ends at `at`. */
  #fraction(start: number, at: number): number {
    if (!this.#anyNumber) this.#fail('number is no safe integer');
    const rest = /(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
    rest.lastIndex = at;
    const length = rest.exec(this.#text)?.[0].length ?? 0;
    if (length === 0) this.#fail('malformed number');
    this.#at = at + length;
    const value = Number(this.#text.slice(start, this.#at));
    if (!Number.isFinite(value)) this.#fail('number out of range');
    return value;
  }
}

function skipDigits(text: string, from: number): number {
  let at = from;
  for (;;) {
    const unit = text.charCodeAt(at);
    if (!(unit >= ZERO && unit <= NINE)) return at;
    at += 1;
  }
}
