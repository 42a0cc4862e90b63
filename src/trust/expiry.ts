/**
 * Expiry in words: warnings before it (protocol 2.7), and what an expired role's error has to say to be of use.
 */
import { TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { delegatedRoleKeys, TARGETS } from './core/delegations.ts';
import { type PublicKey, tufKeyId } from './core/keys.ts';
import { DAY_MS, EXPIRY_NOTICE_TO_HOLDER_MS, EXPIRY_WARNING_MS } from './core/limits.ts';
import type { RoleKeys, RoleName, Signed } from './core/metadata.ts';
import type { TrustedMetadata } from './core/trusted-metadata.ts';

/** The keys that can sign a role anew, as far as the roles loaded say. */
export function keysOfRole(trusted: TrustedMetadata, role: string): readonly PublicKey[] {
  const { roles, keys } = trusted.root.signed;
  if (role === 'root' || role === 'timestamp' || role === 'snapshot' || role === 'targets') {
    return pick(roles[role], keys);
  }
  for (const delegator of trusted.loadedRoles) {
    const delegations = trusted.targets(delegator)?.signed.delegations;
    const listed = delegatedRoleKeys(delegations, role as RoleName);
    if (delegations !== undefined && listed !== undefined) {
      return pick(listed, delegations.keys);
    }
  }
  return [];
}

function pick(role: RoleKeys, keys: ReadonlyMap<string, PublicKey>): readonly PublicKey[] {
  return role.keyids.flatMap((keyid) => keys.get(keyid) ?? []);
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
  const keyIds = keysOfRole(trusted, role).map(tufKeyId);
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
      `dtrust trust refresh ${repository} mends it where one of these keys is: ${keyIds.join(', ')}`,
      ...(apart === '' ? [] : ['set the clock of this machine and try again']),
    ],
  });
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
