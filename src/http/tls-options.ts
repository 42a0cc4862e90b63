/**
 * The options of every TLS connection, each of them stated, so that nothing in the environment of the process
 * (NODE_TLS_REJECT_UNAUTHORIZED, NODE_EXTRA_CA_CERTS, NODE_OPTIONS) can weaken one.
 *
 * Authorities: those built into Node and the server's own folder of certs.d; only when they do not know an
 * issuer, once more with the system's (reading them costs 100 ms), SSL_CERT_FILE and SSL_CERT_DIR.
 */
import { constants } from 'node:crypto';
import path from 'node:path';
import type * as Tls from 'node:tls';
import { LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { isSystemError } from '../lib/fs-error.ts';
import type { ServerCertificates } from '../settings/certs.ts';
import type { Environment } from '../settings/environment.ts';
import { listFolderIfPresent, type ReadableFiles, readFileIfPresent } from '../settings/local-files.ts';
import type { TlsTrust } from './transport.ts';

/** Which authorities count: Node's own, or the system's as well. */
export type Authorities = 'built-in' | 'system';

export interface TlsSettings {
  /** Certificates the user keeps for `host` or `host:port` (never `:443`). */
  readonly certificatesFor: (host: string) => ServerCertificates;
  readonly env: Pick<Environment, 'sslCertFile' | 'sslCertDir' | 'nodeTrustChanged'>;
  readonly fs: ReadableFiles;
}

export interface TlsOptionsSource {
  optionsFor(url: URL, trust: TlsTrust, authorities: Authorities): Promise<Tls.ConnectionOptions>;
}

/** Where systems keep one file of all authorities; Node looks only where its OpenSSL was configured for. */
const SYSTEM_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** Options by server; contexts are made once per server and set of authorities. */
export function createTlsOptions(settings: TlsSettings): TlsOptionsSource {
  const contexts = new Map<string, Tls.SecureContext>();
  let systemAuthorities: readonly string[] | undefined;
  const authoritiesOf = (tls: typeof Tls, own: ServerCertificates, kind: Authorities) => {
    if (kind === 'system') {
      systemAuthorities ??= readSystemAuthorities(tls, settings);
      return [...builtIn(tls), ...own.ca, ...systemAuthorities];
    }
    // Undefined is Node's default list: built once by OpenSSL, 10 ms faster than the same list given by hand.
    return own.ca.length === 0 && !settings.env.nodeTrustChanged ? undefined : [...builtIn(tls), ...own.ca];
  };
  return {
    async optionsFor(url, trust, kind) {
      const tls = await import('node:tls');
      const key = `${trust} ${kind} ${url.host}`;
      let context = contexts.get(key);
      if (context === undefined) {
        const own = settings.certificatesFor(url.host);
        // Where nobody is asked who issued the certificate, reading the authorities (6 ms) is for nothing.
        const ca = trust === 'verified' ? authoritiesOf(tls, own, kind) : [];
        context = createContext(tls, ca, own, url.host);
        contexts.set(key, context);
      }
      return connectionOptions(tls, url, trust, context);
    },
  };
}

function connectionOptions(
  tls: typeof Tls,
  url: URL,
  trust: TlsTrust,
  secureContext: Tls.SecureContext,
): Tls.ConnectionOptions {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    host,
    secureContext,
    rejectUnauthorized: trust === 'verified',
    checkServerIdentity: (_name, certificate) => tls.checkServerIdentity(host, certificate),
    // RFC 6066 3: an address is no server name.
    ...(isAddress(url.hostname) ? {} : { servername: host }),
    ALPNProtocols: ['http/1.1'],
  };
}

function isAddress(hostname: string): boolean {
  return hostname.startsWith('[') || /^[0-9.]+$/.test(hostname);
}

function builtIn(tls: typeof Tls): readonly string[] {
  return tls.getCACertificates('bundled');
}

function createContext(
  tls: typeof Tls,
  ca: readonly string[] | undefined,
  own: ServerCertificates,
  host: string,
): Tls.SecureContext {
  try {
    return tls.createSecureContext({
      ...(ca === undefined ? {} : { ca: [...new Set(ca)] }),
      cert: own.clients.map(({ cert }) => cert),
      key: own.clients.map(({ key }) => key),
      // --tls-min-v1.0 and --tls-cipher-list in NODE_OPTIONS change the defaults.
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: constants.defaultCoreCipherList,
    });
  } catch (cause) {
    throw new LocalStateError({
      code: 'CONFIG_INVALID',
      message: `the certificates kept for ${escapeText(host)} cannot be used`,
      hints: [`look into the folders certs.d/${escapeText(host)}: PEM files only, keys without a passphrase`],
      cause,
    });
  }
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function readSystemAuthorities(tls: typeof Tls, { env, fs }: TlsSettings): readonly string[] {
  const files = [
    ...(env.sslCertFile === undefined ? [] : [env.sslCertFile]),
    // A list of folders, as OpenSSL and Go read it.
    ...(env.sslCertDir?.split(path.delimiter) ?? []).flatMap((folder) =>
      (listFolderIfPresent(fs, folder) ?? []).map((name) => path.join(folder, name)),
    ),
  ];
  const system = SYSTEM_FILES.find((file) => isFile(fs, file));
  return [
    ...tls.getCACertificates('system'),
    ...[...files, ...(system === undefined ? [] : [system])].flatMap((file) => readCertificates(fs, file)),
  ];
}

function readCertificates(fs: ReadableFiles, file: string): readonly string[] {
  if (!isFile(fs, file)) return [];
  const text = readFileIfPresent(fs, file)?.toString('latin1') ?? '';
  return (text.match(PEM_CERTIFICATE) ?? []).map((pem) => `${pem}\n`);
}

/** What cannot be looked at, like a link to itself, holds no authority. */
function isFile(fs: ReadableFiles, file: string): boolean {
  try {
    return fs.statSync(file, { throwIfNoEntry: false })?.isFile() === true;
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}
