/**
 * A passphrase kept in a file, for `DOCKER_CONTENT_TRUST_..._PASSPHRASE_FILE`.
 *
 * The file may be a pipe (`<(pass show registry)`), so it is opened and read once, to its end. One trailing newline
 * is not part of the passphrase. The file's mode is not judged: secrets mounted by Docker and Kubernetes are
 * readable by all by design, inside a mount that only the job sees.
 */
import { LocalStateError } from '../lib/errors.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { readBounded } from './read-bounded.ts';
import { Secret } from './secret.ts';

const maxBytes = 64 * 1024;

/**
 * Reads the passphrase that the variable's file holds.
 *
 * @throws LocalStateError FILE_UNREADABLE (absent, not readable, empty, longer than 64 KiB)
 */
export function readPassphraseFile(fs: FileSystem, path: string, variable: string): Secret {
  const bytes = readBounded(fs, path, { maxBytes, what: `the passphrase file named by ${variable}` });
  const text = bytes.subarray(0, bytes.length - trailingNewlineLength(bytes));
  if (text.length === 0) {
    throw new LocalStateError({
      code: 'FILE_UNREADABLE',
      message: `the passphrase file named by ${variable} is empty`,
    });
  }
  return new Secret(text);
}

function trailingNewlineLength(bytes: Uint8Array): number {
  if (bytes.at(-1) !== 0x0a) return 0;
  return bytes.at(-2) === 0x0d ? 2 : 1;
}
