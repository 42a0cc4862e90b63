import { format, inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { createEd25519Key, createRootKey } from '../../src/keys/create.ts';
import { Secret } from '../../src/keys/secret.ts';

describe('a secret cannot be printed by accident', () => {
  const secret = Secret.fromText('hunter2');
  test.each([
    ['a template', `${secret}`],
    ['concatenation', `x${String(secret)}`],
    ['JSON', JSON.stringify({ secret })],
    ['inspect', inspect({ deep: { secret } }, { depth: 9, showHidden: true })],
    ['console formatting', format('%s %o %j %O', secret, secret, secret, secret)],
    ['an error cause', inspect(new Error('no', { cause: secret }))],
    ['its own properties', JSON.stringify(Object.entries({ ...secret }))],
  ])('%s', (_, text) => {
    expect(text).not.toContain('hunter2');
    expect(text).not.toContain(Buffer.from('hunter2').toString('hex'));
    expect(text).not.toContain('68 75 6e 74');
  });

  test('it shows as [secret]', () => {
    expect(`${secret}`).toBe('[secret]');
    expect(inspect(secret)).toBe('[secret]');
    expect(JSON.stringify([secret])).toBe('["[secret]"]');
  });
});

describe('a secret', () => {
  test('gives its content only when it is asked by name', () => {
    expect(Secret.fromText('pässword').reveal()).toBe('pässword');
    expect(Buffer.from(new Secret(Buffer.from([0, 255])).bytes())).toEqual(Buffer.from([0, 255]));
  });

  test('counts characters, not bytes', () => {
    expect(Secret.fromText('ä🔑x').characters).toBe(3);
  });

  test('equals only the same bytes', () => {
    expect(Secret.fromText('same').equals(Secret.fromText('same'))).toBe(true);
    expect(Secret.fromText('same').equals(Secret.fromText('sama'))).toBe(false);
    expect(Secret.fromText('same').equals(Secret.fromText('sam'))).toBe(false);
  });

  test('is gone once it is wiped', () => {
    const gone = Secret.fromText('hunter2');
    gone.wipe();
    expect(gone.reveal()).toBe('\0'.repeat(7));
  });
});

test('a private key shows only its public half', async () => {
  for (const key of [await createRootKey(), await createEd25519Key()]) {
    const der = Buffer.from(key.toPkcs8().bytes());
    const shown = `${inspect(key, { depth: 9, showHidden: true })}${JSON.stringify(key)}${key}`;
    expect(shown).toContain(key.notaryKeyId);
    expect(shown).not.toContain(der.subarray(-32).toString('base64').slice(0, 20));
    expect(shown).not.toMatch(/PRIVATE|PrivateKeyObject/);
  }
});
