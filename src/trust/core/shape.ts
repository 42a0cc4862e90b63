/**
 * The shapes metadata is made of, checked once while it is parsed.
 *
 * Every refusal is METADATA_SHAPE and names the member, never its content: the text may be anybody's.
 */

import { TrustError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from '../../lib/strict-json.ts';

/** The checks for one metadata file; `role` names it in errors. */
export class Shape {
  readonly role: string;

  constructor(role: string) {
    this.role = role;
  }

  /** @throws TrustError METADATA_SHAPE always. */
  fail(what: string, expected: string): never {
    throw new TrustError({
      code: 'METADATA_SHAPE',
      message: `${escapeShort(this.role)} metadata has the wrong shape: ${what} is not ${expected}`,
      role: this.role,
      spec: '4',
      expected,
    });
  }

  object(value: JsonValue | undefined, what: string): JsonObject {
    return isJsonObject(value) ? value : this.fail(what, 'an object');
  }

  optionalObject(value: JsonValue | undefined, what: string): JsonObject | undefined {
    return value === undefined ? undefined : this.object(value, what);
  }

  array(value: JsonValue | undefined, what: string): readonly JsonValue[] {
    return isJsonArray(value) ? value : this.fail(what, 'an array');
  }

  string(value: JsonValue | undefined, what: string): string {
    return typeof value === 'string' ? value : this.fail(what, 'a string');
  }

  boolean(value: JsonValue | undefined, what: string): boolean {
    return typeof value === 'boolean' ? value : this.fail(what, 'true or false');
  }

  /** A whole number from `least` on that a double holds exactly. */
  integer(value: JsonValue | undefined, what: string, least: number): number {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
    return this.fail(what, `a whole number from ${least} on`);
  }

  /** A hash as lower-case hex of exactly this many digits: other spellings would compare unequal elsewhere. */
  hex(value: JsonValue | undefined, what: string, digits: number): string {
    const text = this.string(value, what);
    return text.length === digits && /^[0-9a-f]+$/.test(text)
      ? text
      : this.fail(what, `${digits} lower-case hex digits`);
  }

  /** Strings, none of them twice. */
  distinctStrings(value: JsonValue | undefined, what: string): readonly string[] {
    const items = this.array(value, what).map((item) => this.string(item, `an item of ${what}`));
    if (new Set(items).size !== items.length) this.fail(what, 'free of repetitions');
    return Object.freeze(items);
  }

  /**
   * TUF 1.0.34, section 4.2.1: `YYYY-MM-DDTHH:MM:SSZ` and nothing else, so that two clients never read two
   * moments out of one text; a day the calendar does not have (Date would roll it over) is refused.
   */
  instant(value: JsonValue | undefined, what: string): number {
    const text = this.string(value, what);
    const expected = 'a moment as YYYY-MM-DDTHH:MM:SSZ';
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text)) this.fail(what, expected);
    const ms = Date.parse(text);
    if (Number.isNaN(ms) || formatInstant(ms) !== text) this.fail(what, expected);
    return ms;
  }
}

/** A moment as metadata writes it, whole seconds, rounded down. */
export function formatInstant(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
