/**
 * The images a BuildKit build needs: those of the stages that the target is built upon or copies from, directly or
 * through others. What stands in the other stages is not asked for, but has to be readable, as for BuildKit.
 */
import { type BuilderReading, type Expand, globalArguments } from './build-arguments.ts';
import type { Dockerfile, Instruction } from './dockerfile.ts';
import type { HeredocReading } from './heredoc.ts';
import { byEitherReading } from './heredoc-readings.ts';
import type { ImageUse, ImageUsesOptions } from './image-use.ts';
import { type Refuse, refuseAt } from './invalid.ts';
import { mountSources } from './mounts.ts';
import { readTrigger, triggerText } from './read-instruction.ts';
import { isContext, isReferenceText } from './reference-text.ts';
import { flagValue, type Stage, stageNumber, stagesOf } from './stages.ts';

/** What a stage or an instruction takes from: stages of this file, and images. */
interface Sources {
  readonly stages: readonly number[];
  readonly images: readonly ImageUse[];
}

interface Node extends Sources {
  readonly stage: Stage;
  /** The FROM's, expanded. */
  readonly text: string;
  readonly base: number | undefined;
  /** Whether a named context stands in for the whole stage. */
  readonly isReplaced: boolean;
}

/** The images of one reading of the file. */
export function buildkitUses(
  dockerfile: Dockerfile,
  options: ImageUsesOptions,
  reading: BuilderReading,
): readonly ImageUse[] {
  return new Graph(dockerfile, options, reading).uses();
}

class Graph {
  readonly #file: Dockerfile;
  readonly #options: ImageUsesOptions;
  readonly #stages: readonly Stage[];
  readonly #byName: ReadonlyMap<string, number>;
  readonly #nodes: readonly Node[];

  constructor(file: Dockerfile, options: ImageUsesOptions, reading: BuilderReading) {
    this.#file = file;
    this.#options = options;
    const { args, stages } = stagesOf(file);
    this.#stages = stages;
    this.#byName = new Map(stages.flatMap(({ name, index }) => (name === undefined ? [] : [[name, index]])));
    const refuseAtLine = (line: number): Refuse => refuseAt(file.file, line);
    const given = { escape: file.escape, options, refuseAtLine, lastStage: stages.at(-1)?.name };
    const expand = globalArguments(args, given, reading);
    const byName = new Map<string, number>();
    this.#nodes = stages.map((stage) => {
      const node = this.#nodeOf(stage, byName, expand);
      if (stage.name !== undefined) byName.set(stage.name, stage.index);
      return node;
    });
    this.#refuseCircles();
  }

  /** Stages that need each other, also by what they are built upon: BuildKit 0.13 refuses some, and dies of others. */
  #refuseCircles(): void {
    const needs = this.#nodes.map(
      ({ base, stages }) => new Set(base === undefined ? stages : [...stages, base]),
    );
    const circle = circleIn(needs);
    const stage = circle === undefined ? undefined : this.#stages[circle];
    if (stage !== undefined) this.#refuse(stage.from)('circular dependency: this stage needs itself');
  }

  /** What the target needs. */
  uses(): readonly ImageUse[] {
    const uses: ImageUse[] = [];
    const seen = new Set<number>();
    const waiting = [this.#target()];
    for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
      const node = this.#nodes[index];
      if (node === undefined || seen.has(index)) continue;
      seen.add(index);
      const triggered = this.#triggered(node);
      uses.push(...node.images, ...triggered.images);
      waiting.push(...node.stages, ...triggered.stages);
      if (node.base !== undefined) waiting.push(node.base);
    }
    return uses;
  }

  #target(): number {
    const { target } = this.#options;
    if (target === undefined || target === '') return this.#stages.length - 1;
    return this.#named(target) ?? refuseAt(this.#file.file, 0)(`target stage ${target} could not be found`);
  }

  /** The stage of a name, in whatever case it is written; of several the last, wherever it is asked for. */
  #named(name: string): number | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  #nodeOf(stage: Stage, byName: ReadonlyMap<string, number>, expand: Expand): Node {
    const { from } = stage;
    const refuse = this.#refuse(from);
    const written = from.args[0] ?? '';
    const text = expand(written, refuse);
    if (text === '') refuse(`base name (${written}) should not be blank`);
    const flag = flagValue(from, 'platform');
    const platform = flag === undefined ? undefined : platformOf(flag, expand(flag, refuse), refuse);
    const isReplaced = stage.name !== undefined && isContext(stage.name, this.#options.namedContexts);
    const base = byName.get(text);
    const copied = stage.commands.map((command) => this.#sourcesOf(command, command.line));
    const withWritten: Refuse = (reason) => refuse(written === text ? reason : `FROM ${written}: ${reason}`);
    const image =
      base !== undefined || isReplaced ? [] : this.#imageOf(text, 'FROM', from.line, withWritten, platform);
    return {
      stage,
      text,
      base,
      isReplaced,
      stages: copied.flatMap(({ stages }) => stages),
      images: [...image, ...copied.flatMap(({ images }) => images)],
    };
  }

  /** What an instruction takes from; `line` is where to say so. */
  #sourcesOf(instruction: Instruction, line: number): Sources {
    const refuse = refuseAt(this.#file.file, line);
    if (instruction.keyword === 'COPY') {
      const from = flagValue(instruction, 'from');
      return from === undefined ? NOTHING : this.#copiedFrom(from, line, refuse);
    }
    if (instruction.keyword !== 'RUN') return NOTHING;
    const mounts = mountSources(instruction.flags, refuse).map((from) =>
      // A mount from nowhere is one from scratch to BuildKit, which a stage can be called.
      this.#takenFrom(from ?? 'scratch', 'RUN --mount', line, refuse),
    );
    return {
      stages: mounts.flatMap(({ stages }) => stages),
      images: mounts.flatMap(({ images }) => images),
    };
  }

  #copiedFrom(from: string, line: number, refuse: Refuse): Sources {
    const number = stageNumber(from);
    if (Number.isNaN(number)) return this.#takenFrom(from, 'COPY --from', line, refuse);
    // BuildKit counts images copied from behind the stages; by number they are not found here.
    if (number < 0 || number >= this.#stages.length) refuse(`invalid stage index ${from}`);
    return { stages: [number], images: [] };
  }

  #takenFrom(from: string, by: ImageUse['by'], line: number, refuse: Refuse): Sources {
    if (/[$'"\\`]/.test(from)) {
      refuse(
        `variables and quotes are not expanded in ${by}=${from}: name a stage with FROM, and take from that`,
      );
    }
    const stage = this.#named(from);
    if (stage !== undefined) return { stages: [stage], images: [] };
    return { stages: [], images: this.#imageOf(from, by, line, refuse) };
  }

  #imageOf(
    text: string,
    by: ImageUse['by'],
    line: number,
    refuse: Refuse,
    platform?: string,
  ): readonly ImageUse[] {
    if (text === 'scratch') return [];
    if (!isReferenceText(text)) refuse(`${text} is neither a stage before it nor the name of an image`);
    if (isContext(text, this.#options.namedContexts)) return [];
    const use = { text, line, by, triggers: by === 'FROM' };
    return [platform === undefined ? use : { ...use, platform }];
  }

  /** What the ONBUILD triggers of the stage's base take from. BuildKit 0.13 refuses such, later ones resolve them. */
  #triggered(node: Node): Sources {
    if (node.isReplaced) return NOTHING;
    const { line } = node.stage.from;
    const sources = this.#triggersOf(node).map((text) => {
      const { file } = this.#file;
      const read = (heredocs: HeredocReading): Instruction =>
        readTrigger(text, line, { file, grammar: 'buildkit', heredocs });
      return this.#sourcesOf(byEitherReading(read), line);
    });
    return {
      stages: sources.flatMap(({ stages }) => stages),
      images: sources.flatMap(({ images }) => images),
    };
  }

  #triggersOf(node: Node): readonly string[] {
    const base = node.base === undefined ? undefined : this.#nodes[node.base];
    if (base === undefined) return this.#options.triggersOf.get(node.text) ?? [];
    if (base.isReplaced) return this.#options.triggersOf.get(base.stage.name ?? '') ?? [];
    return base.stage.commands.filter(({ keyword }) => keyword === 'ONBUILD').map(triggerText);
  }

  #refuse({ line }: Instruction): Refuse {
    return refuseAt(this.#file.file, line);
  }
}

/** One of the stages that need themselves, directly or through others. */
function circleIn(needs: readonly ReadonlySet<number>[]): number | undefined {
  const neededBy = needs.map((): number[] => []);
  for (const [stage, others] of needs.entries()) for (const other of others) neededBy[other]?.push(stage);
  // Those that need nothing more are taken away until none is left, or a circle.
  const left = needs.map(({ size }) => size);
  const free = left.flatMap((count, stage) => (count === 0 ? [stage] : []));
  for (let stage = free.pop(); stage !== undefined; stage = free.pop()) {
    for (const other of neededBy[stage] ?? []) {
      const count = (left[other] ?? 0) - 1;
      left[other] = count;
      if (count === 0) free.push(other);
    }
  }
  const found = left.findIndex((count) => count > 0);
  return found < 0 ? undefined : found;
}

const NOTHING: Sources = { stages: [], images: [] };

/** A platform that containerd could read; what it means is for whoever resolves the image. */
export function platformOf(written: string, text: string, refuse: Refuse): string {
  if (text === '') return refuse(`empty platform value from expression ${written}`);
  return /^[A-Za-z0-9_-]+(?:\([A-Za-z0-9_.-]*\))?(?:\/[A-Za-z0-9_-]+){0,2}$/.test(text)
    ? text
    : refuse(`failed to parse platform ${text}`);
}
