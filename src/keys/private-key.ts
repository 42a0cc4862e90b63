/**
 * A private key in memory: which key it is, how it signs, and its bytes in the form Notary writes.
 *
 * Kinds: ECDSA P-256 and P-384, RSA of at least 2048 bits, Ed25519. Which key it is follows from its content alone
 * (`publicKey`, `notaryKeyId`), never from a file name or header. Every signature is checked by node:crypto before
 * it is handed out, so a key whose two halves do not belong together, or a fault while signing, signs nothing.
 *
 * The private half is in private fields and is not printed by inspect, JSON or a template.
 */
import { constants, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { KeyError } from '../lib/errors.ts';
import { isSignedBy, notaryKeyId, type PublicKey, publicKeyFromParts } from '../trust/core/keys.ts';
import type { Signer } from '../trust/core/signer.ts';
import { isCryptoError } from './crypto-error.ts';
import { DER_OCTET_STRING, derElement, derInteger, derOid, derSequence } from './der.ts';
import { Secret } from './secret.ts';

export type KeyAlgorithm = 'ecdsa' | 'rsa' | 'ed25519';

export const OID_EC = '1.2.840.10045.2.1';
export const OID_RSA = '1.2.840.113549.1.1.1';
/** Ed25519 as GNU and Notary write it in PKCS#8; RFC 8410 has another. */
export const OID_ED25519_NOTARY = '1.3.6.1.4.1.11591.15.1';

interface Curve {
  readonly oid: string;
  readonly scheme: string;
  readonly hash: string;
  /** Length of a named curve's SubjectPublicKeyInfo with an uncompressed point. */
  readonly spkiBytes: number;
  /** Length of SEC1 with the same and the public half. */
  readonly sec1Bytes: number;
}

const p256 = { oid: '1.2.840.10045.3.1.7', scheme: 'ecdsa-sha2-nistp256', hash: 'sha256' };
const p384 = { oid: '1.3.132.0.34', scheme: 'ecdsa-sha2-nistp384', hash: 'sha384' };
const curves: ReadonlyMap<string, Curve> = new Map([
  ['prime256v1', { ...p256, spkiBytes: 91, sec1Bytes: 121 }],
  ['secp384r1', { ...p384, spkiBytes: 120, sec1Bytes: 167 }],
]);

const minRsaBits = 2048;
// What OpenSSL still verifies with; signing with a key as long as its file may be would take hours.
const maxRsaBits = 16_384;
const rfc8410Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');

export class PrivateKey implements Signer {
  readonly algorithm: KeyAlgorithm;
  readonly publicKey: PublicKey;
  /** Notary's canonical ID of the public half: the name of the key's file. */
  readonly notaryKeyId: string;
  readonly #key: KeyObject;

  private constructor(key: KeyObject, algorithm: KeyAlgorithm, publicKey: PublicKey, id: string) {
    this.#key = key;
    this.algorithm = algorithm;
    this.publicKey = publicKey;
    this.notaryKeyId = id;
  }

  /**
   * @throws KeyError KEY_UNSUPPORTED (kind, curve or size that dtrust does not sign with)
   */
  static fromKeyObject(given: KeyObject): PrivateKey {
    const algorithm = algorithmOf(given);
    const key = algorithm === 'ecdsa' ? usualPrivateForm(given) : given;
    const publicKey = publicHalf(createPublicKey(key), algorithm);
    const id = publicKey.supported ? notaryKeyId(publicKey) : undefined;
    if (id === undefined) throw unsupported('this key cannot be verified by dtrust');
    return new PrivateKey(key, algorithm, publicKey, id);
  }

  /**
   * An Ed25519 key from its 32-byte seed (RFC 8032).
   *
   * @throws KeyError KEY_UNSUPPORTED
   */
  static fromEd25519Seed(seed: Uint8Array): PrivateKey {
    const der = Buffer.concat([rfc8410Prefix, seed]);
    try {
      return PrivateKey.fromKeyObject(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
    } finally {
      der.fill(0);
    }
  }

  /**
   * A signature in the form TUF metadata holds for the key's scheme.
   *
   * @throws KeyError KEY_FILE_INVALID (the key's parts do not belong together)
   */
  async sign(bytes: Uint8Array): Promise<Uint8Array> {
    const signature = await this.#trySign(bytes);
    if (signature !== undefined && isSignedBy(this.publicKey, bytes, hexOf(signature))) return signature;
    throw new KeyError({
      code: 'KEY_FILE_INVALID',
      message: `key ${this.notaryKeyId} makes no signatures that verify: its parts do not belong together`,
    });
  }

  /** The PKCS#8 DER that Notary 0.7 and Docker CLI <= 28 write for this key, unencrypted. */
  toPkcs8(): Secret {
    if (this.algorithm === 'ed25519') {
      const seed = this.#ed25519Seed();
      const publicBytes = Buffer.from(this.publicKey.publicValue, 'hex');
      return notaryPkcs8(0, [OID_ED25519_NOTARY], Buffer.concat([publicBytes, seed, publicBytes]));
    }
    if (this.algorithm === 'rsa') {
      return notaryPkcs8(0, [OID_RSA], this.#key.export({ type: 'pkcs1', format: 'der' }));
    }
    const sec1 = this.#key.export({ type: 'sec1', format: 'der' });
    return notaryPkcs8(1, [OID_EC, curveOf(this.#key).oid], sec1);
  }

  /** `undefined` when the numbers of the key make signing itself fail. */
  async #trySign(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    try {
      return await this.#signRaw(bytes);
    } catch (error) {
      if (isCryptoError(error)) return undefined;
      throw error;
    }
  }

  async #signRaw(bytes: Uint8Array): Promise<Uint8Array> {
    if (this.algorithm === 'ed25519') {
      // Loaded when the first key signs: what only verifies never reads it.
      const { signAsync } = await import('@noble/ed25519');
      return await signAsync(bytes, this.#ed25519Seed());
    }
    if (this.algorithm === 'rsa') {
      return sign('sha256', bytes, {
        key: this.#key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      });
    }
    return sign(curveOf(this.#key).hash, bytes, { key: this.#key, dsaEncoding: 'der' });
  }

  #ed25519Seed(): Buffer {
    const der = this.#key.export({ type: 'pkcs8', format: 'der' });
    return Buffer.from(der.subarray(rfc8410Prefix.length, rfc8410Prefix.length + 32));
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** The public half as metadata lists it. */
export function publicHalf(key: KeyObject, algorithm: KeyAlgorithm): PublicKey {
  if (algorithm === 'ed25519') {
    const spki = key.export({ type: 'spki', format: 'der' });
    const publicValue = spki.subarray(spki.length - 32).toString('hex');
    return publicKeyFromParts({ keytype: 'ed25519', scheme: 'ed25519', publicValue });
  }
  const usual = algorithm === 'ecdsa' ? usualPublicForm(key) : key;
  const publicValue = usual.export({ type: 'spki', format: 'pem' }).toString();
  const scheme = algorithm === 'rsa' ? 'rsassa-pss-sha256' : curveOf(key).scheme;
  return publicKeyFromParts({ keytype: algorithm, scheme, publicValue });
}

/** @throws KeyError KEY_UNSUPPORTED, naming the kind, curve or size. */
export function algorithmOf(key: KeyObject): KeyAlgorithm {
  const type = key.asymmetricKeyType;
  if (type === 'ed25519') return type;
  if (type === 'ec') {
    curveOf(key);
    return 'ecdsa';
  }
  if (type !== 'rsa') throw unsupported(`${type ?? 'unknown'} keys are not supported`);
  const { modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < minRsaBits || modulusLength > maxRsaBits)
    throw unsupported(`RSA keys of ${modulusLength} bits are not supported`);
  return 'rsa';
}

/**
 * The same public key with its curve by name and its point uncompressed. OpenSSL keeps explicit parameters and
 * compressed points, which give one key several IDs and which Go, and so Docker and Notary, do not read.
 */
function usualPublicForm(key: KeyObject): KeyObject {
  if (key.export({ type: 'spki', format: 'der' }).length === curveOf(key).spkiBytes) return key;
  return createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' });
}

/** The same for a private key, which may also come without its public half. */
function usualPrivateForm(key: KeyObject): KeyObject {
  if (key.export({ type: 'sec1', format: 'der' }).length === curveOf(key).sec1Bytes) return key;
  return createPrivateKey({ key: key.export({ format: 'jwk' }), format: 'jwk' });
}

function curveOf(key: KeyObject): Curve {
  const name = key.asymmetricKeyDetails?.namedCurve;
  const curve = curves.get(name ?? '');
  if (curve === undefined) throw unsupported(`EC keys on ${name ?? 'an unnamed curve'} are not supported`);
  return curve;
}

function unsupported(message: string): KeyError {
  return new KeyError({
    code: 'KEY_UNSUPPORTED',
    message,
    hints: ['Use an ECDSA P-256 or P-384, an Ed25519, or an RSA key of 2048 to 16384 bits.'],
  });
}

/** PrivateKeyInfo (RFC 5208) with Notary's parameters: a curve for EC, nothing, not even NULL, for the others. */
function notaryPkcs8(version: number, oids: readonly string[], content: Uint8Array): Secret {
  return new Secret(
    derSequence(derInteger(version), derSequence(...oids.map(derOid)), derElement(DER_OCTET_STRING, content)),
  );
}
