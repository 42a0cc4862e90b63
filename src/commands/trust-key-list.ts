/** `dtrust trust key list`: the private keys on this machine. Nobody is asked for a passphrase. */
import type { KeyEntry } from '../keys/key-store.ts';
import { escapeJson, escapeShort } from '../lib/escape.ts';
import type { Context, ExitStatus } from './context.ts';
import { assertJsonFormat } from './format.ts';
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
    context.out(json ? entries.map(renderJson).join('') : renderTable(HEADS, entries.map(row)));
    return 0;
  });
}

const HEADS = ['ROLE', 'REPOSITORY', 'KEY ID', 'FILE'];

function row(entry: KeyEntry): readonly string[] {
  const id =
    entry.problem === undefined
      ? (entry.tufKeyId ?? 'not known until it is unlocked')
      : `unreadable: ${entry.problem}`;
  const file = entry.held === true ? `from ${entry.file}` : entry.file;
  return [entry.role ?? '-', entry.repository ?? '-', id, file].map((text) => escapeShort(text));
}

function renderJson(entry: KeyEntry): string {
  return `${escapeJson(
    JSON.stringify({
      Role: entry.role ?? '',
      Repository: entry.repository ?? '',
      ID: entry.tufKeyId ?? '',
      FileID: entry.notaryKeyId,
      File: entry.file,
      Protection: entry.protection,
      Problem: entry.problem ?? '',
    }),
  )}\n`;
}
