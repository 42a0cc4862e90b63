/**
 * What a Dockerfile is here: instructions in order, each with what the builder would read out of its line.
 *
 * Two grammars, because two builders read the same file differently: BuildKit (0.13, as in engine 26.1; what later
 * ones added is read too where it names no image) and the classic builder (as in engine 20.10). The values are as the
 * builder's parser has them before variables are expanded.
 */

export type Grammar = 'buildkit' | 'classic';

/** The two characters BuildKit lets `# escape=` name. */
export type EscapeToken = '\\' | '`';

/** One `--name=value` before an instruction's arguments; no value where none was written (`--link`). */
export interface Flag {
  readonly name: string;
  readonly value?: string;
}

export interface Heredoc {
  /** The terminator, without quotes. */
  readonly name: string;
  /** Every line up to the terminator, with their line ends. */
  readonly content: string;
  /** `<<-`: leading tabs are taken off. */
  readonly chomp: boolean;
}

export interface Instruction {
  /** The line it begins on, from 1. */
  readonly line: number;
  /** Upper case. */
  readonly keyword: string;
  readonly flags: readonly Flag[];
  /**
   * What follows the flags, as the builder splits it: words for FROM, names and values in turn for ENV and LABEL, the
   * elements of the JSON form, and otherwise the text as one.
   */
  readonly args: readonly string[];
  /** Whether the arguments were written as a JSON array. */
  readonly json: boolean;
  readonly heredocs: readonly Heredoc[];
  /** The line with its continuations joined, no heredocs. */
  readonly original: string;
}

export interface Dockerfile {
  /** What to call the file in messages. */
  readonly file: string;
  readonly grammar: Grammar;
  /** The front end that the file asks for, as written; BuildKit only. */
  readonly syntax?: { readonly value: string; readonly line: number };
  readonly escape: EscapeToken;
  /** Empty for a file that is no Dockerfile but names a front end in a `//` or JSON comment. */
  readonly instructions: readonly Instruction[];
}
