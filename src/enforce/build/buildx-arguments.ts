/**
 * What the real docker is called with for a build under a policy: the arguments as they were typed, behind `buildx build`,
 * whatever way of writing that was chosen, so that docker cannot choose another builder than the one that was tried.
 *
 * Changed are only: `--disable-content-trust`, which buildx does not know, is taken out; each `--cache-from` names its
 * image by digest; and behind all flags stand the builder that was tried and the file that dtrust reads the result from.
 */
import type { ParsedArgv } from '../../cli/argv.ts';
import { COMMAND_FLAGS } from '../../cli/flags.ts';
import { parseFlags } from '../../cli/pflag.ts';

export interface BuildxChanges {
  readonly builder: string;
  /** By what was typed. */
  readonly cacheFrom: ReadonlyMap<string, string>;
  /** Undefined where none is written. */
  readonly metadataFile: string | undefined;
}

/** The arguments behind docker's global flags. */
export function buildxArguments(parsed: ParsedArgv, changes: BuildxChanges): readonly string[] {
  const { rest, restAt, flagsEndAt, between } = parsed;
  const dropped = new Set(parsed.contentTrustAt.map((at) => at - restAt));
  const replaced = cacheArguments(parsed, changes.cacheFrom);
  const kept = (from: number, to: number) =>
    rest.slice(from, to).flatMap((arg, i) => (dropped.has(from + i) ? [] : [replaced.get(from + i) ?? arg]));
  const before = [...between].flatMap(([name, values]) => values.map((value) => `--${name}=${value}`));
  const { builder, metadataFile } = changes;
  return [
    'buildx',
    ...before,
    'build',
    ...kept(0, flagsEndAt),
    `--builder=${builder}`,
    ...(metadataFile === undefined ? [] : [`--metadata-file=${metadataFile}`]),
    ...kept(flagsEndAt, rest.length),
  ];
}

/** Where the value of each `--cache-from` stands, and what stands there instead. */
function cacheArguments(
  { path, rest }: ParsedArgv,
  cacheFrom: ReadonlyMap<string, string>,
): ReadonlyMap<number, string> {
  const table = COMMAND_FLAGS.get(path.join(' '));
  if (table === undefined || cacheFrom.size === 0) return new Map();
  return new Map(
    parseFlags(rest, table).occurrences.flatMap(({ name, value, at }): [number, string][] => {
      const pinned = name === 'cache-from' ? cacheFrom.get(value) : undefined;
      if (pinned === undefined) return [];
      return rest[at] === '--cache-from' ? [[at + 1, pinned]] : [[at, `--cache-from=${pinned}`]];
    }),
  );
}
