import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { chooseBackupPassphrase, unlockBackup } from '../../src/keys/backup-passphrase.ts';
import { wrongPassphrase } from '../../src/keys/pbes2.ts';
import type { Secret } from '../../src/keys/secret.ts';
import { KeyError } from '../../src/lib/errors.ts';
import { realFileSystem as fs } from '../../src/lib/file-system.ts';
import { noTerminal, refusal, scriptedTerminal, temporaryFolder } from './helpers.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
  return () => folder.remove();
});

const onlyRight = async (passphrase: Secret): Promise<string> => {
  if (passphrase.reveal() !== 'the right passphrase') throw wrongPassphrase();
  return 'opened';
};

describe('contract (Keys): the passphrase of a backup', () => {
  test('is asked for twice when it is new, and is not one of the keys', async () => {
    const terminal = scriptedTerminal(['a new passphrase']);
    const secret = await chooseBackupPassphrase({ fs, terminal, file: undefined });
    expect(secret.reveal()).toBe('a new passphrase');
    expect(terminal.log).toEqual(['Enter new passphrase for the backup: ']);
  });

  test('may be typed wrong twice', async () => {
    const terminal = scriptedTerminal(['one', 'two', 'the right passphrase']);
    expect(await unlockBackup({ fs, terminal, file: undefined }, onlyRight)).toBe('opened');
    const thrice = scriptedTerminal(['one', 'two', 'three', 'the right passphrase']);
    await refusal(KeyError, 'KEY_PASSPHRASE', () =>
      unlockBackup({ fs, terminal: thrice, file: undefined }, onlyRight),
    );
  });

  test('from a file is tried once', async () => {
    const file = join(folder.path, 'passphrase');
    writeFileSync(file, 'the right passphrase\n');
    expect(await unlockBackup({ fs, terminal: noTerminal, file }, onlyRight)).toBe('opened');
    writeFileSync(file, 'a wrong passphrase\n');
    await refusal(KeyError, 'KEY_PASSPHRASE', () =>
      unlockBackup({ fs, terminal: noTerminal, file }, onlyRight),
    );
  });

  test('that nobody gives ends the command', async () => {
    const options = { fs, terminal: scriptedTerminal([undefined]), file: undefined };
    await refusal(KeyError, 'PROMPT_DECLINED', () => chooseBackupPassphrase(options));
    await refusal(KeyError, 'PROMPT_DECLINED', () =>
      unlockBackup({ ...options, terminal: scriptedTerminal([undefined]) }, onlyRight),
    );
    const nobody = { fs, terminal: noTerminal, file: undefined };
    await refusal(KeyError, 'KEY_PASSPHRASE_MISSING', () => chooseBackupPassphrase(nobody));
    await refusal(KeyError, 'KEY_PASSPHRASE_MISSING', () => unlockBackup(nobody, onlyRight));
  });
});
