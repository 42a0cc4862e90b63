/**
 * Which of several own keys of a kind is in use, over a backup and its restore, and when a key file is loaded. Nothing
 * that comes so takes the place of a key that is here; and where a backup brings several, the one that was in use on the
 * machine it came from is so again. [A root key that somebody sent, with an ID that comes first, began the next repository.]
 */
import type { KeyToKeep } from '../keys/backup-file.ts';
import type { KeyLabels, LabelledKey } from '../keys/key-file.ts';
import type { KeyEntry } from '../keys/key-store.ts';
import type { CurrentKeys, OwnKey } from '../trust/current-keys.ts';

/** The keys of a backup, with what the last rotations of this machine say of them. Throws as `CurrentKeys.current`. */
export function markInUse(keys: readonly LabelledKey[], current: CurrentKeys): readonly KeyToKeep[] {
  return keys.map(({ key, labels }) => {
    const own = ownKeyOf(labels);
    return { key, labels, inUse: own !== undefined && current.current(own) === key.notaryKeyId };
  });
}

/**
 * Written down before the keys are restored: wherever that ends, no key is in use that was not.
 *
 * @param here the key files before that, in the order in which one would be chosen
 * @throws as `CurrentKeys.settle`
 */
export async function keepInUse(
  keys: readonly KeyToKeep[],
  here: readonly KeyEntry[],
  current: CurrentKeys,
): Promise<void> {
  for (const { key, labels, inUse } of keys) {
    const own = ownKeyOf(labels);
    if (own === undefined) continue;
    const first = here.find((entry) => entry.role === own.role && entry.repository === own.repository);
    if (first !== undefined && first.notaryKeyId !== key.notaryKeyId)
      await current.settle(own, first.notaryKeyId);
    else if (first === undefined && inUse) await current.settle(own, key.notaryKeyId);
  }
}

function ownKeyOf({ role, repository }: KeyLabels): OwnKey | undefined {
  if (role === 'root') return { role };
  if ((role !== 'targets' && role !== 'snapshot') || repository === undefined) return undefined;
  return { role, repository };
}
