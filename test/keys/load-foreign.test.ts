import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { derElement, derInteger, derSequence } from '../../src/keys/der.ts';
import { loadForeignKey } from '../../src/keys/load-foreign.ts';
import { createPassphrases } from '../../src/keys/passphrases.ts';
import { readSignerKey } from '../../src/keys/signer-key-file.ts';
import { KeyError, LocalStateError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { needPeers } from '../helpers/peers.ts';
import {
  knownPassphrases,
  noTerminal,
  PASSPHRASE,
  refusal,
  scriptedTerminal,
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

const path = (name: string): string => join(folder.path, name);

function put(name: string, content: string | Uint8Array, mode = 0o600): string {
  writeFileSync(path(name), content);
  chmodSync(path(name), mode);
  return path(name);
}

const load = (file: string, passphrases = typedPassphrases(noTerminal)) =>
  loadForeignKey({ fs: realFileSystem, path: file, platform: 'linux', passphrases });

function openssl(...args: readonly string[]): Buffer {
  return execFileSync('openssl', args, { cwd: folder.path, stdio: ['ignore', 'pipe', 'ignore'] });
}

/** The file that these openssl calls leave as `key`, private as key files must be. */
function made(...commands: readonly (readonly string[])[]): string {
  for (const command of commands) openssl(...command);
  chmodSync(path('key'), 0o600);
  return path('key');
}

/** SPKI DER of a private key file as openssl sees it, to compare ours with. */
const publicByOpenssl = (file: string): Buffer =>
  openssl('pkey', '-in', file, '-passin', `pass:${PASSPHRASE}`, '-pubout', '-outform', 'DER');

const genEc = ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'plain'];
const genEc384 = ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384', '-out', 'plain'];
const genRsa = ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'plain'];
const genEd = ['genpkey', '-algorithm', 'ED25519', '-out', 'plain'];
const same = ['pkey', '-in', 'plain', '-out', 'key'];
const traditional = ['pkey', '-in', 'plain', '-traditional', '-out', 'key'];
const old = (cipher: string) => [...traditional, `-${cipher}`, '-passout', `pass:${PASSPHRASE}`];
const pkcs8 = (...options: string[]) => [
  ...['pkcs8', '-topk8', '-in', 'plain', '-out', 'key', '-passout', `pass:${PASSPHRASE}`],
  ...options,
];

const real = await needPeers('openssl');

describe.skipIf(real.skip)(real.title('contract (Keys): keys that openssl made are loaded'), () => {
  test.each<[string, string[][]]>([
    ['PKCS#8 EC P-256', [genEc, same]],
    ['PKCS#8 EC P-384', [genEc384, same]],
    ['PKCS#8 RSA', [genRsa, same]],
    ['PKCS#8 Ed25519 (RFC 8410)', [genEd, same]],
    ['SEC1 EC', [genEc, traditional]],
    ['SEC1 EC behind its EC PARAMETERS', [['ecparam', '-name', 'prime256v1', '-genkey', '-out', 'key']]],
    ['PKCS#1 RSA', [genRsa, traditional]],
    ['PKCS#8 RSA of 3072 bits', [[...genRsa.slice(0, -3), 'rsa_keygen_bits:3072', '-out', 'plain'], same]],
  ])('%s', async (_, commands) => {
    const file = made(...commands);
    const { key } = await load(file);
    const spki = publicByOpenssl(file);
    const value = key.publicKey.publicValue;
    const ours = value.startsWith('-----') ? value.replaceAll(/-----[^-]+-----|\s/g, '') : value;
    expect(value.startsWith('-----') ? ours : Buffer.from(ours, 'hex').toString('base64')).toBe(
      value.startsWith('-----') ? spki.toString('base64') : spki.subarray(-32).toString('base64'),
    );
  });

  test.each<[string, string[][]]>([
    ['PBKDF2-SHA1, AES-256', [genEc, pkcs8('-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA1')]],
    ['PBKDF2-SHA256, AES-256', [genEc, pkcs8('-v2', 'aes-256-cbc')]],
    ['PBKDF2-SHA512, AES-128', [genRsa, pkcs8('-v2', 'aes-128-cbc', '-v2prf', 'hmacWithSHA512')]],
    ['PBKDF2-SHA384, AES-192', [genEd, pkcs8('-v2', 'aes-192-cbc', '-v2prf', 'hmacWithSHA384')]],
    ['PBKDF2-SHA224, 3DES', [genEc, pkcs8('-v2', 'des3', '-v2prf', 'hmacWithSHA224')]],
    ['PBKDF2-SHA512/224', [genEc, pkcs8('-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA512-224')]],
    ['PBKDF2-SHA512/256', [genEd, pkcs8('-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA512-256')]],
    ['PBKDF2-MD5', [genEc, pkcs8('-v2', 'aes-128-cbc', '-v2prf', 'hmacWithMD5')]],
    ['PBKDF2, 600,000 iterations', [genEd, pkcs8('-v2', 'aes-256-cbc', '-iter', '600000')]],
    ['scrypt', [genEc, pkcs8('-scrypt')]],
    [
      'scrypt of another cost',
      [genEd, pkcs8('-scrypt', '-scrypt_N', '1024', '-scrypt_r', '8', '-scrypt_p', '2')],
    ],
    ['legacy AES-256 EC', [genEc, old('aes256')]],
    ['legacy AES-128 RSA', [genRsa, old('aes128')]],
    ['legacy AES-192 EC', [genEc, old('aes192')]],
    ['legacy 3DES RSA', [genRsa, old('des3')]],
  ])('encrypted: %s', async (_, commands) => {
    const file = made(...commands);
    const { key } = await load(file, knownPassphrases());
    const spki = publicByOpenssl(file);
    const value = key.publicKey.publicValue;
    const expected = value.startsWith('-----') ? spki : spki.subarray(-32);
    const ours = value.startsWith('-----')
      ? Buffer.from(value.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
      : Buffer.from(value, 'hex');
    expect(ours).toEqual(expected);
    await refusal(KeyError, 'KEY_PASSPHRASE', () => load(file, knownPassphrases('not this passphrase')));
  });

  test('a key file of Docker before 17.12 keeps its role, and the role decides which passphrase opens it', async () => {
    const legacy = readFileSync(made(genEc, old('aes256')), 'utf8');
    const file = put('legacy', legacy.replace(/(DEK-Info: .*\n)/, '$1role: root\n'));
    const environment = { rootPassphrase: PASSPHRASE, repositoryPassphrase: 'another one' };
    const passphrases = createPassphrases({ environment, terminal: noTerminal, fs: realFileSystem });
    const { key, role } = await load(file, passphrases);
    expect([key.algorithm, role]).toEqual(['ecdsa', 'root']);
  });

  test('a foreign key that was loaded is in the store and signs from there', async () => {
    const { key } = await load(made(genEc, pkcs8('-scrypt')), knownPassphrases());
    const store = storeIn(folder.path);
    const entry = await store.save(key, { role: 'alice' }, secret);
    const signer = await store.load(entry, knownPassphrases());
    expect(signer.publicKey.keyid).toBe(key.publicKey.keyid);
  });

  test('the passphrase is asked for without a key ID: nobody knows it yet', async () => {
    const terminal = scriptedTerminal([PASSPHRASE]);
    await load(made(genEd, pkcs8()), typedPassphrases(terminal));
    expect(terminal.log).toEqual(['Enter passphrase for encrypted key: ']);
  });

  test.each<[string, string[][], string]>([
    ['a public key', [genEc, ['pkey', '-in', 'plain', '-pubout', '-out', 'key']], 'public key'],
    ['PKCS#12 PBE', [genEc, pkcs8('-v1', 'PBE-SHA1-3DES')], 'PKCS#12 PBE'],
    ['EC secp256k1', [['ecparam', '-name', 'secp256k1', '-genkey', '-noout', '-out', 'key']], 'secp256k1'],
    ['EC P-521', [['ecparam', '-name', 'secp521r1', '-genkey', '-noout', '-out', 'key']], 'secp521r1'],
    ['RSA 1024', [['genrsa', '-out', 'key', '1024']], 'RSA keys of 1024 bits'],
    ['Ed448', [['genpkey', '-algorithm', 'ED448', '-out', 'key']], 'ed448'],
    ['RSA-PSS', [['genpkey', '-algorithm', 'RSA-PSS', '-out', 'key']], 'rsa-pss'],
    ['camellia', [genEc, pkcs8('-v2', 'camellia-256-cbc')], 'cipher camellia-256-cbc'],
    ['ARIA', [genEc, pkcs8('-v2', 'aria-128-cbc')], 'cipher aria-128-cbc'],
    ['SM4', [genEc, pkcs8('-v2', 'sm4-cbc')], 'cipher sm4-cbc'],
    ['AES in another mode', [genEc, pkcs8('-v2', 'aes-256-ofb')], 'cipher 2.16.840.1.101.3.4.1.43'],
    ['legacy camellia', [genEc, old('camellia128')], 'cipher CAMELLIA-128-CBC'],
    ['DER', [genEc, ['pkey', '-in', 'plain', '-outform', 'DER', '-out', 'key']], 'it is DER'],
    [
      'PKCS#12',
      [
        genEc,
        ['req', '-new', '-x509', '-key', 'plain', '-subj', '/CN=x', '-out', 'cert'],
        ['pkcs12', '-export', '-inkey', 'plain', '-in', 'cert', '-passout', 'pass:x', '-out', 'key'],
      ],
      'PKCS#12',
    ],
    [
      'a certificate',
      [genEc, ['req', '-new', '-x509', '-key', 'plain', '-subj', '/CN=x', '-out', 'key']],
      'a certificate',
    ],
    ['X25519, which does not sign', [['genpkey', '-algorithm', 'X25519', '-out', 'key']], 'x25519'],
  ])('%s is refused by name', async (_, commands, name) => {
    const error = await refusal(KeyError, 'KEY_UNSUPPORTED', () =>
      load(made(...commands), knownPassphrases()),
    );
    expect(error.message).toContain(name);
  });

  test('a key file cut off anywhere is refused, never loaded and never shown', async () => {
    const whole = readFileSync(made(genEc, pkcs8('-v2', 'aes-256-cbc')));
    const text = whole.toString('latin1');
    for (let length = 0; length < whole.length - 30; length += 7) {
      const error = await refusal(KeyError, 'KEY_FILE_INVALID', () =>
        load(put('cut', whole.subarray(0, length)), knownPassphrases()),
      );
      expect(inspect(error, { depth: 9 })).not.toContain(text.slice(40, 60));
    }
  });

  test.each<[string, string[]]>([
    ['with its curve in full', ['-param_enc', 'explicit']],
    ['with a compressed point', ['-conv_form', 'compressed']],
    ['without its public half', ['-no_public']],
  ])('an EC key %s is the same key as in the usual form', async (_, options) => {
    for (const generate of [genEc, genEc384]) {
      const usual = await load(made(generate, traditional));
      const odd = await load(made(['ec', '-in', 'plain', ...options, '-out', 'key']));
      expect(odd.key.notaryKeyId).toBe(usual.key.notaryKeyId);
      expect(odd.key.publicKey.keyid).toBe(usual.key.publicKey.keyid);
      // And is written so that Go reads it again.
      expect(odd.key.toPkcs8().bytes()).toEqual(usual.key.toPkcs8().bytes());
      openssl(
        'ec',
        '-in',
        'plain',
        ...options.filter((each) => each !== '-no_public'),
        '-pubout',
        '-out',
        'pub',
      );
      expect(readSignerKey(realFileSystem, path('pub'), 0).keyid).toBe(usual.key.publicKey.keyid);
    }
  });

  test('a key of Notary 0.1, which had no headers, gets its labels from where it lies', async () => {
    const legacy = readFileSync(made(genEc, old('aes256')));
    const id = 'ab'.repeat(32);
    const at = async (...names: string[]) => {
      const file = join(folder.path, ...names);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, legacy, { mode: 0o600 });
      const { role, repository } = await load(file, knownPassphrases());
      return [role, repository];
    };
    const app = 'docker.io/acme/app';
    expect(await at('root_keys', `${id}_root.key`)).toEqual(['root', undefined]);
    expect(await at('root_keys', `${id}.key`)).toEqual(['root', undefined]);
    expect(await at('tuf_keys', app, `${id}_targets.key`)).toEqual(['targets', app]);
    expect(await at('tuf_keys', app, `${id}_snapshot.key`)).toEqual(['snapshot', app]);
    expect(await at('tuf_keys', app, `${id}_whatever.key`)).toEqual([undefined, undefined]);
    expect(await at('elsewhere', `${id}_root.key`)).toEqual([undefined, undefined]);
  });

  test('two keys in one file are refused', async () => {
    const one = readFileSync(made(genEc, same));
    const error = await refusal(KeyError, 'KEY_UNSUPPORTED', () =>
      load(put('two', Buffer.concat([one, one]))),
    );
    expect(error.message).toContain('holds 2 private keys');
  });

  test('text around the key does not matter', async () => {
    const one = readFileSync(made(genEd, same), 'utf8');
    const { key } = await load(
      put('bag', `Bag Attributes\n    friendlyName: x\n${one.replaceAll('\n', '\r\n')}\n`),
    );
    expect(key.algorithm).toBe('ed25519');
  });
});

describe('bad input: a key file', () => {
  const pem = (label: string, body: string): string =>
    `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;

  test.each([
    ['empty', ''],
    ['text', 'my-secret-text-that-is-no-key'],
    ['zeros', '\0'.repeat(400)],
    ['a PEM of no bytes', pem('PRIVATE KEY', '')],
    ['not base64', pem('PRIVATE KEY', 'my-secret-text!')],
    ['base64 of no DER', pem('PRIVATE KEY', Buffer.from('my-secret-text').toString('base64'))],
    ['an EC key of no DER', pem('EC PRIVATE KEY', Buffer.from('my-secret-text').toString('base64'))],
    ['DER of something else', pem('PRIVATE KEY', 'MAMCAQA=')],
    [
      'an encrypted key of no DER',
      pem('ENCRYPTED PRIVATE KEY', Buffer.from('my-secret-text').toString('base64')),
    ],
    [
      'a DEK-Info of nothing',
      pem('EC PRIVATE KEY', 'Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,AA\n\nAAAA'),
    ],
    ['a header twice', pem('PRIVATE KEY', 'role: a\nrole: b\n\nMAMCAQA=')],
    [
      'a Notary Ed25519 key that is too short',
      pem('ED25519 PRIVATE KEY', Buffer.alloc(64).toString('base64')),
    ],
    ['an end of another kind', '-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END EC PRIVATE KEY-----\n'],
  ])('%s is KEY_FILE_INVALID and its content stays out of the error', async (_, content) => {
    const error = await refusal(KeyError, 'KEY_FILE_INVALID', () =>
      load(put('key', content), knownPassphrases()),
    );
    expect(inspect(error, { depth: 9 })).not.toMatch(/my-secret|bXktc2Vj/);
  });

  test.each([
    ['PuTTY', 'PuTTY-User-Key-File-3: ssh-ed25519\nmy-secret-text'],
    ['minisign', 'untrusted comment: minisign encrypted secret key\nmy-secret-text'],
    ['JSON', '{"keytype":"ed25519","private":"my-secret-text"}'],
    ['age', '# created\nAGE-SECRET-KEY-my-secret-text'],
  ])('of %s is refused by name, and its content stays out of the error', async (name, content) => {
    const error = await refusal(KeyError, 'KEY_UNSUPPORTED', () => load(put('key', content)));
    expect(error.message).toContain(name);
    expect(inspect(error, { depth: 9 })).not.toContain('my-secret-text');
  });

  test('with Ed25519 in the second version of PKCS#8 is the same key', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const first = privateKey.export({ type: 'pkcs8', format: 'der' });
    const publicBytes = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
    // RFC 5958: version 1, and the public half behind the private one.
    const second = derSequence(
      derInteger(1),
      first.subarray(5),
      derElement(0x81, Buffer.from([0]), publicBytes),
    );
    const { key } = await load(put('key', pem('PRIVATE KEY', second.toString('base64'))));
    expect(key.publicKey.publicValue).toBe(publicBytes.toString('hex'));
  });

  test.each(['OPENSSH PRIVATE KEY', 'DSA PRIVATE KEY', 'CERTIFICATE', 'ENCRYPTED SIGSTORE PRIVATE KEY'])(
    '%s is refused by name',
    async (label) => {
      const error = await refusal(KeyError, 'KEY_UNSUPPORTED', () => load(put('key', pem(label, 'AAAA'))));
      expect(error.message).toMatch(/it is an? /);
    },
  );

  test.each([0o640, 0o604, 0o620, 0o660, 0o644, 0o777])('of mode %o is KEY_FILE_MODE', async (mode) => {
    const error = await refusal(KeyError, 'KEY_FILE_MODE', () => load(put('key', 'anything', mode)));
    expect(error.message).toContain('must not be readable or writable by others');
    expect(error.found).toBe(`0${mode.toString(8)}`);
  });

  test('that is absent or a folder is FILE_UNREADABLE', async () => {
    await refusal(LocalStateError, 'FILE_UNREADABLE', () => load(path('absent')));
    chmodSync(folder.path, 0o700);
    await refusal(LocalStateError, 'FILE_UNREADABLE', () => load(folder.path));
  });

  test('that goes on for ever is FILE_UNREADABLE', async () => {
    await refusal(LocalStateError, 'FILE_UNREADABLE', () =>
      loadForeignKey({
        fs: realFileSystem,
        path: '/dev/zero',
        // As on Windows, where modes say nothing: /dev/zero is open to all.
        platform: 'win32',
        passphrases: typedPassphrases(noTerminal),
      }),
    );
  });
});

// Last: node:crypto may keep OpenSSL's complaint about such a key and bring it up at the next one.
test('bad input: an RSA key so long that signing would take hours is refused before it signs', async () => {
  const long = derInteger(0x7fffffff);
  const huge = derElement(
    0x02,
    Buffer.concat([Buffer.from([0x7f]), randomBytes(20_000 / 8)]),
    Buffer.from([1]),
  );
  const der = derSequence(derInteger(0), huge, derInteger(65537), huge, long, long, long, long, long);
  const error = await refusal(KeyError, 'KEY_UNSUPPORTED', () =>
    load(
      put(
        'key',
        `-----BEGIN RSA PRIVATE KEY-----\n${der.toString('base64')}\n-----END RSA PRIVATE KEY-----\n`,
      ),
    ),
  );
  expect(error.message).toMatch(/RSA keys of 200\d\d bits/);
});
