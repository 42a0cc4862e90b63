/** Signers by name, and whose a key is. */
import { KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { isSameKey, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import { describeKeys, keysListed, type SignerRole, signersOf } from '../trust/signers.ts';

/** @throws KeyError KEY_NOT_LISTED */
export function signerNamed({ trusted, repository }: VerifiedCollection, name: string): SignerRole {
  const signers = signersOf(trusted);
  const found = signers.find((signer) => signer.name === name);
  if (found !== undefined) return found;
  const there = signers.map((signer) => escapeShort(signer.name)).join(', ');
  throw new KeyError({
    code: 'KEY_NOT_LISTED',
    message: `no signer ${escapeShort(name)} for repository ${repository.canonical}`,
    reference: repository.canonical,
    expected: there === '' ? 'there are no signers' : `one of: ${there}`,
    found: escapeShort(name),
    hints: [`See who may sign: dtrust trust signer list ${repository.familiar}`],
  });
}

/** A key says who signed: it is one person's, and not the repository's own. @throws KeyError KEY_EXISTS */
export function assertNobodysKey(
  { trusted, repository }: VerifiedCollection,
  { name, keys }: { readonly name: string; readonly keys: readonly PublicKey[] },
): void {
  const { roles, keys: table } = trusted.root.signed;
  const others = [
    ...keysListed(roles.root.keyids, table),
    ...keysListed(roles.targets.keyids, table),
    ...signersOf(trusted).flatMap((signer) => (signer.name === name ? [] : signer.keys)),
  ];
  const own = signersOf(trusted).find((signer) => signer.name === name)?.keys ?? [];
  const listed = [...keysListed(roles.timestamp.keyids, table), ...keysListed(roles.snapshot.keyids, table)];
  const isIn = (among: readonly PublicKey[], key: PublicKey) => among.some((other) => isSameKey(key, other));
  const taken = keys.find((key) => isIn(others, key) || (isIn(listed, key) && !isIn(own, key)));
  if (taken === undefined) return;
  throw new KeyError({
    code: 'KEY_EXISTS',
    message: `this key is in use in ${repository.canonical} already: ${describeKeys(trusted, [taken]).join('')}`,
    reference: repository.canonical,
    found: tufKeyId(taken),
    hints: ['Each signer has a key of his own: dtrust trust key generate NAME'],
  });
}
