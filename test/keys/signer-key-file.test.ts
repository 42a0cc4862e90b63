/** What `trust signer add --key` takes: public keys as people send them, and never a private one. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { createEd25519Key } from '../../src/keys/create.ts';
import { renderPublicHalf } from '../../src/keys/public-half.ts';
import { readSignerKey } from '../../src/keys/signer-key-file.ts';
import { KeyError, LocalStateError } from '../../src/lib/errors.ts';
import { createAuthority, EXPIRED } from '../helpers/certificates.ts';
import { needPeers } from '../helpers/peers.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { throwsCode } from '../helpers/throws-code.ts';

const NOW = Date.now();

function read(text: string | Uint8Array, nowMs = NOW) {
  const file = path.join(temporaryFolder(), 'alice.pub');
  fs.writeFileSync(file, text);
  return readSignerKey(fs, file, nowMs);
}

const spki = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();
const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed25519 = generateKeyPairSync('ed25519');
const withRole = (pem: string) => pem.replace('-----\n', '-----\nrole: alice\n\n');

describe('what is read', () => {
  test('what `trust key generate` writes is the same key', async () => {
    const { publicKey } = await createEd25519Key();
    expect(read(renderPublicHalf(publicKey)).keyid).toBe(publicKey.keyid);
  });

  test.each<[string, string, string]>([
    ['ECDSA as OpenSSL writes it', spki(ec.publicKey), 'ecdsa'],
    ['RSA as OpenSSL writes it', spki(rsa.publicKey), 'rsa'],
    ['RSA in PKCS#1', rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString(), 'rsa'],
    ['a key with the header that docker writes', withRole(spki(ec.publicKey)), 'ecdsa'],
    ['lines that end as on Windows', spki(ec.publicKey).replaceAll('\n', '\r\n'), 'ecdsa'],
    ['text around the key', `my key:\n${spki(ed25519.publicKey)}thanks\n`, 'ed25519'],
  ])('reads %s', (_, text, keytype) => {
    expect(read(text)).toMatchObject({ keytype, supported: true });
  });

  test('the 32 bytes alone of an Ed25519 key, as Notary writes it', () => {
    const raw = ed25519.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64');
    const key = read(`-----BEGIN PUBLIC KEY-----\nrole: alice\n\n${raw}\n-----END PUBLIC KEY-----\n`);
    expect(key.keyid).toBe(read(spki(ed25519.publicKey)).keyid);
  });
});

describe('a certificate', () => {
  const authority = createAuthority();

  test('stands for its key while it is valid', () => {
    const { cert } = authority.issue(['alice.example']);
    expect(read(cert)).toMatchObject({ keytype: 'ecdsa', supported: true });
  });

  test('is refused before and after', () => {
    const { cert } = authority.issue(['alice.example'], EXPIRED);
    const error = throwsCode(() => read(cert), KeyError, 'KEY_FILE_INVALID');
    expect(error.message).toContain('the certificate is valid from');
    throwsCode(() => read(cert, 0), KeyError, 'KEY_FILE_INVALID');
  });
});

describe('what is refused', () => {
  const privatePem = ec.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
  const k256 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey;

  test.each<[string, string]>([
    ['alone', privatePem],
    ['in SEC1', ec.privateKey.export({ type: 'sec1', format: 'pem' }).toString()],
    ['beside its public half', spki(ec.publicKey) + privatePem],
    ['cut short', privatePem.slice(0, 100)],
    ['encrypted', privatePem.replaceAll('PRIVATE', 'ENCRYPTED PRIVATE')],
  ])('a private key %s, without a word of it', (_, text) => {
    const error = throwsCode(() => read(text), KeyError, 'KEY_FILE_INVALID');
    const said = [error.message, ...error.hints].join('\n');
    expect(error.message).toContain('holds a private key');
    for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('-'))) {
      expect(said).not.toContain(line.slice(0, 16));
    }
  });

  test.each<[string, string, 'KEY_FILE_INVALID' | 'KEY_UNSUPPORTED']>([
    ['an empty file', '', 'KEY_FILE_INVALID'],
    ['something else', 'a key, they said\n', 'KEY_FILE_INVALID'],
    ['two keys', spki(ec.publicKey) + spki(rsa.publicKey), 'KEY_FILE_INVALID'],
    ['broken base64', spki(ec.publicKey).replace('M', '!'), 'KEY_FILE_INVALID'],
    ['damaged content', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n', 'KEY_FILE_INVALID'],
    [
      'a damaged certificate',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      'KEY_FILE_INVALID',
    ],
    ['a short RSA key', spki(small), 'KEY_UNSUPPORTED'],
    ['another curve', spki(k256), 'KEY_UNSUPPORTED'],
  ])('%s', (_, text, code) => {
    throwsCode(() => read(text), KeyError, code);
  });

  test.each([
    ['an OpenSSH key', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA alice\n', 'ssh-keygen -e -m PKCS8'],
    ['an OpenSSH key on a curve', 'ecdsa-sha2-nistp256 AAAAE2VjZHNh alice\n', 'ssh-keygen -e -m PKCS8'],
    [
      'an SSH key in another form',
      '---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n',
      'an SSH key',
    ],
    ['a minisign key', 'untrusted comment: minisign public key\nRWQ\n', 'minisign'],
    ['JSON', '{"keytype":"ed25519"}', 'JSON'],
    [
      'a PGP key',
      '-----BEGIN PGP PUBLIC KEY BLOCK-----\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n',
      'a PGP key',
    ],
  ])('%s, by its name', (_, text, said) => {
    expect(throwsCode(() => read(text), KeyError, 'KEY_UNSUPPORTED').message).toContain(said);
  });

  test('an Ed25519 key of small order, for which anybody can sign', () => {
    const raw = Buffer.alloc(32).toString('base64');
    const pem = `-----BEGIN PUBLIC KEY-----\n${raw}\n-----END PUBLIC KEY-----\n`;
    throwsCode(() => read(pem), KeyError, 'KEY_UNSUPPORTED');
  });

  test('a file that is not there, and one that is too long', () => {
    const file = path.join(temporaryFolder(), 'alice.pub');
    throwsCode(() => readSignerKey(fs, file, NOW), LocalStateError, 'FILE_UNREADABLE');
    throwsCode(() => read('x'.repeat(65 * 1024)), LocalStateError, 'FILE_UNREADABLE');
  });
});

const openssl = await needPeers('openssl');

describe.skipIf(openssl.skip)(
  openssl.title('contract (Keys): certificates and keys that openssl made'),
  () => {
    /** The file that these calls leave as `out`. */
    function made(...commands: readonly (readonly string[])[]): Buffer {
      const cwd = temporaryFolder();
      for (const args of commands) execFileSync('openssl', args, { cwd, stdio: 'ignore' });
      return fs.readFileSync(path.join(cwd, 'out'));
    }
    const certificate = (algorithm: string[], out = 'out') => [
      ...['req', '-x509', '-nodes', '-subj', '/CN=alice', '-keyout', 'key', '-out', out, '-newkey'],
      ...algorithm,
    ];
    const p256 = certificate(['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], 'cert');
    const p384 = certificate(['ec', '-pkeyopt', 'ec_paramgen_curve:P-384']);
    const p521 = certificate(['ec', '-pkeyopt', 'ec_paramgen_curve:P-521']);

    test.each<[string, string[][], string]>([
      ['a certificate of an RSA key', [certificate(['rsa:2048'])], 'rsa'],
      ['a certificate of a P-384 key', [p384], 'ecdsa'],
      ['a certificate of an Ed25519 key', [certificate(['ed25519'])], 'ed25519'],
      [
        'a certificate with its text around it',
        [p256, ['x509', '-in', 'cert', '-text', '-out', 'out']],
        'ecdsa',
      ],
    ])('reads %s', (_, commands, keytype) => {
      expect(read(made(...commands), Date.now() + 1000)).toMatchObject({ keytype, supported: true });
    });

    test('reads a certificate under its old label as the same key', () => {
      const cert = made(p384).toString();
      const old = cert.replaceAll('CERTIFICATE', 'X509 CERTIFICATE');
      const soon = Date.now() + 1000;
      expect(read(old, soon).keyid).toBe(read(cert, soon).keyid);
    });

    test.each<[string, string[][], string]>([
      ['a certificate of a P-521 key', [p521], 'secp521r1'],
      ['a certificate of an RSA key of 1024 bits', [certificate(['rsa:1024'])], 'RSA keys of 1024 bits'],
      ['a certificate of an Ed448 key', [certificate(['ed448'])], 'ed448'],
      [
        'a trusted certificate',
        [p256, ['x509', '-in', 'cert', '-trustout', '-out', 'out']],
        'trusted certificate',
      ],
      [
        'a certificate in DER',
        [p256, ['x509', '-in', 'cert', '-outform', 'DER', '-out', 'out']],
        'it is DER',
      ],
      [
        'a certificate request',
        [p256, ['req', '-new', '-key', 'key', '-subj', '/CN=x', '-out', 'out']],
        'request',
      ],
      ['PKCS#7', [p256, ['crl2pkcs7', '-nocrl', '-certfile', 'cert', '-out', 'out']], 'PKCS#7'],
      ['parameters of a curve', [['ecparam', '-name', 'prime256v1', '-out', 'out']], 'parameters of a curve'],
    ])('refuses %s by name', (_, commands, said) => {
      const bytes = made(...commands);
      const error = throwsCode(() => read(bytes, Date.now() + 1000), KeyError, 'KEY_UNSUPPORTED');
      expect(error.message).toContain(said);
    });
  },
);
