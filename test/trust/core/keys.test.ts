import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseStrictJson } from '../../../src/lib/strict-json.ts';
import { canonicalJson } from '../../../src/trust/core/canonical-json.ts';
import {
  isSameKey,
  isSignedBy,
  type KeyId,
  keyContent,
  notaryKeyId,
  type PublicKey,
  publicKeyFromParts,
  tufKeyId,
} from '../../../src/trust/core/keys.ts';
import { countSignatures } from '../../../src/trust/core/role-keys.ts';
import { labelledSimKey, makeSimKey, type SimKeyKind } from '../../helpers/sim-keys.ts';

const MESSAGE = Buffer.from('metadata');
const KINDS: readonly SimKeyKind[] = ['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'];
const pemOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();

describe('key types', () => {
  it.each(KINDS)('%s signs and is counted; other bytes and other keys are not', (kind) => {
    const key = makeSimKey(kind);
    const signature = key.signHex(MESSAGE);
    expect(key.publicKey.supported).toBe(true);
    expect(isSignedBy(key.publicKey, MESSAGE, signature)).toBe(true);
    expect(isSignedBy(key.publicKey, MESSAGE, signature.toUpperCase())).toBe(true);
    expect(isSignedBy(key.publicKey, Buffer.from('Metadata'), signature)).toBe(false);
    expect(isSignedBy(makeSimKey(kind).publicKey, MESSAGE, signature)).toBe(false);
  });

  it.each(KINDS)('%s: a signature that is malformed counts for nothing and throws nothing', (kind) => {
    const { publicKey, signHex } = makeSimKey(kind);
    const good = signHex(MESSAGE);
    for (const bad of [
      '',
      'zz',
      'abc',
      good.slice(2),
      `${good}00`,
      `00${good}`,
      '00',
      '30',
      'ff'.repeat(4_000),
    ]) {
      expect(isSignedBy(publicKey, MESSAGE, bad)).toBe(false);
    }
  });

  it('takes ecdsa under the name of its scheme as well', () => {
    const { publicKey, signHex } = makeSimKey('ecdsa-p384');
    const { scheme, publicValue } = publicKey;
    const alias = publicKeyFromParts({ keytype: scheme, scheme, publicValue });
    expect(isSignedBy(alias, MESSAGE, signHex(MESSAGE))).toBe(true);
    expect(isSameKey(alias, publicKey)).toBe(true);
    expect(alias.keyid).not.toBe(publicKey.keyid);
  });

  const p256 = pemOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);
  const p521 = pemOf(generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey);
  const rsa1024 = pemOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pss = pemOf(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey);
  const ed = labelledSimKey('ed').publicKey.publicValue;
  it.each<[string, string, string, string]>([
    ['an unknown type', 'sphincs', 'sphincs', 'x'],
    ['ed25519 with an unknown scheme', 'ed25519', 'ed25519ph', ed],
    ['ed25519 too short', 'ed25519', 'ed25519', ed.slice(2)],
    ['ed25519 that is no hex', 'ed25519', 'ed25519', 'x'.repeat(64)],
    ['ed25519 as PEM', 'ed25519', 'ed25519', pemOf(generateKeyPairSync('ed25519').publicKey)],
    ['ed25519 that is the neutral point', 'ed25519', 'ed25519', `01${'00'.repeat(31)}`],
    [
      'ed25519 of order 8',
      'ed25519',
      'ed25519',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
    ],
    ['ecdsa on another curve than the scheme says', 'ecdsa', 'ecdsa-sha2-nistp384', p256],
    ['ecdsa on P-521', 'ecdsa', 'ecdsa-sha2-nistp521', p521],
    ['ecdsa P-521 under the P-256 scheme', 'ecdsa', 'ecdsa-sha2-nistp256', p521],
    ['ecdsa of one type and another scheme', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', p256],
    ['ecdsa that is an RSA key', 'ecdsa', 'ecdsa-sha2-nistp256', pemOf(rsa.publicKey)],
    ['ecdsa that is no PEM', 'ecdsa', 'ecdsa-sha2-nistp256', 'x'],
    ['ecdsa with text before the PEM', 'ecdsa', 'ecdsa-sha2-nistp256', `x\n${p256}`],
    ['rsa of 1024 bits', 'rsa', 'rsassa-pss-sha256', rsa1024],
    ['rsa with PKCS #1 v1.5', 'rsa', 'rsa-pkcs1v15-sha256', pemOf(rsa.publicKey)],
    ['rsa bound to PSS parameters', 'rsa', 'rsassa-pss-sha256', pss],
    [
      'an RSA private key',
      'rsa',
      'rsassa-pss-sha256',
      rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ],
    ['an empty value', 'ecdsa', 'ecdsa-sha2-nistp256', ''],
  ])('%s is tolerated and never counted', (_, keytype, scheme, publicValue) => {
    const key = publicKeyFromParts({ keytype, scheme, publicValue });
    expect([key.supported, keyContent(key), notaryKeyId(key)]).toEqual([false, undefined, undefined]);
    expect(isSignedBy(key, MESSAGE, '00'.repeat(64))).toBe(false);
    expect(isSameKey(key, key)).toBe(false);
  });

  it('does not believe a copy that calls itself supported', () => {
    const forged: PublicKey = {
      ...publicKeyFromParts({ keytype: 'x', scheme: 'x', publicValue: 'x' }),
      supported: true,
    };
    expect(isSignedBy(forged, MESSAGE, '00')).toBe(false);
  });

  it('RSA-PSS takes any salt length, as the signers of other tools choose theirs', () => {
    const key = makeSimKey('rsa');
    expect(isSignedBy(key.publicKey, MESSAGE, key.signHex(MESSAGE))).toBe(true);
  });
});

describe('key IDs', () => {
  const PUBLIC = 'edcd0a32a07dce33f7c7873aaffbff36d20ea30787574ead335eefd337e4dacd';

  it('the TUF key ID is sha256 of the canonical key', () => {
    const text = `{"keytype":"ed25519","keyval":{"public":"${PUBLIC}"},"scheme":"ed25519"}`;
    const id = createHash('sha256').update(text).digest('hex');
    expect(tufKeyId({ keytype: 'ed25519', scheme: 'ed25519', publicValue: PUBLIC })).toBe(id);
  });

  it('canonical JSON gives the published ID of that key, hash algorithms included as they then were', () => {
    // From python-tuf's test repository.
    const text = `{"scheme":"ed25519","keyid_hash_algorithms":["sha256","sha512"],"keyval":{"public":"${PUBLIC}"},"keytype":"ed25519"}`;
    const bytes = canonicalJson(parseStrictJson(Buffer.from(text), 'key'));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      '59a4df8af818e9ed7abe0764c0b47b4240952aa0d179b5b78346c470ac30278d',
    );
  });

  it('the Notary key ID is that of a key of Docker CLI', () => {
    const der =
      'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENgK7kx/HdvmLUG4733JIJd0Bv6FML8SVEmgGynvhl64nCVmWzTLdziS1bMUgb6hlSkqTYtvyOCC5YMY+GrAH+Q==';
    const publicValue = `-----BEGIN PUBLIC KEY-----\n${der}\n-----END PUBLIC KEY-----\n`;
    const key = publicKeyFromParts({ keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256', publicValue });
    expect(notaryKeyId(key)).toBe('041b64dab281324ef2b62fd2d04f4758269e120ff063b7bc78709272821a0a02');
    expect(notaryKeyId(labelledSimKey('x').publicKey)).toMatch(/^[0-9a-f]{64}$/);
  });

  it('the same key in other words has the same content and another ID', () => {
    const { publicKey } = makeSimKey('ecdsa-p256');
    const rewrapped = publicKey.publicValue.replace(/\n/g, '\r\n');
    const other = publicKeyFromParts({ ...publicKey, publicValue: rewrapped });
    expect(isSameKey(publicKey, other)).toBe(true);
    expect(tufKeyId(other)).not.toBe(tufKeyId(publicKey));
  });
});

describe('counting signatures', () => {
  it('counts contents, not IDs', () => {
    const [a, b] = [labelledSimKey('a'), labelledSimKey('b')];
    const ids = ['one', 'two', 'three', 'absent'] as KeyId[];
    const keys = new Map([
      [ids[0]!, a.publicKey],
      [ids[1]!, a.publicKey],
      [ids[2]!, b.publicKey],
    ]);
    const signatures = new Map(ids.map((id) => [id, a.signHex(MESSAGE)]));
    const file = { signedBytes: MESSAGE, signatures };
    expect(countSignatures(file, { keyids: ids, threshold: 1 }, keys)).toBe(1);
    signatures.set(ids[2]!, b.signHex(MESSAGE));
    expect(countSignatures(file, { keyids: ids, threshold: 1 }, keys)).toBe(2);
    expect(countSignatures(file, { keyids: ids.slice(0, 2), threshold: 1 }, keys)).toBe(1);
    expect(countSignatures(file, { keyids: [], threshold: 1 }, keys)).toBe(0);
  });

  it('a bad signature under one ID of a key does not hide a good one under another', () => {
    const a = labelledSimKey('a');
    const ids = ['one', 'two'] as KeyId[];
    const keys = new Map(ids.map((id) => [id, a.publicKey]));
    const signatures = new Map([
      [ids[0]!, '00'],
      [ids[1]!, a.signHex(MESSAGE)],
    ]);
    expect(countSignatures({ signedBytes: MESSAGE, signatures }, { keyids: ids, threshold: 1 }, keys)).toBe(
      1,
    );
  });
});
