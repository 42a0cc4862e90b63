/**
 * A pin: which root a repository's collection must start from, and below which versions it must not end
 * (docs/specification.md, protocol 6.1).
 *
 * A pin holds TUF key IDs. They are compared with IDs computed from the keys of the root, never with the IDs the root
 * lists: a root may list a pinned ID and put another key under it.
 */
import { TrustError } from '../../lib/errors.ts';
import { type KeyId, keyContent, type PublicKey, tufKeyId } from './keys.ts';
import type { Metadata, Root } from './metadata.ts';
import { signingKeys } from './role-keys.ts';

export interface Pin {
  /** Root key IDs as `tufKeyId` computes them. */
  readonly keyIds: readonly KeyId[];
  /** How many of them must have signed the first root. */
  readonly threshold: number;
  /** The least versions of the final root and timestamp. */
  readonly rootVersion: number;
  readonly timestampVersion: number;
  readonly dialect: 'tuf-1.0';
}

/** The least versions of a pin: what is left to check once a root is known. */
export type PinVersions = Pick<Pin, 'rootVersion' | 'timestampVersion'>;

/** Whether the text has the form of a TUF key ID: 64 lower-case hex digits. */
export function isKeyId(text: string): text is KeyId {
  return /^[0-9a-f]{64}$/.test(text);
}

/**
 * Checks the first trusted root against the pin and returns it.
 *
 * At least `threshold` different pinned keys must stand in its root role and have signed it validly; no other key
 * counts. That the root also satisfies its own root role is for `TrustedMetadata`. An empty pin, or one that asks
 * for no signature, is met by nothing.
 *
 * @throws TrustError ROOT_PIN.
 */
export function verifyPin(root: Metadata<Root>, pin: Pin): Metadata<Root> {
  const { roles, keys } = root.signed;
  const pinnedIds = new Set<string>(pin.keyIds);
  const keyids = roles.root.keyids.filter((keyid) => {
    const key = keys.get(keyid);
    return key !== undefined && pinnedIds.has(tufKeyId(key));
  });
  const pinned = signingKeys(root, { keyids, threshold: pin.threshold }, keys);
  const threshold = Math.max(1, pin.threshold);
  // protocol 6.1: a root by {pinned, evil}, threshold 1, signed by evil alone, lists the pinned key and is refused.
  if (pinned.length < threshold || !Number.isSafeInteger(pin.threshold)) {
    throw new TrustError({
      code: 'ROOT_PIN',
      message: `root metadata is signed by ${pinned.length} of the pinned root keys, ${threshold} needed`,
      attack: 'arbitrary software',
      spec: 'protocol 6.1',
      role: 'root',
      expected: pin.keyIds.join(', '),
      found: rootKeyIds(root).join(', '),
    });
  }
  return root;
}

/** Whether `verifyPin` would let this root pass. */
export function meetsPin(root: Metadata<Root>, pin: Pin): boolean {
  try {
    verifyPin(root, pin);
    return true;
  } catch (error) {
    if (error instanceof TrustError && error.code === 'ROOT_PIN') return false;
    throw error;
  }
}

/** The TUF key IDs of the keys that count in a root's root role, each key once: what a pin is made of. */
export function rootKeyIds(root: Metadata<Root>): readonly KeyId[] {
  return rootKeys(root).map(tufKeyId);
}

/** The keys that count in a root's root role, each content once. */
export function rootKeys(root: Metadata<Root>): readonly PublicKey[] {
  const byContent = new Map<string, PublicKey>();
  for (const keyid of root.signed.roles.root.keyids) {
    const key = root.signed.keys.get(keyid);
    const content = key && keyContent(key);
    if (key !== undefined && content !== undefined && !byContent.has(content)) byContent.set(content, key);
  }
  return [...byContent.values()];
}

/** The pin that holds a machine to what is known here: `trust pin export` prints it. */
export function pinFor(root: Metadata<Root>, timestampVersion: number): Pin {
  return Object.freeze({
    keyIds: rootKeyIds(root),
    threshold: root.signed.roles.root.threshold,
    rootVersion: root.signed.version,
    timestampVersion,
    dialect: 'tuf-1.0',
  });
}

/**
 * The pin's least versions, for the final root and timestamp.
 *
 * @throws TrustError ROOT_BELOW_PIN.
 */
export function verifyNotBelowPin(pin: PinVersions, role: 'root' | 'timestamp', version: number): void {
  const least = role === 'root' ? pin.rootVersion : pin.timestampVersion;
  if (version >= least) return;
  throw new TrustError({
    code: 'ROOT_BELOW_PIN',
    message: `${role} version ${version} is older than version ${least} of the pin`,
    attack: 'rollback',
    spec: 'protocol 6.1',
    role,
    expected: `at least ${least}`,
    found: `${version}`,
  });
}
