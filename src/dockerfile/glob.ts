/**
 * The patterns of `${X#...}`, `${X%...}` and `${X/.../...}`: `*` is any run of characters, `?` is one, no line feeds
 * in either. Matched by walking all places at once: the time is the product of the lengths, whatever the pattern.
 */
import { LexError } from './lex-error.ts';

type Part =
  | { readonly kind: 'any' }
  | { readonly kind: 'run' }
  | { readonly kind: 'literal'; readonly char: string };

export type Glob = readonly Part[];

// Place by place and part by part: what is longer than this in a Dockerfile is not meant to be read.
const MAX_PATTERN = 256;
const MAX_VALUE = 1024;
const MAX_SEARCH = 2 ** 17;

/**
 * A pattern as written, its escapes kept.
 * @throws LexError for an escape of anything but `*`, `?`, a backslash, `}` and `/`.
 */
export function globOf(pattern: string): Glob {
  const chars = [...pattern];
  const parts: Part[] = [];
  for (let i = 0; i < chars.length; i += 1) {
    const char = chars[i] ?? '';
    if (char === '*') parts.push({ kind: 'run' });
    else if (char === '?') parts.push({ kind: 'any' });
    else if (char === '\\') {
      i += 1;
      const escaped = chars[i] ?? '';
      if (!['*', '?', '\\', '}', '/'].includes(escaped)) throw new LexError('an invalid escape in a pattern');
      parts.push({ kind: 'literal', char: escaped });
    } else parts.push({ kind: 'literal', char });
  }
  if (parts.length > MAX_PATTERN) throw new LexError('a pattern that is too long');
  return parts;
}

function charsOf(value: string): readonly string[] {
  const chars = [...value];
  if (chars.length > MAX_VALUE) throw new LexError('a value that is too long for a pattern');
  return chars;
}

/** The characters of a value that is searched for a pattern at each place. */
function searchedCharsOf(value: string, glob: Glob): readonly string[] {
  const chars = charsOf(value);
  if (chars.length ** 2 * glob.length > MAX_SEARCH)
    throw new LexError('a value that is too long for a pattern');
  return chars;
}

/** Where the shortest and the longest match that begins at `start` end. */
interface Ends {
  readonly shortest: number;
  readonly longest: number;
}

/** `places` is room for one mark more than there are characters; what is in it does not matter. */
function endsFrom(chars: readonly string[], glob: Glob, start: number, places: Uint8Array): Ends | undefined {
  places.fill(0);
  places[start] = 1;
  // No place before this one can be reached any more; where none is left, there is no match.
  let first = start;
  for (const part of glob) {
    if (part.kind === 'run') goOnFrom(first, places, chars);
    else stepFrom(first, places, chars, part.kind === 'any' ? undefined : part.char);
    first = places.indexOf(1, first);
    if (first < 0) return undefined;
  }
  return { shortest: first, longest: places.lastIndexOf(1) };
}

/** A run goes on from each place to the end of the line. */
function goOnFrom(first: number, places: Uint8Array, chars: readonly string[]): void {
  for (let place = first; place < chars.length; place += 1) {
    if (places[place] === 1 && chars[place] !== '\n') places[place + 1] = 1;
  }
}

/** One character on from each place where it is this one, or any. */
function stepFrom(
  first: number,
  places: Uint8Array,
  chars: readonly string[],
  wanted: string | undefined,
): void {
  for (let place = chars.length - 1; place >= first; place -= 1) {
    const fits = wanted === undefined ? chars[place] !== '\n' : chars[place] === wanted;
    places[place + 1] = fits ? (places[place] ?? 0) : 0;
  }
  places[first] = 0;
}

/** The value without the shortest or longest match at its beginning. */
export function trimPrefix(value: string, glob: Glob, isLongest: boolean): string {
  const chars = charsOf(value);
  const ends = endsFrom(chars, glob, 0, new Uint8Array(chars.length + 1));
  return chars.slice((isLongest ? ends?.longest : ends?.shortest) ?? 0).join('');
}

/** The value without the shortest or longest match at its end. */
export function trimSuffix(value: string, glob: Glob, isLongest: boolean): string {
  const reversed = charsOf(value).toReversed().join('');
  return [...trimPrefix(reversed, glob.toReversed(), isLongest)].toReversed().join('');
}

/** The value with the first, longest match replaced. */
export function replaceFirst(value: string, glob: Glob, replacement: string): string {
  const chars = searchedCharsOf(value, glob);
  const places = new Uint8Array(chars.length + 1);
  for (let start = 0; start <= chars.length; start += 1) {
    const end = endsFrom(chars, glob, start, places)?.longest;
    if (end !== undefined) {
      return chars.slice(0, start).join('') + replacement + chars.slice(end).join('');
    }
  }
  return value;
}

/** The value with every match replaced, from the left, each the longest; an empty one behind another does not count. */
export function replaceAll(value: string, glob: Glob, replacement: string): string {
  const chars = searchedCharsOf(value, glob);
  const places = new Uint8Array(chars.length + 1);
  let result = '';
  let lastEnd = 0;
  for (let at = 0; at <= chars.length; ) {
    const end = endsFrom(chars, glob, at, places)?.longest;
    if (end === undefined) {
      at += 1;
      continue;
    }
    result += chars.slice(lastEnd, at).join('');
    if (end > lastEnd || at === 0) result += replacement;
    lastEnd = end;
    at = Math.max(end, at + 1);
  }
  return result + chars.slice(lastEnd).join('');
}
