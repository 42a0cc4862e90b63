/**
 * The comparisons of TUF 1.0.34, section 5, that several roles share: one function, one refusal each. Which step a
 * check serves is said where it is called.
 */
import { createHash } from 'node:crypto';
import { type Attack, type TrustCode, TrustError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import type { Metadata, MetaFile, Root, Signed } from './metadata.ts';
import { formatInstant } from './shape.ts';

export interface Check {
  readonly code: TrustCode;
  /** Step of TUF 1.0.34, or a rule of the protocol. */
  readonly spec: string;
  readonly role: string;
}

/**
 * Length and hashes of the bytes as a trusted file lists them.
 *
 * @throws TrustError with the check's code.
 */
export function verifyFile(bytes: Uint8Array, listed: MetaFile, check: Check): void {
  if (bytes.length !== listed.lengthBytes) {
    throw refusal(check, 'mix-and-match', {
      message: `${name(check)} metadata has ${bytes.length} bytes, ${listed.lengthBytes} are listed`,
      expected: `${listed.lengthBytes}`,
      found: `${bytes.length}`,
    });
  }
  verifyHash(bytes, 'sha256', listed.sha256, check);
  if (listed.sha512 !== undefined) verifyHash(bytes, 'sha512', listed.sha512, check);
}

function verifyHash(bytes: Uint8Array, algorithm: string, listed: string, check: Check): void {
  const found = createHash(algorithm).update(bytes).digest('hex');
  if (found === listed) return;
  throw refusal(check, 'mix-and-match', {
    message: `${name(check)} metadata has another ${algorithm} than is listed`,
    expected: `${algorithm}:${listed}`,
    found: `${algorithm}:${found}`,
  });
}

/** @throws TrustError with the check's code when the versions differ. */
export function verifySameVersion(found: number, listed: number, check: Check): void {
  if (found === listed) return;
  throw refusal(check, 'mix-and-match', {
    message: `${name(check)} metadata is version ${found}, version ${listed} is listed`,
    expected: `${listed}`,
    found: `${found}`,
  });
}

/**
 * @param than what the least version comes from, for the message.
 * @throws TrustError with the check's code when the version is below the least one.
 */
export function verifyNotOlder(found: number, least: number, than: string, check: Check): void {
  if (found >= least) return;
  throw refusal(check, 'rollback', {
    message: `${name(check)} version ${found} is older than ${than} version ${least}`,
    expected: `at least ${least}`,
    found: `${found}`,
  });
}

/** @throws TrustError ROLE_EXPIRED when the start time has reached the expiry. */
export function verifyNotExpired(signed: Signed, startTimeMs: number, spec: string, role: string): void {
  // Written so that a start time that is no number refuses too.
  if (startTimeMs < signed.expiresAtMs) return;
  const expires = formatInstant(signed.expiresAtMs);
  throw refusal({ code: 'ROLE_EXPIRED', spec, role }, 'freeze', {
    message: `${escapeShort(role)} metadata version ${signed.version} expired at ${expires}`,
    expected: Number.isFinite(startTimeMs) ? `valid at ${formatInstant(startTimeMs)}` : 'a start time',
    found: expires,
  });
}

/**
 * Protocol 1.2: the root is of the collection that was asked for. One root key serves many repositories, so another
 * collection's root can be a valid successor in everything but this.
 *
 * @throws TrustError COLLECTION_MISMATCH.
 */
export function verifyCollection(root: Metadata<Root>, collection: string): Metadata<Root> {
  const found = root.signed.extension?.collection;
  if (found === collection) return root;
  throw refusal({ code: 'COLLECTION_MISMATCH', spec: 'protocol 1.2', role: 'root' }, 'mix-and-match', {
    message:
      found === undefined
        ? `root metadata names no collection, ${escapeShort(collection)} expected`
        : `root metadata is of the collection ${escapeShort(found)}, ${escapeShort(collection)} expected`,
    expected: collection,
    found: found === undefined ? 'none' : escapeShort(found),
  });
}

interface Wording {
  readonly message: string;
  readonly expected: string;
  readonly found: string;
}

function refusal(check: Check, attack: Attack, wording: Wording): TrustError {
  return new TrustError({ ...check, attack, ...wording });
}

function name(check: Check): string {
  return escapeShort(check.role);
}
