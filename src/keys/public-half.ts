/**
 * The public half of a key as a file: a plain `PUBLIC KEY` PEM, what `docker trust signer add --key` and OpenSSL
 * read (Ed25519 as in RFC 8410).
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { KeyError } from '../lib/errors.ts';
import type { PublicKey } from '../trust/core/keys.ts';
import { isCryptoError } from './crypto-error.ts';
import { algorithmOf, publicHalf } from './private-key.ts';

const ed25519SpkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

/** PEM text of the public half. */
export function renderPublicHalf(key: PublicKey): string {
  if (key.keytype !== 'ed25519')
    return key.publicValue.endsWith('\n') ? key.publicValue : `${key.publicValue}\n`;
  const der = Buffer.concat([ed25519SpkiPrefix, Buffer.from(key.publicValue, 'hex')]);
  return createPublicKey({ key: der, format: 'der', type: 'spki' })
    .export({ type: 'spki', format: 'pem' })
    .toString();
}

/** The key in a PEM that `renderPublicHalf` wrote; undefined for anything else. */
export function parsePublicHalf(pem: string): PublicKey | undefined {
  if (!/^-----BEGIN PUBLIC KEY-----\r?\n[A-Za-z0-9+/=\r\n]+-----END PUBLIC KEY-----\s*$/.test(pem))
    return undefined;
  const key = importPublic(pem);
  if (key === undefined) return undefined;
  try {
    return publicHalf(key, algorithmOf(key));
  } catch (error) {
    if (error instanceof KeyError && error.code === 'KEY_UNSUPPORTED') return undefined;
    throw error;
  }
}

function importPublic(pem: string): KeyObject | undefined {
  try {
    return createPublicKey(pem);
  } catch (error) {
    if (isCryptoError(error)) return undefined;
    throw error;
  }
}
