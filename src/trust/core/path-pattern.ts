/**
 * TUF's PATHPATTERN: a shell glob where neither `*` nor `?` matches `/`, as fnmatch and minimatch read it
 * segment by segment. `[seq]` and `[!seq]` match one character; a `[` without its `]` is itself.
 *
 * Patterns are chosen by delegators and paths by anybody: matching takes at most pattern times path steps.
 */

type Token = '*' | '?' | { readonly not: boolean; readonly ranges: readonly (readonly [string, string])[] };

/** Whether the whole path matches the whole pattern. */
export function isPathMatch(path: string, pattern: string): boolean {
  if (path === pattern && !/[*?[]/.test(pattern)) return true;
  const pathParts = path.split('/');
  const patternParts = pattern.split('/');
  if (pathParts.length !== patternParts.length) return false;
  return pathParts.every((part, index) => isSegmentMatch(part, tokens(patternParts[index] ?? '')));
}

/**
 * A pattern in which `[` stands for itself, as in the host `[::1]:5000`: what people write, in which only `*` and `?`
 * are meant, as PATHPATTERN.
 */
export function withoutClasses(pattern: string): string {
  return pattern.replaceAll('[', '[[]');
}

/** Greedy with one point to go back to: the last `*` seen. */
function isSegmentMatch(text: string, pattern: readonly Token[]): boolean {
  const characters = [...text];
  let at = 0;
  let token = 0;
  let starToken = -1;
  let starAt = 0;
  while (at < characters.length) {
    const current = pattern[token];
    if (current === '*') {
      starToken = token;
      starAt = at;
      token += 1;
    } else if (current !== undefined && isOne(characters[at] ?? '', current)) {
      at += 1;
      token += 1;
    } else if (starToken !== -1) {
      starAt += 1;
      at = starAt;
      token = starToken + 1;
    } else {
      return false;
    }
  }
  while (pattern[token] === '*') token += 1;
  return token === pattern.length;
}

function isOne(character: string, token: Token): boolean {
  if (typeof token === 'string') return token === '?';
  return token.ranges.some(([from, to]) => from <= character && character <= to) !== token.not;
}

function tokens(pattern: string): readonly Token[] {
  const characters = [...pattern];
  const found: Token[] = [];
  for (let at = 0; at < characters.length; ) {
    const character = characters[at] ?? '';
    const end = character === '[' ? classEnd(characters, at) : -1;
    if (end !== -1) {
      found.push(classToken(characters.slice(at + 1, end)));
      at = end + 1;
      continue;
    }
    found.push(character === '*' || character === '?' ? character : literal(character));
    at += 1;
  }
  return found;
}

function literal(character: string): Token {
  return { not: false, ranges: [[character, character]] };
}

/** Index of the `]` that closes the class opened at `from`, or -1. A `]` in first place is a member. */
function classEnd(characters: readonly string[], from: number): number {
  const first = characters[from + 1] === '!' ? from + 2 : from + 1;
  return characters.indexOf(']', first + 1);
}

function classToken(inside: readonly string[]): Token {
  const not = inside[0] === '!';
  const members = not ? inside.slice(1) : inside;
  const ranges: (readonly [string, string])[] = [];
  for (let at = 0; at < members.length; ) {
    const from = members[at] ?? '';
    const to = members[at + 2];
    const isRange = members[at + 1] === '-' && to !== undefined;
    ranges.push([from, isRange ? to : from]);
    at += isRange ? 3 : 1;
  }
  return { not, ranges };
}
