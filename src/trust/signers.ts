/**
 * The people beside the owner who may sign in a collection (docs/specification.md, rule 2.2), as its targets role
 * delegates to them.
 */

import { RELEASES, type RoleName, TARGETS } from './core/delegations.ts';
import { isSameKey, type KeyId, type PublicKey, tufKeyId } from './core/keys.ts';
import type { TargetFound } from './core/search.ts';
import type { TrustedMetadata } from './core/trusted-metadata.ts';

export interface SignerRole {
  /** `alice` of `targets/alice`; chosen by whoever has the repository key. */
  readonly name: string;
  readonly role: RoleName;
  /** His own: the repository key, which may sign in every releasing role, is left out. */
  readonly keys: readonly PublicKey[];
  readonly threshold: number;
  /** Set when he is limited to these patterns. */
  readonly paths?: readonly string[];
}

/** All signers, in the order of the delegations: those who are limited to paths first. */
export function signersOf(trusted: TrustedMetadata): readonly SignerRole[] {
  const delegations = trusted.targets()?.signed.delegations;
  const repositoryKeys = keysListed(trusted.root.signed.roles.targets.keyids, trusted.root.signed.keys);
  return [...(delegations?.roles.values() ?? [])]
    .filter(({ name }) => name !== RELEASES)
    .map(({ name, keyids, threshold, paths }) => ({
      name: name.replace(/^targets\//, ''),
      role: name,
      keys: keysListed(keyids, delegations?.keys ?? new Map()).filter(
        (key) => !repositoryKeys.some((other) => isSameKey(key, other)),
      ),
      threshold,
      ...(paths === undefined ? {} : { paths: paths.map(withPlainBrackets) }),
    }));
}

/**
 * Of these released targets, those that this signer signed last: what his role lists is what is released.
 * His role must be loaded (`loadAll`).
 */
export function signedBy(
  trusted: TrustedMetadata,
  { role }: Pick<SignerRole, 'role'>,
  released: readonly TargetFound[],
): readonly TargetFound[] {
  const entries = trusted.targets(role)?.signed.targets;
  return released.filter(({ path, sha256 }) => {
    const own = entries?.get(path)?.sha256;
    return own !== undefined && `sha256:${own}` === sha256;
  });
}

/** The distinct keys behind these IDs. */
export function keysListed(
  keyids: readonly KeyId[],
  table: ReadonlyMap<KeyId, PublicKey>,
): readonly PublicKey[] {
  const listed = keyids.flatMap((id) => table.get(id) ?? []);
  return [...new Map(listed.map((key) => [tufKeyId(key), key])).values()];
}

/**
 * Whose signature each of these keys makes, for people: `alice 5f2a...`, `the repository key 5f2a...`.
 */
export function describeKeys(trusted: TrustedMetadata, keys: readonly PublicKey[]): readonly string[] {
  return keys.map((key) => `${ownerOf(trusted, key)} (${tufKeyId(key)})`);
}

/** Whose key this is, in the words of `describeKeys`; not escaped. */
export function ownerOf(trusted: TrustedMetadata, key: PublicKey): string {
  const { roles, keys } = trusted.root.signed;
  const isAmong = (listed: readonly PublicKey[]) => listed.some((other) => isSameKey(key, other));
  const signer = signersOf(trusted).find((each) => isAmong(each.keys));
  // Nobody passes for the owner by his name: what dtrust would not have accepted as one stands in quotes.
  if (signer !== undefined)
    return /^[a-z0-9][a-z0-9_-]*$/.test(signer.name) ? signer.name : JSON.stringify(signer.name);
  const top = (['root', 'targets', 'timestamp', 'snapshot'] as const).find((name) =>
    isAmong(keysListed(roles[name].keyids, keys)),
  );
  if (top === undefined) return 'a key';
  return top === 'root' ? 'the root key' : top === TARGETS ? 'the repository key' : 'the online key';
}

/** Patterns are written with `[[]` for a bracket, which has no meaning in what people write. */
function withPlainBrackets(pattern: string): string {
  return pattern.replaceAll('[[]', '[');
}
