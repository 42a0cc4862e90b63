/** Certificates for TLS peers, made by the openssl program. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { makeScratch } from './daemon.ts';
import { PeerMissing } from './debian.ts';

export interface Certificate {
  /** PEM texts. */
  readonly key: string;
  readonly cert: string;
}

export interface Authority {
  /** PEM text of the authority's own certificate. */
  readonly ca: string;
  /** A certificate for servers with these names or addresses, and for clients. */
  issue(names: readonly string[]): Certificate;
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** @throws PeerMissing without the openssl program. */
export function makeAuthority(name = 'dtrust test authority'): Authority {
  const authority = inScratch((folder, openssl) => {
    openssl(['req', '-x509', ...EC, '-keyout', 'key', '-out', 'cert', '-days', '30', '-subj', `/CN=${name}`]);
    return readPair(folder);
  });
  return {
    ca: authority.cert,
    issue: (names) =>
      inScratch((folder, openssl) => {
        fs.writeFileSync(path.join(folder, 'ca-key'), authority.key, { mode: 0o600 });
        fs.writeFileSync(path.join(folder, 'ca-cert'), authority.cert);
        const san = names.map((each) => `${/^[\d.]+$|:/.test(each) ? 'IP' : 'DNS'}:${each}`).join(',');
        fs.writeFileSync(
          path.join(folder, 'extensions'),
          `subjectAltName=${san}\nextendedKeyUsage=serverAuth,clientAuth\n`,
        );
        openssl(['req', ...EC, '-keyout', 'key', '-out', 'csr', '-subj', `/CN=${names[0] ?? name}`]);
        openssl(
          'x509 -req -in csr -CA ca-cert -CAkey ca-key -CAcreateserial -days 30 -extfile extensions -out cert'.split(
            ' ',
          ),
        );
        return readPair(folder);
      }),
  };
}

function readPair(folder: string): Certificate {
  const read = (name: string): string => fs.readFileSync(path.join(folder, name), 'utf8');
  return { key: read('key'), cert: read('cert') };
}

function inScratch<T>(work: (folder: string, openssl: (args: readonly string[]) => void) => T): T {
  const folder = makeScratch();
  try {
    return work(folder, (args) => {
      execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new PeerMissing('openssl', { cause: error });
    throw error;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
