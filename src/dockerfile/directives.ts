/**
 * Parser directives: `# syntax=`, `# escape=` and `# check=` in the first lines of a file.
 *
 * They end at the first line that is none, and none may stand twice. BuildKit 0.13 does not know `check` and lets it
 * end the directives; later ones go on after it. What follows a `check` is therefore read as later BuildKits do, which
 * finds a front end that 0.13 would not ask for; an escape token that only some of them see is refused.
 */
import type { EscapeToken } from './dockerfile.ts';
import type { Refuse } from './invalid.ts';
import { trimLeft } from './space.ts';

export interface Directive {
  readonly name: 'syntax' | 'escape' | 'check';
  readonly value: string;
}

const NAMES: ReadonlySet<string> = new Set(['syntax', 'escape', 'check']);

function isName(name: string): name is Directive['name'] {
  return NAMES.has(name);
}

/**
 * The directive that a line holds behind this comment mark, if any. Its value is empty where blanks alone are written:
 * a value for the builders, and one that none of them takes.
 */
export function directiveIn(line: string, comment: '#' | '//'): Directive | undefined {
  if (!line.startsWith(comment)) return undefined;
  const match = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=(.+)$/s.exec(trimLeft(line.slice(comment.length)));
  const name = match?.[1]?.toLowerCase() ?? '';
  return match !== null && isName(name) ? { name, value: withoutBlanks(match[2] ?? '') } : undefined;
}

const BLANKS: ReadonlySet<string> = new Set(['\t', '\n', '\f', '\r', ' ']);

function withoutBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && BLANKS.has(text.charAt(start))) start += 1;
  while (end > start && BLANKS.has(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

/** The directives of a Dockerfile as its lines go by. */
export class Directives {
  #escape: EscapeToken = '\\';
  #done = false;
  readonly #seen = new Set<string>();

  get escape(): EscapeToken {
    return this.#escape;
  }

  /** Takes the next line, white space before it taken off. */
  readLine(line: string, refuse: Refuse): void {
    if (this.#done) return;
    const directive = directiveIn(line, '#');
    if (directive === undefined) {
      this.#done = true;
      return;
    }
    const { name, value } = directive;
    if (this.#seen.has(name)) refuse(`only one ${name} parser directive can be used`);
    if (name === 'escape') this.#setEscape(value, refuse);
    this.#seen.add(name);
  }

  #setEscape(value: string, refuse: Refuse): void {
    const token =
      value === '`' || value === '\\' ? value : refuse(`invalid escape token ${value}: neither \\ nor \``);
    // Departs from BuildKit: 0.13 would not see this one, later ones would.
    if (token === '`' && this.#seen.has('check')) {
      refuse('the escape directive stands behind a check directive, where not every BuildKit reads it');
    }
    this.#escape = token;
  }
}
