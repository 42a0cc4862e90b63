/** The recorded command trees of docker, buildx and Compose (test/recorded/README.md). */
import { readRecord } from '../../scripts/record/records.ts';
import type { RecordedCommand, Tree } from '../../scripts/record/tree.ts';

const RECORDED = ['cli-20.10', 'cli-26.1', 'cli-28.2', 'cli-29.8', 'buildx-0.13', 'compose-2.26'] as const;

export const RECORDINGS: ReadonlyMap<string, Tree> = new Map(
  RECORDED.map((name) => [name, readRecord(name)]),
);

/** Every path of any release, sorted. */
export const RECORDED_PATHS = [
  ...new Set([...RECORDINGS.values()].flatMap((tree) => [...tree.keys()])),
].sort();

/** The recordings of one path, by the record they are in. */
export function recordingsOf(command: string): [string, RecordedCommand][] {
  return [...RECORDINGS].flatMap(([record, tree]): [string, RecordedCommand][] => {
    const found = tree.get(command);
    return found === undefined ? [] : [[record, found]];
  });
}

/**
 * Every other spelling that a recording names for a command. `docker container ls, docker ps` names two paths,
 * `ls, list` (20.10) two names below the same parent.
 */
export function aliasPaths(command: string, recorded: RecordedCommand): string[] {
  const parent = command.split(' ').slice(0, -1);
  return (recorded.aliases ?? '')
    .split(', ')
    .filter((alias) => alias !== '')
    .map((alias) => (alias.startsWith('docker ') ? alias.slice(7) : [...parent, alias].join(' ')));
}

/** Every flag of a command as the record has it, those that help does not show too. */
export function flagsOf(recorded: RecordedCommand): readonly string[] {
  return `${recorded.flags} ${recorded.hiddenFlags ?? ''}`.split(' ').filter((flag) => flag !== '');
}
