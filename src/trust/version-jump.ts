/**
 * Protocol 2.5 (fast-forward), for publishers: whoever held the online keys for an hour could use up all versions there
 * are, and a publish on top of that would make it everybody's. So the state is refused for editing when one of its
 * versions is far above everything seen here before, and it is refused before it is remembered: afterwards there would
 * be nothing left to compare it with.
 */
import { TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { MAX_VERSION_JUMP } from './core/limits.ts';
import type { TrustedMetadata } from './core/trusted-metadata.ts';
import { versionsOf } from './persist.ts';

/**
 * Returns what was verified when it can be built upon. Without anything seen before there is nothing to compare with.
 * @throws TrustError VERSION_JUMP
 */
export function verifyNoJump(
  trusted: TrustedMetadata,
  highestBefore: ReadonlyMap<string, number> | undefined,
): TrustedMetadata {
  const floor = trusted.root.signed.extension?.floor;
  for (const [role, version] of versionsOf(trusted)) {
    const isOnline = role === 'timestamp' || role === 'snapshot';
    // After a root that dropped what was seen before, that root says from where their versions go on.
    const highest = isOnline && trusted.priorDropped ? floor?.[role] : highestBefore?.get(role);
    if (highest === undefined || version <= highest + MAX_VERSION_JUMP) continue;
    throw new TrustError({
      code: 'VERSION_JUMP',
      message: `${escapeShort(role)} version ${version} is more than ${MAX_VERSION_JUMP} above the highest one seen here (${highest})`,
      attack: 'fast-forward',
      spec: 'protocol 2.5',
      role,
      expected: `at most ${highest + MAX_VERSION_JUMP}`,
      found: `${version}`,
    });
  }
  return trusted;
}
