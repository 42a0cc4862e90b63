/** The key in DTRUST_KEY: what is taken, what is refused, and that nothing of it is shown. */
import { generateKeyPairSync } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createEd25519Key, createRootKey } from '../../src/keys/create.ts';
import { HeldKey } from '../../src/keys/held-key.ts';
import { renderKeyFile } from '../../src/keys/key-file.ts';
import { PrivateKey } from '../../src/keys/private-key.ts';
import { KeyError } from '../../src/lib/errors.ts';
import { isSignedBy } from '../../src/trust/core/keys.ts';
import {
  FEW_ITERATIONS,
  knownPassphrases,
  noTerminal,
  refusal,
  secret,
  storeIn,
  temporaryFolder,
  typedPassphrases,
} from './helpers.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

async function lineOf(key: PrivateKey, role = 'ci'): Promise<string> {
  return (await renderKeyFile(key, { role }, secret, FEW_ITERATIONS)).toString('base64');
}

const pemLine = (pem: string): string => Buffer.from(pem).toString('base64');
const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
const encrypted = { ...pkcs8, cipher: 'aes-256-cbc', passphrase: 'correct horse battery' } as const;

describe('contract (Keys): a key in DTRUST_KEY', () => {
  test('is one more key that is here once it is unlocked, and leaves no file', async () => {
    const key = await createEd25519Key();
    const store = storeIn(folder.path, { held: HeldKey.parse(await lineOf(key)) });
    expect([store.has(key.publicKey), store.find(key.publicKey)]).toEqual([false, undefined]);
    expect(store.list()).toMatchObject([{ role: 'ci', file: 'DTRUST_KEY', held: true, notaryKeyId: '' }]);

    await store.unlockHeld(knownPassphrases());
    const entry = { role: 'ci', held: true, tufKeyId: key.publicKey.keyid, notaryKeyId: key.notaryKeyId };
    expect(store.has(key.publicKey)).toBe(true);
    expect(store.find(key.publicKey)).toMatchObject(entry);
    expect(store.list()).toMatchObject([entry]);
    expect(store.files()).toEqual([]);
    const signer = await store.load(key.publicKey, typedPassphrases(noTerminal));
    const bytes = Buffer.from('to be signed');
    const signature = Buffer.from(await signer.sign(bytes)).toString('hex');
    expect(isSignedBy(key.publicKey, bytes, signature)).toBe(true);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test('is no key for others: another one is looked for on disk', async () => {
    const [held, onDisk, nowhere] = await Promise.all([1, 2, 3].map(createEd25519Key));
    if (held === undefined || onDisk === undefined || nowhere === undefined) return expect.unreachable();
    const store = storeIn(folder.path, { held: HeldKey.parse(await lineOf(held)) });
    await store.unlockHeld(knownPassphrases());
    await store.save(onDisk, { role: 'alice' }, secret);
    expect(store.list().map(({ role }) => role)).toEqual(['ci', 'alice']);
    expect(store.has(onDisk.publicKey)).toBe(true);
    await refusal(KeyError, 'KEY_MISSING', () => store.load(nowhere.publicKey, knownPassphrases()));
  });

  test('gives its public half, and its passphrase is not changed in any file', async () => {
    const key = await createEd25519Key();
    const store = storeIn(folder.path, { held: HeldKey.parse(await lineOf(key)) });
    const [entry] = store.list();
    if (entry === undefined) return expect.unreachable();
    expect(await store.exportPublic(entry, knownPassphrases())).toContain('BEGIN PUBLIC KEY');
    await refusal(KeyError, 'KEY_MISSING', () => store.passwd(entry, knownPassphrases()));
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test('may come from openssl, and with a line end behind it', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const held = HeldKey.parse(`${pemLine(privateKey.export(encrypted).toString())}\r\n`);
    const key = await held.unlock(knownPassphrases());
    expect(key.publicKey.keyid).toBe(PrivateKey.fromKeyObject(privateKey).publicKey.keyid);
  });

  test.each([
    ['a wrong passphrase', knownPassphrases('not the right one'), 'KEY_PASSPHRASE'],
    ['no passphrase and nobody to ask', typedPassphrases(noTerminal), 'KEY_PASSPHRASE_MISSING'],
  ] as const)('is refused with %s, naming both variables', async (_, passphrases, code) => {
    const store = storeIn(folder.path, { held: HeldKey.parse(await lineOf(await createEd25519Key())) });
    const error = await refusal(KeyError, code, () => store.unlockHeld(passphrases));
    expect(error.message).toMatch(/DTRUST_KEY.*DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE/);
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

describe('contract (Keys): DTRUST_KEY is refused, and nothing of it is shown, when it', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const plain = privateKey.export(pkcs8).toString();
  const locked = privateKey.export(encrypted).toString();
  const { publicKey } = generateKeyPairSync('ed25519');

  test.each([
    ['is blank', ' \n', 'KEY_FILE_INVALID', 'blank'],
    ['is the PEM itself', locked, 'KEY_FILE_INVALID', 'not base64 of it'],
    ['is no base64', 'a-passphrase_that-went_wrong!', 'KEY_FILE_INVALID', 'not base64'],
    ['is base64 for URLs', `${pemLine(locked).slice(0, -4)}-_A=`, 'KEY_FILE_INVALID', 'not base64'],
    [
      'is folded over lines',
      pemLine(locked).replace(/.{76}/g, '$&\n'),
      'KEY_FILE_INVALID',
      'not on one line',
    ],
    ['is cut short', pemLine(locked.slice(0, 200)), 'KEY_FILE_INVALID', 'no whole PEM block'],
    ['holds no PEM', pemLine('hunter2 is my password'), 'KEY_FILE_INVALID', 'no whole PEM block'],
    ['holds a key that is not encrypted', pemLine(plain), 'KEY_FILE_INVALID', 'not encrypted'],
    ['holds two keys', pemLine(`${locked}${locked}`), 'KEY_UNSUPPORTED', '2 private keys'],
    [
      'holds a public key',
      pemLine(publicKey.export({ type: 'spki', format: 'pem' }).toString()),
      'KEY_UNSUPPORTED',
      'public key',
    ],
    ['is longer than any key', 'A'.repeat(64 * 1024 + 4), 'KEY_FILE_INVALID', 'longer than'],
  ] as const)('%s', async (_, text, code, why) => {
    const error = await refusal(KeyError, code, () => HeldKey.parse(text));
    expect(error.message).toContain('DTRUST_KEY');
    expect(error.message).toContain(why);
    const said = [error.message, error.expected, error.found, ...error.hints].join('\n');
    for (const part of text.match(/[A-Za-z0-9+/_-]{12,}/g) ?? []) expect(said).not.toContain(part);
    expect(said).not.toContain('hunter2');
  });

  test('holds a root key', async () => {
    const line = await lineOf(await createRootKey(), 'root');
    const error = await refusal(KeyError, 'KEY_ROOT_REFUSED', () => HeldKey.parse(line));
    expect(error.message).toContain('DTRUST_KEY');
  });

  test.each([
    ['RSA keys of 1024 bits', generateKeyPairSync('rsa', { modulusLength: 1024 })],
    ['X25519 keys', generateKeyPairSync('x25519')],
  ])('holds what dtrust does not sign with: %s', async (_, pair) => {
    const held = HeldKey.parse(pemLine(pair.privateKey.export(encrypted).toString()));
    const error = await refusal(KeyError, 'KEY_UNSUPPORTED', () => held.unlock(knownPassphrases()));
    expect(error.message).toContain('DTRUST_KEY');
  });
});
