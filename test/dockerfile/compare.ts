/** dtrust's reading of a Dockerfile beside that of a builder's own parser. */
import { expect } from 'vitest';
import type { Dockerfile, Grammar, Instruction } from '../../src/dockerfile/dockerfile.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import { UsageError } from '../../src/lib/errors.ts';
import { bytesOf } from './build-of.ts';
import type { OracleAnswer, OracleInstruction } from './oracles.ts';

/** The value, or the refusal; any other error is a bug and fails the test. */
export function orRefusal<T>(read: () => T): T | UsageError {
  try {
    return read();
  } catch (error) {
    if (error instanceof UsageError && error.code === 'DOCKERFILE_INVALID') return error;
    throw error;
  }
}

export function readFile(text: string, grammar: Grammar): Dockerfile | UsageError {
  return orRefusal(() => parseDockerfile(bytesOf(text), grammar, 'Dockerfile'));
}

/** One form for both sides. What ONBUILD's trigger is made of, the builder tells only when it runs. */
function shape(
  instruction: Pick<OracleInstruction, 'line' | 'args' | 'json' | 'original' | 'heredocs'>,
  keyword: string,
  flags: readonly string[],
): unknown {
  const { line, args, json, original, heredocs } = instruction;
  return {
    line,
    keyword,
    flags,
    args: keyword === 'ONBUILD' ? [] : args,
    json,
    original,
    heredocs: heredocs ?? [],
  };
}

const ours = (each: Instruction): unknown =>
  shape(
    each,
    each.keyword,
    each.flags.map(({ name, value }) => `--${name}${value === undefined ? '' : `=${value}`}`),
  );

const theirs = (each: OracleInstruction): unknown => shape(each, each.keyword.toUpperCase(), each.flags);

/** Expects the same escape token and the same instructions. */
export function expectAlike(read: Dockerfile, answer: OracleAnswer, shown: string): void {
  expect(read.escape, shown).toBe(answer.escape);
  expect(read.instructions.map(ours), shown).toEqual(answer.instructions?.map(theirs));
}
