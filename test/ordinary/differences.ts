/**
 * The table of docs/differences.md, and whether it explains how two texts differ.
 *
 * Each row names the commands (a pattern: `…` stands for anything), where the difference is to be seen, what docker
 * says and what dtrust says instead; an empty cell is a line that is not there. A row speaks of whole lines. Blank ones
 * are not looked at.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../../scripts/build.ts';

export type Place = 'stdout' | 'stderr' | 'status';

export interface Row {
  /** As they stand in the table. */
  readonly command: string;
  readonly place: Place;
  readonly docker: string;
  readonly dtrust: string;
}

/** How two texts differ: the lines that only the one has, and those that only the other has. */
export interface Difference {
  readonly docker: readonly string[];
  readonly dtrust: readonly string[];
}

export function readTable(): readonly Row[] {
  const text = readFileSync(path.join(projectRoot, 'docs', 'differences.md'), 'utf8');
  return text
    .split('\n')
    .filter((line) => /^\| `[^`]*docker /.test(line))
    .map((line) => {
      const cells = line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('\\|', '|'));
      const [command = '', place = '', docker = '', dtrust = ''] = cells.map(code);
      return { command, place: place as Place, docker, dtrust };
    });
}

/** What stands between backticks, or the cell. */
function code(cell: string): string {
  return /^(`+) ?(.*?) ?\1$/.exec(cell)?.[2] ?? cell;
}

/**
 * The rows that explain how one place of a command differs, all of its lines; undefined when something is left. A row
 * of two sides explains nothing where only one of them is to be seen.
 */
export function explain(
  line: string,
  place: Place,
  found: Difference,
  rows: readonly Row[],
): readonly Row[] | undefined {
  const says = (pattern: string, lines: readonly string[]) => lines.some((each) => matches(pattern, each));
  const there = rows.filter(
    ({ command, place: where, docker, dtrust }) =>
      where === place &&
      matches(command, line) &&
      (docker === '' || says(docker, found.docker)) &&
      (dtrust === '' || says(dtrust, found.dtrust)),
  );
  const isSaid = (side: 'docker' | 'dtrust') => (each: string) =>
    each === '' || there.some((row) => row[side] !== '' && matches(row[side], each));
  return found.docker.every(isSaid('docker')) && found.dtrust.every(isSaid('dtrust')) ? there : undefined;
}

function matches(pattern: string, text: string): boolean {
  const parts = pattern.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text);
}

/** How two lists of lines differ, by their longest common part; undefined where they do not. */
export function differenceOf(docker: readonly string[], dtrust: readonly string[]): Difference | undefined {
  const longest = Array.from({ length: docker.length + 1 }, () =>
    new Array<number>(dtrust.length + 1).fill(0),
  );
  const at = (i: number, j: number) => longest[i]?.[j] ?? 0;
  for (let i = docker.length - 1; i >= 0; i--) {
    for (let j = dtrust.length - 1; j >= 0; j--) {
      const row = longest[i] ?? [];
      row[j] = docker[i] === dtrust[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const found = { docker: [] as string[], dtrust: [] as string[] };
  for (let i = 0, j = 0; i < docker.length || j < dtrust.length; ) {
    if (i < docker.length && j < dtrust.length && docker[i] === dtrust[j]) {
      i += 1;
      j += 1;
    } else if (j >= dtrust.length || (i < docker.length && at(i + 1, j) >= at(i, j + 1))) {
      found.docker.push(docker[i++] ?? '');
    } else found.dtrust.push(dtrust[j++] ?? '');
  }
  return found.docker.length + found.dtrust.length === 0 ? undefined : found;
}
