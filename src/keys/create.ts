/**
 * Making keys. The root key is ECDSA P-256, because Docker CLI <= 28 and Notary share the key folder and cannot make
 * a certificate for Ed25519 (protocol 2.1); repository, online and signer keys of registry collections are Ed25519,
 * made by @noble/ed25519.
 */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { PrivateKey } from './private-key.ts';

/** A new root key: ECDSA P-256. */
export async function createRootKey(): Promise<PrivateKey> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'prime256v1' });
  return PrivateKey.fromKeyObject(privateKey);
}

/** A new key for any other role: Ed25519. */
export async function createEd25519Key(): Promise<PrivateKey> {
  const { utils } = await import('@noble/ed25519');
  const seed = utils.randomSecretKey();
  try {
    return PrivateKey.fromEd25519Seed(seed);
  } finally {
    seed.fill(0);
  }
}
