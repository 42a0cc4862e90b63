/**
 * The Dockerfile that the classic builder gets: written anew from what was parsed, one instruction to a line, every
 * image pinned, nothing behind the target. It is parsed once more before it goes: what does not come back as it was is
 * refused.
 */
import { ok } from 'node:assert/strict';
import { type ClassicBuild, type ClassicStage, classicBuild } from './classic-uses.ts';
import type { Dockerfile, Flag, Instruction } from './dockerfile.ts';
import type { ImageUse, ImageUsesOptions } from './image-use.ts';
import { refuseAt } from './invalid.ts';
import { parseDockerfile } from './parse.ts';
import { trimSpace } from './space.ts';
import { splitCommand } from './split-command.ts';

/** Gives the text to pull a use by: `NAME@sha256:...`, or the full ID of an image the engine has, its digits alone. */
export type Pinned = (use: ImageUse) => string;

/**
 * The text for the classic builder.
 * @throws UsageError DOCKERFILE_INVALID for what cannot be written so that it is read alike: an ONBUILD trigger that
 *   copies from an image by tag, a line that would be continued.
 */
export function serialiseForClassic(
  dockerfile: Dockerfile,
  options: ImageUsesOptions,
  pinned: Pinned,
): string {
  const build = classicBuild(dockerfile, options);
  const { args, stages } = build;
  const lines: Written[] = [
    ...args.map(asWritten),
    ...stages.flatMap((stage) => stageLines(stage, dockerfile.file, pinned)),
  ];
  const text = [`# escape=${dockerfile.escape}`, ...lines.map((line) => line.text), ''].join('\n');
  const read = readAgain(text, lines, dockerfile);
  // A stage can be called like the ID of an image, and would then be taken for it.
  const again = classicBuild(read, { ...options, triggersOf: new Map() });
  if (sourcesOf(again, ({ text: written }) => written) !== sourcesOf(build, (use) => pin(use, pinned))) {
    refuseAt(dockerfile.file, 0)('a stage has the name of a pinned image');
  }
  return text;
}

interface Written {
  readonly text: string;
  /** What the builder has to read out of it. */
  readonly meant: Pick<Instruction, 'keyword' | 'flags' | 'args' | 'json'>;
  readonly line: number;
}

function asWritten(instruction: Instruction): Written {
  return { text: trimSpace(instruction.original), meant: instruction, line: instruction.line };
}

function stageLines(stage: ClassicStage, file: string, pinned: Pinned): readonly Written[] {
  for (const use of stage.triggered) refuseUnpinned(use, file, pinned);
  return [
    fromLine(stage, pinned),
    ...stage.stage.commands.map((command) => {
      const use = stage.copies.get(command);
      return use === undefined ? asWritten(command) : copyLine(command, pin(use, pinned));
    }),
  ];
}

function pin(use: ImageUse, pinned: Pinned): string {
  const text = pinned(use);
  ok(
    /^(?:[A-Za-z0-9[][A-Za-z0-9.:/_[\]-]*@sha256:)?[0-9a-f]{64}$/.test(text),
    'an image of a build is pinned',
  );
  return text;
}

/** What a trigger copies from stands in the base image, not here: only one that names the digest itself is pinned. */
function refuseUnpinned(use: ImageUse, file: string, pinned: Pinned): void {
  const digest = /@(sha256:[0-9a-f]{64})$/.exec(use.text)?.[1];
  if (digest !== undefined && pin(use, pinned).endsWith(digest)) return;
  refuseAt(
    file,
    use.line,
  )(
    `an ONBUILD trigger of the base copies from ${use.text}, which the classic builder cannot be given pinned`,
  );
}

function fromLine({ stage, base, platform }: ClassicStage, pinned: Pinned): Written {
  const name = 'by' in base ? pin(base, pinned) : base.name;
  const flags = platform === undefined ? [] : [{ name: 'platform', value: platform }];
  const args = stage.name === undefined ? [name] : [name, 'AS', stage.name];
  const text = ['FROM', ...flags.map(flagText), ...args].join(' ');
  return { text, meant: { keyword: 'FROM', flags, args, json: false }, line: stage.from.line };
}

function copyLine(command: Instruction, image: string): Written {
  const flags = command.flags.map((flag) => (flag.name === 'from' ? { name: 'from', value: image } : flag));
  const { rest } = splitCommand(command.original, '\\');
  const text = ['COPY', ...flags.map(flagText), rest].join(' ');
  return { text, meant: { ...command, flags }, line: command.line };
}

/** A flag with everything escaped that would end it. */
function flagText({ name, value }: Flag): string {
  return `--${name}${value === undefined ? '' : `=${value.replace(/[\s'"\\]/g, '\\$&')}`}`;
}

/** The text parsed once more, each instruction as it was meant. */
function readAgain(text: string, lines: readonly Written[], dockerfile: Dockerfile): Dockerfile {
  const read = parseDockerfile(new TextEncoder().encode(text), 'classic', dockerfile.file);
  for (const [index, { meant, line }] of lines.entries()) {
    const got = read.instructions[index];
    if (got === undefined || essence(got) !== essence(meant)) {
      refuseAt(dockerfile.file, line)('an instruction that cannot be written as one line');
    }
  }
  if (read.instructions.length !== lines.length) {
    refuseAt(dockerfile.file, 0)('a file that cannot be written as one line for each instruction');
  }
  return read;
}

/** What every stage is built upon and copies from. */
function sourcesOf({ stages }: ClassicBuild, textOf: (use: ImageUse) => string): string {
  return JSON.stringify(
    stages.map(({ base, copies }) => [
      'by' in base ? { image: textOf(base) } : { stage: base.name },
      ...[...copies.values()].map(textOf),
    ]),
  );
}

function essence({ keyword, flags, args, json }: Written['meant']): string {
  return JSON.stringify([keyword, flags.map(({ name, value }) => [name, value]), args, json]);
}
