/**
 * The user's private keys on disk, shared with Docker CLI <= 28 and Notary.
 *
 *   <dockerConfig>/trust/private/<Notary key ID>.key          encrypted PEM, 0600, in a folder of 0700
 *   <dockerConfig>/trust/dtrust/private/<Notary key ID>.key   root keys Docker's CLI could not use (protocol 2.1)
 *   <dockerConfig>/trust/dtrust/keys/<Notary key ID>.pub      public halves, so that listing needs no passphrase
 *
 * File names lie: which key a file holds is computed from its content once it is decrypted, and a file under
 * another key's name is refused. A `.pub` file is believed only when its content has the ID in its name. A new key
 * file appears whole or not at all, replaces nothing, and has been read back and decrypted before it counts.
 *
 * A key in DTRUST_KEY (held-key.ts) is one more key that is here once it is unlocked; it is never written.
 */
import { basename, join } from 'node:path';
import { makePrivateDirectory, removeIfThere, writeFileAtomic } from '../lib/atomic-write.ts';
import { hasCode, KeyError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno } from '../lib/fs-error.ts';
import { isSameKey, notaryKeyId, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import type { Signer } from '../trust/core/signer.ts';
import { createNewFile } from './create-file.ts';
import { decodeEncrypted } from './decode.ts';
import { type HeldKey, KEY_VARIABLE } from './held-key.ts';
import { byRole, type KeyEntry } from './key-entry.ts';
import {
  type KeyFile,
  type LabelledKey,
  labelsOf,
  openKeyFile,
  parseKeyFile,
  readKeyFile,
  renderKeyFile,
} from './key-file.ts';
import { assertLabels } from './key-labels.ts';
import type { Passphrases } from './passphrases.ts';
import { KDF_ITERATIONS } from './pbes2.ts';
import type { PrivateKey } from './private-key.ts';
import { renderPublicHalf } from './public-half.ts';
import { PublicHalves } from './public-halves.ts';
import { unreadableError } from './read-bounded.ts';
import type { Secret } from './secret.ts';

export type { KeyEntry } from './key-entry.ts';

export interface SaveOptions {
  /** `root`, `targets`, `snapshot`, or a signer's name. */
  readonly role: string;
  /** Canonical repository of a key that belongs to one. */
  readonly repository?: string;
}

/** A key file that is ready made. */
export interface ReadyKeyFile {
  readonly key: PrivateKey;
  readonly role: string | undefined;
  readonly bytes: Uint8Array;
  /** That the bytes are encrypted under. */
  readonly passphrase: Secret;
}

export interface KeyStoreOptions {
  readonly fs: FileSystem;
  /** Docker's configuration folder, usually `~/.docker`. */
  readonly dockerConfig: string;
  /** As `process.platform`. */
  readonly platform: string;
  /** For tests alone: fewer iterations make key files that are guessed faster. */
  readonly unsafeIterations?: number;
  /** The key in DTRUST_KEY. */
  readonly held?: HeldKey | undefined;
  /** Whether DTRUST_KEY is set and empty, as a CI service sets a secret that a job may not have. */
  readonly heldIsEmpty?: boolean;
}

export class KeyStore {
  readonly #options: KeyStoreOptions;
  readonly #shared: string;
  readonly #own: string;
  readonly #publicHalves: PublicHalves;

  constructor(options: KeyStoreOptions) {
    this.#options = options;
    const trust = join(options.dockerConfig, 'trust');
    this.#shared = join(trust, 'private');
    this.#own = join(trust, 'dtrust', 'private');
    this.#publicHalves = new PublicHalves(options.fs, join(trust, 'dtrust', 'keys'));
  }

  /**
   * Every key that is here: that in DTRUST_KEY, then every key file, by role and then by name. Files that cannot be
   * read are listed as such, never left out.
   *
   * @throws LocalStateError FILE_UNREADABLE (the folder)
   */
  list(): readonly KeyEntry[] {
    const held = this.#held();
    return [...(held === undefined ? [] : [held]), ...this.files()];
  }

  /**
   * The key files alone, for what only files can be: made keys of a repository, a root key, a backup.
   *
   * @throws LocalStateError FILE_UNREADABLE (the folder)
   */
  files(): readonly KeyEntry[] {
    const entries = [this.#shared, this.#own].flatMap((folder) =>
      this.#namesIn(folder).map((name) => this.#describe(join(folder, name))),
    );
    return entries.sort(byRole);
  }

  /** Whether a key file stands under this key's ID. Its content is not decrypted. */
  has(publicKey: PublicKey): boolean {
    const entry = this.find(publicKey);
    return entry !== undefined && entry.protection !== 'unreadable';
  }

  /** The entry of a key, found by its ID; undefined when there is no such file. */
  find(publicKey: PublicKey): KeyEntry | undefined {
    return this.#isHeld(publicKey) ? this.#held() : this.findFile(publicKey);
  }

  /** The entry of a key's file, whatever DTRUST_KEY holds. */
  findFile(publicKey: PublicKey): KeyEntry | undefined {
    const id = notaryKeyId(publicKey);
    const file = id === undefined ? undefined : this.#fileOf(id);
    return file === undefined ? undefined : this.#describe(file);
  }

  /**
   * That the file of an entry can be read and is a key file; nothing is decrypted.
   *
   * @throws KeyError KEY_FILE_MODE, KEY_FILE_INVALID, KEY_UNSUPPORTED; LocalStateError FILE_UNREADABLE
   */
  assertReadable({ file }: KeyEntry): void {
    readKeyFile(this.#options.fs, file, this.#options.platform);
  }

  /**
   * The key, decrypted and ready to sign. Its ID is computed from what was decrypted and must be the one asked for.
   *
   * @throws KeyError KEY_MISSING, KEY_FILE_MODE, KEY_FILE_INVALID (damaged, or another key than its name says),
   *   KEY_UNSUPPORTED, KEY_PASSPHRASE, KEY_PASSPHRASE_MISSING, PROMPT_DECLINED; Interrupted
   * @throws LocalStateError FILE_UNREADABLE, CONFIG_INVALID
   */
  async load(which: PublicKey | KeyEntry, passphrases: Passphrases): Promise<Signer> {
    const held = this.#heldFor(which);
    if (held !== undefined) return await held.unlock(passphrases);
    const { key } = await this.#open(this.#entryFor(which), passphrases);
    return key;
  }

  /**
   * Unlocks the key in DTRUST_KEY, where there is one: from then on it is among the keys that are here.
   *
   * @throws as `HeldKey.unlock`
   */
  async unlockHeld(passphrases: Passphrases): Promise<void> {
    await this.#options.held?.unlock(passphrases);
  }

  get heldIsEmpty(): boolean {
    return this.#options.heldIsEmpty === true;
  }

  /** Whether the key in DTRUST_KEY, unlocked, is this one. */
  #isHeld(publicKey: PublicKey): boolean {
    const held = this.#options.held?.publicKey;
    return held !== undefined && isSameKey(held, publicKey);
  }

  #heldFor(which: PublicKey | KeyEntry): HeldKey | undefined {
    const isMeant = 'file' in which ? which.held === true : this.#isHeld(which);
    return isMeant ? this.#options.held : undefined;
  }

  #held(): KeyEntry | undefined {
    const entry = this.#options.held?.entry;
    return entry && { ...entry, file: KEY_VARIABLE, held: true, protection: 'passphrase' };
  }

  /**
   * The key itself with the labels of its file, for a copy under another passphrase.
   *
   * @throws as `load`
   */
  async open(entry: KeyEntry, passphrases: Passphrases): Promise<LabelledKey> {
    if (entry.held === true) throw inNoFile();
    const { key, file } = await this.#open(entry, passphrases);
    return { key, labels: labelsOf(file) };
  }

  /**
   * Writes a new key file and its public half, reads the key back from the disk, and makes it sign once.
   *
   * @throws KeyError KEY_EXISTS (the key is here already), KEY_NAME (the role cannot be written in a header),
   *   KEY_FILE_INVALID (what was read back is not what was written)
   * @throws LocalStateError DISK_FULL, FILE_UNWRITABLE, FILE_UNREADABLE
   */
  async save(key: PrivateKey, options: SaveOptions, passphrase: Secret): Promise<KeyEntry> {
    assertLabels(options);
    this.#assertNew(key);
    const bytes = await renderKeyFile(key, options, passphrase, this.#iterations);
    return await this.put({ key, role: options.role, bytes, passphrase });
  }

  /**
   * Writes a key file that is ready made, as a backup holds it; otherwise as `save`.
   *
   * @throws KeyError KEY_EXISTS, KEY_FILE_INVALID; LocalStateError DISK_FULL, FILE_UNWRITABLE, FILE_UNREADABLE
   */
  async put({ key, role, bytes, passphrase }: ReadyKeyFile): Promise<KeyEntry> {
    this.#assertNew(key);
    const folder = this.#folderFor(key, role);
    const { fs } = this.#options;
    makePrivateDirectory(fs, folder);
    const file = join(folder, `${key.notaryKeyId}.key`);
    if (!createNewFile(fs, file, bytes)) throw exists(file);
    await this.#readBack(file, key, passphrase);
    this.#publicHalves.remember(key);
    return this.#describe(file);
  }

  /**
   * The public half of a key as PEM; asks for the passphrase only when the half is not on disk.
   *
   * @throws as `load`
   */
  async exportPublic(which: PublicKey | KeyEntry, passphrases: Passphrases): Promise<string> {
    const entry = this.#entryFor(which);
    if (entry.publicKey !== undefined) return renderPublicHalf(entry.publicKey);
    const held = this.#heldFor(entry);
    if (held !== undefined) return renderPublicHalf((await held.unlock(passphrases)).publicKey);
    const { key } = await this.#open(entry, passphrases);
    return renderPublicHalf(key.publicKey);
  }

  /**
   * Encrypts a key anew under another passphrase. The old one is needed; until the new file is whole and has been
   * decrypted, the old file stands.
   *
   * @throws as `load`, and KeyError KEY_PASSPHRASE_SHORT
   * @throws LocalStateError DISK_FULL, FILE_UNWRITABLE
   */
  async passwd(which: PublicKey | KeyEntry, passphrases: Passphrases): Promise<void> {
    const entry = this.#entryFor(which);
    if (entry.held === true) throw inNoFile();
    const { key, file } = await this.#open(entry, passphrases);
    const request = { role: file.role, repository: file.repository, keyId: key.notaryKeyId };
    const passphrase = await passphrases.replace(request);
    const bytes = await renderKeyFile(key, file, passphrase, this.#iterations);
    await assertHolds(parseKeyFile(bytes, 'the new key file'), key, passphrase);
    writeFileAtomic(this.#options.fs, entry.file, bytes, 0o600);
    await passphrases.changed(request, passphrase);
  }

  #assertNew(key: PrivateKey): void {
    const taken = this.#fileOf(key.notaryKeyId);
    if (taken !== undefined) throw exists(taken);
  }

  get #iterations(): number {
    return this.#options.unsafeIterations ?? KDF_ITERATIONS;
  }

  async #open(entry: KeyEntry, passphrases: Passphrases): Promise<{ key: PrivateKey; file: KeyFile }> {
    const file = readKeyFile(this.#options.fs, entry.file, this.#options.platform);
    const key = await openKeyFile(file, entry.notaryKeyId, passphrases);
    if (key.notaryKeyId !== entry.notaryKeyId) throw misnamed(entry, key);
    if (entry.publicKey === undefined) this.#publicHalves.remember(key);
    return { key, file };
  }

  /** A file that does not give the key back is no key file: it goes, and nothing is reported as saved. */
  async #readBack(file: string, key: PrivateKey, passphrase: Secret): Promise<void> {
    const { fs, platform } = this.#options;
    try {
      await assertHolds(readKeyFile(fs, file, platform), key, passphrase);
    } catch (error) {
      removeIfThere(fs, file);
      throw error;
    }
  }

  #entryFor(which: PublicKey | KeyEntry): KeyEntry {
    if ('file' in which) return which;
    const entry = this.find(which);
    if (entry !== undefined) return entry;
    throw new KeyError({
      code: 'KEY_MISSING',
      message: `no private key for ${escapeText(tufKeyId(which))} in ${escapeText(this.#shared)}`,
      hints: [
        '`dtrust trust key list` shows the keys on this machine; `dtrust trust key load FILE` adds one.',
      ],
    });
  }

  /** Docker's CLI would try to make a root certificate for any root key it lists (protocol 2.1). */
  #folderFor(key: PrivateKey, role: string | undefined): string {
    return role === 'root' && key.algorithm === 'ed25519' ? this.#own : this.#shared;
  }

  #fileOf(id: string): string | undefined {
    const { fs } = this.#options;
    return [this.#shared, this.#own]
      .map((folder) => join(folder, `${id}.key`))
      .find((file) => isThere(fs, file));
  }

  #namesIn(folder: string): readonly string[] {
    try {
      return this.#options.fs
        .readdirSync(folder)
        .filter((name) => name.endsWith('.key') && !name.startsWith('.'));
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
      throw unreadableError(folder, 'the folder of keys', error);
    }
  }

  #describe(file: string): KeyEntry {
    const id = basename(file, '.key');
    const publicKey = this.#publicHalves.find(id);
    const known = publicKey === undefined ? {} : { publicKey, tufKeyId: tufKeyId(publicKey) };
    try {
      const found = readKeyFile(this.#options.fs, file, this.#options.platform);
      const protection = found.encrypted ? 'passphrase' : 'none';
      return { notaryKeyId: id, file, protection, ...labelsOf(found), ...known };
    } catch (error) {
      if (!hasCode(error, 'KEY_FILE_MODE', 'KEY_FILE_INVALID', 'KEY_UNSUPPORTED', 'FILE_UNREADABLE'))
        throw error;
      return { notaryKeyId: id, file, protection: 'unreadable', problem: error.message, ...known };
    }
  }
}

/** Decrypts a file just written and makes the key sign. */
async function assertHolds(file: KeyFile, expected: PrivateKey, passphrase: Secret): Promise<void> {
  const key = await decodeEncrypted(file.block, passphrase, file.shownPath);
  await key.sign(new Uint8Array());
  if (key.notaryKeyId === expected.notaryKeyId) return;
  throw new KeyError({
    code: 'KEY_FILE_INVALID',
    message: `${file.shownPath} does not hold the key that was written to it`,
  });
}

function isThere(fs: FileSystem, path: string): boolean {
  try {
    fs.lstatSync(path);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw unreadableError(path, 'a key file', error);
  }
}

function exists(file: string): KeyError {
  return new KeyError({
    code: 'KEY_EXISTS',
    message: `this key is here already: ${escapeText(file)}`,
    hints: ['See what it is good for: dtrust trust key list'],
  });
}

function inNoFile(): KeyError {
  return new KeyError({
    code: 'KEY_MISSING',
    message: `the key in ${KEY_VARIABLE} is in no file`,
    hints: ['Give the job another key: dtrust trust signer add --help'],
  });
}

function misnamed(entry: KeyEntry, key: PrivateKey): KeyError {
  return new KeyError({
    code: 'KEY_FILE_INVALID',
    message: `key file ${escapeText(entry.file)} holds another key than its name says`,
    expected: entry.notaryKeyId,
    found: key.notaryKeyId,
    hints: [`Rename it to ${key.notaryKeyId}.key if that key is yours.`],
  });
}
