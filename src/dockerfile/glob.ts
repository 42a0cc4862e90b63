/**
 * The patterns of `${X#...}`, `${X%...}` and `${X/.../...}`: `*` is any run of characters, `?` is one, no line feeds
 * in either. Matched by walking all places at once: the time is the product of the lengths, whatever the pattern.
 */
import { LexError } from './lex-error.ts';

type Part = { readonly kind: 'any' | 'run' } | { readonly kind: 'literal'; readonly char: string };

export type Glob = readonly Part[];

// Place by place and part by part: what is longer than this in a Dockerfile is not meant to be read.
const MAX_PATTERN = 256;
const MAX_VALUE = 1024;
const MAX_SEARCH = 2 ** 18;

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

/** Where a match that begins at `start` can end, in rising order. */
function endsFrom(chars: readonly string[], glob: Glob, start: number): readonly number[] {
  let places: ReadonlySet<number> = new Set([start]);
  for (const part of glob) {
    const next = new Set<number>();
    for (const place of places) {
      if (part.kind !== 'run') {
        const char = chars[place];
        const fits = part.kind === 'literal' ? char === part.char : char !== undefined && char !== '\n';
        if (fits) next.add(place + 1);
        continue;
      }
      // A place already there was reached by a run that goes on as far as this one would.
      for (let end = place; !next.has(end); end += 1) {
        next.add(end);
        if (end >= chars.length || chars[end] === '\n') break;
      }
    }
    places = next;
    if (places.size === 0) return [];
  }
  return [...places].sort((a, b) => a - b);
}

/** The value without the shortest or longest match at its beginning. */
export function trimPrefix(value: string, glob: Glob, isLongest: boolean): string {
  const chars = charsOf(value);
  const ends = endsFrom(chars, glob, 0);
  return chars.slice((isLongest ? ends.at(-1) : ends[0]) ?? 0).join('');
}

/** The value without the shortest or longest match at its end. */
export function trimSuffix(value: string, glob: Glob, isLongest: boolean): string {
  const reversed = charsOf(value).toReversed().join('');
  return [...trimPrefix(reversed, glob.toReversed(), isLongest)].toReversed().join('');
}

/** The value with the first, longest match replaced. */
export function replaceFirst(value: string, glob: Glob, replacement: string): string {
  const chars = searchedCharsOf(value, glob);
  for (let start = 0; start <= chars.length; start += 1) {
    const end = endsFrom(chars, glob, start).at(-1);
    if (end !== undefined) {
      return chars.slice(0, start).join('') + replacement + chars.slice(end).join('');
    }
  }
  return value;
}

/** The value with every match replaced, from the left, each the longest; an empty one behind another does not count. */
export function replaceAll(value: string, glob: Glob, replacement: string): string {
  const chars = searchedCharsOf(value, glob);
  let result = '';
  let lastEnd = 0;
  for (let at = 0; at <= chars.length; ) {
    const end = endsFrom(chars, glob, at).at(-1);
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
