/**
 * What a key is good for in one collection, by what this machine remembers of it; and what the collection would be left
 * with if the key were lost. Nothing here is fetched: a key that was listed or taken away since shows as it was.
 */
import { isSameKey, type KeyId, type PublicKey, tufKeyId } from './core/keys.ts';
import type { TrustedMetadata } from './core/trusted-metadata.ts';
import { keysListed, signersOf } from './signers.ts';

export interface KeyUse {
  /** Canonical. */
  readonly repository: string;
  readonly as: 'root' | 'repository' | 'online' | 'signer';
  /** Of a signer; chosen by whoever has the repository key. */
  readonly signer?: string;
  /** Patterns that a signer is limited to. */
  readonly paths?: readonly string[];
  /** Keys that can do the same without this one. */
  readonly others: readonly KeyId[];
  /** How many of them it takes. */
  readonly threshold: number;
}

/** Whether the others are enough without this key. */
export function isReplaceable({ others, threshold }: KeyUse): boolean {
  return others.length >= threshold;
}

/** Every use of a key in a verified collection; a signer's part in snapshot and timestamp is not named besides. */
export function usesOfKey(trusted: TrustedMetadata, repository: string, key: PublicKey): readonly KeyUse[] {
  const { roles, keys } = trusted.root.signed;
  const uses: KeyUse[] = [];
  const add = (use: Pick<KeyUse, 'as' | 'signer' | 'paths' | 'threshold'>, listed: readonly PublicKey[]) => {
    if (!listed.some((other) => isSameKey(other, key))) return;
    const others = listed.filter((other) => other.supported && !isSameKey(other, key)).map(tufKeyId);
    uses.push({ repository, ...use, others });
  };
  const top = (name: 'root' | 'targets' | 'snapshot' | 'timestamp') => keysListed(roles[name].keyids, keys);
  add({ as: 'root', threshold: roles.root.threshold }, top('root'));
  add({ as: 'repository', threshold: roles.targets.threshold }, top('targets'));
  for (const { name, keys: own, threshold, paths } of signersOf(trusted)) {
    add({ as: 'signer', signer: name, threshold, ...(paths === undefined ? {} : { paths }) }, own);
  }
  if (uses.length === 0) add({ as: 'online', threshold: roles.timestamp.threshold }, top('timestamp'));
  if (uses.length === 0) add({ as: 'online', threshold: roles.snapshot.threshold }, top('snapshot'));
  return uses;
}
