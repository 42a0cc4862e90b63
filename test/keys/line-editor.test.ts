import { describe, expect, test } from 'vitest';
import { LineEditor } from '../../src/keys/line-editor.ts';

/** Feeds the text byte by byte and gives how the line ended. */
function typed(text: string): { kind: string; line?: string; echo: string } {
  const editor = new LineEditor();
  let echo = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const fed = editor.feed(Uint8Array.of(byte));
    echo += Buffer.from(fed.echo).toString('latin1');
    if (fed.end?.kind === 'line') {
      return { kind: 'line', line: Buffer.from(fed.end.bytes).toString('utf8'), echo };
    }
    if (fed.end !== undefined) return { kind: fed.end.kind, echo };
  }
  return { kind: 'open', echo };
}

describe('a typed line', () => {
  test.each([
    ['plain text', 'secret\r', 'secret'],
    ['a line feed at the end', 'secret\n', 'secret'],
    ['nothing', '\r', ''],
    ['spaces at both ends', '  a b \r', '  a b '],
    ['other scripts', 'pässwörd🔑\r', 'pässwörd🔑'],
    ['backspace', 'ab\x7fc\r', 'ac'],
    ['backspace over a character of several bytes', 'aß🔑\x7f\x7fb\r', 'ab'],
    ['backspace on nothing', '\x7f\x08a\r', 'a'],
    ['Ctrl-U', 'wrong\x15right\r', 'right'],
    ['arrow keys', 'a\x1b[Db\x1bOCc\x1b[1;5Dd\r', 'abcd'],
    ['a pasted colour', '\x1b[31mred\x1b[0m\r', 'red'],
    ['Alt and a letter', 'a\x1bbc\r', 'ac'],
    ['other control characters', 'a\x01\x02\x1ab\r', 'ab'],
    ['a tab', 'a\tb\r', 'a\tb'],
    ['Ctrl-D in the middle', 'ab\x04c\r', 'abc'],
  ])('%s', (_, text, line) => {
    expect(typed(text)).toMatchObject({ kind: 'line', line });
  });

  test.each([
    ['Ctrl-C', 'abc\x03', 'interrupt'],
    ['Ctrl-\\', 'abc\x1c', 'interrupt'],
    ['Ctrl-C in an escape sequence', 'abc\x1b[\x03', 'interrupt'],
    ['Ctrl-D on an empty line', '\x04', 'end'],
    ['Ctrl-D after everything was removed', 'a\x7f\x04', 'end'],
    ['more than anybody types', 'a'.repeat(20_000), 'end'],
  ])('%s ends it', (_, text, kind) => {
    expect(typed(text).kind).toBe(kind);
  });

  test('echo shows what stands, and rubs out what was removed', () => {
    expect(typed('ab\x7fc\r').echo).toBe('ab\b \bc');
  });

  test('what follows the line is handed back', () => {
    const fed = new LineEditor().feed(Buffer.from('one\rtwo\r'));
    expect(fed.end?.kind).toBe('line');
    expect(Buffer.from(fed.rest).toString()).toBe('two\r');
  });
});
