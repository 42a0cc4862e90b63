/**
 * Which private keys a publish needs, whether they are here, and unlocking them: all of it before anything is
 * uploaded, so that a missing key never leaves an unsigned image behind.
 */

import type { KeyStore } from '../keys/key-store.ts';
import type { Passphrases } from '../keys/passphrases.ts';
import { DAY_MS } from '../lib/clock.ts';
import { KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { RELEASES } from '../trust/core/delegations.ts';
import { type KeyId, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import type { RoleName, TopLevelRole } from '../trust/core/metadata.ts';
import type { RoleKeys } from '../trust/core/role-keys.ts';
import type { Signer } from '../trust/core/signer.ts';

/** Roles this close to their end are renewed on the way when their keys are here. */
const RENEWAL_MS = 60 * DAY_MS;

export interface SigningKeysRequest {
  readonly collection: VerifiedCollection;
  readonly keys: KeyStore;
  readonly passphrases: Passphrases;
  /** Whether tags are to be changed, which takes the released role's key beside the online key. */
  readonly targets: boolean;
  readonly nowMs: number;
}

/** A role with the keys that may sign it. */
interface NeededRole {
  readonly name: string;
  readonly keys: readonly PublicKey[];
  readonly threshold: number;
}

/**
 * The signers for a publish, unlocked; each key once.
 *
 * @throws KeyError KEY_MISSING naming the keys that are accepted, KEY_PASSPHRASE, KEY_PASSPHRASE_MISSING,
 * KEY_FILE_INVALID, KEY_FILE_MODE, KEY_UNSUPPORTED, PROMPT_DECLINED; LocalStateError
 */
export async function unlockSigningKeys(request: SigningKeysRequest): Promise<readonly Signer[]> {
  const { keys, passphrases, collection } = request;
  const chosen = new Map<string, PublicKey>();
  for (const role of neededRoles(request)) {
    const here = role.keys.filter((key) => keys.has(key));
    if (here.length < role.threshold) {
      await openUnreadable(request, role);
      throw missing(collection, role, here.length);
    }
    for (const key of here.slice(0, role.threshold)) chosen.set(tufKeyId(key), key);
  }
  const signers: Signer[] = [];
  for (const key of chosen.values()) signers.push(await keys.load(key, passphrases));
  return signers;
}

/** A key file that is there and cannot be used says why, rather than that the key is missing. */
async function openUnreadable({ keys, passphrases }: SigningKeysRequest, role: NeededRole): Promise<void> {
  const entries = role.keys.map((key) => keys.find(key));
  const unreadable = entries.find((entry) => entry?.protection === 'unreadable');
  if (unreadable !== undefined) await keys.load(unreadable, passphrases);
}

function neededRoles(request: SigningKeysRequest): readonly NeededRole[] {
  const { collection, keys, nowMs, targets } = request;
  const { trusted } = collection;
  const root = trusted.root.signed;
  const top = (name: TopLevelRole) => needed(name, root.roles[name], root.keys);
  const roles = [top('snapshot'), top('timestamp')];
  const atHand = (role: NeededRole) => role.keys.filter((key) => keys.has(key)).length >= role.threshold;
  const ending = (expiresAtMs: number) => expiresAtMs - nowMs < RENEWAL_MS;
  // Renewed while it is time, where their keys are at hand; a machine without them is only warned (protocol 2.7).
  const released = releasedRole(collection) ?? top('targets');
  const releasedEnds =
    trusted.targets(released.name as RoleName)?.signed.expiresAtMs ?? Number.POSITIVE_INFINITY;
  if (targets || (ending(releasedEnds) && atHand(released))) roles.unshift(released);
  const rootRole = top('root');
  return ending(root.expiresAtMs) && atHand(rootRole) ? [...roles, rootRole] : roles;
}

/** Where tags stand once there are signers (protocol 2.2). */
function releasedRole({ trusted }: VerifiedCollection): NeededRole | undefined {
  const delegations = trusted.targets()?.signed.delegations;
  const releases = delegations?.roles.get(RELEASES);
  if (delegations === undefined || releases === undefined) return undefined;
  return needed(RELEASES, releases, delegations.keys);
}

function needed(name: string, role: RoleKeys, keys: ReadonlyMap<KeyId, PublicKey>): NeededRole {
  const listed = role.keyids.map((id) => keys.get(id)).filter((key) => key !== undefined);
  const distinct = new Map(listed.map((key) => [tufKeyId(key), key]));
  return { name, keys: [...distinct.values()], threshold: role.threshold };
}

function missing(collection: VerifiedCollection, role: NeededRole, here: number): KeyError {
  const { canonical } = collection.repository;
  const ids = role.keys.map(tufKeyId);
  return new KeyError({
    code: 'KEY_MISSING',
    message: `cannot sign role ${escapeShort(role.name)} of ${escapeShort(canonical)}: ${here} of ${role.threshold} keys needed are on this machine`,
    reference: canonical,
    expected: `private key of one of: ${ids.join(', ')}`,
    found: `${here} of them`,
    hints: [
      'See the keys that are here: dtrust trust key list',
      'If you have the key in a file: dtrust trust key load FILE',
    ],
  });
}
