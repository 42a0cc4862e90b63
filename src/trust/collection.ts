/**
 * What asking for a repository's collection takes, and what comes back.
 */
import type { Digest } from '../reference/digest.ts';
import type { Repository } from '../reference/reference.ts';
import type { PublicKey } from './core/keys.ts';
import type { RoleName } from './core/metadata.ts';
import type { Pin } from './core/pin.ts';
import type { TargetFound } from './core/search.ts';
import type { TrustedMetadata } from './core/trusted-metadata.ts';
import type { FirstUseOffer } from './first-use.ts';
import type { Anchor, Memory } from './memory.ts';
import type { Source, SourceState } from './source.ts';

export interface OpenOptions {
  readonly repository: Repository;
  readonly source: Source;
  readonly memory: Memory;
  /** By canonical repository; `loadPins`. A pin of a policy rule is put in by the caller. */
  readonly pins: ReadonlyMap<string, Pin>;
  /** TUF 5.1: the one moment everything is compared with. */
  readonly startTimeMs: number;
  /**
   * The collection a policy rule names. By default the one this repository was bound to, else its own name.
   */
  readonly collection?: string;
  /** Protocol 6.2: the rule names both source and pins, and may move a repository to another collection. */
  readonly mayMove?: boolean;
  /** Protocol 1.3: what tells one engine's loopback registry from another's. */
  readonly memoryScope?: string;
  /** Protocol 4.5: those of these root keys whose private half is in the key store. */
  readonly ownRootKeys?: (rootKeys: readonly PublicKey[]) => readonly PublicKey[];
  /** Protocol 2.7: whether one of these keys' private halves is here; then the notice comes 60 days before. */
  readonly holdsOnlineKey?: (onlineKeys: readonly PublicKey[]) => boolean;
  /**
   * Protocol 6.4: asked when nothing says whom to trust. True accepts; false is FIRST_USE_DECLINED; it may throw
   * FIRST_USE_REFUSED itself. Without it a first use is refused.
   */
  readonly firstUse?: (offer: FirstUseOffer) => Promise<boolean>;
  /** 'unsafe-ignored' is for commands that renew what has expired; never for "may this image be used". */
  readonly expiry?: 'enforced' | 'unsafe-ignored';
  /** 'unsafe-ignored' is for a recovery alone (protocol 2.5), which does not go on from versions that ran away. */
  readonly versionJump?: 'refused' | 'unsafe-ignored';
  /**
   * A role that need not be there to list and load the others: that of a signer who is being removed. [One who is limited
   * to some tags lists garbage as his role, and cannot be removed any more.] Never for "may this image be used".
   */
  readonly leaving?: RoleName;
  readonly signal?: AbortSignal;
}

/** A collection whose root, timestamp, snapshot and targets have been verified. */
export interface VerifiedCollection {
  readonly repository: Repository;
  /** Canonical name of the collection. */
  readonly collection: string;
  readonly trusted: TrustedMetadata;
  /** The verified files loaded so far, by name under consistent snapshots; the final root alone of the roots. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The source's state these files are of; with its listing when it had to be fetched. */
  readonly state: { readonly digest: Digest; readonly listing?: SourceState };
  /** What the first root was trusted by. */
  readonly anchor: Anchor;
  /** Whether nothing was remembered of this collection before. */
  readonly firstUse: boolean;
  /** Whether the source confirmed the remembered state, so that nothing was fetched. */
  readonly unchanged: boolean;
  /** Highest version by role ever seen here, this state included (protocol 4.2). */
  readonly highest: ReadonlyMap<string, number>;
  /** Sentences for stderr, escaped, without a prefix: protocol 2.7, and that nothing is remembered. Grows as roles are loaded. */
  readonly warnings: readonly string[];
  /** Days since this timestamp was first seen here; set from 30 days on (protocol 2.7). */
  readonly signedAtAgeDays?: number;
  /** When a source last confirmed exactly this state, this call included (protocol 7.3). */
  readonly lastCheckMs?: number;

  /**
   * The signed entry of a target path.
   * @throws TrustError TARGET_NOT_SIGNED, TARGET_NOT_RELEASED, TARGET_HASH_MISSING, TARGET_MEDIA_TYPE, ROLE_MISSING,
   * ROLE_EXPIRED, TARGETS_HASH, TARGETS_THRESHOLD, TARGETS_VERSION, METADATA_*; RegistryError, NetworkError
   */
  resolve(path: string): Promise<TargetFound>;
  /**
   * Every target that `resolve` would find, by path. With 'passed-over', for whoever changes the collection, without
   * those that `resolve` would refuse because of a role below the releasing ones. [A signer delegates to a role that is
   * not there, and nobody can publish any more, not even his removal.] Throws as `resolve`.
   */
  listTargets(below?: 'needed' | 'passed-over'): Promise<readonly TargetFound[]>;
  /**
   * All files of this state, verified: every root known, and every role the snapshot lists that is reached by
   * delegations. What the editor builds on, and what a restore publishes. Throws as `resolve`.
   */
  loadAll(): Promise<ReadonlyMap<string, Uint8Array>>;
}
