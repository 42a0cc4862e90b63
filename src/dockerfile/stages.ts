/** The instructions of a Dockerfile by stage. */
import type { Dockerfile, Instruction } from './dockerfile.ts';

export interface Stage {
  readonly index: number;
  /** Lower case, as the builders keep it. */
  readonly name: string | undefined;
  readonly from: Instruction;
  /** Behind the FROM. */
  readonly commands: readonly Instruction[];
}

export interface Stages {
  /** The ARGs before the first FROM. */
  readonly args: readonly Instruction[];
  readonly stages: readonly Stage[];
}

/** Groups the instructions; the parser has seen to it that only ARG stands before the first FROM. */
export function stagesOf({ instructions }: Dockerfile): Stages {
  const starts = instructions.flatMap(({ keyword }, index) => (keyword === 'FROM' ? [index] : []));
  const stages = instructions
    .filter(({ keyword }) => keyword === 'FROM')
    .map((from, index) => ({
      index,
      name: from.args[2]?.toLowerCase(),
      from,
      commands: instructions.slice((starts[index] ?? 0) + 1, starts[index + 1]),
    }));
  return { args: instructions.slice(0, starts[0] ?? instructions.length), stages };
}

/** What `COPY --from=` names when it is a number: a stage's index, or NaN for what is none. */
export function stageNumber(text: string): number {
  return /^[+-]?[0-9]+$/.test(text) ? Number(text) : Number.NaN;
}

/** The value of a flag that is given once; an empty one is none. */
export function flagValue(instruction: Instruction, name: string): string | undefined {
  const value = instruction.flags.find((flag) => flag.name === name)?.value;
  return value === '' ? undefined : value;
}
