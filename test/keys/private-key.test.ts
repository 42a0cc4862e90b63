import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { getPublicKeyAsync, signAsync, verifyAsync } from '@noble/ed25519';
import { describe, expect, test } from 'vitest';
import { createEd25519Key, createRootKey } from '../../src/keys/create.ts';
import { PrivateKey } from '../../src/keys/private-key.ts';
import { parsePublicHalf, renderPublicHalf } from '../../src/keys/public-half.ts';
import { KeyError } from '../../src/lib/errors.ts';
import { isSignedBy, notaryKeyId } from '../../src/trust/core/keys.ts';
import { refusal } from './helpers.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

/** RFC 8032, section 7.1: seed, public key, message, signature. */
const vectors = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
] as const;

describe('Ed25519: RFC 8032 vectors', () => {
  test.each(vectors)('seed %s', async (seed, publicHex, message, signature) => {
    const key = PrivateKey.fromEd25519Seed(hex(seed));
    expect(key.publicKey.publicValue).toBe(publicHex);
    expect(Buffer.from(await key.sign(hex(message))).toString('hex')).toBe(signature);
    expect(isSignedBy(key.publicKey, hex(message), signature)).toBe(true);
    expect(isSignedBy(key.publicKey, hex(`${message}00`), signature)).toBe(false);
  });
});

test('noble and node:crypto make the same key halves and signatures and verify each other', async () => {
  for (let i = 0; i < 8; i += 1) {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const seed = privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(16);
    const message = Buffer.from(`message ${i}`);
    const byNode = sign(null, message, privateKey);
    const byNoble = Buffer.from(await signAsync(message, seed));
    expect(byNoble).toEqual(byNode);
    const publicBytes = publicKey.export({ type: 'spki', format: 'der' }).subarray(12);
    expect(Buffer.from(await getPublicKeyAsync(seed))).toEqual(publicBytes);
    expect(await verifyAsync(byNode, message, publicBytes)).toBe(true);
    expect(verify(null, message, publicKey, byNoble)).toBe(true);
  }
});

describe('made keys', () => {
  test('protocol 2.1: a root key is ECDSA P-256 and signs DER over SHA-256', async () => {
    const key = await createRootKey();
    expect(key.publicKey).toMatchObject({ keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256', supported: true });
    const signature = await key.sign(Buffer.from('signed'));
    const node = createPublicKey(key.publicKey.publicValue);
    expect(verify('sha256', Buffer.from('signed'), { key: node, dsaEncoding: 'der' }, signature)).toBe(true);
  });

  test('protocol 2.1: any other key is Ed25519', async () => {
    const key = await createEd25519Key();
    expect(key.publicKey).toMatchObject({ keytype: 'ed25519', scheme: 'ed25519', supported: true });
    expect(await key.sign(Buffer.from('signed'))).toHaveLength(64);
  });

  test('two keys are never the same', async () => {
    expect((await createEd25519Key()).notaryKeyId).not.toBe((await createEd25519Key()).notaryKeyId);
    expect((await createRootKey()).notaryKeyId).not.toBe((await createRootKey()).notaryKeyId);
  });
});

describe('keys made elsewhere', () => {
  test.each([
    ['P-384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey, 'ecdsa-sha2-nistp384'],
    ['RSA 2048', () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, 'rsassa-pss-sha256'],
  ])('%s signs', async (_, make, scheme) => {
    const key = PrivateKey.fromKeyObject(make());
    expect(key.publicKey.scheme).toBe(scheme);
    const signature = Buffer.from(await key.sign(Buffer.from('signed'))).toString('hex');
    expect(isSignedBy(key.publicKey, Buffer.from('signed'), signature)).toBe(true);
  });

  test.each([
    [
      'RSA 1024',
      () => generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
      'RSA keys of 1024 bits',
    ],
    ['P-521', () => generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey, 'secp521r1'],
    ['secp256k1', () => generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey, 'secp256k1'],
    ['Ed448', () => generateKeyPairSync('ed448').privateKey, 'ed448'],
    ['X25519', () => generateKeyPairSync('x25519').privateKey, 'x25519'],
    ['RSA-PSS', () => generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey, 'rsa-pss'],
  ])('%s is refused by name', async (_, make, name) => {
    const error = await refusal(KeyError, 'KEY_UNSUPPORTED', () => PrivateKey.fromKeyObject(make()));
    expect(error.message).toContain(name);
  });

  test('a key whose public half is of another key signs nothing', async () => {
    const ours = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
      type: 'sec1',
      format: 'der',
    });
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
      type: 'sec1',
      format: 'der',
    });
    const grafted = Buffer.concat([ours.subarray(0, -65), other.subarray(-65)]);
    const key = PrivateKey.fromKeyObject(createPrivateKey({ key: grafted, format: 'der', type: 'sec1' }));
    await refusal(KeyError, 'KEY_FILE_INVALID', () => key.sign(Buffer.from('signed')));
  });
});

describe('the public half as a file', () => {
  test.each([
    ['ECDSA', createRootKey],
    ['Ed25519', createEd25519Key],
  ])('%s is a PEM that gives the same key again', async (_, make) => {
    const { publicKey, notaryKeyId: id } = await make();
    const pem = renderPublicHalf(publicKey);
    expect(createPublicKey(pem).type).toBe('public');
    const again = parsePublicHalf(pem);
    expect(again?.keyid).toBe(publicKey.keyid);
    expect(again === undefined ? undefined : notaryKeyId(again)).toBe(id);
  });

  test.each([
    ['nothing', ''],
    ['words', 'not a key'],
    [
      'a private key',
      generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ],
    [
      'a key of another kind',
      generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    ],
    ['broken DER', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'],
  ])('%s is none', (_, pem) => {
    expect(parsePublicHalf(pem)).toBeUndefined();
  });
});
