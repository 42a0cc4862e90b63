/** The recorded command trees of docker (test/recorded/README.md). */
import { readFileSync } from 'node:fs';
import path from 'node:path';

export interface RecordedCommand {
  readonly usage: string;
  /** `q/quiet platform=` */
  readonly flags: string;
  readonly aliases?: string;
}

export const RELEASES = ['20.10', '26.1', '28.2', '29.8'] as const;

function load(release: string): ReadonlyMap<string, RecordedCommand> {
  const file = path.join(import.meta.dirname, '..', 'recorded', `cli-${release}.json`);
  return new Map(Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, RecordedCommand>));
}

export const RECORDINGS = new Map(RELEASES.map((release) => [release, load(release)]));

/** Every path of any release, sorted. */
export const RECORDED_PATHS = [
  ...new Set([...RECORDINGS.values()].flatMap((tree) => [...tree.keys()])),
].sort();

/** The recordings of one path, by release. */
export function recordingsOf(command: string): [string, RecordedCommand][] {
  return [...RECORDINGS].flatMap(([release, tree]): [string, RecordedCommand][] => {
    const found = tree.get(command);
    return found === undefined ? [] : [[release, found]];
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
