/**
 * From a PEM block to a private key: every form that Docker CLI, Notary and OpenSSL write.
 *
 *   ENCRYPTED PRIVATE KEY   PKCS#8 under PBES2 (pbes2.ts), plain or with Notary's role and gun headers
 *   PRIVATE KEY             PKCS#8: RSA, EC, Ed25519 (RFC 8410, and the GNU form that Notary writes)
 *   EC, RSA PRIVATE KEY     SEC1 and PKCS#1, as they are or encrypted by DEK-Info (Docker before 17.12)
 *   ED25519 PRIVATE KEY     Notary's own: public half, seed, public half
 *
 * Nothing is believed that the content does not show: the key ID comes from the decoded key. Behind a passphrase,
 * bytes that are no key at all mean that the passphrase was wrong (CBC cannot say so itself).
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { KeyError } from '../lib/errors.ts';
import { isCryptoError } from './crypto-error.ts';
import { decryptDekInfo, isDekEncrypted } from './dek-info.ts';
import { DER_OCTET_STRING, DerError, DerReader } from './der.ts';
import type { PemBlock } from './key-pem.ts';
import { decryptPkcs8, wrongPassphrase } from './pbes2.ts';
import { OID_ED25519_NOTARY, PrivateKey } from './private-key.ts';
import type { Secret } from './secret.ts';

/** Whether a passphrase is needed to read the block. */
export function isEncrypted(block: PemBlock): boolean {
  return block.label === 'ENCRYPTED PRIVATE KEY' || isDekEncrypted(block);
}

/**
 * The key in an unencrypted block.
 *
 * @throws KeyError KEY_FILE_INVALID, KEY_UNSUPPORTED
 */
export function decodePlain(block: PemBlock, file: string): PrivateKey {
  return decodeDer(block.label, block.der, (cause) => invalid(file, cause));
}

/**
 * The key in an encrypted block.
 *
 * @throws KeyError KEY_PASSPHRASE, KEY_FILE_INVALID (damaged outside of what is encrypted), KEY_UNSUPPORTED
 */
export async function decodeEncrypted(
  block: PemBlock,
  passphrase: Secret,
  file: string,
): Promise<PrivateKey> {
  const isPkcs8 = block.label === 'ENCRYPTED PRIVATE KEY';
  const plain = await named(file, async () =>
    isPkcs8 ? await decryptPkcs8(block.der, passphrase) : decryptDekInfo(block, passphrase),
  );
  try {
    return decodeDer(isPkcs8 ? 'PRIVATE KEY' : block.label, plain.bytes(), wrongPassphrase);
  } finally {
    plain.wipe();
  }
}

type Refusal = (cause: unknown) => KeyError;

function decodeDer(label: string, der: Uint8Array, refusal: Refusal): PrivateKey {
  try {
    if (label === 'PRIVATE KEY') return decodePkcs8(der);
    if (label === 'ED25519 PRIVATE KEY') return decodeNotaryEd25519(der);
    assertOneSequence(der);
    const type = label === 'EC PRIVATE KEY' ? 'sec1' : 'pkcs1';
    return PrivateKey.fromKeyObject(importKey(der, type));
  } catch (error) {
    if (error instanceof DerError) throw refusal(error);
    throw error;
  }
}

function decodePkcs8(der: Uint8Array): PrivateKey {
  const outer = new DerReader(der);
  const info = outer.sequence();
  outer.end();
  if (info.smallInteger() > 1) throw new DerError('unknown version');
  const oid = info.sequence().oid();
  const content = info.read(DER_OCTET_STRING);
  if (oid === OID_ED25519_NOTARY) return decodeNotaryEd25519(content);
  return PrivateKey.fromKeyObject(importKey(der, 'pkcs8'));
}

/** 32 bytes public half, 32 bytes seed, the public half again. */
function decodeNotaryEd25519(content: Uint8Array): PrivateKey {
  if (content.length !== 96) throw new DerError('not an Ed25519 key');
  const key = PrivateKey.fromEd25519Seed(content.subarray(32, 64));
  const publicBytes = Buffer.from(key.publicKey.publicValue, 'hex');
  // A stored public half that is not the seed's would make signatures that leak the seed in other programs.
  const fits = publicBytes.equals(content.subarray(0, 32)) && publicBytes.equals(content.subarray(64));
  if (!fits) throw new DerError('halves that do not belong together');
  return key;
}

function assertOneSequence(der: Uint8Array): void {
  const outer = new DerReader(der);
  outer.sequence();
  outer.end();
}

function importKey(der: Uint8Array, type: 'pkcs8' | 'pkcs1' | 'sec1'): KeyObject {
  try {
    return createPrivateKey({ key: Buffer.from(der), format: 'der', type });
  } catch (error) {
    // What OpenSSL cannot read as this form; its reasons may quote the structure and are not passed on.
    if (isCryptoError(error)) {
      throw new DerError('not a key of this form');
    }
    throw error;
  }
}

/** Runs a decryption; a broken envelope around the encrypted bytes is a broken file. */
async function named(file: string, work: () => Promise<Secret>): Promise<Secret> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DerError) throw invalid(file, error);
    throw error;
  }
}

function invalid(file: string, cause: unknown): KeyError {
  return new KeyError({
    code: 'KEY_FILE_INVALID',
    message: `${file} is not a key file: its content is damaged`,
    cause,
  });
}
