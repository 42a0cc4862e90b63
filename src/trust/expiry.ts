/**
 * Expiry in words: warnings before it (protocol 2.7), and what an expired role's error has to say to be of use.
 */
import { TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { delegatedRoleKeys, TARGETS } from './core/delegations.ts';
import type { PublicKey } from './core/keys.ts';
import { DAY_MS, EXPIRY_NOTICE_TO_HOLDER_MS, EXPIRY_WARNING_MS } from './core/limits.ts';
import type { RoleName, Signed } from './core/metadata.ts';
import type { TrustedMetadata } from './core/trusted-metadata.ts';
import { describeKeys, keysListed } from './signers.ts';

/** The keys that can sign a role anew, as far as the roles loaded say. */
export function keysOfRole(trusted: TrustedMetadata, role: string): readonly PublicKey[] {
  return signingOf(trusted, role).keys;
}

function signingOf(
  trusted: TrustedMetadata,
  role: string,
): { readonly keys: readonly PublicKey[]; readonly threshold: number } {
  const { roles, keys } = trusted.root.signed;
  if (role === 'root' || role === 'timestamp' || role === 'snapshot' || role === 'targets') {
    return { keys: keysListed(roles[role].keyids, keys), threshold: roles[role].threshold };
  }
  for (const delegator of trusted.loadedRoles) {
    const delegations = trusted.targets(delegator)?.signed.delegations;
    const listed = delegatedRoleKeys(delegations, role as RoleName);
    if (delegations !== undefined && listed !== undefined) {
      return { keys: keysListed(listed.keyids, delegations.keys), threshold: listed.threshold };
    }
  }
  return { keys: [], threshold: 1 };
}

/**
 * ROLE_EXPIRED with what mends it: the key IDs, and the two clocks when they disagree by more than a day, because
 * then it is more likely the clock.
 */
export function explainExpired(
  error: TrustError,
  facts: {
    readonly repository: string;
    readonly trusted: TrustedMetadata;
    readonly dateMs: number | undefined;
  },
): TrustError {
  const { repository, trusted, dateMs } = facts;
  const role = error.role ?? 'timestamp';
  const apart =
    dateMs !== undefined && Math.abs(dateMs - trusted.startTimeMs) > DAY_MS
      ? `; the clock here says ${instant(trusted.startTimeMs)}, the server's says ${instant(dateMs)}`
      : '';
  return new TrustError({
    code: 'ROLE_EXPIRED',
    message: `${error.message}${apart}`,
    cause: error,
    role,
    reference: repository,
    attack: 'freeze',
    ...(error.spec === undefined ? {} : { spec: error.spec }),
    ...(error.expected === undefined ? {} : { expected: error.expected }),
    ...(error.found === undefined ? {} : { found: error.found }),
    hints: [
      `dtrust trust refresh ${repository} mends it ${whereRenewed(trusted, role)}`,
      ...(apart === '' ? [] : ['set the clock of this machine and try again']),
    ],
  });
}

/** On which machine: a role is signed anew by its own keys, and published by those of snapshot and timestamp. */
function whereRenewed(trusted: TrustedMetadata, role: string): string {
  const { keys, threshold } = signingOf(trusted, role);
  const named = describeKeys(trusted, keys).map((key) => escapeShort(key));
  const number = threshold > 1 ? `${threshold} of these keys are` : 'one of these keys is';
  const online = role === 'timestamp' || role === 'snapshot';
  return `where ${number}${online ? '' : ', beside one for snapshot and timestamp'}: ${named.join(', ')}`;
}

/** One line for each role that ends soon; none for roles that have ended (those are refused, or renewed). */
export function expiryWarnings(
  trusted: TrustedMetadata,
  repository: string,
  holdsOnlineKey: boolean,
): readonly string[] {
  const nowMs = trusted.startTimeMs;
  return loadedRoles(trusted).flatMap(([role, signed]) => {
    const leftMs = signed.expiresAtMs - nowMs;
    const online = role === 'timestamp' || role === 'snapshot';
    const noticeMs = online && holdsOnlineKey ? EXPIRY_NOTICE_TO_HOLDER_MS : EXPIRY_WARNING_MS;
    if (leftMs <= 0 || leftMs > noticeMs) {
      return [];
    }
    const days = Math.floor(leftMs / DAY_MS);
    const ending = days === 0 ? 'in less than a day' : days === 1 ? 'in 1 day' : `in ${days} days`;
    const here = online && holdsOnlineKey ? '; a key for it is on this machine' : '';
    return [
      `${escapeShort(role)} metadata of ${repository} expires ${ending}, at ` +
        `${instant(signed.expiresAtMs)}; renew it with dtrust trust refresh ${repository}${here}`,
    ];
  });
}

function loadedRoles(trusted: TrustedMetadata): readonly (readonly [string, Signed])[] {
  const { root, timestamp, snapshot } = trusted;
  const roles: (readonly [string, Signed])[] = [['root', root.signed]];
  if (timestamp !== undefined) {
    roles.push(['timestamp', timestamp.signed]);
  }
  if (snapshot !== undefined) {
    roles.push(['snapshot', snapshot.signed]);
  }
  for (const role of trusted.loadedRoles) {
    const targets = trusted.targets(role);
    if (targets !== undefined) {
      roles.push([role === TARGETS ? 'targets' : role, targets.signed]);
    }
  }
  return roles;
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
