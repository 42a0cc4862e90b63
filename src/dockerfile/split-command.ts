/** A line's first word, the flags behind it, and the rest. */
import { BLANKS, isAsciiSpace, trimSpace } from './space.ts';

export interface Command {
  readonly keyword: string;
  /** As written after quotes and escapes are taken off: `--from=build`. */
  readonly flags: readonly string[];
  readonly rest: string;
}

/**
 * Splits a logical line. Flags end at the first word that does not begin with two dashes, or behind a lone `--`.
 * `flagEscape` is what takes the next character as it is: a backslash in BuildKit up to some version, the escape
 * directive's token since.
 */
export function splitCommand(line: string, flagEscape: string): Command {
  const trimmed = trimSpace(line);
  const blanks = BLANKS.exec(trimmed);
  if (blanks === null) return { keyword: trimmed, flags: [], rest: '' };
  const behind = trimmed.slice(blanks.index + blanks[0].length);
  const { flags, at } = readFlags(behind, flagEscape);
  return { keyword: trimmed.slice(0, blanks.index), flags, rest: trimSpace(behind.slice(at)) };
}

/** The flags at the front of a text, and where what follows them begins. */
function readFlags(
  text: string,
  escapeToken: string,
): { readonly flags: readonly string[]; readonly at: number } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isAsciiSpace(text.charAt(at))) at += 1;
    if (!text.startsWith('--', at)) return { flags, at };
    const word = readWord(text, at, escapeToken);
    at = word.end;
    if (word.text === '--') return { flags, at };
    flags.push(word.text);
  }
}

function readWord(
  text: string,
  start: number,
  escapeToken: string,
): { readonly text: string; readonly end: number } {
  let word = '';
  let quote = '';
  let at = start;
  for (; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (quote === '' && isAsciiSpace(char)) break;
    if (quote === '' ? char === "'" || char === '"' : char === quote) {
      quote = quote === '' ? char : '';
    } else if (char === escapeToken) {
      // At the very end it is nothing.
      at += 1;
      word += text.charAt(at);
    } else {
      word += char;
    }
  }
  return { text: word, end: Math.min(at, text.length) };
}
