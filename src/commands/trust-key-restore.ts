/** `dtrust trust key restore FILE`: puts the keys of a backup into this machine's store; what is here stays as it is. */

import { type RestoredKey, readBackup, restoreKeys } from '../keys/backup.ts';
import { openBackup } from '../keys/backup-file.ts';
import { unlockBackup } from '../keys/backup-passphrase.ts';
import type { KeyStore } from '../keys/key-store.ts';
import { escapeShort } from '../lib/escape.ts';
import { type Context, type ExitStatus, note } from './context.ts';
import { renderKeyRows } from './key-rows.ts';
import { keepInUse } from './keys-in-use.ts';
import { runOwn } from './run-own.ts';

const SYNTAX = {
  usage: 'dtrust trust key restore [OPTIONS] FILE',
  summary: 'Put the private keys of a backup back; keys that are here are left as they are',
  flags: { 'passphrase-file': { type: 'string', describe: 'File that holds the passphrase of the backup' } },
  least: 1,
  most: 1,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const path = args.positionals[0] ?? '';
    const { fs } = context;
    const backup = readBackup(fs, path);
    const [keys, terminal] = await Promise.all([services.keys(), services.terminal()]);
    const source = { fs, terminal, file: args.string('passphrase-file') };
    const opened = await unlockBackup(source, async (passphrase) => ({
      passphrase,
      found: await openBackup(backup, passphrase),
    }));
    await keepInUse(opened.found, keys.files(), services.currentKeys);
    const restored = await restoreKeys(keys, opened.found, opened.passphrase);
    const put = restored.filter(({ present }) => !present);
    context.out(renderKeyRows(restored.map(row), ['STATUS']));
    context.out(`Restored ${put.length} of ${restored.length} keys from ${escapeShort(path)}\n`);
    if (put.length > 0) {
      note(
        context,
        'restored keys have the passphrase of the backup; to give one its own: dtrust trust key passwd KEY',
      );
    }
    sayTwoRoots(context, keys);
    return 0;
  });
}

function row({ entry, present }: RestoredKey) {
  return [entry, present ? 'was here already, left as it is' : 'restored'] as const;
}

/** New repositories begin with one of them, and nothing else says which. */
function sayTwoRoots(context: Context, keys: KeyStore): void {
  const roots = keys.files().filter(({ role }) => role === 'root');
  if (roots.length < 2) return;
  note(
    context,
    `warning: there are ${roots.length} root keys on this machine now; see which is for what: dtrust trust key list`,
  );
}
