/**
 * Public keys of TUF metadata: what is listed, what it is called, and whether a signature is by it.
 *
 * Three names are kept apart. The *listed* key ID is what metadata calls a key, chosen by whoever wrote it; it only
 * finds signatures. The *TUF key ID* is computed from the key (sha256 over its canonical JSON) and is what pins
 * hold. The *content* is the key itself, however it is written down: thresholds count contents.
 *
 * A key whose type, scheme or value is not understood is kept as it is, and no signature ever counts for it.
 * node:crypto verifies; its verdict is the one that counts (test/trust/core/ed25519-verdict.test.ts).
 */
import {
  constants,
  createHash,
  createPublicKey,
  type JsonWebKey,
  type KeyObject,
  type VerifyKeyObjectInput,
  type VerifyPublicKeyInput,
  verify,
} from 'node:crypto';
import type { JsonObject, JsonValue } from '../../lib/strict-json.ts';
import { canonicalJson } from './canonical-json.ts';

declare const keyIdBrand: unique symbol;

/** A key ID as listed or as computed; a listed one is opaque (TUF 1.0.34, section 4.2, and TAP 12). */
export type KeyId = string & { readonly [keyIdBrand]: true };

export interface PublicKey {
  /** As listed; for keys made by `publicKeyFromParts` the TUF key ID. */
  readonly keyid: KeyId;
  readonly keytype: string;
  readonly scheme: string;
  /** keyval.public: hex for ed25519, PEM for ecdsa and rsa; empty when there is no such string. */
  readonly publicValue: string;
  /** False when signatures by this key never count: type, scheme or value not understood. */
  readonly supported: boolean;
  /** The key as it stood in metadata, unknown members included. */
  readonly json: JsonObject;
}

/** What node:crypto needs to verify, and the key's identity independent of its spelling. */
interface Verifier {
  readonly key: KeyObject;
  readonly hash: string | null;
  readonly pss: boolean;
  readonly content: string;
}

const verifiers = new WeakMap<PublicKey, Verifier | null>();

/** A key made from its three parts, listed under its TUF key ID. */
export function publicKeyFromParts(parts: {
  readonly keytype: string;
  readonly scheme: string;
  readonly publicValue: string;
}): PublicKey {
  const { keytype, scheme, publicValue } = parts;
  const keyval: JsonObject = new Map([['public', publicValue]]);
  const json: JsonObject = new Map<string, JsonValue>([
    ['keytype', keytype],
    ['scheme', scheme],
    ['keyval', keyval],
  ]);
  return publicKeyFromListing(tufKeyId(parts), json, parts);
}

/**
 * A key as metadata lists it. Nothing about it is trusted, and nothing about it is refused here: what is not
 * understood is marked unsupported.
 */
export function publicKeyFromListing(
  keyid: KeyId,
  json: JsonObject,
  parts: { readonly keytype: string; readonly scheme: string; readonly publicValue: string },
): PublicKey {
  const { keytype, scheme, publicValue } = parts;
  const verifier = makeVerifier(keytype, scheme, publicValue);
  const key = Object.freeze({ keyid, keytype, scheme, publicValue, supported: verifier !== null, json });
  verifiers.set(key, verifier);
  return key;
}

/** sha256, hex, over the canonical JSON of {keytype, keyval: {public}, scheme}: the key ID pins hold. */
export function tufKeyId(key: Pick<PublicKey, 'keytype' | 'scheme' | 'publicValue'>): KeyId {
  const form: JsonObject = new Map<string, JsonValue>([
    ['keytype', key.keytype],
    ['keyval', new Map([['public', key.publicValue]])],
    ['scheme', key.scheme],
  ]);
  return sha256Hex(canonicalJson(form)) as KeyId;
}

/**
 * Notary v1's canonical key ID, which names key files: sha256, hex, over
 * `{"keytype":T,"keyval":{"private":null,"public":B64}}`, B64 being SPKI DER, or the 32 raw bytes for ed25519.
 * Undefined for a key that is not supported.
 */
export function notaryKeyId(key: PublicKey): string | undefined {
  const verifier = verifierOf(key);
  if (verifier === null) return undefined;
  const type = notaryKeyType(verifier.key);
  const spki = verifier.key.export({ type: 'spki', format: 'der' });
  const value = type === 'ed25519' ? spki.subarray(spki.length - 32) : spki;
  const form: JsonObject = new Map<string, JsonValue>([
    ['keytype', type],
    [
      'keyval',
      new Map<string, JsonValue>([
        ['private', null],
        ['public', value.toString('base64')],
      ]),
    ],
  ]);
  return sha256Hex(canonicalJson(form));
}

function notaryKeyType(key: KeyObject): string {
  return key.asymmetricKeyType === 'ec' ? 'ecdsa' : String(key.asymmetricKeyType);
}

/**
 * What the key is, independent of how it is written: equal for two keys exactly when one private key signs for
 * both. Undefined for a key that is not supported.
 */
export function keyContent(key: PublicKey): string | undefined {
  return verifierOf(key)?.content;
}

/** Whether two listings are one key. False as soon as one of them is not supported. */
export function isSameKey(left: PublicKey, right: PublicKey): boolean {
  const content = keyContent(left);
  return content !== undefined && content === keyContent(right);
}

/** Whether the signature over exactly these bytes is by this key. Never throws; unsupported keys signed nothing. */
export function isSignedBy(key: PublicKey, signedBytes: Uint8Array, signatureHex: string): boolean {
  const verifier = verifierOf(key);
  if (verifier === null || !/^(?:[0-9a-f]{2})+$/i.test(signatureHex)) return false;
  const signature = Buffer.from(signatureHex, 'hex');
  const input: VerifyKeyObjectInput = verifier.pss
    ? {
        key: verifier.key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_AUTO,
      }
    : { key: verifier.key, dsaEncoding: 'der' };
  return tryCrypto(() => verify(verifier.hash, signedBytes, input, signature)) ?? false;
}

function verifierOf(key: PublicKey): Verifier | null {
  const known = verifiers.get(key);
  if (known !== undefined) return known;
  // A PublicKey made by hand or copied; its `supported` is not believed.
  const made = makeVerifier(key.keytype, key.scheme, key.publicValue);
  verifiers.set(key, made);
  return made;
}

function makeVerifier(keytype: string, scheme: string, publicValue: string): Verifier | null {
  if (keytype === 'ed25519' && scheme === 'ed25519') return ed25519Verifier(publicValue);
  if (keytype === 'rsa' && scheme === 'rsassa-pss-sha256') return rsaVerifier(publicValue);
  if (keytype !== 'ecdsa' && keytype !== scheme) return null;
  if (scheme === 'ecdsa-sha2-nistp256') return ecdsaVerifier(publicValue, 'prime256v1', 'sha256');
  if (scheme === 'ecdsa-sha2-nistp384') return ecdsaVerifier(publicValue, 'secp384r1', 'sha384');
  return null;
}

function ed25519Verifier(publicValue: string): Verifier | null {
  if (!/^[0-9a-f]{64}$/i.test(publicValue)) return null;
  const raw = Buffer.from(publicValue, 'hex');
  // A point of small order has signatures that hold for many messages, made without any private key.
  if (isSmallOrder(raw)) return null;
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]);
  return verifierFor({ key: der, format: 'der', type: 'spki' }, null, false, () => true);
}

function ecdsaVerifier(pem: string, curve: string, hash: string): Verifier | null {
  return verifierFor(pem, hash, false, (key) => {
    return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === curve;
  });
}

function rsaVerifier(pem: string): Verifier | null {
  return verifierFor(pem, 'sha256', true, (key) => {
    const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
    // With exponent 1 every message is its own signature.
    return key.asymmetricKeyType === 'rsa' && modulusLength >= 2048 && publicExponent >= 3n;
  });
}

function verifierFor(
  input: string | Exclude<VerifyPublicKeyInput, KeyObject>,
  hash: string | null,
  pss: boolean,
  fits: (key: KeyObject) => boolean,
): Verifier | null {
  // Only "PUBLIC KEY": node would also take a certificate or a private key and use its public half.
  if (typeof input === 'string' && !isPublicKeyPem(input)) return null;
  const key = tryCrypto(() => createPublicKey(input as Parameters<typeof createPublicKey>[0]));
  if (key === undefined || !fits(key)) return null;
  const jwk = tryCrypto(() => key.export({ format: 'jwk' }));
  return jwk === undefined ? null : { key, hash, pss, content: contentOf(jwk) };
}

function isPublicKeyPem(pem: string): boolean {
  return /^-----BEGIN PUBLIC KEY-----\r?\n[A-Za-z0-9+/=\r\n]+-----END PUBLIC KEY-----\s*$/.test(pem);
}

function contentOf(jwk: JsonWebKey): string {
  return [jwk.kty, jwk.crv, jwk.x, jwk.y, jwk.n, jwk.e].map((part) => part ?? '').join('.');
}

/**
 * node:crypto throws for keys and signatures it cannot read, in more forms than can be listed (OpenSSL errors with
 * and without a code). All of them are tolerated, because the only outcome is that a signature does not count.
 */
function tryCrypto<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

/**
 * y of the points whose order divides 8, as little-endian hex with the sign bit cleared, in every encoding that
 * decoders accept (RFC 8032 values and those not reduced modulo p).
 */
const SMALL_ORDER_Y: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

function isSmallOrder(raw: Buffer): boolean {
  const y = Buffer.from(raw);
  y[31] = (y[31] ?? 0) & 0x7f;
  return SMALL_ORDER_Y.has(y.toString('hex'));
}

function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
