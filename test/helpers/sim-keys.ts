/**
 * Keys for tests: made by node:crypto, signing synchronously, in the forms TUF metadata lists them.
 */
import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { type KeyId, type PublicKey, publicKeyFromParts } from '../../src/trust/core/keys.ts';
import type { Signer } from '../../src/trust/core/signer.ts';

export type SimKeyKind = 'ed25519' | 'ecdsa-p256' | 'ecdsa-p384' | 'rsa';

export interface SimKey {
  readonly keyid: KeyId;
  readonly publicKey: PublicKey;
  readonly privateKey: KeyObject;
  readonly json: { keytype: string; scheme: string; keyval: { public: string } };
  signHex(bytes: Uint8Array): string;
}

/** A new key. */
export function makeSimKey(kind: SimKeyKind = 'ed25519'): SimKey {
  return simKeyFrom(kind, generate(kind));
}

/** An Ed25519 key that is the same for the same label. */
export function labelledSimKey(label: string): SimKey {
  const seed = createHash('sha256').update(`dtrust test key ${label}`).digest();
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  return simKeyFrom('ed25519', createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
}

/** The key as the editor takes it. */
export function simSigner(key: SimKey): Signer {
  return {
    publicKey: key.publicKey,
    sign: async (bytes) => Buffer.from(key.signHex(bytes), 'hex'),
  };
}

function generate(kind: SimKeyKind): KeyObject {
  if (kind === 'ed25519') return generateKeyPairSync('ed25519').privateKey;
  if (kind === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  return generateKeyPairSync('ec', { namedCurve: kind === 'ecdsa-p256' ? 'P-256' : 'P-384' }).privateKey;
}

function simKeyFrom(kind: SimKeyKind, privateKey: KeyObject): SimKey {
  const publicHalf = createPublicKey(privateKey);
  const parts = { ...typeOf(kind), publicValue: publicValue(kind, publicHalf) };
  const publicKey = publicKeyFromParts(parts);
  return {
    keyid: publicKey.keyid,
    publicKey,
    privateKey,
    json: { keytype: parts.keytype, scheme: parts.scheme, keyval: { public: parts.publicValue } },
    signHex: (bytes) => signBytes(kind, privateKey, bytes).toString('hex'),
  };
}

function typeOf(kind: SimKeyKind): { keytype: string; scheme: string } {
  if (kind === 'ed25519') return { keytype: 'ed25519', scheme: 'ed25519' };
  if (kind === 'rsa') return { keytype: 'rsa', scheme: 'rsassa-pss-sha256' };
  return { keytype: 'ecdsa', scheme: kind === 'ecdsa-p256' ? 'ecdsa-sha2-nistp256' : 'ecdsa-sha2-nistp384' };
}

function publicValue(kind: SimKeyKind, key: KeyObject): string {
  if (kind !== 'ed25519') return key.export({ type: 'spki', format: 'pem' }).toString();
  return key.export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex');
}

function signBytes(kind: SimKeyKind, key: KeyObject, bytes: Uint8Array): Buffer {
  if (kind === 'ed25519') return sign(null, bytes, key);
  if (kind === 'rsa') {
    return sign('sha256', bytes, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
  }
  return sign(kind === 'ecdsa-p256' ? 'sha256' : 'sha384', bytes, key);
}
