/**
 * Heredocs, which BuildKit has in RUN, COPY and ADD (and in these behind ONBUILD): which ones a line announces.
 *
 * A word `<<NAME` or `<<-NAME`, with digits before it or not, announces one; quotes around the name or a part of it are
 * taken off. Several follow each other in the order of their words. BuildKit 0.13 needs the name right behind the
 * signs; later ones allow blanks between (`<< EOF`), which is a second reading of the same file.
 */
import { LexError } from './lex-error.ts';
import { type Lexed, type LexerOptions, WordLexer } from './word-lexer.ts';

/** Whether blanks may stand between `<<` and the name. */
export type HeredocReading = 'adjacent' | 'spaced';

export interface HeredocStart {
  readonly name: string;
  readonly chomp: boolean;
}

const NO_ENV: ReadonlyMap<string, string> = new Map();

function lex(text: string, raw: Pick<LexerOptions, 'rawQuotes' | 'rawEscapes'>): Lexed {
  // Always with a backslash, whatever the escape directive says.
  return new WordLexer(text, { escape: '\\', env: NO_ENV, skipUnset: true, ...raw }).read();
}

/** The heredocs that a line announces. */
export function heredocsOf(line: string, reading: HeredocReading): readonly HeredocStart[] {
  if (!line.includes('<<')) return [];
  const joined = reading === 'adjacent' ? line : line.replace(/<<(-?)[\t\r ]+(?=[^\s<])/g, '<<$1');
  let words: readonly string[];
  try {
    words = lex(joined, { rawQuotes: true, rawEscapes: true }).words;
  } catch (error) {
    // A line that is no sequence of words (an open quote, say) announces none; BuildKit says the same.
    if (!(error instanceof LexError)) throw error;
    return [];
  }
  return words.flatMap((word) => heredocIn(word) ?? []);
}

/**
 * The heredoc that one word announces, if it does.
 * @throws LexError when its name cannot be read.
 */
export function heredocIn(word: string): HeredocStart | undefined {
  const match = /^\d*<<(-?)([^<]*)$/.exec(word);
  const rest = match?.[2] ?? '';
  if (rest === '') return undefined;
  const { words } = lex(rest, {});
  const [name] = words;
  return words.length === 1 && name !== undefined ? { name, chomp: match?.[1] === '-' } : undefined;
}
