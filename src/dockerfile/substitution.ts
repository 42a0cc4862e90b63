/**
 * What stands behind a dollar: `$X`, and `${X}` with its modifiers `-` `+` `?` (with a colon: empty counts as unset),
 * `#` `##` `%` `%%` (a pattern is cut off) and `/` `//` (a pattern is replaced). As BuildKit 0.13 reads them; what
 * makes it panic, and what it and later ones read in two ways, is refused.
 */
import { globOf, replaceAll, replaceFirst, trimPrefix, trimSuffix } from './glob.ts';
import { LexError } from './lex-error.ts';
import type { WordLexer } from './word-lexer.ts';

const SPECIAL = new Set(['@', '*', '#', '?', '-', '$', '!', '0']);

/** The value of the variable at the lexer's place, which is the dollar. */
export function readSubstitution(lexer: WordLexer): string {
  lexer.next();
  if (lexer.peek() !== '{') {
    const name = readName(lexer);
    if (name === '') return '$';
    return valueOr(lexer, name, `$${name}`);
  }
  lexer.next();
  const first = lexer.peek();
  if (first === undefined) throw new LexError("syntax error: missing '}'");
  if (first === '{' || first === '}' || first === ':') throw new LexError('syntax error: bad substitution');
  const name = readName(lexer);
  const modifier = lexer.next();
  if (modifier === '}') return valueOr(lexer, name, `\${${name}}`);
  if (modifier === '/') return readReplacement(lexer, name);
  return readModified(lexer, name, modifier);
}

function valueOr(lexer: WordLexer, name: string, asWritten: string): string {
  return lexer.env.get(name) ?? (lexer.skipUnset ? asWritten : '');
}

function readName(lexer: WordLexer): string {
  const first = lexer.peek();
  if (first === undefined) return '';
  if (isDigit(first)) return readWhile(lexer, isDigit);
  if (SPECIAL.has(first)) return lexer.next() ?? '';
  return readWhile(lexer, (char) => char === '_' || isDigit(char) || /^\p{L}$/u.test(char));
}

function isDigit(char: string): boolean {
  return /^\p{Nd}$/u.test(char);
}

function readWhile(lexer: WordLexer, isPart: (char: string) => boolean): string {
  let text = '';
  for (let char = lexer.peek(); char !== undefined && isPart(char); char = lexer.peek()) {
    text += char;
    lexer.next();
  }
  return text;
}

/** `${NAME` was read, and then this character. */
function readModified(lexer: WordLexer, name: string, first: string | undefined): string {
  const emptyIsUnset = first === ':';
  const modifier = emptyIsUnset ? lexer.next() : first;
  const sign = `${emptyIsUnset ? ':' : ''}${modifier ?? ''}`;
  const isPattern = modifier === '#' || modifier === '%';
  if (!emptyIsUnset && !(modifier !== undefined && '+-?#%'.includes(modifier))) {
    throw new LexError(`unsupported modifier (${sign}) in substitution`);
  }
  const word = lexer.readUntil('}', isPattern).text;
  const set = lexer.env.get(name);
  if (set === undefined && lexer.skipUnset) return `\${${name}${sign}${word}}`;
  const value = emptyIsUnset && set === '' ? undefined : set;
  if (modifier === '-') return value ?? word;
  if (modifier === '+') return value === undefined ? '' : word;
  if (modifier === '?') return value ?? refuseUnset(name, word, set === undefined ? 'unset' : 'empty');
  // Departs from BuildKit: 0.13 takes `:#` for `#`, later ones refuse it.
  if (!isPattern || emptyIsUnset) throw new LexError(`unsupported modifier (${sign}) in substitution`);
  return cutOff(modifier, word, set ?? '');
}

function refuseUnset(name: string, message: string, state: 'unset' | 'empty'): never {
  throw new LexError(`${name}: ${message === '' ? `is not allowed to be ${state}` : message}`);
}

/** `#` and `%` cut the shortest match off, doubled the longest. */
function cutOff(modifier: '#' | '%', word: string, value: string): string {
  // BuildKit 0.13 panics on an empty pattern.
  if (word === '') throw new LexError('an empty pattern in a substitution');
  const isLongest = word.startsWith(modifier);
  const glob = globOf(isLongest ? word.slice(1) : word);
  return modifier === '#' ? trimPrefix(value, glob, isLongest) : trimSuffix(value, glob, isLongest);
}

/** `${NAME/` was read. */
function readReplacement(lexer: WordLexer, name: string): string {
  const isAll = lexer.peek() === '/';
  if (isAll) lexer.next();
  const pattern = lexer.readUntil('/', true).text;
  const replacement = lexer.readUntil('}', true).text;
  const value = lexer.env.get(name);
  if (value === undefined && lexer.skipUnset) return `\${${name}/${pattern}/${replacement}}`;
  if (pattern === '') throw new LexError('an empty pattern in a substitution');
  if (!isAll) return replaceFirst(value ?? '', globOf(pattern), replacement);
  // BuildKit hands this on to Go's regular expressions, to which a dollar means a group.
  if (replacement.includes('$')) throw new LexError('a dollar in a replacement');
  return replaceAll(value ?? '', globOf(pattern), replacement);
}
