/** What docker's own parsers of references and platforms say: the Go program in test/peers/go-reference. */
import { askGoProgram, buildGoProgram, type GoProgram } from '../helpers/go-program.ts';

export interface Question {
  readonly kind: 'reference' | 'platform';
  readonly text: string;
  /** Platforms, between spaces: which of them does the platform asked about run? */
  readonly offers?: string;
}

export interface Answer {
  readonly error?: string;
  readonly domain?: string;
  readonly path?: string;
  readonly tag?: string;
  readonly digest?: string;
  readonly full?: string;
  readonly familiar?: string;
  readonly platform?: string;
  readonly runs?: string;
}

/** The program, or why there is none. */
export function buildOracle(): Promise<GoProgram> {
  return buildGoProgram('go-reference');
}

/** One answer for each question, in order. */
export function ask(program: string, questions: readonly Question[]): Promise<readonly Answer[]> {
  return askGoProgram(program, questions);
}
