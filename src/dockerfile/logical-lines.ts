/**
 * Physical lines to logical ones: continuations joined, comments and empty lines in between left out, directives
 * taken. Heredocs are taken by whoever reads the instruction, from the same lines.
 */
import { Directives } from './directives.ts';
import type { EscapeToken } from './dockerfile.ts';
import { refuseAt } from './invalid.ts';
import { withoutLineEnd } from './source-text.ts';
import { trimLeft } from './space.ts';

export interface LogicalLine {
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

export class LineReader {
  readonly #file: string;
  readonly #lines: readonly string[];
  readonly #directives = new Directives();
  readonly #within: number | undefined;
  #at = 0;

  /** `within` is the one line of the file that all of these come from, where they are no file of their own. */
  constructor(file: string, lines: readonly string[], within?: number) {
    this.#file = file;
    this.#lines = lines;
    this.#within = within;
  }

  /** As far as the directives were read; right once the first instruction is. */
  get escape(): EscapeToken {
    return this.#directives.escape;
  }

  /** The next line that holds an instruction, or undefined. */
  next(): LogicalLine | undefined {
    for (let raw = this.nextRaw(); raw !== undefined; raw = this.nextRaw()) {
      const line = this.#within ?? this.#at;
      const token = trimLeft(withoutLineEnd(raw));
      this.#directives.readLine(token, refuseAt(this.#file, line));
      const first = this.#cutContinuation(token.startsWith('#') ? '' : token);
      if (first.goesOn) return { text: this.#joinTo(first.text), line };
      if (first.text !== '') return { text: first.text, line };
    }
    return undefined;
  }

  /** The next physical line with its end, for a heredoc. */
  nextRaw(): string | undefined {
    const raw = this.#lines[this.#at];
    if (raw !== undefined) this.#at += 1;
    return raw;
  }

  #joinTo(start: string): string {
    const parts = [start];
    for (let raw = this.nextRaw(); raw !== undefined; raw = this.nextRaw()) {
      const token = withoutLineEnd(raw);
      const content = trimLeft(token);
      if (content === '' || content.startsWith('#')) continue;
      const { text, goesOn } = this.#cutContinuation(token);
      parts.push(text);
      if (!goesOn) break;
    }
    return parts.join('');
  }

  /** The escape token at the end of a line, blanks behind it or not, goes on; two of them do not. */
  #cutContinuation(text: string): { readonly text: string; readonly goesOn: boolean } {
    let end = text.length;
    while (end > 0 && (text[end - 1] === ' ' || text[end - 1] === '\t')) end -= 1;
    const goesOn = text[end - 1] === this.escape && text[end - 2] !== this.escape;
    return goesOn ? { text: text.slice(0, end - 1), goesOn } : { text, goesOn };
  }
}
