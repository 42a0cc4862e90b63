/**
 * One pattern of a `.dockerignore`, with the meaning that docker gives it (moby/patternmatcher 0.6): Go's
 * `filepath.Match`, with `**` for any number of folders, a leading `!` for an exception, and a few odd corners that
 * files in use rely on. test/enforce/build/ignore.test.ts compares it with docker's own code.
 *
 * Nothing is decided on an image here: what a pattern keeps out of the context is a matter of content only.
 */
import { posix } from 'node:path';
import { UsageError } from '../../../lib/errors.ts';
import { escapeShort } from '../../../lib/escape.ts';

export interface IgnorePattern {
  /** Cleaned, without `!`. */
  readonly text: string;
  /** `!pattern`: what it matches stays in. */
  readonly exception: boolean;
  matches(path: string): boolean;
}

/** Characters that mean something in a regular expression and nothing in a pattern. */
const PLAIN = new Set('.+()|{}$');
/** Of a regular expression's syntax; to be escaped by a backslash and nothing else with the flag `u`. */
const SYNTAX = new Set('^$\\.*+?()[]{}|/');
/** What Go's regular expressions make of a letter behind a backslash. */
const LETTERS: ReadonlyMap<string, string> = new Map([
  ['d', '[0-9]'],
  ['D', '[^0-9]'],
  ['s', '[\\t\\n\\f\\r ]'],
  ['S', '[^\\t\\n\\f\\r ]'],
  ['w', '[0-9A-Za-z_]'],
  ['W', '[^0-9A-Za-z_]'],
  ['b', '\\b'],
  ['B', '\\B'],
  ['a', '\\x07'],
  ['f', '\\f'],
  ['n', '\\n'],
  ['r', '\\r'],
  ['t', '\\t'],
  ['v', '\\v'],
]);

/**
 * The pattern of one line; undefined for an empty one.
 * @throws UsageError BUILD_CONTEXT_INVALID
 */
export function parseIgnorePattern(line: string): IgnorePattern | undefined {
  const trimmed = trimGo(line);
  if (trimmed === '') return undefined;
  const cleaned = cleanPath(trimmed);
  const exception = cleaned.startsWith('!');
  const text = exception ? cleaned.slice(1) : cleaned;
  if (text === '') throw badPattern(line);
  assertMatchSyntax(text, line);
  return { text, exception, matches: compile(text, line) };
}

/** Go's `strings.TrimSpace`, whose idea of white space is Unicode's. */
export function trimGo(text: string): string {
  return text.replace(/^[\p{White_Space}]+|[\p{White_Space}]+$/gu, '');
}

/** Go's `filepath.Clean`. */
export function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
}

/** The rules by which Go's `filepath.Match` finds a pattern malformed: classes, and an escape at the end. */
function assertMatchSyntax(text: string, line: string): void {
  const symbols = [...text];
  let at = 0;
  const next = (): string => {
    const symbol = symbols[at++];
    if (symbol === undefined) throw badPattern(line);
    return symbol;
  };
  const member = (): void => {
    const symbol = next();
    if (symbol === '-' || symbol === ']') throw badPattern(line);
    if (symbol === '\\') next();
    if (at >= symbols.length) throw badPattern(line);
  };
  while (at < symbols.length) {
    const symbol = next();
    if (symbol === '\\') next();
    if (symbol !== '[') continue;
    if (symbols[at] === '^') at++;
    for (let members = 0; members === 0 || symbols[at] !== ']'; members++) {
      member();
      if (symbols[at] !== '-') continue;
      at++;
      member();
    }
    at++;
  }
}

type Kind = 'exact' | 'prefix' | 'suffix' | 'expression';

function compile(text: string, line: string): (path: string) => boolean {
  const symbols = [...text];
  let kind: Kind = 'exact';
  let source = '';
  for (let at = 0, first = true; at < symbols.length; first = false) {
    const symbol = symbols[at++] ?? '';
    if (symbol === '*' && symbols[at] === '*') {
      at++;
      // `**/` is the same as `**`.
      if (symbols[at] === '/') at++;
      if (at < symbols.length) {
        source += '(.*/)?';
        kind = 'expression';
      } else if (kind === 'exact') {
        kind = 'prefix';
      } else {
        source += '.*';
        kind = 'expression';
      }
      if (first) kind = 'suffix';
    } else if (symbol === '*' || symbol === '?') {
      source += symbol === '*' ? '[^/]*' : '[^/]';
      kind = 'expression';
    } else if (symbol === '\\') {
      const escaped = symbols[at++];
      if (escaped === undefined) throw badPattern(line);
      source += escapeOf(escaped, line);
      kind = 'expression';
    } else if (symbol === '[' || symbol === ']') {
      source += symbol;
      kind = 'expression';
    } else {
      source += PLAIN.has(symbol) ? `\\${symbol}` : symbol;
    }
  }
  if (kind === 'exact') return (path) => path === text;
  if (kind === 'prefix') return (path) => path.startsWith(text.slice(0, -2));
  if (kind === 'suffix') {
    const end = text.slice(2);
    return (path) => path.endsWith(end) || (end.startsWith('/') && path === end.slice(1));
  }
  const expression = toExpression(`^${source}$`, line);
  return (path) => expression.test(path);
}

function escapeOf(symbol: string, line: string): string {
  if (SYNTAX.has(symbol)) return `\\${symbol}`;
  if (!/[0-9A-Za-z]/.test(symbol)) return `\\u{${(symbol.codePointAt(0) ?? 0).toString(16)}}`;
  const meaning = LETTERS.get(symbol);
  if (meaning === undefined) throw badPattern(line);
  return meaning;
}

function toExpression(source: string, line: string): RegExp {
  try {
    return new RegExp(source, 'u');
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw badPattern(line, error);
  }
}

function badPattern(line: string, cause?: unknown): UsageError {
  return new UsageError({
    code: 'BUILD_CONTEXT_INVALID',
    message: `.dockerignore: syntax error in pattern ${escapeShort(line)}`,
    cause,
  });
}
