/**
 * A build by the classic builder: every stage up to the target, one after the other, whether the target needs it or
 * not. A name means a stage only if that stage came before; otherwise it is an image. What each FROM and each
 * `COPY --from` means is kept, for the file is sent with the images pinned.
 */
import { globalArguments } from './build-arguments.ts';
import { platformOf } from './buildkit-uses.ts';
import type { Dockerfile, Instruction } from './dockerfile.ts';
import type { ImageUse, ImageUsesOptions } from './image-use.ts';
import { type Refuse, refuseAt } from './invalid.ts';
import { readTrigger, triggerText } from './read-instruction.ts';
import { flagValue, type Stage, stageNumber, stagesOf } from './stages.ts';

export interface ClassicStage {
  readonly stage: Stage;
  /** A stage before, scratch, or an image. */
  readonly base: { readonly name: string } | ImageUse;
  readonly platform: string | undefined;
  /** The images that instructions of the stage copy from. */
  readonly copies: ReadonlyMap<Instruction, ImageUse>;
  /** The images that ONBUILD triggers of the base copy from; no text of ours names them. */
  readonly triggered: readonly ImageUse[];
}

export interface ClassicBuild {
  readonly file: string;
  readonly args: readonly Instruction[];
  readonly stages: readonly ClassicStage[];
}

/** The images of a build, in its order. */
export function classicUses({ stages }: ClassicBuild): readonly ImageUse[] {
  return stages.flatMap(({ base, copies, triggered }) => [
    ...('by' in base ? [base] : []),
    ...triggered,
    ...copies.values(),
  ]);
}

/**
 * What the classic builder would do.
 * @throws UsageError DOCKERFILE_INVALID naming file, line and reason.
 */
export function classicBuild(dockerfile: Dockerfile, options: ImageUsesOptions): ClassicBuild {
  const { file } = dockerfile;
  const { args, stages } = stagesOf(dockerfile);
  const refuseAtLine = (line: number): Refuse => refuseAt(file, line);
  const expand = globalArguments(
    args,
    { escape: dockerfile.escape, options, refuseAtLine, lastStage: undefined },
    'classic',
  );
  const last = targetOf(stages, options.target, refuseAtLine(0));
  const before = new Map<string, Stage>();
  const built = stages.slice(0, last + 1).map((stage) => {
    const refuse = refuseAtLine(stage.from.line);
    if (stage.name !== undefined && before.has(stage.name)) {
      refuse(`${stage.name} stage name already used`);
    }
    const written = stage.from.args[0] ?? '';
    const text = expand(written, refuse);
    if (text === '') refuse(`base name (${written}) should not be blank`);
    const flag = flagValue(stage.from, 'platform');
    const platform = flag === undefined ? undefined : platformOf(flag, expand(flag, refuse), refuse);
    const base = baseOf(text, stage.from.line, platform, before, refuse);
    const triggers = triggersOf(base, before, options).map((trigger) =>
      readTrigger(trigger, stage.from.line, { file, grammar: 'classic', heredocs: 'spaced' }),
    );
    const copied = (instruction: Instruction, line: number): readonly ImageUse[] =>
      copiedFrom(instruction, line, { before, index: stage.index }, refuseAtLine(line));
    const result: ClassicStage = {
      stage,
      base,
      platform,
      copies: new Map(
        stage.commands.flatMap((each) => copied(each, each.line).map((use) => [each, use] as const)),
      ),
      triggered: triggers.flatMap((trigger) => copied(trigger, stage.from.line)),
    };
    if (stage.name !== undefined) before.set(stage.name, stage);
    return result;
  });
  return { file, args, stages: built };
}

function targetOf(stages: readonly Stage[], target: string | undefined, refuse: Refuse): number {
  if (target === undefined || target === '') return stages.length - 1;
  const found = stages.findIndex(({ name }) => name === target.toLowerCase());
  return found >= 0 ? found : refuse(`failed to reach build target ${target}`);
}

function baseOf(
  text: string,
  line: number,
  platform: string | undefined,
  before: ReadonlyMap<string, Stage>,
  refuse: Refuse,
): ClassicStage['base'] {
  const name = text.toLowerCase();
  if (before.has(name)) return { name };
  if (text === 'scratch') return { name };
  const use = { text: imageText(text, refuse), line, by: 'FROM' as const, triggers: true };
  return platform === undefined ? use : { ...use, platform };
}

function triggersOf(
  base: ClassicStage['base'],
  before: ReadonlyMap<string, Stage>,
  options: ImageUsesOptions,
): readonly string[] {
  if ('by' in base) return options.triggersOf.get(base.text) ?? [];
  return (
    before
      .get(base.name)
      ?.commands.filter(({ keyword }) => keyword === 'ONBUILD')
      .map(triggerText) ?? []
  );
}

/** The image an instruction of the stage of this index copies from, if it does. */
function copiedFrom(
  instruction: Instruction,
  line: number,
  { before, index }: { readonly before: ReadonlyMap<string, Stage>; readonly index: number },
  refuse: Refuse,
): readonly ImageUse[] {
  const from = instruction.keyword === 'COPY' ? flagValue(instruction, 'from') : undefined;
  if (from === undefined || before.has(from.toLowerCase())) return [];
  const number = stageNumber(from);
  if (!Number.isNaN(number)) {
    if (number < 0 || number >= index) refuse(`invalid from flag value ${from}: no stage before this one`);
    return [];
  }
  if (from === 'scratch') refuse('COPY --from=scratch: the classic builder has no such image');
  return [{ text: imageText(from, refuse), line, by: 'COPY --from', triggers: false }];
}

/** A reference or an image ID, by its characters: which, and whether it is well formed, is for whoever resolves it. */
function imageText(text: string, refuse: Refuse): string {
  return /^[A-Za-z0-9][\w.:/@-]*$|^\[[0-9a-fA-F:]+\][\w.:/@-]*$/.test(text)
    ? text
    : refuse(`${text} is not the name of an image`);
}
