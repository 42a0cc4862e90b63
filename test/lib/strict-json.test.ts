import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  JsonError,
  type JsonValue,
  parseStrictJson,
  type StrictJsonLimits,
} from '../../src/lib/strict-json.ts';

const parse = (text: string | Uint8Array, limits?: StrictJsonLimits): JsonValue =>
  parseStrictJson(typeof text === 'string' ? Buffer.from(text) : text, 'text', limits);

/** The value as JSON.parse would have it. */
function plain(value: JsonValue): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, item]) => [name, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

describe('parseStrictJson', () => {
  it.each<[string, string, unknown]>([
    ['a literal', 'true', true],
    ['null', ' null\n', null],
    ['zero', '0', 0],
    ['the largest safe integer', '9007199254740991', 9007199254740991],
    ['the smallest safe integer', '-9007199254740991', -9007199254740991],
    ['an empty object', '{}', {}],
    ['an empty array with space', '[ \t\r\n ]', []],
    ['nested values', '{"a":[1,{"b":"c"}],"d":false}', { a: [1, { b: 'c' }], d: false }],
    ['an empty string and an empty name', '{"":""}', { '': '' }],
    ['every escape', '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"', '"\\/\b\f\n\r\té'],
    ['an escaped surrogate pair', '"\\ud83d\\ude00"', '😀'],
    ['raw characters beyond ASCII', '"é😀\u2028"', 'é😀\u2028'],
    ['DEL, which JSON allows', '"\u007f"', '\u007f'],
    ['names that differ in case', '{"a":1,"A":2}', { a: 1, A: 2 }],
  ])('accepts %s', (_, text, value) => {
    expect(plain(parse(text))).toEqual(value);
  });

  it.each<[string, string | Uint8Array]>([
    ['nothing', ''],
    ['only space', ' \n'],
    ['a byte order mark', '\ufeff{}'],
    ['two values', '{}{}'],
    ['a NUL behind the value', '{}\0'],
    ['a comma at the end of an object', '{"a":1,}'],
    ['a comma at the end of an array', '[1,]'],
    ['a comma alone', '[,]'],
    ['a missing colon', '{"a" 1}'],
    ['a name without quotes', '{a:1}'],
    ['single quotes', "{'a':1}"],
    ['a comment', '{/**/}'],
    ['an unclosed object', '{"a":1'],
    ['an unclosed array', '[1'],
    ['an unclosed string', '"a'],
    ['an unclosed escape', '"a\\'],
    ['an unknown escape', '"\\x41"'],
    ['a short unicode escape', '"\\u12"'],
    ['a unicode escape with a sign', '"\\u+123"'],
    ['an unpaired high surrogate', '"\\ud800"'],
    ['an unpaired low surrogate', '"\\ude00a"'],
    ['a raw line break in a string', '"a\nb"'],
    ['a raw tab in a string', '"a\tb"'],
    ['a raw control character after an escape', '"\\n\u0001"'],
    ['a word cut short', 'tru'],
    ['NaN', 'NaN'],
    ['Infinity', '-Infinity'],
    ['a leading zero', '01'],
    ['a negative leading zero', '-01'],
    ['a plus sign', '+1'],
    ['a minus alone', '-'],
    ['hexadecimal', '0x10'],
    ['minus zero', '-0'],
    ['a fraction', '1.0'],
    ['an exponent', '1e3'],
    ['a point alone', '1.'],
    ['an integer beyond what a double holds', '9007199254740992'],
    ['a very long integer', '1'.repeat(400)],
    ['a member twice', '{"a":1,"a":1}'],
    ['a member twice, once escaped', '{"a":1,"\\u0061":2}'],
    ['a member twice, deep', '[{"x":{"a":1,"b":2,"a":3}}]'],
    ['__proto__', '{"__proto__":{}}'],
    ['__proto__ escaped', '{"\\u005f_proto__":1}'],
    ['constructor', '{"constructor":1}'],
    ['prototype', '{"a":{"prototype":1}}'],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22])],
    ['an overlong encoding', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
    ['a surrogate encoded in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ['UTF-16', Buffer.from('{}', 'utf16le')],
  ])('refuses %s', (_, text) => {
    expect(() => parse(text)).toThrow(JsonError);
  });

  it('refuses nesting beyond the limit, and a million brackets without exhausting the stack', () => {
    expect(plain(parse('['.repeat(64) + ']'.repeat(64)))).toBeInstanceOf(Array);
    expect(() => parse('['.repeat(65) + ']'.repeat(65))).toThrow(/too deep/);
    expect(() => parse('['.repeat(1_000_000))).toThrow(/too deep/);
    expect(() => parse('{"a":'.repeat(100_000))).toThrow(/too deep/);
    expect(() => parse('[[]]', { maxDepth: 1 })).toThrow(JsonError);
  });

  it('takes fractions and large numbers when asked, and still no infinity', () => {
    const finite = { numbers: 'finite' } as const;
    expect(parse('1.5e3', finite)).toBe(1500);
    expect(parse('-0', finite)).toBe(-0);
    expect(parse('9007199254740993', finite)).toBe(9007199254740992);
    expect(() => parse('1e999', finite)).toThrow(JsonError);
    expect(() => parse('1.', finite)).toThrow(JsonError);
    expect(() => parse('1e', finite)).toThrow(JsonError);
  });

  it('keeps prototype names as plain members when asked', () => {
    const value = parse('{"__proto__":{"a":1},"constructor":2}', { prototypeNames: 'keep' });
    expect(value).toEqual(
      new Map<string, JsonValue>([
        ['__proto__', new Map([['a', 1]])],
        ['constructor', 2],
      ]),
    );
    expect(({} as Record<string, unknown>).a).toBeUndefined();
  });

  it('names the text and the place, and quotes nothing from it', () => {
    expect(() => parse('{"secret":hunter2}')).toThrow('text: unexpected character at offset 10');
  });

  it('reads what JSON.stringify writes as JSON.parse does', () => {
    const leaf = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.constant(null),
    );
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: 'small' },
        leaf,
        fc.array(tie('any')),
        fc.dictionary(fc.string({ unit: 'binary' }), tie('any')),
      ),
    })).any;
    fc.assert(
      fc.property(value, fc.constantFrom(0, 2), (json, indent) => {
        const text = JSON.stringify(json, null, indent);
        fc.pre(!/"-0"|:-0|"(?:__proto__|constructor|prototype)":/.test(text));
        expect(plain(parse(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('accepts nothing that JSON.parse refuses', () => {
    const token = fc.constantFrom(
      ...'{}[]:,"\\ue0123-.+ntrfalse \n'.split(''),
      '"a"',
      'true',
      'null',
      '\\u00',
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
        const text = tokens.join('');
        let value: JsonValue;
        try {
          value = parse(text);
        } catch (error) {
          if (error instanceof JsonError) return;
          throw error;
        }
        expect(plain(value)).toEqual(JSON.parse(text));
      }),
      { numRuns: 2_000 },
    );
  });
});
