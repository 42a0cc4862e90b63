/**
 * `dtrust trust key list`: the private keys on this machine, what each is good for, and what its loss would mean.
 * Nobody is asked for a passphrase, and nothing is fetched.
 */
import type { KeyEntry } from '../keys/key-store.ts';
import { escapeJson, escapeShort } from '../lib/escape.ts';
import type { KeyUse } from '../trust/key-uses.ts';
import { type Context, type ExitStatus, note } from './context.ts';
import { assertJsonFormat } from './format.ts';
import { shownKeyId } from './key-rows.ts';
import { goodFor, ifLost, keyUsesHere } from './key-uses-here.ts';
import { keysToShow } from './keys-to-show.ts';
import { runOwn } from './run-own.ts';
import { renderTable } from './table.ts';

const SYNTAX = {
  usage: 'dtrust trust key list [OPTIONS]',
  summary: 'List the private keys on this machine',
  flags: {
    format: { type: 'string', describe: "'json': one JSON object per line" },
    'no-trunc': { type: 'boolean', describe: 'Show whole key IDs, and the file of each key' },
  },
  least: 0,
  most: 0,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const json = assertJsonFormat(args.string('format'));
    const whole = args.on('no-trunc');
    const entries = (await keysToShow(services)).list();
    const usesOf = await keyUsesHere(services);
    const rows = entries.map((entry) => ({ entry, uses: usesOf(entry) }));
    context.out(json ? rows.map(renderJson).join('') : renderRows(rows, whole));
    if (!json && entries.length > 0) note(context, 'copies of all of them: dtrust trust key backup FILE');
    return 0;
  });
}

const HEADS = ['ROLE', 'REPOSITORY', 'KEY ID', 'GOOD FOR'];
const SHORT_ID = 12;

interface Row {
  readonly entry: KeyEntry;
  readonly uses: readonly KeyUse[];
}

/** A row for each key, and below it what its loss would mean. */
function renderRows(rows: readonly Row[], whole: boolean): string {
  const heads = whole ? [...HEADS, 'FILE'] : HEADS;
  const [head = '', ...lines] = renderTable(
    heads,
    rows.map((row) => cells(row, whole)),
  ).split(/(?<=\n)/);
  const below = rows.map(({ entry, uses }) => `   if lost: ${escapeShort(ifLost(entry, uses))}\n`);
  return [head, ...lines.flatMap((line, at) => [line, below[at] ?? ''])].join('');
}

function cells({ entry, uses }: Row, whole: boolean): readonly string[] {
  const { role = '-', repository = '-', held, file, problem, tufKeyId } = entry;
  const id = whole || problem !== undefined || tufKeyId === undefined ? shownKeyId(entry) : shortId(tufKeyId);
  const from = held === true ? `from ${file}` : file;
  // What lies in no file says so in the short form too.
  const where = whole ? [from] : [];
  const good = held === true && !whole ? `${goodFor(entry, uses)} (${from})` : goodFor(entry, uses);
  return [role, repository, id, good, ...where].map((text) => escapeShort(text));
}

function shortId(id: string): string {
  return id.slice(0, SHORT_ID);
}

function renderJson({ entry, uses }: Row): string {
  return `${escapeJson(
    JSON.stringify({
      Role: entry.role ?? '',
      Repository: entry.repository ?? '',
      ID: entry.tufKeyId ?? '',
      FileID: entry.notaryKeyId,
      File: entry.file,
      Protection: entry.protection,
      Problem: entry.problem ?? '',
      Uses: uses.map(({ repository, as, signer, paths, others, threshold }) => ({
        Repository: repository,
        As: as,
        Signer: signer ?? '',
        Paths: paths ?? [],
        OtherKeys: others,
        Threshold: threshold,
      })),
      IfLost: ifLost(entry, uses),
    }),
  )}\n`;
}
