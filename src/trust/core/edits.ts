/**
 * What can be asked of the editor, and what it needs and gives.
 */
import type { JsonObject } from '../../lib/strict-json.ts';
import type { NewThreshold, Recovery, Replacement, SignerReplacement } from './edit-rotate.ts';
import type { KeyId, PublicKey } from './keys.ts';
import type { MigratedFrom, RoleName, TopLevelRole } from './metadata.ts';
import type { Signer } from './signer.ts';
import type { TrustedMetadata } from './trusted-metadata.ts';

/** A target to sign: what the producer said its manifest is. */
export interface TargetEntry {
  /** Canonical reference with tag. */
  readonly path: string;
  readonly lengthBytes: number;
  /** `sha256:` and 64 hex digits. */
  readonly sha256: string;
  readonly mediaType: string;
  /** More members of `custom`; `mediaType` is set from above. */
  readonly custom?: JsonObject;
}

export type Edit =
  /** Adds or replaces; `role` is where it must stand, else the role that holds it or the released one. */
  | { readonly kind: 'putTarget'; readonly target: TargetEntry; readonly role?: RoleName }
  /** Takes the tag out of every role that could release it. */
  | { readonly kind: 'removeTarget'; readonly path: string }
  | { readonly kind: 'addKey'; readonly role: TopLevelRole; readonly key: PublicKey }
  | { readonly kind: 'removeKey'; readonly role: TopLevelRole; readonly keyId: KeyId }
  /** Replaces all keys of a role. */
  | {
      readonly kind: 'rotateKeys';
      readonly role: TopLevelRole;
      readonly keys: readonly PublicKey[];
      readonly threshold?: number;
    }
  /** Replaces some keys of a role; each must still be listed. */
  | ({ readonly kind: 'replaceKeys'; readonly role: TopLevelRole } & Replacement)
  | ({ readonly kind: 'replaceSignerKeys' } & SignerReplacement)
  /** Replaces all keys of snapshot and timestamp. */
  | ({ readonly kind: 'recover' } & Recovery)
  | ({ readonly kind: 'setThreshold' } & NewThreshold)
  /** A delegation `targets/<name>`; with `paths` one restricted to exactly these patterns. */
  | {
      readonly kind: 'addSigner';
      readonly name: string;
      readonly keys: readonly PublicKey[];
      readonly paths?: readonly string[];
    }
  | { readonly kind: 'removeSigner'; readonly name: string }
  /** New versions and expiries even where nothing changed; without `roles`, of all that the keys at hand can sign. */
  | { readonly kind: 'renew'; readonly roles?: readonly (RoleName | TopLevelRole)[] };

/** A verified state: what the updater opened. */
export interface CurrentState {
  /** At least root, timestamp and snapshot trusted. */
  readonly trusted: TrustedMetadata;
  /** By name under consistent snapshots; every root version, and every role an edit touches. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

export interface EditOptions {
  /** The keys at hand, in any order; those that no role lists are not used. */
  readonly signers: readonly Signer[];
  readonly nowMs: number;
  /** The highest versions ever seen or written here, by role name; new versions are above them. */
  readonly highestVersions?: ReadonlyMap<string, number>;
  /** Seconds of protocol 4.1; default: as it is. */
  readonly turnSeconds?: number;
  /** Protocol 4.6: one key of a role does, whatever its threshold. Never for a state that is given away. */
  readonly partly?: boolean;
}

export interface CreateOptions {
  /** Canonical repository. */
  readonly collection: string;
  /** Default: the collection alone. */
  readonly names?: readonly string[];
  readonly rootKeys: readonly Signer[];
  /** Root keys that are listed beside those and need not sign: each alone can go on when another is lost. */
  readonly otherRootKeys?: readonly PublicKey[];
  /** Default 1. */
  readonly rootThreshold?: number;
  readonly targetsKey: Signer;
  /** Signs snapshot and timestamp. */
  readonly onlineKey: Signer;
  readonly turnSeconds: number;
  readonly nowMs: number;
  readonly highestVersions?: ReadonlyMap<string, number>;
  readonly migratedFrom?: MigratedFrom;
  readonly targets?: readonly TargetEntry[];
}

export interface NewState extends CurrentState {
  /** All files of the state, by name under consistent snapshots. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Names of those that are new. */
  readonly written: readonly string[];
  /** By role name, root, timestamp and snapshot included. */
  readonly versions: ReadonlyMap<string, number>;
  /** sha256, hex, of the new timestamp: what later states carry in `x-dtrust.history`. */
  readonly timestampSha256: string;
  /** The new state, verified as a client would. */
  readonly trusted: TrustedMetadata;
  /** Whole sentences to be shown before success is said. */
  readonly warnings: readonly string[];
}
