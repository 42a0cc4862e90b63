/**
 * The public key of somebody else, from a file that he sent: what `trust signer add --key` takes.
 *
 *   PUBLIC KEY        as `trust key generate` and OpenSSL write it; as `docker trust key generate` does, with a header
 *   RSA PUBLIC KEY    PKCS#1
 *   CERTIFICATE       X.509, also under its old label X509 CERTIFICATE; its key counts, as long as it is valid
 *
 * A private key that was handed over by mistake is refused, and nothing of any file is ever shown.
 */
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { FileSystem } from '../lib/file-system.ts';
import type { PublicKey } from '../trust/core/keys.ts';
import { algorithmOf, publicHalf } from './private-key.ts';
import { readBounded } from './read-bounded.ts';

const MAX_BYTES = 64 * 1024;
const BLOCK = /^-----BEGIN ([A-Z0-9 ]{1,64})-----[ \t]*\r?\n([\s\S]*?)^-----END \1-----[ \t]*\r?$/gm;
const HEADER = /^[A-Za-z][A-Za-z0-9-]{0,63}:.*(?:\r?\n|$)/gm;
const ED25519_SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * The one public key of a file.
 *
 * @throws LocalStateError FILE_UNREADABLE; KeyError KEY_FILE_INVALID (a private key, no key, more than one, damaged, a
 * certificate that is not valid now), KEY_UNSUPPORTED (a kind or size dtrust does not verify with)
 */
export function readSignerKey(fs: FileSystem, path: string, nowMs: number): PublicKey {
  const shown = escapeShort(path);
  const text = readBounded(fs, path, { maxBytes: MAX_BYTES, what: 'the public key file' }).toString('latin1');
  // Before anything else, and also where the block is cut short.
  if (/PRIVATE KEY/.test(text)) throw isPrivate(shown);
  const [block, another] = [...text.matchAll(BLOCK)];
  if (block === undefined) throw noPem(text, shown);
  if (another !== undefined) throw invalid(shown, 'it holds more than one PEM block');
  const [, label = '', body = ''] = block;
  const key = publicHalfOf(importBlock(label, body, shown, nowMs));
  if (key.supported) return key;
  throw new KeyError({
    code: 'KEY_UNSUPPORTED',
    message: `the key in ${shown} cannot be used for verifying`,
    hints: ['Use an Ed25519, an ECDSA P-256 or P-384, or an RSA key of at least 2048 bits.'],
  });
}

function publicHalfOf(key: KeyObject): PublicKey {
  return publicHalf(key, algorithmOf(key));
}

function importBlock(label: string, body: string, shown: string, nowMs: number): KeyObject {
  const base64 = body.replace(HEADER, '').replace(/\s/g, '');
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64))
    throw invalid(shown, 'broken base64');
  const der = Buffer.from(base64, 'base64');
  if (label === 'PUBLIC KEY') return orDamaged(shown, () => importSpki(der));
  if (label === 'RSA PUBLIC KEY') {
    return orDamaged(shown, () => createPublicKey({ key: der, format: 'der', type: 'pkcs1' }));
  }
  if (label === 'CERTIFICATE' || label === 'X509 CERTIFICATE') {
    return keyOfCertificate(
      orDamaged(shown, () => new X509Certificate(der)),
      shown,
      nowMs,
    );
  }
  throw unread(shown, OTHER_LABELS.get(label) ?? 'its PEM block is of another kind');
}

/** What else people send, and what to do instead. */
const OTHER_LABELS: ReadonlyMap<string, string> = new Map([
  ['TRUSTED CERTIFICATE', "it is OpenSSL's trusted certificate; `openssl x509 -in OLD -out NEW` converts it"],
  ['CERTIFICATE REQUEST', 'it is a certificate request; `openssl req -in OLD -noout -pubkey` prints its key'],
  ['NEW CERTIFICATE REQUEST', 'it is a certificate request'],
  ['DSA PUBLIC KEY', 'it is a DSA key'],
  ['EC PARAMETERS', 'it holds the parameters of a curve alone'],
  ['PKCS7', 'it is PKCS#7; `openssl pkcs7 -print_certs -in OLD -out NEW` takes the certificate out'],
  ['PGP PUBLIC KEY BLOCK', 'it is a PGP key'],
  ['SSH2 PUBLIC KEY', 'it is an SSH key'],
]);

const OTHER_FORMS: readonly (readonly [begins: RegExp, why: string])[] = [
  [
    /^---- BEGIN SSH2 PUBLIC KEY/,
    'it is an SSH key; `ssh-keygen -i -f OLD | ssh-keygen -e -m PKCS8 -f /dev/stdin` converts EC and RSA keys',
  ],
  [
    /^(?:ssh|sk-ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]/,
    'it is an OpenSSH key; `ssh-keygen -e -m PKCS8 -f OLD` converts EC and RSA keys',
  ],
  [/^untrusted comment: /, 'it is a minisign or signify key'],
  [/^\s*\{/, 'it is JSON; keys are read as PEM'],
  [
    /^\x30[\x20-\x84]/,
    'it is DER; `openssl pkey -pubin -in OLD -pubout -out NEW` or `openssl x509 -in OLD -out NEW` converts it',
  ],
];

function noPem(text: string, shown: string): KeyError {
  const [, why] = OTHER_FORMS.find(([begins]) => begins.test(text)) ?? [];
  return why === undefined
    ? invalid(shown, 'there is no PEM block of a public key in it')
    : unread(shown, why);
}

function unread(shown: string, why: string): KeyError {
  return new KeyError({
    code: 'KEY_UNSUPPORTED',
    message: `${shown} is not a public key dtrust can read: ${why}`,
  });
}

/** node:crypto throws for bytes it cannot read in more forms than can be listed, some without a code. */
function orDamaged<T>(shown: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error) throw invalid(shown, 'its content is damaged');
    throw error;
  }
}

/** SubjectPublicKeyInfo; of an Ed25519 key Notary writes the 32 bytes alone. */
function importSpki(der: Buffer): KeyObject {
  const spki = der.length === 32 ? Buffer.concat([ED25519_SPKI_PREFIX, der]) : der;
  return createPublicKey({ key: spki, format: 'der', type: 'spki' });
}

function keyOfCertificate(certificate: X509Certificate, shown: string, nowMs: number): KeyObject {
  const { validFromDate, validToDate, publicKey } = certificate;
  if (nowMs < validFromDate.getTime() || nowMs > validToDate.getTime()) {
    throw invalid(
      shown,
      `the certificate is valid from ${validFromDate.toISOString()} to ${validToDate.toISOString()}`,
    );
  }
  return publicKey;
}

function isPrivate(shown: string): KeyError {
  return new KeyError({
    code: 'KEY_FILE_INVALID',
    message: `${shown} holds a private key, and a public key is wanted`,
    hints: [
      'Whoever made it finds the public half beside it, or prints it: dtrust trust key export NAME',
      'If this private key came from somebody else it is no longer his alone: let him make another one.',
    ],
  });
}

function invalid(shown: string, why: string): KeyError {
  return new KeyError({
    code: 'KEY_FILE_INVALID',
    message: `${shown} is not the file of a public key: ${why}`,
    hints: ['A key pair for a signer is made with: dtrust trust key generate NAME'],
  });
}
