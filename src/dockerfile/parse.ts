/**
 * A Dockerfile's bytes to its instructions, in the grammar of BuildKit or of the classic builder.
 *
 * Where dtrust reads otherwise than the builder it is by refusing: bytes that are no text, keywords and flags beyond
 * ASCII, whatever two versions of BuildKit read in two ways. For BuildKit this is how references are found, and the
 * source policy denies what was not found; for the classic builder what was parsed is what is sent.
 */
import type { Dockerfile, Grammar, Instruction } from './dockerfile.ts';
import type { HeredocReading } from './heredoc.ts';
import { byEitherReading } from './heredoc-readings.ts';
import { refuseAt } from './invalid.ts';
import { LineReader } from './logical-lines.ts';
import { type Reading, readInstruction } from './read-instruction.ts';
import { decodeSource, splitLines } from './source-text.ts';
import { detectSyntax } from './syntax.ts';

/**
 * Parses a Dockerfile. `file` is what messages call it.
 * @throws UsageError DOCKERFILE_INVALID naming file, line and reason.
 */
export function parseDockerfile(bytes: Uint8Array, grammar: Grammar, file: string): Dockerfile {
  const text = decodeSource(bytes, file);
  const lines = splitLines(text);
  const syntax = grammar === 'buildkit' ? detectSyntax(lines) : undefined;
  const named = syntax === undefined ? {} : { syntax: { value: syntax.value, line: syntax.line } };
  if (syntax?.foreign === true) return { file, grammar, ...named, escape: '\\', instructions: [] };
  if (grammar === 'classic' && /\r(?!\n)/.test(text)) {
    refuseAt(file, 0)('a carriage return that ends no line');
  }
  const read = (heredocs: HeredocReading): Parsed => readOnce(lines, { file, grammar, heredocs });
  return { file, grammar, ...named, ...(grammar === 'classic' ? read('spaced') : byEitherReading(read)) };
}

type Parsed = Pick<Dockerfile, 'escape' | 'instructions'>;

function readOnce(lines: readonly string[], reading: Reading): Parsed {
  const reader = new LineReader(reading.file, lines);
  const instructions: Instruction[] = [];
  let hasStage = false;
  for (let logical = reader.next(); logical !== undefined; logical = reader.next()) {
    const instruction = readInstruction(logical, reader, reading);
    hasStage ||= instruction.keyword === 'FROM';
    if (!hasStage && instruction.keyword !== 'ARG') {
      refuseAt(reading.file, instruction.line)(`${instruction.keyword} stands before the first FROM`);
    }
    instructions.push(instruction);
  }
  if (!hasStage) refuseAt(reading.file, 0)('the file has no FROM');
  return { escape: reader.escape, instructions };
}
