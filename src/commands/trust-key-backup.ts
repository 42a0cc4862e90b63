/** `dtrust trust key backup FILE`: all private keys of this machine in one file, under one new passphrase. */
import { assertNewBackup, unlockForBackup, writeBackup } from '../keys/backup.ts';
import { assertBackupPassphrase, chooseBackupPassphrase } from '../keys/backup-passphrase.ts';
import type { KeyEntry, KeyStore } from '../keys/key-store.ts';
import { KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { type Context, type ExitStatus, note } from './context.ts';
import { keyNamed } from './key-named.ts';
import { renderKeyRows } from './key-rows.ts';
import { markInUse } from './keys-in-use.ts';
import { runOwn } from './run-own.ts';

const SYNTAX = {
  usage: 'dtrust trust key backup [OPTIONS] FILE',
  summary: 'Copy all private keys of this machine into one new file, under one passphrase, and read it back',
  flags: {
    only: {
      type: 'string',
      repeatable: true,
      describe: 'Only this key (a key ID, 7 digits of it or more, or a role)',
    },
    'passphrase-file': { type: 'string', describe: 'File that holds the passphrase for the backup' },
  },
  least: 1,
  most: 1,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const path = args.positionals[0] ?? '';
    const { fs } = context;
    const [keys, passphrases, terminal] = await Promise.all([
      services.keys(),
      services.passphrases(),
      services.terminal(),
    ]);
    const chosen = chooseEntries(keys, args.strings('only'));
    const source = { fs, terminal, file: args.string('passphrase-file') };
    assertNewBackup(fs, path);
    assertBackupPassphrase(source);
    const unlocked = await unlockForBackup(keys, chosen, passphrases);
    const kept = markInUse(unlocked, services.currentKeys);
    await writeBackup(fs, path, kept, await chooseBackupPassphrase(source));
    context.out(renderKeyRows(chosen.map((entry) => [entry])));
    const count = unlocked.length === 1 ? '1 key' : `${unlocked.length} keys`;
    context.out(`Backed up ${count} to ${escapeShort(path)}, and read back what was written\n`);
    note(context, 'keep the file away from this machine, and its passphrase away from the file');
    note(context, 'to put the keys back: dtrust trust key restore FILE');
    return 0;
  });
}

function chooseEntries(keys: KeyStore, only: readonly string[]): readonly KeyEntry[] {
  const entries = only.length === 0 ? keys.files() : only.map((name) => keyNamed(keys, name));
  // A key may be named twice, and may lie in two folders.
  if (entries.length > 0) return [...new Map(entries.map((entry) => [entry.notaryKeyId, entry])).values()];
  throw new KeyError({
    code: 'KEY_MISSING',
    message: 'there are no private keys on this machine to back up',
    hints: ['A key pair for a signer is made with: dtrust trust key generate NAME'],
  });
}
