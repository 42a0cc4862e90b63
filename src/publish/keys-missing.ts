/**
 * What is said when nobody here may sign: whose signature is accepted, and the commands that lead there.
 */
import type { KeyStore } from '../keys/key-store.ts';
import { KeyError, TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import { describeKeys, type SignerRole, signersOf } from '../trust/signers.ts';

/** A role with the keys that may sign it. */
export interface NeededRole {
  readonly name: string;
  readonly keys: readonly PublicKey[];
  readonly threshold: number;
}

/** The refusal for a role that takes more keys than are here; `path`: the tag it is about. */
export function keysMissing(
  collection: VerifiedCollection,
  role: NeededRole,
  here: number,
  keys: KeyStore,
  path?: string,
): KeyError {
  const { canonical, familiar } = collection.repository;
  const limited = path === undefined ? [] : limitedSignersHere(collection, keys);
  const details = {
    reference: path ?? canonical,
    expected: `private key of one of: ${role.keys.map(tufKeyId).join(', ')}`,
    found: `${here} of them`,
  };
  const accepted = `accepted: ${acceptedFor(collection, role)}`;
  if (limited.length > 0) {
    return new KeyError({
      ...details,
      code: 'KEY_NOT_LISTED',
      message: `cannot sign ${escapeShort(path ?? canonical)}: ${limited.map(limitOf).join('; ')}; ${accepted}`,
      hints: [
        'Ask one of them to sign it, or the owner for another pattern: dtrust trust signer list '.concat(
          familiar,
        ),
      ],
    });
  }
  return new KeyError({
    ...details,
    code: role.name === 'root' ? 'KEY_ROOT_MISSING' : 'KEY_MISSING',
    message: `cannot sign role ${escapeShort(role.name)} of ${escapeShort(canonical)}: ${here} of ${role.threshold} keys needed are on this machine; ${accepted}`,
    hints: [
      ...(keys.heldIsEmpty ? [NO_SECRETS] : []),
      ...(here > 0 ? [STAGE] : []),
      ...(path === undefined && isOwners(role) ? ownersWays() : signersWays(familiar)),
    ],
  });
}

/** Rule 2.3: a tag stands in one released role; another one's key does not change it. */
export function heldByRole(collection: VerifiedCollection, path: string, holder: NeededRole): TrustError {
  return new TrustError({
    code: 'TAG_HELD_BY_ROLE',
    message: `${escapeShort(path)} stands in the role ${escapeShort(holder.name)} already, which no key here may sign; accepted: ${acceptedFor(collection, holder)}`,
    spec: 'protocol 2.3',
    role: holder.name,
    reference: path,
    expected: `private key of one of: ${holder.keys.map(tufKeyId).join(', ')}`,
    found: 'none of them',
    hints: [
      `Sign it with a key of ${escapeShort(holder.name)}, or have it revoked there first: dtrust trust revoke ${escapeShort(path)}`,
    ],
  });
}

function acceptedFor({ trusted }: VerifiedCollection, { keys }: NeededRole): string {
  const shown = describeKeys(trusted, keys).map((each) => escapeShort(each));
  return shown.length === 0 ? 'nobody' : shown.join(', ');
}

function limitedSignersHere({ trusted }: VerifiedCollection, keys: KeyStore): readonly SignerRole[] {
  return signersOf(trusted).filter(
    (signer) => signer.paths !== undefined && signer.keys.some((key) => keys.has(key)),
  );
}

function limitOf({ name, paths = [] }: SignerRole): string {
  return `the key here is that of ${escapeShort(name)}, for ${escapeShort(paths.join(', '))} only`;
}

/** Roles that no signer's key is ever listed for; tags of a repository without signers stand in `targets`. */
function isOwners({ name }: NeededRole): boolean {
  return name === 'root' || name === 'targets';
}

const NO_SECRETS =
  'DTRUST_KEY is set and empty: CI services give no secrets to a job of a pull request from a fork.';

/** Rule 4.6: some of the keys are here. */
const STAGE =
  'Where the other keys are on other machines, have their owners sign it too: dtrust trust stage COMMAND..., with this command and its arguments';

const LOAD = 'If you have one of these keys in a file: dtrust trust key load FILE';

function ownersWays(): readonly string[] {
  return ['Run this where that key is; to see the keys that are here: dtrust trust key list', LOAD];
}

function signersWays(familiar: string): readonly string[] {
  return [
    'To become a signer, make a key and hand NAME.pub to the owner: dtrust trust key generate NAME',
    `The owner then lists it: dtrust trust signer add --key NAME.pub NAME ${familiar}`,
    LOAD,
  ];
}
