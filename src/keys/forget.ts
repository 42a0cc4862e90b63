/**
 * Taking remembered passphrases out of the keychain, without losing a key.
 *
 * A passphrase that dtrust has made at random is nowhere but in the keychain. Where it opens its key, or where nobody
 * can tell because there is no key file to try it on, it is an only copy: its owner sets another passphrase first, or
 * insists. What was removed is looked for once more before it counts as forgotten.
 */
import { hasCode, KeyError } from '../lib/errors.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { decodeEncrypted } from './decode.ts';
import { readKeyFile } from './key-file.ts';
import type { KeyEntry, KeyStore } from './key-store.ts';
import { type Keychain, KeychainError } from './keychain.ts';
import { describe } from './passphrase-request.ts';
import { createPassphrases } from './passphrases.ts';
import { looksRandom } from './remembered.ts';
import type { Secret } from './secret.ts';
import type { Terminal } from './terminal.ts';

export interface ForgetTools {
  readonly keychain: Keychain;
  readonly keys: KeyStore;
  readonly terminal: Terminal;
  readonly fs: FileSystem;
  readonly platform: string;
  /** Removes only copies too. */
  readonly force: boolean;
}

export interface ForgetRequest {
  /** The key's ID as its file has it. */
  readonly account: string;
  /** Absent: no key file is here for it. */
  readonly entry: KeyEntry | undefined;
}

/** `nothing` was remembered; `kept`: it is an only copy, and its owner did not set another passphrase. */
export type Forgotten = 'forgotten' | 'nothing' | 'kept';

/**
 * Forgets one passphrase.
 *
 * @throws KeyError KEYCHAIN_UNAVAILABLE (also when it is still there afterwards), PROMPT_DECLINED and what changing a
 *   passphrase throws; Interrupted
 */
export async function forgetPassphrase(tools: ForgetTools, request: ForgetRequest): Promise<Forgotten> {
  const { keychain, force } = tools;
  const { account, entry } = request;
  // A key in a variable is none that the keychain knows.
  if (entry?.held === true) return 'nothing';
  const secret = await asked(() => keychain.get(account));
  if (secret === undefined) return 'nothing';
  if (!force && (await isOnlyCopy(tools, entry, secret)) && !(await isReplaced(tools, entry))) return 'kept';
  await asked(() => keychain.remove(account));
  if ((await asked(() => keychain.get(account))) !== undefined) throw unavailable('it did not let go of it');
  return 'forgotten';
}

/** The keys that something is remembered for. @throws KeyError KEYCHAIN_UNAVAILABLE; Interrupted */
export async function rememberedAccounts(keychain: Keychain): Promise<readonly string[]> {
  const accounts = await asked(() => keychain.accounts());
  return accounts.filter((account) => /^[0-9a-f]{64}$/.test(account)).sort();
}

async function isOnlyCopy(tools: ForgetTools, entry: KeyEntry | undefined, secret: Secret): Promise<boolean> {
  if (entry === undefined) return true;
  return looksRandom(secret) && (await mayBeNeeded(tools, entry, secret));
}

/** Whether the passphrase opens the key; a file that cannot be read now may be opened by it another day. */
async function mayBeNeeded({ fs, platform }: ForgetTools, entry: KeyEntry, secret: Secret): Promise<boolean> {
  try {
    const file = readKeyFile(fs, entry.file, platform);
    if (!file.encrypted) return false;
    await decodeEncrypted(file.block, secret, file.shownPath);
    return true;
  } catch (error) {
    if (hasCode(error, 'KEY_PASSPHRASE')) return false;
    if (hasCode(error, 'KEY_FILE_MODE', 'KEY_FILE_INVALID', 'KEY_UNSUPPORTED', 'FILE_UNREADABLE'))
      return true;
    throw error;
  }
}

/** Offers its owner to set a passphrase that he knows; true once the key's file is under it. */
async function isReplaced(tools: ForgetTools, entry: KeyEntry | undefined): Promise<boolean> {
  const { keychain, keys, terminal, fs } = tools;
  if (entry === undefined || entry.protection !== 'passphrase') return false;
  const what = describe({ role: entry.role, repository: entry.repository, keyId: entry.notaryKeyId });
  terminal.say(`The passphrase of ${what} was made at random, and the keychain holds the only copy.`);
  if (!(await terminal.askYesNo('Set a passphrase of your own for it first? [y/N] '))) return false;
  // The keychain opens it, not a variable that holds the passphrase of other keys.
  await keys.passwd(entry, createPassphrases({ environment: {}, terminal, keychain, fs }));
  return true;
}

/** Here a keychain that fails is no "next source": nothing may be said to be gone that is not. */
async function asked<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KeychainError) throw unavailable(error.message);
    throw error;
  }
}

function unavailable(why: string): KeyError {
  return new KeyError({
    code: 'KEYCHAIN_UNAVAILABLE',
    message: `the keychain of this system cannot be used: ${why}`,
    hints: ['Unlock it, then run the command again.'],
  });
}
