import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodePlain } from '../../src/keys/decode.ts';
import { parseKeyFile } from '../../src/keys/key-file.ts';
import { KeyError } from '../../src/lib/errors.ts';

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ed = generateKeyPairSync('ed25519').privateKey;

const forms: readonly (readonly [string, string, Buffer])[] = [
  ['PKCS#8 EC', 'PRIVATE KEY', ec.export({ type: 'pkcs8', format: 'der' })],
  ['PKCS#8 RSA', 'PRIVATE KEY', rsa.export({ type: 'pkcs8', format: 'der' })],
  ['PKCS#8 Ed25519', 'PRIVATE KEY', ed.export({ type: 'pkcs8', format: 'der' })],
  ['SEC1', 'EC PRIVATE KEY', ec.export({ type: 'sec1', format: 'der' })],
  ['PKCS#1', 'RSA PRIVATE KEY', rsa.export({ type: 'pkcs1', format: 'der' })],
];

/** `key`, or the code of the KeyError that refused; anything else thrown is a bug and fails the test. */
async function outcome(label: string, der: Uint8Array): Promise<string> {
  try {
    const key = decodePlain({ label, headers: new Map(), der }, 'FILE');
    await key.sign(Buffer.from('x'));
    return 'key';
  } catch (error) {
    if (error instanceof KeyError) return error.code;
    throw error;
  }
}

const expected = ['key', 'KEY_FILE_INVALID', 'KEY_UNSUPPORTED'];

describe('no bytes get anything but a key or a refusal by code', () => {
  test.each(forms)('%s with bytes changed', async (_, label, der) => {
    const change = fc.record({ at: fc.nat({ max: der.length - 1 }), to: fc.nat({ max: 255 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const changed = Buffer.from(der);
        for (const { at, to } of changes) changed.writeUInt8(to, at);
        expect(expected).toContain(await outcome(label, changed));
      }),
      { numRuns: 150 },
    );
  });

  test.each(forms)('%s cut short is always refused', async (_, label, der) => {
    for (let length = 0; length < der.length; length += der.length > 500 ? 97 : 3) {
      expect(await outcome(label, der.subarray(0, length))).toBe('KEY_FILE_INVALID');
    }
  });

  test.each(forms)('%s with a byte after it is refused', async (_, label, der) => {
    expect(await outcome(label, Buffer.concat([der, Buffer.from([0])]))).toBe('KEY_FILE_INVALID');
  });

  test('an RSA key whose factors are damaged signs nothing, and says so by code', async () => {
    const der = Buffer.from(rsa.export({ type: 'pkcs1', format: 'der' }));
    const outcomes = new Set<string>();
    for (let at = 20; at < der.length; at += 41) {
      const changed = Buffer.from(der);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      outcomes.add(await outcome('RSA PRIVATE KEY', changed));
      changed.writeUInt8(0, at);
      outcomes.add(await outcome('RSA PRIVATE KEY', changed));
    }
    expect(outcomes).toContain('KEY_FILE_INVALID');
    expect([...outcomes].filter((each) => !expected.includes(each))).toEqual([]);
  });

  test('random text as a key file', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const file = `-----BEGIN PRIVATE KEY-----\n${text}\n-----END PRIVATE KEY-----\n`;
        try {
          parseKeyFile(Buffer.from(file), 'FILE');
        } catch (error) {
          expect(error).toBeInstanceOf(KeyError);
        }
      }),
    );
    expect(() => parseKeyFile(Buffer.from('-----BEGIN PRIVATE KEY-----\n'), 'FILE')).toThrow(KeyError);
  });
});
