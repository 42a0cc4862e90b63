/**
 * The private key that a CI job holds in DTRUST_KEY: an encrypted PEM file, base64, on one line.
 *
 * It lives in memory from the environment to the end of the process. Nothing of it is ever written: not the key, not
 * its public half, not its passphrase (contracts, Keys). Which key it is follows from what was decrypted; before that
 * it counts for nothing. A root key is refused (docs/adr/0009-key-in-a-variable.md). What the variable holds may be
 * another secret that got there by mistake, so nothing of it is ever shown.
 */
import { KeyError } from '../lib/errors.ts';
import { type KeyId, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import { decodeEncrypted } from './decode.ts';
import { type KeyFile, type KeyLabels, parseKeyFile } from './key-file.ts';
import type { Passphrases } from './passphrases.ts';
import type { PrivateKey } from './private-key.ts';

export const KEY_VARIABLE = 'DTRUST_KEY';

/** How errors name the content: never by the content. */
const SHOWN = `what ${KEY_VARIABLE} holds`;

// An RSA key of 16,384 bits, encrypted and in base64 twice, is half of this.
const MAX_CHARACTERS = 64 * 1024;

/** What is known of the key; its IDs only once it is unlocked. */
export interface HeldEntry extends KeyLabels {
  readonly notaryKeyId: string;
  readonly tufKeyId?: KeyId;
  readonly publicKey?: PublicKey;
}

export class HeldKey {
  readonly #file: KeyFile;
  #key: PrivateKey | undefined;

  private constructor(file: KeyFile) {
    this.#file = file;
  }

  /**
   * Reads the variable's text. Nothing is decrypted yet.
   *
   * @throws KeyError KEY_FILE_INVALID (not one line of base64, no PEM in it, not encrypted, too long),
   *   KEY_UNSUPPORTED (another kind of key, more than one), KEY_ROOT_REFUSED
   */
  static parse(text: string): HeldKey {
    const file = parseKeyFile(decodeLine(text), SHOWN);
    if (file.role === 'root') throw rootRefused();
    if (!file.encrypted) throw invalid('the private key in it is not encrypted');
    return new HeldKey(file);
  }

  /** Undefined until `unlock`. */
  get publicKey(): PublicKey | undefined {
    return this.#key?.publicKey;
  }

  get entry(): HeldEntry {
    const { role, repository } = this.#file;
    const labels = {
      ...(role === undefined ? {} : { role }),
      ...(repository === undefined ? {} : { repository }),
    };
    if (this.#key === undefined) return { ...labels, notaryKeyId: '' };
    const { publicKey, notaryKeyId } = this.#key;
    return { ...labels, notaryKeyId, publicKey, tufKeyId: tufKeyId(publicKey) };
  }

  /**
   * The key, decrypted once and made to sign; the passphrase is that of any key but the root.
   *
   * @throws KeyError KEY_PASSPHRASE, KEY_PASSPHRASE_MISSING, KEY_FILE_INVALID, KEY_UNSUPPORTED, PROMPT_DECLINED;
   *   Interrupted; LocalStateError CONFIG_INVALID, FILE_UNREADABLE (the passphrase's variables)
   */
  async unlock(passphrases: Passphrases): Promise<PrivateKey> {
    this.#key ??= await this.#decrypt(passphrases);
    return this.#key;
  }

  async #decrypt(passphrases: Passphrases): Promise<PrivateKey> {
    const { block, role } = this.#file;
    try {
      const request = { role, variable: KEY_VARIABLE };
      const key = await passphrases.unlock(request, (passphrase) =>
        decodeEncrypted(block, passphrase, SHOWN),
      );
      await key.sign(new Uint8Array());
      return key;
    } catch (error) {
      if (error instanceof KeyError && error.code === 'KEY_UNSUPPORTED') throw unsupported(error);
      throw error;
    }
  }
}

/** The bytes behind one line of base64; blanks and line ends around it are a habit of shells. */
function decodeLine(text: string): Uint8Array {
  const line = text.trim();
  if (line === '') throw invalid('it is blank');
  if (line.length > MAX_CHARACTERS) throw invalid(`it is longer than ${MAX_CHARACTERS} characters`);
  if (line.startsWith('-----BEGIN')) throw invalid('it is the PEM itself, not base64 of it');
  if (/\s/.test(line)) throw invalid('it is not on one line');
  if (line.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(line)) throw invalid('it is not base64');
  return Buffer.from(line, 'base64');
}

/**
 * Refusal of a root key: whoever can read a CI's secrets would own every repository of its owner.
 */
export function rootRefused(): KeyError {
  return new KeyError({
    code: 'KEY_ROOT_REFUSED',
    message: `${KEY_VARIABLE} holds a root key: a root key is not for machines that run jobs`,
    expected: "a signer's key",
    found: 'a root key',
    hints: [
      'Make a key for the job, on the machine that has the root key: dtrust trust signer add ci REPOSITORY',
      'A root key that was given to a CI service is no longer yours alone: have another one take its place.',
    ],
  });
}

function invalid(why: string): KeyError {
  return new KeyError({
    code: 'KEY_FILE_INVALID',
    message: `${SHOWN} is no key: ${why}`,
    expected: 'an encrypted private key in PEM, base64, on one line',
    hints: [
      'Set it to the line that printed it when it was made: dtrust trust signer add ci REPOSITORY',
      'Of a key file it is made with: base64 -w0 FILE.key',
    ],
  });
}

function unsupported(cause: KeyError): KeyError {
  return new KeyError({
    code: 'KEY_UNSUPPORTED',
    message: `${SHOWN} is a key of a kind or size that dtrust does not sign with`,
    hints: cause.hints,
    cause,
  });
}
