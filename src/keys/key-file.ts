/**
 * One key file: its headers, its protection, and the private key in it.
 *
 * Written in the form of Docker CLI <= 28 and Notary 0.7: `ENCRYPTED PRIVATE KEY` with headers `role` and, for keys
 * of one repository, `gun`. A file that others may read is refused, as `docker trust key load` does: whoever read it
 * needs only the passphrase. Nothing of a file that fails to parse is ever shown.
 */
import { KeyError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { decodeEncrypted, decodePlain, isEncrypted } from './decode.ts';
import { type PemBlock, parsePrivateKeyPem, renderPem } from './key-pem.ts';
import type { Passphrases } from './passphrases.ts';
import { encryptPkcs8 } from './pbes2.ts';
import type { PrivateKey } from './private-key.ts';
import { readBounded } from './read-bounded.ts';
import type { Secret } from './secret.ts';

// The largest RSA key anybody uses is under 16 KiB of PEM.
const maxBytes = 256 * 1024;

/** What a file's headers say about its key; nobody has checked it. */
export interface KeyLabels {
  readonly role?: string;
  readonly repository?: string;
}

/** A key with the labels of its file. */
export interface LabelledKey {
  readonly key: PrivateKey;
  readonly labels: KeyLabels;
}

export interface KeyFile extends KeyLabels {
  /** Path, for messages already escaped. */
  readonly shownPath: string;
  readonly block: PemBlock;
  readonly encrypted: boolean;
}

/**
 * Reads and parses a key file without decrypting it.
 *
 * @throws LocalStateError FILE_UNREADABLE
 * @throws KeyError KEY_FILE_MODE (others may read or write it), KEY_FILE_INVALID, KEY_UNSUPPORTED
 */
export function readKeyFile(fs: FileSystem, path: string, platform: string): KeyFile {
  const shownPath = escapeText(path);
  const bytes = readBounded(fs, path, {
    maxBytes,
    what: 'the key file',
    inspect: (stat) => assertPrivateMode(stat.mode, shownPath, platform),
  });
  return parseKeyFile(bytes, shownPath);
}

/**
 * Parses the bytes of a key file, wherever they come from.
 *
 * @throws KeyError KEY_FILE_INVALID, KEY_UNSUPPORTED
 */
export function parseKeyFile(bytes: Uint8Array, shownPath: string): KeyFile {
  const block = parsePrivateKeyPem(bytes, shownPath);
  const role = block.headers.get('role');
  const repository = block.headers.get('gun');
  return {
    shownPath,
    block,
    encrypted: isEncrypted(block),
    ...(role === undefined || role === '' ? {} : { role }),
    ...(repository === undefined || repository === '' ? {} : { repository }),
  };
}

/** The labels of a key file alone. */
export function labelsOf({ role, repository }: KeyLabels): KeyLabels {
  return {
    ...(role === undefined ? {} : { role }),
    ...(repository === undefined ? {} : { repository }),
  };
}

/**
 * The private key in a file, decrypted with a passphrase from the chain.
 *
 * @throws KeyError KEY_FILE_INVALID, KEY_UNSUPPORTED, KEY_PASSPHRASE and what `Passphrases.unlock` throws
 */
export async function openKeyFile(
  file: KeyFile,
  keyId: string | undefined,
  passphrases: Passphrases,
): Promise<PrivateKey> {
  if (!file.encrypted) return decodePlain(file.block, file.shownPath);
  const request = { role: file.role, repository: file.repository, keyId };
  return await passphrases.unlock(request, (passphrase) =>
    decodeEncrypted(file.block, passphrase, file.shownPath),
  );
}

/** The bytes of a new key file. */
export async function renderKeyFile(
  key: PrivateKey,
  labels: KeyLabels,
  passphrase: Secret,
  iterations: number,
): Promise<Buffer> {
  const plain = key.toPkcs8();
  const der = await encryptPkcs8(plain, passphrase, iterations);
  plain.wipe();
  const headers = new Map<string, string>();
  if (labels.role !== undefined) headers.set('role', labels.role);
  if (labels.repository !== undefined) headers.set('gun', labels.repository);
  return Buffer.from(renderPem({ label: 'ENCRYPTED PRIVATE KEY', headers, der }), 'utf8');
}

function assertPrivateMode(mode: number, shownPath: string, platform: string): void {
  // Windows has no such bits; what node shows there says nothing.
  if (platform === 'win32' || (mode & 0o077) === 0) return;
  throw new KeyError({
    code: 'KEY_FILE_MODE',
    message: `refusing key file ${shownPath}: it must not be readable or writable by others`,
    expected: '0600',
    found: `0${(mode & 0o777).toString(8)}`,
    hints: [`Run \`chmod 600 ${shownPath}\`, and change the passphrase if others could read it.`],
  });
}
