/**
 * The public halves of keys beside the key files, `<Notary key ID>.pub`, so that listing keys asks for no passphrase.
 *
 * A file is believed only when its content has the ID in its name. It is no secret and can be made again, so that it
 * is missing or cannot be written is no failure.
 */
import { join } from 'node:path';
import { makePrivateDirectory, writeFileAtomic } from '../lib/atomic-write.ts';
import { hasCode } from '../lib/errors.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { isSystemError } from '../lib/fs-error.ts';
import { notaryKeyId, type PublicKey } from '../trust/core/keys.ts';
import type { PrivateKey } from './private-key.ts';
import { parsePublicHalf, renderPublicHalf } from './public-half.ts';

const idPattern = /^[0-9a-f]{64}$/;

export class PublicHalves {
  readonly #fs: FileSystem;
  readonly #folder: string;

  constructor(fs: FileSystem, folder: string) {
    this.#fs = fs;
    this.#folder = folder;
  }

  /** The public half of the key with this Notary ID; undefined when it is not known. */
  find(id: string): PublicKey | undefined {
    if (!idPattern.test(id)) return undefined;
    const key = parsePublicHalf(this.#read(id));
    return key !== undefined && notaryKeyId(key) === id ? key : undefined;
  }

  /** Keeps the public half; a home that cannot be written to does without, and the next passphrase gives it again. */
  remember(key: PrivateKey): void {
    const file = join(this.#folder, `${key.notaryKeyId}.pub`);
    try {
      makePrivateDirectory(this.#fs, this.#folder);
      writeFileAtomic(this.#fs, file, Buffer.from(renderPublicHalf(key.publicKey), 'utf8'));
    } catch (error) {
      if (!hasCode(error, 'FILE_UNWRITABLE', 'DISK_FULL')) throw error;
    }
  }

  #read(id: string): string {
    try {
      return this.#fs.readFileSync(join(this.#folder, `${id}.pub`), 'latin1');
    } catch (error) {
      // Without it a passphrase is asked for once more.
      if (isSystemError(error)) return '';
      throw error;
    }
  }
}
