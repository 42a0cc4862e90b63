/** Keys as rows of a table: role, repository, ID, and what a command adds. */
import type { KeyEntry } from '../keys/key-store.ts';
import { escapeShort } from '../lib/escape.ts';
import { renderTable } from './table.ts';

const HEADS = ['ROLE', 'REPOSITORY', 'KEY ID'];

/** What is known of a key's ID without its passphrase. */
export function shownKeyId(entry: KeyEntry): string {
  if (entry.problem !== undefined) return `unreadable: ${entry.problem}`;
  return entry.tufKeyId ?? 'not known until it is unlocked';
}

/** A table of keys; each row an entry and the cells that the command adds. */
export function renderKeyRows(
  rows: readonly (readonly [entry: KeyEntry, ...more: string[]])[],
  heads: readonly string[] = [],
): string {
  return renderTable(
    [...HEADS, ...heads],
    rows.map(([entry, ...more]) =>
      [entry.role ?? '-', entry.repository ?? '-', shownKeyId(entry), ...more].map((text) =>
        escapeShort(text),
      ),
    ),
  );
}
