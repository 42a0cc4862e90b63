/**
 * PKCS#8 encryption: PBES2 of RFC 8018, as DER (EncryptedPrivateKeyInfo, RFC 5208).
 *
 * Written: PBKDF2 with HMAC-SHA1 and 600,000 iterations, AES-256-CBC. SHA-1 is what Docker CLI <= 28 and Notary can
 * read, any iteration count with it; as a PRF it is sound, and the count is what a guess costs. node's own export
 * has a fixed 2,048. Read: PBKDF2 with any PRF that OpenSSL writes, scrypt, AES-CBC and 3DES-CBC, which covers what OpenSSL writes.
 *
 * CBC does not authenticate. A wrong passphrase shows as broken padding or as a plaintext that is no key; the
 * caller must parse what comes out, and treats a failure of that as a wrong passphrase too.
 */
import { createCipheriv, createDecipheriv, pbkdf2, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { KeyError } from '../lib/errors.ts';
import { isCryptoError } from './crypto-error.ts';
import {
  DER_NULL,
  DER_OCTET_STRING,
  DerError,
  DerReader,
  derElement,
  derInteger,
  derOid,
  derSequence,
} from './der.ts';
import { Secret } from './secret.ts';

/** Iterations of PBKDF2 in key files that dtrust writes. */
export const KDF_ITERATIONS = 600_000;

// What a file may ask this machine to do before it is known to be a key: some seconds, 256 MiB.
/** Most iterations of PBKDF2 that a file may ask for. */
export const MAX_KDF_ITERATIONS = 10_000_000;
const maxScryptBytes = 256 * 1024 * 1024;

const OID_PBES2 = '1.2.840.113549.1.5.13';
const OID_PBKDF2 = '1.2.840.113549.1.5.12';
const OID_SCRYPT = '1.3.6.1.4.1.11591.4.11';
const OID_AES_256_CBC = '2.16.840.1.101.3.4.1.42';

const ciphers: ReadonlyMap<string, { name: string; keyBytes: number; ivBytes: number }> = new Map([
  ['2.16.840.1.101.3.4.1.2', { name: 'aes-128-cbc', keyBytes: 16, ivBytes: 16 }],
  ['2.16.840.1.101.3.4.1.22', { name: 'aes-192-cbc', keyBytes: 24, ivBytes: 16 }],
  [OID_AES_256_CBC, { name: 'aes-256-cbc', keyBytes: 32, ivBytes: 16 }],
  ['1.2.840.113549.3.7', { name: 'des-ede3-cbc', keyBytes: 24, ivBytes: 8 }],
]);

/** What OpenSSL can write as well and nobody needs; refused by these names. */
const otherCiphers: ReadonlyMap<string, string> = new Map([
  ['1.3.14.3.2.7', 'des-cbc'],
  ['1.2.840.113549.3.2', 'rc2-cbc'],
  ['1.2.392.200011.61.1.1.1.2', 'camellia-128-cbc'],
  ['1.2.392.200011.61.1.1.1.3', 'camellia-192-cbc'],
  ['1.2.392.200011.61.1.1.1.4', 'camellia-256-cbc'],
  ['1.2.410.200046.1.1.2', 'aria-128-cbc'],
  ['1.2.410.200046.1.1.7', 'aria-192-cbc'],
  ['1.2.410.200046.1.1.12', 'aria-256-cbc'],
  ['1.2.156.10197.1.104.2', 'sm4-cbc'],
  ['2.16.840.1.101.3.4.1.6', 'aes-128-gcm'],
  ['2.16.840.1.101.3.4.1.46', 'aes-256-gcm'],
]);

const prfs: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.2.6', 'md5'],
  ['1.2.840.113549.2.7', 'sha1'],
  ['1.2.840.113549.2.8', 'sha224'],
  ['1.2.840.113549.2.9', 'sha256'],
  ['1.2.840.113549.2.10', 'sha384'],
  ['1.2.840.113549.2.11', 'sha512'],
  ['1.2.840.113549.2.12', 'sha512-224'],
  ['1.2.840.113549.2.13', 'sha512-256'],
  ['2.16.840.1.101.3.4.2.13', 'sha3-224'],
  ['2.16.840.1.101.3.4.2.14', 'sha3-256'],
  ['2.16.840.1.101.3.4.2.15', 'sha3-384'],
  ['2.16.840.1.101.3.4.2.16', 'sha3-512'],
]);

const deriveByPbkdf2 = promisify(pbkdf2);

/** Encrypts PKCS#8 bytes so that Docker CLI <= 28 and Notary 0.7 read them. */
export async function encryptPkcs8(plain: Secret, passphrase: Secret, iterations: number): Promise<Buffer> {
  const salt = randomBytes(16);
  const iv = randomBytes(16);
  const key = await deriveByPbkdf2(passphrase.bytes(), salt, iterations, 32, 'sha1');
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const encrypted = Buffer.concat([cipher.update(plain.bytes()), cipher.final()]);
  key.fill(0);
  // No keyLength and no prf: Notary's reader knows neither, and their defaults are the ones used.
  const kdf = derSequence(
    derOid(OID_PBKDF2),
    derSequence(derElement(DER_OCTET_STRING, salt), derInteger(iterations)),
  );
  const scheme = derSequence(derOid(OID_AES_256_CBC), derElement(DER_OCTET_STRING, iv));
  return derSequence(
    derSequence(derOid(OID_PBES2), derSequence(kdf, scheme)),
    derElement(DER_OCTET_STRING, encrypted),
  );
}

/**
 * Decrypts an EncryptedPrivateKeyInfo. The result is unproven: parse it.
 *
 * @throws DerError the bytes are no EncryptedPrivateKeyInfo
 * @throws KeyError KEY_UNSUPPORTED (a scheme dtrust does not read, or one that asks for too much work),
 *   KEY_PASSPHRASE (padding is wrong)
 */
export async function decryptPkcs8(encrypted: Uint8Array, passphrase: Secret): Promise<Secret> {
  const { kdf, cipher, iv, data } = parseEncrypted(encrypted);
  const key = await deriveKey(kdf, passphrase, cipher.keyBytes);
  try {
    return decryptCbc(cipher.name, key, iv, data);
  } finally {
    key.fill(0);
  }
}

/**
 * Decrypts CBC with PKCS#7 padding.
 *
 * @throws KeyError KEY_PASSPHRASE (length or padding is wrong)
 */
export function decryptCbc(name: string, key: Uint8Array, iv: Uint8Array, data: Uint8Array): Secret {
  const decipher = createDecipheriv(name, key, iv);
  try {
    return new Secret(Buffer.concat([decipher.update(data), decipher.final()]));
  } catch (error) {
    // OpenSSL reports broken padding and a cut-off block; both mean that this key does not fit these bytes.
    if (isCryptoError(error)) {
      throw wrongPassphrase(error);
    }
    throw error;
  }
}

/** What a decryption that did not give a key is called; a damaged file looks the same. */
export function wrongPassphrase(cause?: unknown): KeyError {
  return new KeyError({ code: 'KEY_PASSPHRASE', message: 'wrong passphrase, or a damaged key', cause });
}

type Kdf =
  | {
      readonly kind: 'pbkdf2';
      readonly salt: Uint8Array;
      readonly iterations: number;
      readonly prf: string;
      readonly keyLength: number | undefined;
    }
  | {
      readonly kind: 'scrypt';
      readonly salt: Uint8Array;
      readonly cost: number;
      readonly blockSize: number;
      readonly parallelization: number;
      readonly keyLength: number | undefined;
    };

interface Encrypted {
  readonly kdf: Kdf;
  readonly cipher: { readonly name: string; readonly keyBytes: number };
  readonly iv: Uint8Array;
  readonly data: Uint8Array;
}

function parseEncrypted(der: Uint8Array): Encrypted {
  const outer = new DerReader(der);
  const info = outer.sequence();
  outer.end();
  const algorithm = info.sequence();
  const data = info.read(DER_OCTET_STRING);
  info.end();
  const oid = algorithm.oid();
  if (oid !== OID_PBES2) throw unsupported(`encryption ${nameOfOld(oid)}`);
  const parameters = algorithm.sequence();
  const kdf = parseKdf(parameters.sequence());
  const scheme = parameters.sequence();
  const cipherOid = scheme.oid();
  const cipher = ciphers.get(cipherOid);
  if (cipher === undefined) throw unsupported(`cipher ${otherCiphers.get(cipherOid) ?? cipherOid}`);
  const iv = scheme.read(DER_OCTET_STRING);
  if (iv.length !== cipher.ivBytes) throw new DerError('initialisation vector of the wrong length');
  if (kdf.keyLength !== undefined && kdf.keyLength !== cipher.keyBytes) {
    throw new DerError('key length that does not fit the cipher');
  }
  return { kdf, cipher, iv, data };
}

function parseKdf(reader: DerReader): Kdf {
  const oid = reader.oid();
  const parameters = reader.sequence();
  if (oid === OID_PBKDF2) return parsePbkdf2(parameters);
  if (oid === OID_SCRYPT) return parseScrypt(parameters);
  throw unsupported(`key derivation ${oid}`);
}

function parsePbkdf2(reader: DerReader): Kdf {
  const salt = reader.read(DER_OCTET_STRING);
  const iterations = reader.smallInteger();
  const keyLength = optionalInteger(reader);
  const prf = reader.atEnd ? 'sha1' : parsePrf(reader.sequence());
  reader.end();
  if (iterations < 1 || iterations > MAX_KDF_ITERATIONS)
    throw unsupported(`PBKDF2 with ${iterations} iterations`);
  return { kind: 'pbkdf2', salt, iterations, prf, keyLength };
}

function parsePrf(reader: DerReader): string {
  const oid = reader.oid();
  if (!reader.atEnd) reader.read(DER_NULL);
  const prf = prfs.get(oid);
  if (prf === undefined) throw unsupported(`PBKDF2 with PRF ${oid}`);
  return prf;
}

function parseScrypt(reader: DerReader): Kdf {
  const salt = reader.read(DER_OCTET_STRING);
  const cost = reader.smallInteger();
  const blockSize = reader.smallInteger();
  const parallelization = reader.smallInteger();
  const keyLength = optionalInteger(reader);
  reader.end();
  const isPowerOfTwo = cost > 1 && Number.isInteger(Math.log2(cost));
  const work = 128 * cost * blockSize * parallelization;
  if (!isPowerOfTwo || work < 1 || work > maxScryptBytes) {
    throw unsupported(`scrypt with N ${cost}, r ${blockSize}, p ${parallelization}`);
  }
  return { kind: 'scrypt', salt, cost, blockSize, parallelization, keyLength };
}

function optionalInteger(reader: DerReader): number | undefined {
  return reader.nextTag === 0x02 ? reader.smallInteger() : undefined;
}

async function deriveKey(kdf: Kdf, passphrase: Secret, keyBytes: number): Promise<Buffer> {
  if (kdf.kind === 'pbkdf2') {
    return await deriveByPbkdf2(passphrase.bytes(), kdf.salt, kdf.iterations, keyBytes, kdf.prf);
  }
  const { cost, blockSize, parallelization } = kdf;
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const options = { cost, blockSize, parallelization, maxmem: 2 * maxScryptBytes };
  scrypt(passphrase.bytes(), kdf.salt, keyBytes, options, (error, key) => {
    if (error === null) resolve(key);
    else reject(error);
  });
  return await promise;
}

function nameOfOld(oid: string): string {
  if (oid.startsWith('1.2.840.113549.1.5.')) return `PBES1 (${oid})`;
  if (oid.startsWith('1.2.840.113549.1.12.1.')) return `PKCS#12 PBE (${oid})`;
  return oid;
}

function unsupported(what: string): KeyError {
  return new KeyError({
    code: 'KEY_UNSUPPORTED',
    message: `cannot read this encrypted key: ${what} is not supported`,
    hints: ['Write it anew with `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`, then load NEW.'],
  });
}
