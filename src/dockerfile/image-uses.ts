/**
 * Every image that a build of this Dockerfile would take from a registry or the engine: pure, from the parsed file and
 * what the command line says. Called again with `triggersOf` when the images that are built upon turn out to have
 * ONBUILD triggers, until nothing new turns up.
 *
 * Where builders read a file in two ways, both readings are resolved. What neither can go on with is refused.
 */
import { equal } from 'node:assert/strict';
import { hasCode, type UsageError } from '../lib/errors.ts';
import type { BuilderReading } from './build-arguments.ts';
import { buildkitUses } from './buildkit-uses.ts';
import { classicBuild, classicUses } from './classic-uses.ts';
import type { Dockerfile } from './dockerfile.ts';
import type { ImageUse, ImageUsesOptions } from './image-use.ts';
import { refuseAt } from './invalid.ts';
import { isContext } from './reference-text.ts';
import { trimSpace } from './space.ts';

/**
 * The images a build needs, in the order of the file, the front end first.
 * @throws UsageError DOCKERFILE_INVALID naming file, line and reason.
 */
export function imageUses(dockerfile: Dockerfile, options: ImageUsesOptions): readonly ImageUse[] {
  equal(dockerfile.grammar, options.grammar, 'a file is built as it was parsed');
  if (options.grammar === 'classic') return distinct(classicUses(classicBuild(dockerfile, options)));
  const frontEnd = frontEndUses(dockerfile, options);
  if (dockerfile.instructions.length === 0) return frontEnd;
  return distinct([...frontEnd, ...bothReadings(dockerfile, options)]);
}

function bothReadings(dockerfile: Dockerfile, options: ImageUsesOptions): readonly ImageUse[] {
  const readings: readonly BuilderReading[] = ['buildkit-0.13', 'buildkit-later'];
  const uses: ImageUse[] = [];
  const refusals: UsageError[] = [];
  for (const reading of readings) {
    try {
      uses.push(...buildkitUses(dockerfile, options, reading));
    } catch (error) {
      if (!hasCode(error, 'DOCKERFILE_INVALID')) throw error;
      refusals.push(error as UsageError);
    }
  }
  const [first] = refusals;
  if (first !== undefined && refusals.length === readings.length) throw first;
  return uses;
}

/** The front end that the build argument names, else the one that the file names. */
function frontEndUses(dockerfile: Dockerfile, options: ImageUsesOptions): readonly ImageUse[] {
  const argument = options.buildArgs.get('BUILDKIT_SYNTAX');
  const named =
    argument === undefined
      ? dockerfile.syntax
      : { value: trimSpace(argument).split(' ', 1)[0] ?? '', line: 0 };
  if (named === undefined) return [];
  const { value, line } = named;
  if (value === '') {
    refuseAt(
      dockerfile.file,
      line,
    )(
      line === 0
        ? 'the build argument BUILDKIT_SYNTAX names no front end'
        : 'the syntax directive names no front end',
    );
  }
  if (isContext(value, options.namedContexts)) return [];
  return [{ text: value, line, by: 'syntax', triggers: false }];
}

function distinct(uses: readonly ImageUse[]): readonly ImageUse[] {
  const byKey = new Map(uses.map((use) => [JSON.stringify([use.text, use.line, use.by, use.platform]), use]));
  return [...byKey.values()].sort((a, b) => a.line - b.line);
}
