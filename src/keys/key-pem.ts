/**
 * PEM as key files use it (RFC 7468, with the RFC 1421 headers that Notary puts `role` and `gun` into).
 *
 * OpenSSL and Node refuse Notary's headers, because they want `Proc-Type` first, so blocks are taken apart here.
 * Errors name the kind of block from a fixed list and never quote the file: what was handed in as a key file may be
 * another secret.
 */
import { KeyError } from '../lib/errors.ts';

export interface PemBlock {
  readonly label: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly der: Uint8Array;
}

/** Labels that hold one private key dtrust may be able to read. */
const privateLabels: ReadonlySet<string> = new Set([
  'ENCRYPTED PRIVATE KEY',
  'PRIVATE KEY',
  'EC PRIVATE KEY',
  'RSA PRIVATE KEY',
  'ED25519 PRIVATE KEY',
]);

/** What else people hand in, and what to do instead. */
const otherLabels: ReadonlyMap<string, string> = new Map([
  ['PUBLIC KEY', 'it is a public key; `trust signer add` takes those'],
  ['RSA PUBLIC KEY', 'it is a public key; `trust signer add` takes those'],
  ['CERTIFICATE', 'it is a certificate, not a private key'],
  ['OPENSSH PRIVATE KEY', 'it is an OpenSSH private key; `ssh-keygen -p -m PKCS8` converts EC and RSA keys'],
  ['DSA PRIVATE KEY', 'it is a DSA key'],
  ['ENCRYPTED SIGSTORE PRIVATE KEY', 'it is a cosign key'],
  ['ENCRYPTED COSIGN PRIVATE KEY', 'it is a cosign key'],
  ['PGP PRIVATE KEY BLOCK', 'it is a PGP key'],
]);

/** Files of keys that are no PEM, by how they begin. */
const otherForms: readonly (readonly [begins: RegExp, why: string])[] = [
  [/^PuTTY-User-Key-File-/, 'it is a PuTTY key; PuTTYgen exports OpenSSH keys'],
  [/^untrusted comment: /, 'it is a minisign or signify key'],
  [/^\s*\{/, 'it is JSON; keys are read as PEM'],
  [/^AGE-SECRET-KEY-/m, 'it is an age key, which does not sign'],
  [
    /^\x30[\x20-\x84]/,
    'it is DER or PKCS#12; `openssl pkey -in OLD -out NEW` and `openssl pkcs12 -nodes -nocerts -in OLD -out NEW` convert them',
  ],
];

const blockPattern = /^-----BEGIN ([A-Z0-9 ]{1,64})-----[ \t]*\r?\n([\s\S]*?)^-----END \1-----[ \t]*\r?$/gm;
const headerPattern = /^([A-Za-z][A-Za-z0-9-]{0,63}):[ \t]*([^\r\n]*?)[ \t]*$/;

/**
 * The one private key block of a file. Text around it, EC PARAMETERS and the like are passed over.
 *
 * @throws KeyError KEY_FILE_INVALID (no such block, cut short, not base64), KEY_UNSUPPORTED (another kind of key,
 *   more than one private key)
 */
export function parsePrivateKeyPem(bytes: Uint8Array, file: string): PemBlock {
  const text = Buffer.from(bytes).toString('latin1');
  const blocks = [...text.matchAll(blockPattern)];
  const keys = blocks.filter((match) => privateLabels.has(match[1] ?? ''));
  const [key] = keys;
  if (key === undefined) throw noPrivateKey(text, blocks, file);
  if (keys.length > 1) {
    throw new KeyError({
      code: 'KEY_UNSUPPORTED',
      message: `${file} holds ${keys.length} private keys`,
      hints: [
        'Put each key into a file of its own and load them one after the other.',
        'A backup is put back with: dtrust trust key restore FILE',
      ],
    });
  }
  return parseBlock(key[1] ?? '', key[2] ?? '', file);
}

/** The text of one block: headers sorted by name, a blank line, base64 in lines of 64. */
export function renderPem(block: PemBlock): string {
  const headers = [...block.headers]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, value]) => `${name}: ${value}\n`);
  const lines =
    Buffer.from(block.der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  const head = headers.length === 0 ? '' : `${headers.join('')}\n`;
  return `-----BEGIN ${block.label}-----\n${head}${lines.join('\n')}\n-----END ${block.label}-----\n`;
}

function parseBlock(label: string, body: string, file: string): PemBlock {
  const lines = body.split(/\r?\n/);
  const headers = new Map<string, string>();
  while (lines[0]?.includes(':')) {
    const [, name, value] = headerPattern.exec(lines.shift() ?? '') ?? [];
    if (name === undefined || value === undefined || headers.has(name)) throw invalid(file, 'broken headers');
    headers.set(name, value);
  }
  const base64 = lines.join('').replace(/[ \t]/g, '');
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) throw invalid(file, 'broken base64');
  return { label, headers, der: Buffer.from(base64, 'base64') };
}

function noPrivateKey(text: string, blocks: readonly RegExpMatchArray[], file: string): KeyError {
  const labelled = blocks.map(([, label = '']) => otherLabels.get(label)).find((why) => why !== undefined);
  const why = labelled ?? otherForms.find(([begins]) => begins.test(text))?.[1];
  if (why !== undefined) {
    return new KeyError({
      code: 'KEY_UNSUPPORTED',
      message: `${file} is not a private key dtrust can read: ${why}`,
    });
  }
  return invalid(file, 'no whole PEM block with a private key in it');
}

function invalid(file: string, why: string): KeyError {
  return new KeyError({ code: 'KEY_FILE_INVALID', message: `${file} is not a key file: ${why}` });
}
