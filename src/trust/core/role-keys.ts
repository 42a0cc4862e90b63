/**
 * The keys and threshold of a role, and the count of signatures that decides everything else.
 */

import { type Attack, type TrustCode, TrustError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import type { JsonObject, JsonValue } from '../../lib/strict-json.ts';
import { isSignedBy, type KeyId, keyContent, type PublicKey, publicKeyFromListing } from './keys.ts';
import type { Shape } from './shape.ts';

export interface RoleKeys {
  readonly keyids: readonly KeyId[];
  readonly threshold: number;
}

/** What a signature count needs of a metadata file. */
export interface SignedBytes {
  readonly signedBytes: Uint8Array;
  readonly signatures: ReadonlyMap<KeyId, string>;
}

/** @throws TrustError METADATA_SHAPE. */
export function parseKeys(value: JsonValue | undefined, shape: Shape): ReadonlyMap<KeyId, PublicKey> {
  const keys = new Map<KeyId, PublicKey>();
  for (const [keyid, item] of shape.object(value, 'keys')) {
    const json = shape.object(item, 'a key');
    const keyval = shape.object(json.get('keyval'), 'keyval');
    const publicValue = keyval.get('public');
    const parts = {
      keytype: shape.string(json.get('keytype'), 'keytype'),
      scheme: shape.string(json.get('scheme'), 'scheme'),
      publicValue: typeof publicValue === 'string' ? publicValue : '',
    };
    keys.set(keyid as KeyId, publicKeyFromListing(keyid as KeyId, json, parts));
  }
  return keys;
}

/** @throws TrustError METADATA_SHAPE. */
export function parseRoleKeys(json: JsonObject, shape: Shape): RoleKeys {
  return {
    // TUF 1.0.34, section 4.3: a key ID stands once in a role; a threshold is at least 1 (0 would trust anybody).
    keyids: shape.distinctStrings(json.get('keyids'), 'keyids') as readonly KeyId[],
    threshold: shape.integer(json.get('threshold'), 'threshold', 1),
  };
}

/**
 * How many different keys of the role signed these bytes.
 *
 * Keys are counted by content: one key listed under two IDs, or written in two ways, is one. A key ID that the role
 * lists and the key table lacks, an unsupported key, a signature that does not verify: each counts for nothing.
 */
export function countSignatures(
  file: SignedBytes,
  role: RoleKeys,
  keys: ReadonlyMap<KeyId, PublicKey>,
): number {
  return signingKeys(file, role, keys).length;
}

/** The keys `countSignatures` counts, each content once, in the order of the role. */
export function signingKeys(
  file: SignedBytes,
  role: RoleKeys,
  keys: ReadonlyMap<KeyId, PublicKey>,
): readonly PublicKey[] {
  const counted = new Map<string, PublicKey>();
  for (const keyid of role.keyids) {
    const key = keys.get(keyid);
    const signature = file.signatures.get(keyid);
    if (key === undefined || signature === undefined) continue;
    const content = keyContent(key);
    if (content === undefined || counted.has(content)) continue;
    if (isSignedBy(key, file.signedBytes, signature)) counted.set(content, key);
  }
  return [...counted.values()];
}

export interface ThresholdContext {
  readonly code: TrustCode;
  readonly spec: string;
  readonly role: string;
  /** Whose listing of keys is asked, for the message. */
  readonly by: string;
  readonly attack?: Attack;
}

/** @throws TrustError with the context's code when fewer than `threshold` keys of the role signed. */
export function verifyThreshold(
  file: SignedBytes,
  role: RoleKeys,
  keys: ReadonlyMap<KeyId, PublicKey>,
  context: ThresholdContext,
): void {
  const count = countSignatures(file, role, keys);
  if (count >= role.threshold) return;
  throw new TrustError({
    code: context.code,
    message: `${escapeShort(context.role)} metadata is signed by ${count} of the keys that ${escapeShort(context.by)} lists for it, ${role.threshold} needed`,
    attack: context.attack ?? 'arbitrary software',
    spec: context.spec,
    role: context.role,
    expected: `${role.threshold}`,
    found: `${count}`,
  });
}
