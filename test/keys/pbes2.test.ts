import { createCipheriv, pbkdf2Sync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createEd25519Key } from '../../src/keys/create.ts';
import { decodeEncrypted } from '../../src/keys/decode.ts';
import {
  DER_OCTET_STRING,
  DerError,
  DerReader,
  derElement,
  derInteger,
  derOid,
  derSequence,
} from '../../src/keys/der.ts';
import { decryptPkcs8, encryptPkcs8, KDF_ITERATIONS } from '../../src/keys/pbes2.ts';
import { Secret } from '../../src/keys/secret.ts';
import { KeyError } from '../../src/lib/errors.ts';
import { FEW_ITERATIONS, refusal, secret } from './helpers.ts';

const octets = (length: number): Buffer => derElement(DER_OCTET_STRING, Buffer.alloc(length));
const aes256 = (iv = 16): Buffer => derSequence(derOid('2.16.840.1.101.3.4.1.42'), octets(iv));
const pbkdf2 = (...parameters: readonly Uint8Array[]): Buffer =>
  derSequence(derOid('1.2.840.113549.1.5.12'), derSequence(...parameters));
const scrypt = (...numbers: readonly number[]): Buffer =>
  derSequence(derOid('1.3.6.1.4.1.11591.4.11'), derSequence(octets(8), ...numbers.map(derInteger)));
const envelope = (kdf: Uint8Array, cipher: Uint8Array, data = octets(32)): Buffer =>
  derSequence(derSequence(derOid('1.2.840.113549.1.5.13'), derSequence(kdf, cipher)), data);

describe('key files cost what a guess should cost', () => {
  test('600,000 iterations of PBKDF2-HMAC-SHA1, AES-256-CBC, nothing that Notary does not parse', async () => {
    const der = await encryptPkcs8((await createEd25519Key()).toPkcs8(), secret, KDF_ITERATIONS);
    const algorithm = new DerReader(der).sequence().sequence();
    expect(algorithm.oid()).toBe('1.2.840.113549.1.5.13');
    const parameters = algorithm.sequence();
    const kdf = parameters.sequence();
    expect(kdf.oid()).toBe('1.2.840.113549.1.5.12');
    const numbers = kdf.sequence();
    expect(numbers.read(DER_OCTET_STRING)).toHaveLength(16);
    expect(numbers.smallInteger()).toBe(600_000);
    // No key length, no PRF: SHA-1 by default, which is all that Notary derives with.
    expect(numbers.atEnd).toBe(true);
    const cipher = parameters.sequence();
    expect(cipher.oid()).toBe('2.16.840.1.101.3.4.1.42');
    expect(cipher.read(DER_OCTET_STRING)).toHaveLength(16);
  });

  test('salt and initialisation vector are new each time', async () => {
    const plain = Secret.fromText('the same');
    const [one, two] = [await encryptPkcs8(plain, secret, 10), await encryptPkcs8(plain, secret, 10)];
    expect(one.equals(two)).toBe(false);
    expect((await decryptPkcs8(one, secret)).equals(await decryptPkcs8(two, secret))).toBe(true);
  });
});

describe('an encrypted key asks this machine for no more than', () => {
  test.each([
    ['ten million iterations', envelope(pbkdf2(octets(8), derInteger(10_000_001)), aes256())],
    ['one iteration at least', envelope(pbkdf2(octets(8), derInteger(0)), aes256())],
    ['256 MiB of scrypt', envelope(scrypt(1 << 21, 8, 1), aes256())],
    ['256 MiB of scrypt in lanes', envelope(scrypt(1024, 8, 1000), aes256())],
    ['an N that is a power of two', envelope(scrypt(1000, 8, 1), aes256())],
    ['an r of one', envelope(scrypt(1024, 0, 1), aes256())],
  ])('%s', async (_, der) => {
    await refusal(KeyError, 'KEY_UNSUPPORTED', () => decryptPkcs8(der, secret));
  });
});

describe('an encrypted key is read with the PRFs that newer versions of OpenSSL name', () => {
  test.each([
    ['2.16.840.1.101.3.4.2.13', 'sha3-224'],
    ['2.16.840.1.101.3.4.2.14', 'sha3-256'],
    ['2.16.840.1.101.3.4.2.15', 'sha3-384'],
    ['2.16.840.1.101.3.4.2.16', 'sha3-512'],
  ])('%s, HMAC with %s', async (oid, hash) => {
    const key = pbkdf2Sync(secret.bytes(), Buffer.alloc(8), 10, 32, hash);
    const cipher = createCipheriv('aes-256-cbc', key, Buffer.alloc(16));
    const data = derElement(DER_OCTET_STRING, cipher.update('the content'), cipher.final());
    const kdf = pbkdf2(octets(8), derInteger(10), derSequence(derOid(oid)));
    expect((await decryptPkcs8(envelope(kdf, aes256(), data), secret)).reveal()).toBe('the content');
  });

  test('another one is refused by its number', async () => {
    const kdf = pbkdf2(octets(8), derInteger(10), derSequence(derOid('1.2.643.7.1.1.4.2')));
    const error = await refusal(KeyError, 'KEY_UNSUPPORTED', () =>
      decryptPkcs8(envelope(kdf, aes256()), secret),
    );
    expect(error.message).toContain('PRF 1.2.643.7.1.1.4.2');
  });
});

describe('an encrypted key is refused as broken when', () => {
  test.each([
    ['its vector is too short', envelope(pbkdf2(octets(8), derInteger(1)), aes256(8))],
    [
      "its key length is not the cipher's",
      envelope(pbkdf2(octets(8), derInteger(1), derInteger(16)), aes256()),
    ],
    ['it is only half there', envelope(pbkdf2(octets(8), derInteger(1)), aes256()).subarray(0, 40)],
    [
      'something follows it',
      Buffer.concat([envelope(pbkdf2(octets(8), derInteger(1)), aes256()), Buffer.from([0])]),
    ],
    ['its parameters go on', envelope(pbkdf2(octets(8), derInteger(1), octets(1)), aes256())],
  ])('%s', async (_, der) => {
    await expect(decryptPkcs8(der, secret)).rejects.toThrow(DerError);
  });
});

test('a wrong passphrase is always KEY_PASSPHRASE, also when the padding happens to be right', async () => {
  const key = await createEd25519Key();
  const der = await encryptPkcs8(key.toPkcs8(), secret, 1);
  const block = { label: 'ENCRYPTED PRIVATE KEY', headers: new Map<string, string>(), der };
  let paddingFits = 0;
  // One wrong passphrase in 256 gives good padding and garbage before it.
  for (let i = 0; i < 1500; i += 1) {
    const wrong = Secret.fromText(`wrong ${i}`);
    await refusal(KeyError, 'KEY_PASSPHRASE', () => decodeEncrypted(block, wrong, 'FILE'));
    paddingFits += await decryptPkcs8(der, wrong).then(
      () => 1,
      () => 0,
    );
  }
  expect(paddingFits).toBeGreaterThan(0);
  expect((await decodeEncrypted(block, secret, 'FILE')).notaryKeyId).toBe(key.notaryKeyId);
});

test('one changed byte of the ciphertext never gives another key', async () => {
  const key = await createEd25519Key();
  const der = await encryptPkcs8(key.toPkcs8(), secret, FEW_ITERATIONS);
  for (let i = der.length - 130; i < der.length; i += 9) {
    const changed = Buffer.from(der);
    changed.writeUInt8(changed.readUInt8(i) ^ 1, i);
    const block = { label: 'ENCRYPTED PRIVATE KEY', headers: new Map<string, string>(), der: changed };
    const outcome = await decodeEncrypted(block, secret, 'FILE').then(
      (found) => found.notaryKeyId,
      (error: unknown) => (error instanceof KeyError ? 'refused' : error),
    );
    expect(outcome).toBe('refused');
  }
});
