/**
 * X.509 certificates for tests, written with node:crypto alone: an authority, and server or client certificates
 * that it signs, with any names and any dates. ECDSA P-256 throughout. Of DER only what that needs.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import { isIPv4 } from 'node:net';

export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface TestAuthority extends TestCertificate {
  /** A certificate for these DNS names and IPv4 addresses, good for servers and clients. */
  issue(names: readonly string[], dates?: Dates): TestCertificate;
}

export interface Dates {
  readonly from: Date;
  readonly to: Date;
}

const DAY_MS = 86_400_000;
const GOOD_DATES: Dates = { from: new Date(Date.now() - DAY_MS), to: new Date(Date.now() + 30 * DAY_MS) };

/** Dates that are over. */
export const EXPIRED: Dates = {
  from: new Date(Date.now() - 60 * DAY_MS),
  to: new Date(Date.now() - 30 * DAY_MS),
};

export function createAuthority(name = 'dtrust test authority'): TestAuthority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = commonName(name);
  const own = certificate({
    subject,
    issuer: subject,
    keys,
    signer: keys.privateKey,
    dates: GOOD_DATES,
    names: [],
    ca: true,
  });
  return {
    ...own,
    issue(names, dates = GOOD_DATES) {
      const leafKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      return certificate({
        subject: commonName(names[0] ?? 'nobody'),
        issuer: subject,
        keys: leafKeys,
        signer: keys.privateKey,
        dates,
        names,
        ca: false,
      });
    },
  };
}

/** A server certificate that is its own issuer. */
export function createSelfSigned(names: readonly string[], dates: Dates = GOOD_DATES): TestCertificate {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = commonName(names[0] ?? 'nobody');
  return certificate({ subject, issuer: subject, keys, signer: keys.privateKey, dates, names, ca: false });
}

interface Parts {
  readonly subject: Buffer;
  readonly issuer: Buffer;
  readonly keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
  readonly signer: KeyObject;
  readonly dates: Dates;
  readonly names: readonly string[];
  readonly ca: boolean;
}

const ECDSA_SHA256 = der(0x30, oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));

// RFC 5280 4.1
function certificate(parts: Parts): TestCertificate {
  const toBeSigned = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.concat([Buffer.of(0x01), randomBytes(15)])),
    ECDSA_SHA256,
    parts.issuer,
    der(0x30, time(parts.dates.from), time(parts.dates.to)),
    parts.subject,
    parts.keys.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, ...extensions(parts))),
  );
  const signature = sign('sha256', toBeSigned, parts.signer);
  const bytes = der(0x30, toBeSigned, ECDSA_SHA256, der(0x03, Buffer.of(0), signature));
  return {
    cert: new X509Certificate(bytes).toString(),
    key: parts.keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function extensions({ names, ca }: Parts): Buffer[] {
  const basic = der(
    0x30,
    oid(0x55, 0x1d, 0x13),
    der(0x01, Buffer.of(0xff)),
    der(0x04, der(0x30, ...(ca ? [der(0x01, Buffer.of(0xff))] : []))),
  );
  const alternatives = names.map((name) =>
    isIPv4(name)
      ? der(0x87, Buffer.from(name.split('.').map(Number)))
      : der(0x82, Buffer.from(name, 'ascii')),
  );
  if (names.length === 0) return [basic];
  return [basic, der(0x30, oid(0x55, 0x1d, 0x11), der(0x04, der(0x30, ...alternatives)))];
}

function commonName(name: string): Buffer {
  return der(0x30, der(0x31, der(0x30, oid(0x55, 0x04, 0x03), der(0x0c, Buffer.from(name, 'utf8')))));
}

function time(date: Date): Buffer {
  return der(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]|\..*$/g, '')}Z`, 'ascii'));
}

function oid(...bytes: number[]): Buffer {
  return der(0x06, Buffer.from(bytes));
}

function der(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  if (length < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, length), content]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), content]);
}
