/**
 * Keys made elsewhere, for `trust key load`: PKCS#1, SEC1, PKCS#8 plain or encrypted, and Docker's and Notary's own
 * files, exported ones included. What cannot be read is refused by name; a key counts as loaded only after
 * `KeyStore.save` has read it back from the disk.
 */
import type { FileSystem } from '../lib/file-system.ts';
import { type KeyLabels, openKeyFile, readKeyFile } from './key-file.ts';
import type { Passphrases } from './passphrases.ts';
import type { PrivateKey } from './private-key.ts';

export interface ForeignKey {
  readonly key: PrivateKey;
  /** From the file's headers, when Docker or Notary wrote it. */
  readonly role?: string;
  readonly repository?: string;
}

export interface ForeignKeyOptions {
  readonly fs: FileSystem;
  readonly path: string;
  /** As `process.platform`. */
  readonly platform: string;
  /** Asked only when the file is encrypted. */
  readonly passphrases: Passphrases;
}

/**
 * Notary 0.1 had no headers: the role stood in the file's name, the repository in its folders. Labels say what a key is
 * for and nothing about which it is; headers go before.
 */
function labelsOfPath(path: string): KeyLabels {
  const [, folder, repository, role] =
    /(?:^|[/\\])(root_keys|tuf_keys)[/\\](?:(.+)[/\\])?[0-9a-f]{64}(?:_([a-z]+))?\.key$/.exec(path) ?? [];
  if (folder === 'root_keys') return { role: 'root' };
  if (role === undefined || !OLD_ROLES.has(role)) return {};
  return { role, ...(repository === undefined ? {} : { repository: repository.replaceAll('\\', '/') }) };
}

const OLD_ROLES: ReadonlySet<string> = new Set(['root', 'targets', 'snapshot', 'timestamp']);

/**
 * Reads a private key from any supported file, and makes it sign once.
 *
 * @throws LocalStateError FILE_UNREADABLE
 * @throws KeyError KEY_FILE_MODE, KEY_FILE_INVALID, KEY_UNSUPPORTED, KEY_PASSPHRASE, KEY_PASSPHRASE_MISSING,
 *   PROMPT_DECLINED; Interrupted
 */
export async function loadForeignKey(options: ForeignKeyOptions): Promise<ForeignKey> {
  const file = { ...labelsOfPath(options.path), ...readKeyFile(options.fs, options.path, options.platform) };
  const key = await openKeyFile(file, undefined, options.passphrases);
  // A file whose public half is not the private half's is found now, not at the first push.
  await key.sign(new Uint8Array());
  return {
    key,
    ...(file.role === undefined ? {} : { role: file.role }),
    ...(file.repository === undefined ? {} : { repository: file.repository }),
  };
}
