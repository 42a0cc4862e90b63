/**
 * Backing up and restoring private keys.
 *
 * A backup is said to be made when its file was read back from the disk and every key in it decrypted and has signed.
 * It goes over no other file. One key that cannot be had means no backup: half of one would be taken for a whole.
 * A restore decrypts and checks all keys before it writes the first, and leaves keys that are here as they are.
 */
import { dirname } from 'node:path';
import { removeIfThere } from '../lib/atomic-write.ts';
import { KeyError, LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { writeFailure } from '../lib/fs-error.ts';
import {
  type Backup,
  type BackupKey,
  type KeyToKeep,
  openBackup,
  parseBackup,
  renderBackup,
} from './backup-file.ts';
import { createNewFile } from './create-file.ts';
import type { LabelledKey } from './key-file.ts';
import type { KeyEntry, KeyStore } from './key-store.ts';
import type { Passphrases } from './passphrases.ts';
import { KDF_ITERATIONS } from './pbes2.ts';
import { readBounded } from './read-bounded.ts';
import type { Secret } from './secret.ts';

// Some thousand keys.
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * Refuses, before anybody is asked for anything, to write a backup where it could not be written.
 *
 * @throws KeyError KEY_EXISTS; LocalStateError FILE_UNWRITABLE
 */
export function assertNewBackup(fs: FileSystem, path: string): void {
  try {
    if (fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) throw taken(path);
    fs.readdirSync(dirname(path));
  } catch (error) {
    throw writeFailure(error, path);
  }
}

/**
 * The keys of these entries, decrypted; each key once.
 *
 * @throws KeyError and LocalStateError as `KeyStore.load`, with a hint that the backup was not made
 */
export async function unlockForBackup(
  store: KeyStore,
  entries: readonly KeyEntry[],
  passphrases: Passphrases,
): Promise<readonly LabelledKey[]> {
  const keys = new Map<string, LabelledKey>();
  // One that cannot be read is found before a passphrase is asked for.
  const unreadableFirst = [...entries].sort((a, b) => Number(isReadable(a)) - Number(isReadable(b)));
  for (const entry of unreadableFirst) {
    keys.set(entry.notaryKeyId, await unlock(store, entry, passphrases));
  }
  return entries.flatMap(({ notaryKeyId }) => {
    const key = keys.get(notaryKeyId);
    keys.delete(notaryKeyId);
    return key ?? [];
  });
}

function isReadable({ protection }: KeyEntry): boolean {
  return protection !== 'unreadable';
}

async function unlock(store: KeyStore, entry: KeyEntry, passphrases: Passphrases): Promise<LabelledKey> {
  try {
    return await store.open(entry, passphrases);
  } catch (error) {
    if (error instanceof KeyError || error instanceof LocalStateError) {
      error.hints = [
        ...error.hints,
        `No backup was made, because of ${escapeText(entry.file)}; to back up other keys alone: dtrust trust key backup --only KEY FILE`,
      ];
    }
    throw error;
  }
}

/**
 * Writes a backup and proves it: read back from the disk, every key decrypted.
 *
 * @throws KeyError KEY_EXISTS, KEY_FILE_INVALID (what was read back is not what was written; the file is removed)
 * @throws LocalStateError DISK_FULL, FILE_UNWRITABLE, FILE_UNREADABLE
 */
export async function writeBackup(
  fs: FileSystem,
  path: string,
  keys: readonly KeyToKeep[],
  passphrase: Secret,
  iterations = KDF_ITERATIONS,
): Promise<void> {
  const bytes = await renderBackup(keys, passphrase, iterations);
  if (!createNewFile(fs, path, bytes)) throw taken(path);
  try {
    const found = await openBackup(readBackup(fs, path), passphrase);
    const ids = (all: readonly LabelledKey[]) => all.map(({ key }) => key.notaryKeyId).join();
    if (ids(found) !== ids(keys)) throw notWhatWasWritten(path);
  } catch (error) {
    removeIfThere(fs, path);
    throw error;
  }
}

/**
 * Reads a backup's file. Its mode is not judged: a memory stick may know none, and it is worth what its passphrase is.
 *
 * @throws KeyError KEY_FILE_INVALID, KEY_UNSUPPORTED; LocalStateError FILE_UNREADABLE
 */
export function readBackup(fs: FileSystem, path: string): Backup {
  return parseBackup(readBounded(fs, path, { maxBytes: MAX_BYTES, what: 'the backup' }), escapeText(path));
}

export interface RestoredKey {
  readonly entry: KeyEntry;
  /** Whether it was here already, and left as it is. */
  readonly present: boolean;
}

/**
 * Puts keys of an opened backup into the store, under the backup's passphrase. A file that cannot be read is no key that
 * is here, and nothing is restored beside it: whoever restores a damaged key would be told that it is there.
 *
 * @throws KeyError KEY_FILE_INVALID, KEY_FILE_MODE, KEY_UNSUPPORTED; LocalStateError DISK_FULL, FILE_UNWRITABLE, FILE_UNREADABLE: keys before the one
 *   that failed are there and whole, and the next call goes on with it
 */
export async function restoreKeys(
  store: KeyStore,
  keys: readonly BackupKey[],
  passphrase: Secret,
): Promise<readonly RestoredKey[]> {
  const restored: RestoredKey[] = [];
  for (const { key } of keys) assertReadableIfHere(store, store.findFile(key.publicKey));
  for (const { key, labels, bytes } of keys) {
    const present = store.findFile(key.publicKey);
    const entry = present ?? (await store.put({ key, role: labels.role, bytes, passphrase }));
    restored.push({ entry, present: present !== undefined });
  }
  return restored;
}

function assertReadableIfHere(store: KeyStore, present: KeyEntry | undefined): void {
  if (present === undefined) return;
  try {
    store.assertReadable(present);
  } catch (error) {
    if (error instanceof KeyError || error instanceof LocalStateError) {
      error.hints = [
        ...error.hints,
        `No key was restored, because of ${escapeText(present.file)}: mend it, or move it away, and run this again.`,
      ];
    }
    throw error;
  }
}

function taken(path: string): KeyError {
  return new KeyError({
    code: 'KEY_EXISTS',
    message: `${escapeText(path)} is there already, and a backup goes over no other file`,
    hints: ['Name a new file.'],
  });
}

function notWhatWasWritten(path: string): KeyError {
  return new KeyError({
    code: 'KEY_FILE_INVALID',
    message: `${escapeText(path)} does not hold the keys that were written to it`,
  });
}
