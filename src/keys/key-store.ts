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
import { makePrivateDirectory, writeFileAtomic } from '../lib/atomic-write.ts';
import { hasCode, KeyError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno, isSystemError } from '../lib/fs-error.ts';
import { isSameKey, type KeyId, notaryKeyId, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import type { Signer } from '../trust/core/signer.ts';
import { createNewFile } from './create-file.ts';
import { decodeEncrypted } from './decode.ts';
import { type HeldKey, KEY_VARIABLE } from './held-key.ts';
import {
  type KeyFile,
  type KeyLabels,
  openKeyFile,
  parseKeyFile,
  readKeyFile,
  renderKeyFile,
} from './key-file.ts';
import { assertLabels } from './key-labels.ts';
import type { Passphrases } from './passphrases.ts';
import { KDF_ITERATIONS } from './pbes2.ts';
import type { PrivateKey } from './private-key.ts';
import { parsePublicHalf, renderPublicHalf } from './public-half.ts';
import { unreadableError } from './read-bounded.ts';
import type { Secret } from './secret.ts';

/** One key file, as far as it can be known without its passphrase. */
export interface KeyEntry extends KeyLabels {
  /** The file's name without `.key`: Notary's canonical key ID, as long as the name is true. */
  readonly notaryKeyId: string;
  /** TUF key ID, the one that pins hold; only when the public half is known. */
  readonly tufKeyId?: KeyId;
  readonly publicKey?: PublicKey;
  /** Its path; `DTRUST_KEY` for the key that is in no file. */
  readonly file: string;
  /** Set for the key in DTRUST_KEY: there is no file. */
  readonly held?: true;
  /** `none`: the file is not encrypted. `unreadable`: no key file, or one that others may read. */
  readonly protection: 'passphrase' | 'none' | 'unreadable';
  /** Why it is unreadable. */
  readonly problem?: string;
}

export interface SaveOptions {
  /** `root`, `targets`, `snapshot`, or a signer's name. */
  readonly role: string;
  /** Canonical repository of a key that belongs to one. */
  readonly repository?: string;
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

const idPattern = /^[0-9a-f]{64}$/;

export class KeyStore {
  readonly #options: KeyStoreOptions;
  readonly #shared: string;
  readonly #own: string;
  readonly #publicHalves: string;

  constructor(options: KeyStoreOptions) {
    this.#options = options;
    const trust = join(options.dockerConfig, 'trust');
    this.#shared = join(trust, 'private');
    this.#own = join(trust, 'dtrust', 'private');
    this.#publicHalves = join(trust, 'dtrust', 'keys');
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
    return entries.sort((left, right) => compare(sortKey(left), sortKey(right)));
  }

  /** Whether a key file stands under this key's ID. Its content is not decrypted. */
  has(publicKey: PublicKey): boolean {
    const entry = this.find(publicKey);
    return entry !== undefined && entry.protection !== 'unreadable';
  }

  /** The entry of a key, found by its ID; undefined when there is no such file. */
  find(publicKey: PublicKey): KeyEntry | undefined {
    if (this.#isHeld(publicKey)) return this.#held();
    const id = notaryKeyId(publicKey);
    const file = id === undefined ? undefined : this.#fileOf(id);
    return file === undefined ? undefined : this.#describe(file);
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
   * Writes a new key file and its public half, reads the key back from the disk, and makes it sign once.
   *
   * @throws KeyError KEY_EXISTS (the key is here already), KEY_NAME (the role cannot be written in a header),
   *   KEY_FILE_INVALID (what was read back is not what was written)
   * @throws LocalStateError DISK_FULL, FILE_UNWRITABLE, FILE_UNREADABLE
   */
  async save(key: PrivateKey, options: SaveOptions, passphrase: Secret): Promise<KeyEntry> {
    assertLabels(options);
    const taken = this.#fileOf(key.notaryKeyId);
    if (taken !== undefined) throw exists(taken);
    const folder = this.#folderFor(key, options.role);
    const { fs } = this.#options;
    const bytes = await renderKeyFile(key, options, passphrase, this.#iterations);
    makePrivateDirectory(fs, folder);
    const file = join(folder, `${key.notaryKeyId}.key`);
    if (!createNewFile(fs, file, bytes)) throw exists(file);
    await this.#readBack(file, key, passphrase);
    this.#rememberPublicHalf(key);
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
    const passphrase = await passphrases.replace({
      role: file.role,
      repository: file.repository,
      keyId: key.notaryKeyId,
    });
    const bytes = await renderKeyFile(key, file, passphrase, this.#iterations);
    await assertHolds(parseKeyFile(bytes, 'the new key file'), key, passphrase);
    writeFileAtomic(this.#options.fs, entry.file, bytes, 0o600);
  }

  get #iterations(): number {
    return this.#options.unsafeIterations ?? KDF_ITERATIONS;
  }

  async #open(entry: KeyEntry, passphrases: Passphrases): Promise<{ key: PrivateKey; file: KeyFile }> {
    const file = readKeyFile(this.#options.fs, entry.file, this.#options.platform);
    const key = await openKeyFile(file, entry.notaryKeyId, passphrases);
    if (key.notaryKeyId !== entry.notaryKeyId) throw misnamed(entry, key);
    if (entry.publicKey === undefined) this.#rememberPublicHalf(key);
    return { key, file };
  }

  /** A file that does not give the key back is no key file: it goes, and nothing is reported as saved. */
  async #readBack(file: string, key: PrivateKey, passphrase: Secret): Promise<void> {
    const { fs, platform } = this.#options;
    try {
      await assertHolds(readKeyFile(fs, file, platform), key, passphrase);
    } catch (error) {
      fs.unlinkSync(file);
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
  #folderFor(key: PrivateKey, role: string): string {
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
    const publicKey = this.#publicHalf(id);
    const known = publicKey === undefined ? {} : { publicKey, tufKeyId: tufKeyId(publicKey) };
    try {
      const { role, repository, encrypted } = readKeyFile(this.#options.fs, file, this.#options.platform);
      const labels = {
        ...(role === undefined ? {} : { role }),
        ...(repository === undefined ? {} : { repository }),
      };
      return { notaryKeyId: id, file, protection: encrypted ? 'passphrase' : 'none', ...labels, ...known };
    } catch (error) {
      if (!hasCode(error, 'KEY_FILE_MODE', 'KEY_FILE_INVALID', 'KEY_UNSUPPORTED', 'FILE_UNREADABLE'))
        throw error;
      return { notaryKeyId: id, file, protection: 'unreadable', problem: error.message, ...known };
    }
  }

  #publicHalf(id: string): PublicKey | undefined {
    if (!idPattern.test(id)) return undefined;
    const key = parsePublicHalf(this.#readPublicHalf(id));
    return key !== undefined && notaryKeyId(key) === id ? key : undefined;
  }

  #readPublicHalf(id: string): string {
    try {
      return this.#options.fs.readFileSync(join(this.#publicHalves, `${id}.pub`), 'latin1');
    } catch (error) {
      // Without it a passphrase is asked for once more.
      if (isSystemError(error)) return '';
      throw error;
    }
  }

  /** Keeps the public half; a home that cannot be written to does without, and the next passphrase gives it again. */
  #rememberPublicHalf(key: PrivateKey): void {
    const { fs } = this.#options;
    const file = join(this.#publicHalves, `${key.notaryKeyId}.pub`);
    try {
      makePrivateDirectory(fs, this.#publicHalves);
      writeFileAtomic(fs, file, Buffer.from(renderPublicHalf(key.publicKey), 'utf8'));
    } catch (error) {
      if (!hasCode(error, 'FILE_UNWRITABLE', 'DISK_FULL')) throw error;
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
  return new KeyError({ code: 'KEY_EXISTS', message: `this key is here already: ${escapeText(file)}` });
}

function inNoFile(): KeyError {
  return new KeyError({
    code: 'KEY_MISSING',
    message: `the key in ${KEY_VARIABLE} is in no file whose passphrase could be changed`,
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

/** Root keys first, then by role, repository and name. */
function sortKey(entry: KeyEntry): readonly string[] {
  return [entry.role === 'root' ? '0' : '1', entry.role ?? '', entry.repository ?? '', entry.notaryKeyId];
}

function compare(left: readonly string[], right: readonly string[]): number {
  for (const [i, mine] of left.entries()) {
    const theirs = right[i] ?? '';
    if (mine !== theirs) return mine < theirs ? -1 : 1;
  }
  return 0;
}
