import { describe, expect, test } from 'vitest';
import { escapeShort, escapeText } from '../../src/lib/escape.ts';

describe('escapeText leaves alone', () => {
  test.each(['docker.io/library/nginx:1.0', 'ÄÖÜ 日本語 😀', 'a b', '\\u0041', ''])('%j', (text) => {
    expect(escapeText(text)).toBe(text);
  });
});

describe('escapeText shows', () => {
  test.each([
    ['an escape sequence', '\u001b[2K', '\\u001b[2K'],
    ['a line break', 'a\r\nb', 'a\\u000d\\u000ab'],
    ['a C1 control', '\u009b31m', '\\u009b31m'],
    ['a right-to-left override', 'a\u202eb', 'a\\u202eb'],
    ['bidi isolates', '\u2066x\u2069', '\\u2066x\\u2069'],
    ['a zero-width space and joiner', 'a\u200b\u200db', 'a\\u200b\\u200db'],
    ['a byte order mark', '\ufeffx', '\\ufeffx'],
    ['a no-break space', 'a\u00a0b', 'a\\u00a0b'],
    ['a Hangul filler', '\u3164', '\\u3164'],
    ['a Braille blank', '\u2800', '\\u2800'],
    ['a variation selector', 'a\ufe0f', 'a\\ufe0f'],
    ['a line separator', '\u2028', '\\u2028'],
    ['a tag character', '\u{e0041}', '\\udb40\\udc41'],
    ['an unpaired surrogate', '\ud800', '\\ud800'],
    ['a delete', '\u007f', '\\u007f'],
  ])('%s', (_what, text, shown) => {
    expect(escapeText(text)).toBe(shown);
  });
});

test('escapeShort cuts and says so', () => {
  expect(escapeShort('abc', 10)).toBe('abc');
  expect(escapeShort('abcdefghijk', 10)).toBe('abcdefg...');
  expect(escapeShort('a'.repeat(500))).toHaveLength(200);
  expect(escapeShort('\u001b'.repeat(8), 10)).toHaveLength(10);
});
