/** How BuildKit and the classic builder read a Dockerfile: the Go programs in test/peers. */
import { askGoProgram } from '../helpers/go-program.ts';
import type { Build } from './build-of.ts';

export interface OracleInstruction {
  readonly line: number;
  readonly keyword: string;
  readonly flags: readonly string[];
  readonly args: readonly string[];
  readonly json: boolean;
  readonly heredocs?: readonly { readonly name: string; readonly content: string; readonly chomp: boolean }[];
  readonly original: string;
}

export interface OracleAnswer {
  readonly error?: string;
  readonly escape?: string;
  readonly syntax?: string;
  readonly instructions?: readonly OracleInstruction[];
  /** Why no build definition came of it. */
  readonly buildError?: string;
  /** `CANONICAL PLATFORM` of every image that was asked for. */
  readonly images?: readonly string[];
  readonly word?: string;
}

/** How Dockerfiles are read, and which images their builds ask for; without a build, only the former. */
export function askDockerfiles(
  program: string,
  files: readonly { readonly text: string; readonly build?: Build | undefined }[],
): Promise<readonly OracleAnswer[]> {
  const questions = files.map(({ text, build }) => ({
    dockerfile: Buffer.from(text).toString('base64'),
    buildArgs: build?.args ?? {},
    target: build?.target ?? '',
    buildPlatform: build?.buildPlatform ?? 'linux/amd64',
    targetPlatform: build === undefined ? '' : (build.targetPlatform ?? 'linux/amd64'),
    triggers: build?.triggersOf ?? {},
  }));
  return askGoProgram(program, questions);
}

/** How words are expanded. */
export function askWords(
  program: string,
  words: readonly {
    readonly word: string;
    readonly env: Readonly<Record<string, string>>;
    readonly escape: string;
  }[],
): Promise<readonly OracleAnswer[]> {
  return askGoProgram(program, words);
}
