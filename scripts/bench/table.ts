/** The page of numbers, as Markdown. */
import type { TargetsRow } from './targets.ts';

export interface Row {
  readonly work: string;
  /** Of dtrust, with its unit. */
  readonly dtrust: string;
  /** Of what it is compared with; `-` where there is nothing. */
  readonly other: string;
  /** dtrust against the other. */
  readonly ratio: string;
  readonly budget: string;
  /** Undefined where there is no budget, or nothing to compare with. */
  readonly isMet?: boolean | undefined;
}

export interface Page {
  readonly rows: readonly Row[];
  /** Of signing. */
  readonly signing: readonly Row[];
  readonly targets: readonly TargetsRow[];
  readonly machine: string;
  readonly engine: string;
  readonly comparedWith: string;
}

const LARGEST_GROWTH = 120;

const verdict = ({ isMet }: Row): string => (isMet === undefined ? '-' : isMet ? 'met' : '**missed**');

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

export const milliseconds = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`;

export const ratioOf = (value: number, other: number): string => `${(value / other).toFixed(2)} x`;

function growthLine(rows: readonly TargetsRow[], what: string, of: (row: TargetsRow) => number): string {
  const at = (count: number): number => {
    const row = rows.find(({ targets }) => targets === count);
    return row === undefined ? Number.NaN : of(row);
  };
  const growth = at(100_000) / at(1_000);
  const met = growth <= LARGEST_GROWTH ? 'met' : '**missed**';
  return `100,000 against 1,000, ${what}: ${growth.toFixed(0)} times as long; budget ${LARGEST_GROWTH}, ${met}.`;
}

function targetsTable(rows: readonly TargetsRow[]): readonly string[] {
  return [
    line(['targets', 'size of targets.json', 'first in a process', 'repeated']),
    line(['--:', '--:', '--:', '--:']),
    ...rows.map((row) =>
      line([
        row.targets.toLocaleString('en'),
        `${Math.round(row.bytes / 1024).toLocaleString('en')} KiB`,
        milliseconds(row.milliseconds),
        milliseconds(row.repeatedMilliseconds),
      ]),
    ),
    '',
    growthLine(rows, 'first in a process', ({ milliseconds: first }) => first),
    growthLine(rows, 'repeated', ({ repeatedMilliseconds }) => repeatedMilliseconds),
  ];
}

function rowsTable(rows: readonly Row[]): readonly string[] {
  return [
    line(['work', 'dtrust', 'compared with', 'ratio', 'budget', '']),
    line(['---', '--:', '--:', '--:', '---', '---']),
    ...rows.map((row) => line([row.work, row.dtrust, row.other, row.ratio, row.budget, verdict(row)])),
  ];
}

/** Every number in it was measured in this run. */
export function renderPage(page: Page): string {
  return [
    '# Performance',
    '',
    'Medians, measured in one run by `npm run bench`; run it to see those of your machine.',
    `${page.machine}; ${page.engine}.`,
    page.comparedWith,
    'A round trip of 50 ms is made by a relay that stands before the source of trust data alone (for dtrust the',
    'registry, for Docker Content Trust the Notary server); TLS on both. For a build it stands before the whole registry,',
    'for dtrust and for plain docker; warm, the bases are in the cache of the builder, cold, nothing is known of them.',
    '',
    '## Commands',
    '',
    ...rowsTable(page.rows),
    '',
    '## Signing',
    '',
    'Machines with homes and keys of their own push to one repository, begun at the same moment; a retry is an attempt to',
    'publish that another machine came before. A push of dtrust that says "signed" has waited until nothing can undo it',
    '(two reads of the tag, more than a turn apart), so one second of each is that wait. Docker Content Trust does not',
    'wait, and refuses a push that another one came before; its machines are copies of one home.',
    '',
    ...rowsTable(page.signing),
    '',
    '## Parsing and verifying',
    '',
    'From the bytes of all files to one resolved tag. A pull does it once in its process; repeated, it shows how the',
    'work itself grows.',
    '',
    ...targetsTable(page.targets),
    '',
  ].join('\n');
}
