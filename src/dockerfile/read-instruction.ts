/** One logical line to one instruction. */
import { isInstruction, splitArguments } from './arguments.ts';
import { checkInstruction } from './check-instruction.ts';
import type { EscapeToken, Grammar, Heredoc, Instruction } from './dockerfile.ts';
import { type HeredocReading, heredocsOf } from './heredoc.ts';
import { readFlags } from './instruction-flags.ts';
import { type Refuse, refuseAt } from './invalid.ts';
import { jsonForm } from './json-form.ts';
import { orRefuse } from './lex-error.ts';
import { LineReader, type LogicalLine } from './logical-lines.ts';
import { splitLines, withoutLineEnd } from './source-text.ts';
import { splitCommand } from './split-command.ts';

export interface Reading {
  readonly file: string;
  readonly grammar: Grammar;
  readonly heredocs: HeredocReading;
}

/** What ONBUILD keeps in the image: the line behind it, and its heredocs. */
export function triggerText(onbuild: Instruction): string {
  const line = onbuild.original.replace(/^[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*/i, '');
  return [line, ...onbuild.heredocs.map(({ name, content }) => content + name)].join('\n');
}

/**
 * The instruction of one ONBUILD trigger, as the builder reads it when an image is built upon: with no escape directive
 * but its own. `line` is where in the file the trigger comes from.
 */
export function readTrigger(text: string, line: number, reading: Reading): Instruction {
  const refuse = refuseAt(reading.file, line);
  const lines = new LineReader(reading.file, splitLines(text), line);
  const logical = lines.next();
  if (logical === undefined) return refuse('an ONBUILD trigger is empty');
  const instruction = readInstruction({ ...logical, line }, lines, reading);
  if (['ONBUILD', 'FROM', 'MAINTAINER'].includes(instruction.keyword)) {
    refuse(`${instruction.keyword} isn't allowed as an ONBUILD trigger`);
  }
  if (lines.next() !== undefined) refuse('an ONBUILD trigger should be a single instruction');
  return instruction;
}

const WITH_HEREDOC = new Set(['ADD', 'COPY', 'RUN']);

/** The instruction of a logical line; what its heredocs hold is taken from the lines behind it. */
export function readInstruction(logical: LogicalLine, lines: LineReader, reading: Reading): Instruction {
  const refuse = refuseAt(reading.file, logical.line);
  const bare = parseLine(logical, lines.escape, reading.grammar, refuse);
  const instruction = { ...bare, heredocs: takeHeredocs(bare, lines, reading, refuse) };
  checkInstruction(instruction, refuse);
  // Read as it will be when it is triggered, so that nothing unread is kept in an image or sent to a builder.
  if (instruction.keyword === 'ONBUILD') readTrigger(triggerText(instruction), logical.line, reading);
  return instruction;
}

function parseLine(
  { text, line }: LogicalLine,
  escapeToken: EscapeToken,
  grammar: Grammar,
  refuse: Refuse,
): Omit<Instruction, 'heredocs'> {
  const command = splitCommand(text, '\\');
  const keyword = command.keyword.toUpperCase();
  // By ASCII alone: letters whose lower case is one of ours in some language are not ours.
  if (!/^[A-Za-z]+$/.test(command.keyword) || !isInstruction(keyword)) {
    refuse(`unknown instruction: ${command.keyword}`);
  }
  refuseOtherSplit(text, command, escapeToken, refuse);
  const flags = readFlags(keyword, command.flags, grammar, refuse);
  const { args, json } = splitArguments(keyword, command.rest, escapeToken, refuse);
  if (grammar === 'classic' && json?.hasMore === true) refuse('more than blanks behind a JSON array');
  return { line, keyword, flags, args, json: json !== undefined, original: text };
}

/** Departs from BuildKit: 0.13 takes a backslash for the escape of flags whatever the directive, later ones its token. */
function refuseOtherSplit(
  text: string,
  command: ReturnType<typeof splitCommand>,
  escapeToken: EscapeToken,
  refuse: Refuse,
): void {
  if (escapeToken === '\\') return;
  const other = splitCommand(text, escapeToken);
  const isSame = other.rest === command.rest && other.flags.join('\0') === command.flags.join('\0');
  if (!isSame) refuse('flags that not every BuildKit splits alike, with this escape directive');
}

/** RUN, COPY and ADD can have heredocs, also behind ONBUILD; a JSON array cannot. */
function canHaveHeredocs({ keyword, json, args }: Omit<Instruction, 'heredocs'>, refuse: Refuse): boolean {
  if (keyword !== 'ONBUILD') return WITH_HEREDOC.has(keyword) && !json;
  const trigger = splitCommand(args[0] ?? '', '\\');
  return WITH_HEREDOC.has(trigger.keyword.toUpperCase()) && jsonForm(trigger.rest, refuse) === undefined;
}

function takeHeredocs(
  instruction: Omit<Instruction, 'heredocs'>,
  lines: LineReader,
  reading: Reading,
  refuse: Refuse,
): readonly Heredoc[] {
  if (!canHaveHeredocs(instruction, refuse)) return [];
  const starts = orRefuse(() => heredocsOf(instruction.original, reading.heredocs), refuse);
  if (reading.grammar === 'classic') {
    // It has none, and takes what follows for instructions.
    if (starts.length > 0) refuse('heredocs require BuildKit');
    return [];
  }
  return starts.map(({ name, chomp }) => {
    let content = '';
    for (let raw = lines.nextRaw(); raw !== undefined; raw = lines.nextRaw()) {
      const text = withoutLineEnd(raw);
      if ((chomp ? text.replace(/^\t+/, '') : text) === name) return { name, content, chomp };
      content += raw;
    }
    return refuse(`unterminated heredoc: ${name}`);
  });
}
