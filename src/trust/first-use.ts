/**
 * First use of a repository: nobody has said here whom to trust for it (protocol 6.4).
 *
 * Pure: facts in, a decision with its words out. The updater has verified the whole state before it asks, so what
 * is decided is only whether this is the right key, never whether the evidence is sound.
 *
 * The key just received is shown in two cases only: to a person who is asked to compare it, and where the user
 * has said in advance that the first key is taken (`DTRUST_FIRST_USE=accept`). A refusal never shows it: a line
 * with the key in it would be copied from the CI log into the pin file, and the attacker would have pinned himself.
 */
import { TrustError } from '../lib/errors.ts';
import type { KeyId } from './core/keys.ts';
import type { Pin } from './core/pin.ts';
import { renderPinLine } from './pin-line.ts';

/** What stands to be trusted. Everything in it was chosen by whoever served it. */
export interface FirstUseOffer {
  /** Canonical. */
  readonly repository: string;
  /** Canonical name of the collection; the repository itself but for a policy's source. */
  readonly collection: string;
  /** Root key IDs, computed from the keys. */
  readonly keyIds: readonly KeyId[];
  readonly threshold: number;
  readonly rootVersion: number;
  readonly timestampVersion: number;
  /** For messages: `registry ghcr.io/acme/app`. */
  readonly source: string;
  /**
   * Throws MEMORY_UNWRITABLE or DISK_FULL where an accepted key could not be remembered; called before a person
   * is asked, because the answer would be forgotten at once.
   */
  assertStorable(): void;
}

export interface FirstUseSituation {
  /** The value of DTRUST_FIRST_USE. */
  readonly mode: string | undefined;
  /** Whether a person can be asked (contract "Terminal"). */
  readonly canPrompt: boolean;
  /** Whether a policy forbids to trust a first key. */
  readonly forbidden?: boolean;
}

export type FirstUseDecision =
  | { readonly kind: 'ask'; readonly question: string; readonly details: readonly string[] }
  /** `notice`: the fingerprint and the pin line, printed each time. */
  | { readonly kind: 'accept'; readonly notice: readonly string[] }
  | { readonly kind: 'refuse'; readonly error: TrustError };

/** What to do about a first use. */
export function decideFirstUse(offer: FirstUseOffer, situation: FirstUseSituation): FirstUseDecision {
  if (situation.forbidden === true) {
    return { kind: 'refuse', error: firstUseRefused(offer, 'a policy forbids to trust the first key seen') };
  }
  // Exactly this word: a typo is no consent.
  if (situation.mode === 'accept') {
    return { kind: 'accept', notice: acceptNotice(offer) };
  }
  if (situation.canPrompt) {
    return { kind: 'ask', question: `Trust this key for ${offer.repository}?`, details: askDetails(offer) };
  }
  return { kind: 'refuse', error: firstUseRefused(offer) };
}

/** The pin that an accepted offer amounts to. */
export function pinOfOffer(offer: FirstUseOffer): Pin {
  const { keyIds, threshold, rootVersion, timestampVersion } = offer;
  return { keyIds, threshold, rootVersion, timestampVersion, dialect: 'tuf-1.0' };
}

/** FIRST_USE_REFUSED, without the key that was received. */
export function firstUseRefused(
  offer: Pick<FirstUseOffer, 'repository'>,
  why = 'there is no pin for it, nothing is remembered of it, and nobody can be asked here',
): TrustError {
  const { repository } = offer;
  return new TrustError({
    code: 'FIRST_USE_REFUSED',
    message: `first use of ${repository}: ${why}`,
    spec: 'protocol 6.4',
    reference: repository,
    hints: [
      `dtrust trust pin add ${repository} <KEYID>`,
      `get <KEYID> from the owner, who prints it with: dtrust trust pin export ${repository}`,
    ],
  });
}

/** FIRST_USE_DECLINED: the person who was asked said no. */
export function firstUseDeclined(offer: Pick<FirstUseOffer, 'repository'>): TrustError {
  const { repository } = offer;
  return new TrustError({
    code: 'FIRST_USE_DECLINED',
    message: `first use of ${repository}: the key was not accepted`,
    spec: 'protocol 6.4',
    reference: repository,
    hints: [`ask the owner for the line that this prints: dtrust trust pin export ${repository}`],
  });
}

function askDetails(offer: FirstUseOffer): readonly string[] {
  return [
    `${offer.repository} is used here for the first time, and there is no pin for it.`,
    `${offer.source} offers trust data signed by:`,
    ...fingerprints(offer),
    `Compare with what its owner prints: dtrust trust pin export ${offer.repository}`,
  ];
}

function acceptNotice(offer: FirstUseOffer): readonly string[] {
  return [
    `first use of ${offer.repository}: accepted because DTRUST_FIRST_USE=accept`,
    ...fingerprints(offer),
    `to hold other machines to it: ${renderPinLine(offer.repository, pinOfOffer(offer))}`,
  ];
}

function fingerprints({ keyIds, threshold }: FirstUseOffer): readonly string[] {
  const lines = keyIds.map((keyId) => `  root key ${keyId}`);
  return threshold > 1 ? [...lines, `  (${threshold} of them sign together)`] : lines;
}
