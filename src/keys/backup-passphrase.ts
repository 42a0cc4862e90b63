/**
 * The passphrase of a backup: from a file that the command line names, or from the terminal, and nowhere else. The
 * variables hold the passphrases of the keys, which a backup is not to share.
 */
import { KeyError } from '../lib/errors.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { readPassphraseFile } from './passphrase-file.ts';
import { assertPassphraseLength } from './passphrases.ts';
import type { Secret } from './secret.ts';
import type { Terminal } from './terminal.ts';

export interface BackupPassphraseOptions {
  readonly fs: FileSystem;
  readonly terminal: Terminal;
  /** `--passphrase-file`. */
  readonly file: string | undefined;
}

const FLAG = '--passphrase-file';
const TRIES = 3;

/** @throws KeyError KEY_PASSPHRASE_MISSING when there is neither a file nor anybody to ask */
export function assertBackupPassphrase({ file, terminal }: BackupPassphraseOptions): void {
  if (file === undefined && !terminal.canPrompt()) throw missing();
}

/**
 * The passphrase for a new backup, asked twice.
 *
 * @throws KeyError KEY_PASSPHRASE_MISSING, KEY_PASSPHRASE_SHORT, KEY_PASSPHRASE (never the same twice),
 *   PROMPT_DECLINED; LocalStateError FILE_UNREADABLE; Interrupted
 */
export async function chooseBackupPassphrase(options: BackupPassphraseOptions): Promise<Secret> {
  const { fs, terminal, file } = options;
  assertBackupPassphrase(options);
  if (file !== undefined) {
    return assertPassphraseLength(readPassphraseFile(fs, file, FLAG), `the file named by ${FLAG}`);
  }
  const secret = await terminal.askNewSecret({
    first: 'Enter new passphrase for the backup: ',
    repeat: 'Repeat passphrase for the backup: ',
  });
  if (secret === undefined) throw declined();
  return secret;
}

/**
 * Calls `attempt` with the passphrase; a person may try three times.
 *
 * @throws KeyError KEY_PASSPHRASE, KEY_PASSPHRASE_MISSING, PROMPT_DECLINED, and what `attempt` throws;
 *   LocalStateError FILE_UNREADABLE; Interrupted
 */
export async function unlockBackup<T>(
  options: BackupPassphraseOptions,
  attempt: (passphrase: Secret) => Promise<T>,
): Promise<T> {
  const { fs, terminal, file } = options;
  assertBackupPassphrase(options);
  if (file !== undefined) return await attempt(readPassphraseFile(fs, file, FLAG));
  for (let tries = 1; ; tries += 1) {
    const secret = await terminal.askSecret('Enter passphrase for the backup: ');
    if (secret === undefined) throw declined();
    try {
      return await attempt(secret);
    } catch (error) {
      const isWrong = error instanceof KeyError && error.code === 'KEY_PASSPHRASE';
      if (!isWrong || tries === TRIES) throw error;
      terminal.say('Passphrase incorrect. Please retry.');
    }
  }
}

function missing(): KeyError {
  return new KeyError({
    code: 'KEY_PASSPHRASE_MISSING',
    message: `no passphrase for the backup: no terminal to ask on, and no ${FLAG}`,
    hints: [`Name a file that holds the passphrase: ${FLAG} FILE`],
  });
}

function declined(): KeyError {
  return new KeyError({ code: 'PROMPT_DECLINED', message: 'no passphrase was given for the backup' });
}
