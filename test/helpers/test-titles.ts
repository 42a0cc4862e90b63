/** The titles of tests, read from the text of the files that hold them: nothing is run, nothing is imported. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface TestTitle {
  readonly file: string;
  readonly title: string;
}

const CALL = /\b(?:describe|it|test)\b(?:\.\w+)*(?=[(`])/g;
/** `peer.title('...')` says beside the title which peer is missing. */
const WRAPPED = /(?:\w+\.title\(\s*)?/y;
const LITERAL = /(['"`])((?:\\[\s\S]|(?!\1)[\s\S])*)\1/y;

/** Titles of all `describe`, `it` and `test` below a folder, those of tables with their placeholders. */
export function titlesBelow(folder: string): readonly TestTitle[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .flatMap((file) =>
      titlesIn(readFileSync(path.join(folder, file), 'utf8')).map((title) => ({ file, title })),
    );
}

/** Titles in one source text. */
export function titlesIn(text: string): readonly string[] {
  return [...text.matchAll(CALL)].flatMap((call) => {
    const title = titleAt(text, call.index + call[0].length);
    return title === undefined ? [] : [title];
  });
}

/** Of `('title', ...)`, of `(table)('title', ...)`, of `(condition).each(table)('title', ...)`. */
function titleAt(text: string, start: number): string | undefined {
  let at = start;
  for (let calls = 0; calls < 4; calls += 1) {
    const literal = text[at] === '(' ? literalAt(text, skipSpace(text, at + 1)) : undefined;
    if (literal !== undefined) return literal;
    at = skipNames(text, afterGroup(text, at));
    if (text[at] !== '(') return undefined;
  }
  return undefined;
}

function literalAt(text: string, at: number): string | undefined {
  WRAPPED.lastIndex = at;
  LITERAL.lastIndex = at + (WRAPPED.exec(text)?.[0].length ?? 0);
  const found = LITERAL.exec(text);
  return found?.[2]?.replace(/\\(['"`\\])/g, '$1');
}

function skipSpace(text: string, at: number): number {
  let end = at;
  while (/\s/.test(text[end] ?? '')) end += 1;
  return end;
}

function skipNames(text: string, at: number): number {
  const names = /(?:\.\w+)*/y;
  names.lastIndex = at;
  return at + (names.exec(text)?.[0].length ?? 0);
}

const COMMENT = /\/\/.*|\/\*[\s\S]*?\*\//y;

/** The place behind a group in parentheses, or behind a tagged template. */
function afterGroup(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at] ?? '';
    COMMENT.lastIndex = at;
    const comment = character === '/' ? COMMENT.exec(text) : null;
    if (comment !== null) at += comment[0].length - 1;
    else if ('\'"`'.includes(character)) {
      LITERAL.lastIndex = at;
      at += (LITERAL.exec(text)?.[0].length ?? 1) - 1;
    } else if ('([{'.includes(character)) depth += 1;
    else if (')]}'.includes(character)) depth -= 1;
    if (depth === 0) return at + 1;
  }
  return text.length;
}
