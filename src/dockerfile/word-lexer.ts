/**
 * BuildKit's reading of a word with quotes, escapes and variables (its shell lexer, 0.13), one character at a time.
 *
 * Single quotes keep everything, double quotes expand variables, the escape token takes the next character as it is.
 * What stands in `${}` is read by substitution.ts through this lexer again. Later BuildKits read some patterns in
 * quotes otherwise than 0.13: those are refused.
 */
import { LexError } from './lex-error.ts';
import { isSpace } from './space.ts';
import { readSubstitution } from './substitution.ts';

export interface LexerOptions {
  readonly escape: string;
  readonly env: ReadonlyMap<string, string>;
  /** Keep quotes in the result. */
  readonly rawQuotes?: boolean;
  /** Keep escape tokens in the result. */
  readonly rawEscapes?: boolean;
  /** Leave variables that are not set as they are written. */
  readonly skipUnset?: boolean;
}

export interface Lexed {
  readonly text: string;
  /** The text split at white space that was neither quoted nor escaped. */
  readonly words: readonly string[];
}

// Depth of `${}` within `${}`, and the length of what comes out: a few lines could otherwise grow without end.
const MAX_DEPTH = 50;
const MAX_LENGTH = 64 * 1024;

export class WordLexer {
  readonly env: ReadonlyMap<string, string>;
  readonly skipUnset: boolean;
  readonly #chars: readonly string[];
  readonly #escape: string;
  readonly #rawQuotes: boolean;
  #rawEscapes: boolean;
  #inPattern = false;
  #at = 0;
  #depth = 0;

  constructor(word: string, options: LexerOptions) {
    // The builders' scanner drops a byte-order mark at the front of a word.
    this.#chars = [...(word.startsWith('\u{feff}') ? word.slice(1) : word)];
    this.env = options.env;
    this.skipUnset = options.skipUnset ?? false;
    this.#escape = options.escape;
    this.#rawQuotes = options.rawQuotes ?? false;
    this.#rawEscapes = options.rawEscapes ?? false;
  }

  /** The next character without taking it; undefined at the end. */
  peek(): string | undefined {
    return this.#chars[this.#at];
  }

  next(): string | undefined {
    const char = this.#chars[this.#at];
    if (char !== undefined) this.#at += 1;
    return char;
  }

  /** The whole word. */
  read(): Lexed {
    return this.readUntil(undefined, this.#rawEscapes);
  }

  /** Up to and without `stop`, which is taken; to the end where there is none. */
  readUntil(stop: string | undefined, rawEscapes: boolean): Lexed {
    if (this.#depth >= MAX_DEPTH) throw new LexError('variables are nested too deeply');
    const before = { rawEscapes: this.#rawEscapes, inPattern: this.#inPattern };
    this.#depth += 1;
    this.#rawEscapes = rawEscapes;
    this.#inPattern = stop !== undefined && rawEscapes;
    const lexed = this.#readParts(stop);
    this.#depth -= 1;
    this.#rawEscapes = before.rawEscapes;
    this.#inPattern = before.inPattern;
    return lexed;
  }

  #readParts(stop: string | undefined): Lexed {
    const words = new WordList();
    let text = '';
    for (let char = this.peek(); char !== undefined; char = this.peek()) {
      if (char === stop) {
        this.next();
        return { text, words: words.finish() };
      }
      if (char === '$') {
        const value = readSubstitution(this);
        text += value;
        words.addText(value);
      } else if (char === "'" || char === '"') {
        const quoted = char === "'" ? this.#readSingleQuoted() : this.#readDoubleQuoted();
        text += quoted;
        words.addRaw(quoted);
      } else {
        text += this.#readPlain(words);
      }
      if (text.length > MAX_LENGTH) throw new LexError(`the value is longer than ${MAX_LENGTH} characters`);
    }
    if (stop !== undefined) throw new LexError(`unexpected end while looking for ${stop}`);
    return { text, words: words.finish() };
  }

  #readPlain(words: WordList): string {
    const char = this.next() ?? '';
    if (char !== this.#escape) {
      words.addText(char);
      return char;
    }
    const kept = this.#rawEscapes ? char : '';
    if (kept !== '') words.addRaw(kept);
    const escaped = this.next() ?? '';
    if (escaped !== '') words.addRaw(escaped);
    return kept + escaped;
  }

  #readSingleQuoted(): string {
    this.next();
    let text = '';
    for (let char = this.next(); char !== "'"; char = this.next()) {
      if (char === undefined) throw new LexError('unexpected end while looking for a single quote');
      this.#refuseEscapeInPattern(char);
      text += char;
    }
    return this.#rawQuotes ? `'${text}'` : text;
  }

  #readDoubleQuoted(): string {
    this.next();
    let text = '';
    for (let char = this.peek(); char !== '"'; char = this.peek()) {
      if (char === undefined) throw new LexError('unexpected end while looking for a double quote');
      if (char === '$') {
        text += readSubstitution(this);
      } else {
        this.next();
        this.#refuseEscapeInPattern(char);
        text += char === this.#escape ? this.#escapedInDouble() : char;
      }
    }
    this.next();
    return this.#rawQuotes ? `"${text}"` : text;
  }

  /** Between double quotes the token escapes a quote, a dollar and itself, and is nothing at the end. */
  #escapedInDouble(): string {
    const kept = this.#rawEscapes ? this.#escape : '';
    const char = this.peek();
    if (char === undefined) return kept;
    if (char !== '"' && char !== '$' && char !== this.#escape) return kept + this.#escape;
    this.next();
    return kept + char;
  }

  // Departs from BuildKit: 0.13 and later ones read this in two ways.
  #refuseEscapeInPattern(char: string): void {
    if (this.#inPattern && char === this.#escape) {
      throw new LexError('an escape between quotes in a pattern');
    }
  }
}

/** The words of a text as they come together. */
class WordList {
  readonly #words: string[] = [];
  #word = '';

  addText(text: string): void {
    for (const char of text) {
      if (!isSpace(char)) this.#word += char;
      else this.#end();
    }
  }

  addRaw(text: string): void {
    this.#word += text;
  }

  finish(): readonly string[] {
    this.#end();
    return this.#words;
  }

  #end(): void {
    if (this.#word !== '') this.#words.push(this.#word);
    this.#word = '';
  }
}

/**
 * A word as BuildKit expands it.
 * @throws LexError when it cannot be read, or a variable that it needs is not set.
 */
export function expandWord(word: string, env: ReadonlyMap<string, string>, escapeToken: string): string {
  return new WordLexer(word, { env, escape: escapeToken }).read().text;
}
