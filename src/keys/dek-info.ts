/**
 * The PEM encryption of RFC 1421 as OpenSSL made it: `Proc-Type: 4,ENCRYPTED` and `DEK-Info: CIPHER,IV`. Docker
 * before 17.12 wrote key files so. Read, never written: the key is one round of MD5 over the passphrase.
 */
import { createHash } from 'node:crypto';
import { KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { isCryptoError } from './crypto-error.ts';
import { DerError } from './der.ts';
import type { PemBlock } from './key-pem.ts';
import { decryptCbc } from './pbes2.ts';
import type { Secret } from './secret.ts';

const ciphers: ReadonlyMap<string, { name: string; keyBytes: number; ivBytes: number }> = new Map([
  ['AES-128-CBC', { name: 'aes-128-cbc', keyBytes: 16, ivBytes: 16 }],
  ['AES-192-CBC', { name: 'aes-192-cbc', keyBytes: 24, ivBytes: 16 }],
  ['AES-256-CBC', { name: 'aes-256-cbc', keyBytes: 32, ivBytes: 16 }],
  ['DES-EDE3-CBC', { name: 'des-ede3-cbc', keyBytes: 24, ivBytes: 8 }],
]);

/** Whether the block's headers say that its content is encrypted. */
export function isDekEncrypted(block: PemBlock): boolean {
  return block.headers.has('DEK-Info') || (block.headers.get('Proc-Type') ?? '').includes('ENCRYPTED');
}

/**
 * Decrypts the block's content. The result is unproven: parse it.
 *
 * @throws DerError the header is not of this form
 * @throws KeyError KEY_UNSUPPORTED (another cipher, or no MD5 on this machine), KEY_PASSPHRASE (padding is wrong)
 */
export function decryptDekInfo(block: PemBlock, passphrase: Secret): Secret {
  const [, name = '', ivHex = ''] = /^([A-Z0-9-]+),([0-9A-Fa-f]+)$/.exec(dekInfo(block)) ?? [];
  const cipher = ciphers.get(name);
  if (cipher === undefined)
    throw unsupported(name === '' ? 'this cipher' : `cipher ${escapeShort(name, 30)}`);
  const iv = Buffer.from(ivHex, 'hex');
  if (iv.length !== cipher.ivBytes) throw new DerError('initialisation vector of the wrong length');
  const key = bytesToKey(passphrase, iv.subarray(0, 8), cipher.keyBytes);
  return decryptCbc(cipher.name, key, iv, block.der);
}

function dekInfo(block: PemBlock): string {
  return block.headers.get('DEK-Info') ?? '';
}

/** OpenSSL's EVP_BytesToKey with MD5 and one round. */
function bytesToKey(passphrase: Secret, salt: Uint8Array, length: number): Buffer {
  let key = Buffer.alloc(0);
  let last = Buffer.alloc(0);
  while (key.length < length) {
    last = md5(Buffer.concat([last, passphrase.bytes(), salt]));
    key = Buffer.concat([key, last]);
  }
  return key.subarray(0, length);
}

function md5(bytes: Uint8Array): Buffer<ArrayBuffer> {
  try {
    return Buffer.from(createHash('md5').update(bytes).digest());
  } catch (error) {
    // A machine in FIPS mode has no MD5, and so no way to read these files.
    if (isCryptoError(error)) {
      throw unsupported('MD5, which this machine does not offer,');
    }
    throw error;
  }
}

function unsupported(what: string): KeyError {
  return new KeyError({
    code: 'KEY_UNSUPPORTED',
    message: `cannot read this old encrypted key: ${what} is not supported`,
    hints: ['Write it anew with `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`, then load NEW.'],
  });
}
