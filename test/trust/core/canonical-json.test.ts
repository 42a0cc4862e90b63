import { canonicalize } from '@tufjs/canonical-json';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JsonValue, parseStrictJson } from '../../../src/lib/strict-json.ts';
import { canonicalJson, serialiseJson } from '../../../src/trust/core/canonical-json.ts';

const text = (value: JsonValue): string => Buffer.from(canonicalJson(value)).toString('utf8');
const from = (json: string): JsonValue => parseStrictJson(Buffer.from(json), 'test');

/** securesystemslib.formats.encode_canonical, in as few words: Python sorts by code point. */
function securesystemslib(value: unknown): string {
  if (typeof value === 'string') return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  if (Array.isArray(value)) return `[${value.map(securesystemslib).join(',')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const points = (name: string): number[] => [...name].map((character) => character.codePointAt(0) ?? 0);
  const names = Object.keys(value).sort((left, right) => {
    const [a, b] = [points(left), points(right)];
    const at = a.findIndex((point, index) => point !== b[index]);
    return at === -1 ? a.length - b.length : (a[at] ?? 0) - (b[at] ?? -1);
  });
  const members = names.map(
    (name) => `${securesystemslib(name)}:${securesystemslib((value as never)[name])}`,
  );
  return `{${members.join(',')}}`;
}

const json = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'binary' }),
    fc.maxSafeInteger().map((number) => number + 0),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('any')),
    fc.dictionary(fc.string({ unit: 'binary' }), tie('any')),
  ),
})).any;

const allowed = (value: unknown): boolean =>
  !/"(?:__proto__|constructor|prototype)":|-0\b/.test(JSON.stringify(value));

describe('canonical JSON', () => {
  it.each<[string, string, string]>([
    ['sorts members and drops space', '{ "b": 1, "a": [ 2, 3 ] }', '{"a":[2,3],"b":1}'],
    ['keeps control characters raw', '"a\\n\\u0001\\t"', '"a\n\u0001\t"'],
    ['escapes quotes and backslashes alone', '"\\"\\\\\\/<&>"', '"\\"\\\\/<&>"'],
    ['sorts upper case before lower case', '{"a":1,"B":2,"_":3}', '{"B":2,"_":3,"a":1}'],
    ['sorts a name before the longer one', '{"ab":1,"a":2,"":3}', '{"":3,"a":2,"ab":1}'],
    ['keeps null, true and false', '[null,true,false]', '[null,true,false]'],
    ['writes negative numbers', '[-1,-9007199254740991]', '[-1,-9007199254740991]'],
    // U+FF61 is below U+1F600 as a code point, and above its first UTF-16 unit.
    ['sorts by code point, not by UTF-16 unit', '{"😀":1,"｡":2}', '{"｡":2,"😀":1}'],
  ])('%s', (_, input, output) => {
    expect(text(from(input))).toBe(output);
  });

  it('is what securesystemslib makes of any JSON', () => {
    fc.assert(
      fc.property(json.filter(allowed), (value) => {
        expect(text(from(JSON.stringify(value)))).toBe(securesystemslib(value));
      }),
    );
  });

  it('is what tuf-js makes of it, where no surrogate changes the order', () => {
    fc.assert(
      fc.property(json.filter(allowed), (value) => {
        fc.pre(!/[\ud800-\udfff]/.test(JSON.stringify(value)));
        expect(text(from(JSON.stringify(value)))).toBe(canonicalize(value));
      }),
    );
  });

  it('refuses numbers that have no exact form', () => {
    expect(() => canonicalJson(1.5)).toThrow(/safe integers/);
    expect(() => canonicalJson(-0)).toThrow(/safe integers/);
    expect(() => canonicalJson(2 ** 53)).toThrow(/safe integers/);
  });

  it('refuses unpaired surrogates, which UTF-8 cannot hold', () => {
    expect(() => canonicalJson('\ud800')).toThrow(/surrogates/);
    expect(() => serialiseJson(new Map([['\udc00', 1]]))).toThrow(/surrogates/);
  });

  it('has a written form that is always JSON and reads back to the same canonical form', () => {
    fc.assert(
      fc.property(json.filter(allowed), (value) => {
        const parsed = from(JSON.stringify(value));
        const written = serialiseJson(parsed);
        expect(text(parseStrictJson(written, 'test'))).toBe(text(parsed));
        expect(JSON.parse(Buffer.from(written).toString())).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
