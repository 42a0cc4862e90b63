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
  flags: { format: { type: 'string', describe: "'json': one JSON object per line" } },
  least: 0,
  most: 0,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const json = assertJsonFormat(args.string('format'));
    const entries = (await keysToShow(services)).list();
    const usesOf = await keyUsesHere(services);
    const rows = entries.map((entry) => ({ entry, uses: usesOf(entry) }));
    context.out(json ? rows.map(renderJson).join('') : renderTable(HEADS, rows.map(cells)));
    if (!json && entries.length > 0) note(context, 'copies of all of them: dtrust trust key backup FILE');
    return 0;
  });
}

const HEADS = ['ROLE', 'REPOSITORY', 'KEY ID', 'GOOD FOR', 'IF LOST', 'FILE'];

interface Row {
  readonly entry: KeyEntry;
  readonly uses: readonly KeyUse[];
}

function cells({ entry, uses }: Row): readonly string[] {
  const file = entry.held === true ? `from ${entry.file}` : entry.file;
  const known = [goodFor(entry, uses), ifLost(entry, uses)];
  return [entry.role ?? '-', entry.repository ?? '-', shownKeyId(entry), ...known, file].map((text) =>
    escapeShort(text),
  );
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
