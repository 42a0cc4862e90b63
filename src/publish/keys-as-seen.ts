/**
 * A change of keys is decided on what was seen when the command began. Where somebody else has changed the same keys
 * since, publishing on top of his change would undo it, or do what nobody has decided: it is refused, with nothing
 * published, and the command is run again on what is there now (docs/specification.md, rule 4.2).
 *
 * [Two rotations at once: the later one would put back the keys that the earlier one took away, and neither would know.]
 */
import { KeyError, TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import type { Edit } from '../trust/core/editor.ts';
import { isSameKey, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import type { TopLevelRole } from '../trust/core/metadata.ts';
import type { Signer } from '../trust/core/signer.ts';
import { keysListed, signersOf } from '../trust/signers.ts';

/**
 * @param seen what the command began with
 * @param base what is about to be built upon
 * @throws TrustError PUBLISH_CONFLICT; KeyError KEY_NOT_LISTED for a key that counted then and counts no more
 */
export function verifyKeysAsSeen(
  seen: VerifiedCollection,
  base: VerifiedCollection,
  edits: readonly Edit[],
  signers: readonly Signer[],
): void {
  for (const edit of edits) {
    switch (edit.kind) {
      case 'addKey':
      case 'removeKey':
      case 'rotateKeys':
        if (keysOfRole(seen, edit.role) !== keysOfRole(base, edit.role)) {
          throw changed(base, `the keys of ${edit.role}`);
        }
        break;
      case 'removeSigner':
        if (signerAsSeen(seen, edit.name) !== signerAsSeen(base, edit.name)) {
          throw changed(base, `signer ${escapeShort(edit.name)}`);
        }
        break;
      default:
    }
  }
  for (const { publicKey } of signers) verifyStillListed(seen, base, publicKey);
}

/** Keys and threshold of a top-level role, in a form that can be compared. */
function keysOfRole({ trusted }: VerifiedCollection, role: TopLevelRole): string {
  const { roles, keys } = trusted.root.signed;
  const ids = keysListed(roles[role].keyids, keys).map(tufKeyId).sort();
  return `${roles[role].threshold} ${ids}`;
}

/** Whose name it is. What he has signed since is looked at by the command that removes him. */
function signerAsSeen({ trusted }: VerifiedCollection, name: string): string {
  const signer = signersOf(trusted).find((each) => each.name === name);
  return signer === undefined ? 'none' : `${signer.threshold} ${signer.keys.map(tufKeyId).sort()}`;
}

function verifyStillListed(seen: VerifiedCollection, base: VerifiedCollection, key: PublicKey): void {
  if (!isListed(seen, key) || isListed(base, key)) return;
  const { canonical, familiar } = base.repository;
  throw new KeyError({
    code: 'KEY_NOT_LISTED',
    message: `the key ${tufKeyId(key)} was taken out of ${escapeShort(canonical)} while this command ran: nothing was published with it`,
    reference: canonical,
    found: tufKeyId(key),
    hints: [`See who may sign now: dtrust trust signer list ${familiar}`],
  });
}

function isListed({ trusted }: VerifiedCollection, key: PublicKey): boolean {
  const root = trusted.root.signed;
  const delegated = trusted.targets()?.signed.delegations;
  return [...root.keys.values(), ...(delegated?.keys.values() ?? [])].some((other) => isSameKey(other, key));
}

function changed({ repository }: VerifiedCollection, what: string): TrustError {
  return new TrustError({
    code: 'PUBLISH_CONFLICT',
    message: `${what} in ${escapeShort(repository.canonical)} changed while this command ran: nothing was published`,
    spec: 'protocol 4.2',
    reference: repository.canonical,
    hints: [
      `See who may sign now: dtrust trust signer list ${repository.familiar}`,
      'then run the same command again, if it is still what you want',
    ],
  });
}
