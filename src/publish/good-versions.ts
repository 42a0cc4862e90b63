/**
 * From which versions a recovery goes on (protocol 2.5): the highest that were seen or written here before the attack.
 *
 * The state that is served is not asked: whoever held the online keys could say any version. What this machine has seen
 * of it since counts neither, as far as that can be told: nobody comes to the second half of all versions by publishing.
 */
import type { VerifiedCollection } from '../trust/collection.ts';
import type { Remembered } from '../trust/memory.ts';
import { versionsOf } from '../trust/persist.ts';

/** Above this a version was made up. */
const LAST_CREDIBLE_VERSION = 2 ** 52;

export interface VersionsKnown {
  readonly remembered: Pick<Remembered, 'highest' | 'sights'> | undefined;
  /** What was published from here. */
  readonly written: ReadonlyMap<string, number>;
  /** The least timestamp version of the pin of this machine. */
  readonly pinnedTimestamp: number | undefined;
}

/** By role. A role that nothing is known of here has the version that is served, while that can be believed. */
export function goodVersions(
  { trusted }: Pick<VerifiedCollection, 'trusted'>,
  { remembered, written, pinnedTimestamp }: VersionsKnown,
): ReadonlyMap<string, number> {
  const good = new Map<string, number>();
  const note = (role: string, version: number | undefined) => {
    if (version === undefined || version > LAST_CREDIBLE_VERSION) return;
    good.set(role, Math.max(version, good.get(role) ?? 0));
  };
  for (const [role, version] of [...(remembered?.highest ?? []), ...written]) note(role, version);
  for (const { timestampVersion } of remembered?.sights ?? []) note('timestamp', timestampVersion);
  note('timestamp', pinnedTimestamp);
  for (const [role, version] of versionsOf(trusted)) if (!good.has(role)) note(role, version);
  return good;
}
