/**
 * The client workflow of TUF 1.0.34, section 5, as a state machine without files, network or clock.
 *
 * Bytes go in, and are either trusted afterwards or refused with the step they fail. The order is fixed:
 *
 *   constructor (5.1, 5.2) - loadPrior - updateRoot* (5.3.3-5.3.9) - finishRoot (5.3.10-5.3.12)
 *   - updateTimestamp (5.4) - updateSnapshot (5.5) - updateTargets (5.6) - updateDelegatedTargets* (5.6.7)
 *
 * A call out of order is a bug of the caller (an assertion), never a TrustError. Nothing is ever un-trusted, a
 * refused file leaves the state as it was, and expiry is always against the one start time given at the beginning.
 * What was trusted before (`loadPrior`) only ever raises what is accepted; nothing is built upon it.
 *
 * Departures, each argued at its check: 5.3.11 as protocol 2.5; length and sha256 are mandatory (protocol 1.4); keys are
 * counted by content. Downloading (5.3.3, 5.4.1, 5.5.1, 5.6.1) and persisting (5.3.8, 5.4.5, 5.5.7, 5.6.6) are the
 * updater's; the bounds on what is downloaded are checked here as well.
 */
import assert from 'node:assert';
import { TrustError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import { verifyCollection, verifyFile, verifyNotExpired, verifySameVersion } from './checks.ts';
import { delegatedRoleKeys, TARGETS } from './delegations.ts';
import { MAX_ROOT_ROTATIONS } from './limits.ts';
import {
  type Metadata,
  type MetaFile,
  parseRoot,
  parseSnapshot,
  parseTargets,
  parseTimestamp,
  type RoleName,
  type Root,
  type RootExtension,
  type Snapshot,
  type Targets,
  type Timestamp,
  type TopLevelRole,
} from './metadata.ts';
import { type Pin, type PinVersions, verifyNotBelowPin, verifyPin } from './pin.ts';
import { countSignatures, type RoleKeys, verifyThreshold } from './role-keys.ts';
import {
  noConsistentSnapshot,
  tooManyRoots,
  verifyFloor,
  verifyNoRoleOlder,
  verifyNoTimestampOlder,
  verifyRootSignatures,
  verifyUnambiguous,
} from './steps.ts';

export interface TrustOptions {
  /** TUF 5.1: the one moment everything is compared with. */
  readonly startTimeMs: number;
  /** The canonical repository the root must have been made for. */
  readonly collection: string;
  /** At first use: the root given must meet it. Its least versions hold for the final root and timestamp. */
  readonly pin?: Pin;
  /** With a root already known: only the pin's least versions hold. */
  readonly pinVersions?: PinVersions;
  /**
   * 'unsafe-ignored' is for the editor alone, which must be able to renew what has expired; nothing it loads is an
   * answer to "may this image be used".
   */
  readonly expiry?: 'enforced' | 'unsafe-ignored';
  /** 'unsafe-ignored' is for a staged state (protocol 4.6), which lacks signatures: looked at, never used. */
  readonly thresholds?: 'enforced' | 'unsafe-ignored';
  /** Default 256. */
  readonly maxRootRotations?: number;
}

/** What a machine verified before, as it kept it. */
export interface PriorMetadata {
  readonly timestamp?: Uint8Array;
  readonly snapshot?: Uint8Array;
}

interface LoadedRole {
  readonly metadata: Metadata<Targets>;
  /** The delegators under whose keys and threshold this role was verified. */
  readonly verifiedUnder: Set<RoleName>;
}

/** The delegator of `targets`. */
export const ROOT = 'root' as RoleName;

export class TrustedMetadata {
  readonly startTimeMs: number;
  readonly collection: string;
  readonly expiryEnforced: boolean;
  readonly #thresholdsEnforced: boolean;
  readonly #pin: PinVersions;
  readonly #maxRotations: number;
  readonly #roots: Metadata<Root>[];
  #root: Metadata<Root>;
  #rootFinal = false;
  #priorDropped = false;
  #priorTimestamp: Metadata<Timestamp> | undefined;
  #priorSnapshot: Metadata<Snapshot> | undefined;
  #timestamp: Metadata<Timestamp> | undefined;
  #snapshot: Metadata<Snapshot> | undefined;
  readonly #roles = new Map<RoleName, LoadedRole>();

  /**
   * TUF 5.1 and 5.2: fixes the start time and trusts a root that this machine knows, or that a pin vouches for.
   * The root may have expired; it must reach its own threshold and be of the collection asked for.
   *
   * @throws TrustError METADATA_TOO_LARGE, METADATA_JSON, METADATA_SHAPE, ROOT_PIN, ROOT_THRESHOLD,
   * COLLECTION_MISMATCH.
   */
  constructor(rootBytes: Uint8Array, options: TrustOptions) {
    this.startTimeMs = options.startTimeMs;
    this.collection = options.collection;
    this.expiryEnforced = options.expiry !== 'unsafe-ignored';
    this.#thresholdsEnforced = options.thresholds !== 'unsafe-ignored';
    this.#pin = options.pin ?? options.pinVersions ?? { rootVersion: 1, timestampVersion: 1 };
    this.#maxRotations = options.maxRootRotations ?? MAX_ROOT_ROTATIONS;
    const root = parseRoot(rootBytes);
    if (options.pin !== undefined) verifyPin(root, options.pin);
    verifyRootSignatures(root, root, '5.2');
    verifyCollection(root, options.collection);
    this.#root = root;
    this.#roots = [root];
  }

  /** The root trusted now: final once `finishRoot` has returned. */
  get root(): Metadata<Root> {
    return this.#root;
  }

  /** All roots trusted in this run, the first one included, for persisting (5.3.8). */
  get roots(): readonly Metadata<Root>[] {
    return this.#roots;
  }

  get timestamp(): Metadata<Timestamp> | undefined {
    return this.#timestamp;
  }

  get snapshot(): Metadata<Snapshot> | undefined {
    return this.#snapshot;
  }

  /** The repositories this collection may speak for, by the final root (protocol 1.2). */
  get names(): readonly string[] {
    return this.#extension.names;
  }

  /** Whether what was trusted before was dropped with its keys (TUF 5.3.11): its versions say nothing any more. */
  get priorDropped(): boolean {
    return this.#priorDropped;
  }

  /** Names of all targets roles loaded so far, in the order they were loaded. */
  get loadedRoles(): readonly RoleName[] {
    return [...this.#roles.keys()];
  }

  get #extension(): RootExtension {
    const extension = this.#root.signed.extension;
    assert(extension !== undefined, 'a trusted root names its collection');
    return extension;
  }

  /** A targets role as loaded, under whichever delegator; `target` searches ask `roleUnder`. */
  targets(role: RoleName = TARGETS): Metadata<Targets> | undefined {
    return this.#roles.get(role)?.metadata;
  }

  /**
   * What this machine trusted before, for the rollback checks. To be called before `finishRoot`, which drops it when
   * its keys were rotated away. Its expiry does not matter: it only raises what is accepted.
   *
   * @throws TrustError METADATA_TOO_LARGE, METADATA_JSON, METADATA_SHAPE when it cannot be read at all.
   */
  loadPrior(prior: PriorMetadata): void {
    assert(!this.#rootFinal, 'prior metadata is loaded before the root is final');
    this.#priorTimestamp = prior.timestamp && parseTimestamp(prior.timestamp);
    this.#priorSnapshot = prior.snapshot && parseSnapshot(prior.snapshot);
  }

  /**
   * TUF 5.3.3 to 5.3.7 for one new root.
   *
   * @throws TrustError METADATA_TOO_LARGE, METADATA_JSON, METADATA_SHAPE, ROOT_CHAIN, ROOT_THRESHOLD, ROOT_VERSION,
   * COLLECTION_MISMATCH.
   */
  updateRoot(untrustedBytes: Uint8Array): Metadata<Root> {
    assert(!this.#rootFinal, 'no root after the final one');
    // TUF 5.3.3: a bounded number of roots, or a hostile source would keep the client busy for ever.
    if (this.#roots.length > this.#maxRotations) throw tooManyRoots(this.#maxRotations);
    const newRoot = parseRoot(untrustedBytes);
    // TUF 5.3.4 (arbitrary software): signed by a threshold of the keys of the root trusted so far, and of its own.
    if (this.#thresholdsEnforced) {
      verifyRootSignatures(newRoot, this.#root, '5.3.4');
      verifyRootSignatures(newRoot, newRoot, '5.3.4');
    }
    // TUF 5.3.5 (rollback): exactly the next version.
    verifySameVersion(newRoot.signed.version, this.#root.signed.version + 1, {
      code: 'ROOT_VERSION',
      spec: '5.3.5',
      role: 'root',
    });
    verifyCollection(newRoot, this.collection);
    // TUF 5.3.6: the expiry of a root that is not the final one does not matter.
    // TUF 5.3.7: trusted from here on. TUF 5.3.9: the caller comes again until there is no next one.
    this.#root = newRoot;
    this.#roots.push(newRoot);
    return newRoot;
  }

  /**
   * TUF 5.3.10 to 5.3.12: there is no newer root.
   *
   * @returns whether prior timestamp and snapshot were dropped.
   * @throws TrustError ROLE_EXPIRED, ROOT_BELOW_PIN, METADATA_SHAPE.
   */
  finishRoot(): { readonly dropped: boolean } {
    assert(!this.#rootFinal, 'the root is made final once');
    verifyNotBelowPin(this.#pin, 'root', this.#root.signed.version);
    // TUF 5.3.10 (freeze): the final root has not expired.
    this.#verifyNotExpired(this.#root, '5.3.10', 'root');
    this.#priorDropped = this.#dropRotatedPrior();
    // TUF 5.3.12: file names follow consistent_snapshot, and a collection always has it set (protocol 1.1).
    if (!this.#root.signed.consistentSnapshot) throw noConsistentSnapshot();
    this.#rootFinal = true;
    return { dropped: this.#priorDropped };
  }

  /**
   * TUF 5.3.11 (recovery from fast-forward): what was trusted before goes when its keys went.
   *
   * departs from TUF 5.3.11 as protocol 2.5 says: dropped when the final root's keys no longer reach the threshold
   * on it, and not because keys were added; otherwise each added signer would reset every client's rollback floor.
   * Both go together, because a timestamp speaks for a snapshot version too.
   */
  #dropRotatedPrior(): boolean {
    const reaches = (
      role: 'timestamp' | 'snapshot',
      prior: Metadata<Timestamp> | Metadata<Snapshot>,
    ): boolean =>
      countSignatures(prior, this.#roleKeys(role), this.#root.signed.keys) >= this.#roleKeys(role).threshold;
    const [timestamp, snapshot] = [this.#priorTimestamp, this.#priorSnapshot];
    if (timestamp === undefined || reaches('timestamp', timestamp)) {
      if (snapshot === undefined || reaches('snapshot', snapshot)) return false;
    }
    this.#priorTimestamp = undefined;
    this.#priorSnapshot = undefined;
    return true;
  }

  /**
   * TUF 5.4. 'same' means that the version is the one trusted before: the new bytes are discarded, also when they
   * differ, and the timestamp trusted before is the one that counts (and must not have expired).
   *
   * @throws TrustError METADATA_TOO_LARGE, METADATA_JSON, METADATA_SHAPE, TIMESTAMP_THRESHOLD, TIMESTAMP_ROLLBACK,
   * SNAPSHOT_ROLLBACK, ROOT_BELOW_PIN, ROLE_EXPIRED.
   */
  updateTimestamp(untrustedBytes: Uint8Array): 'updated' | 'same' {
    assert(this.#rootFinal && this.#timestamp === undefined, 'one timestamp, after the final root');
    const newTimestamp = parseTimestamp(untrustedBytes);
    // TUF 5.4.2 (arbitrary software).
    this.#verifyOnline(newTimestamp, 'timestamp', '5.4.2');
    const prior = this.#priorTimestamp;
    const same = prior !== undefined && newTimestamp.signed.version === prior.signed.version;
    if (!same && prior !== undefined) verifyNoTimestampOlder(newTimestamp.signed, prior.signed);
    const trusted = same ? prior : newTimestamp;
    verifyFloor(trusted.signed, this.#extension);
    verifyNotBelowPin(this.#pin, 'timestamp', trusted.signed.version);
    // TUF 5.4.4 (freeze).
    this.#verifyNotExpired(trusted, '5.4.4', 'timestamp');
    this.#timestamp = trusted;
    return same ? 'same' : 'updated';
  }

  /**
   * TUF 5.5.
   *
   * @throws TrustError METADATA_TOO_LARGE, METADATA_JSON, METADATA_SHAPE, SNAPSHOT_HASH, SNAPSHOT_THRESHOLD,
   * SNAPSHOT_VERSION, SNAPSHOT_ROLE_REMOVED, SNAPSHOT_ROLLBACK, ROLE_EXPIRED.
   */
  updateSnapshot(untrustedBytes: Uint8Array): Metadata<Snapshot> {
    assert(this.#timestamp !== undefined && this.#snapshot === undefined, 'one snapshot, after timestamp');
    const listed = this.#timestamp.signed.snapshot;
    // TUF 5.5.2 (mix-and-match): length and hashes as the timestamp lists them; safe before signatures are looked at.
    verifyFile(untrustedBytes, listed, { code: 'SNAPSHOT_HASH', spec: '5.5.2', role: 'snapshot' });
    const newSnapshot = parseSnapshot(untrustedBytes);
    // TUF 5.5.3 (arbitrary software).
    this.#verifyOnline(newSnapshot, 'snapshot', '5.5.3');
    // TUF 5.5.4 (mix-and-match): the version the timestamp names.
    verifySameVersion(newSnapshot.signed.version, listed.version, {
      code: 'SNAPSHOT_VERSION',
      spec: '5.5.4',
      role: 'snapshot',
    });
    // TUF 5.5.5 (rollback): no role is gone or older than in the snapshot trusted before.
    if (this.#priorSnapshot !== undefined) verifyNoRoleOlder(newSnapshot.signed, this.#priorSnapshot.signed);
    // TUF 5.5.6 (freeze).
    this.#verifyNotExpired(newSnapshot, '5.5.6', 'snapshot');
    this.#snapshot = newSnapshot;
    return newSnapshot;
  }

  /**
   * TUF 5.6 for the top-level targets role.
   *
   * @throws TrustError as `updateDelegatedTargets`, and COLLECTION_AMBIGUOUS.
   */
  updateTargets(untrustedBytes: Uint8Array): Metadata<Targets> {
    return this.updateDelegatedTargets(untrustedBytes, TARGETS, ROOT);
  }

  /**
   * TUF 5.6 for one targets role, under the keys that the delegator lists now. Bytes from a cache go this way too.
   *
   * @throws TrustError METADATA_TOO_LARGE, METADATA_JSON, METADATA_SHAPE, ROLE_MISSING, TARGETS_HASH,
   * TARGETS_THRESHOLD, TARGETS_VERSION, ROLE_EXPIRED.
   */
  updateDelegatedTargets(untrustedBytes: Uint8Array, role: RoleName, delegator: RoleName): Metadata<Targets> {
    const listed = this.roleFile(role);
    // TUF 5.6.2 (mix-and-match): length and hashes as the snapshot lists them.
    verifyFile(untrustedBytes, listed, { code: 'TARGETS_HASH', spec: '5.6.2', role });
    const newTargets = this.#roles.get(role)?.metadata ?? parseTargets(untrustedBytes, role);
    // TUF 5.6.3 (arbitrary software).
    this.#verifyDelegated(newTargets, role, delegator);
    // TUF 5.6.4 (rollback): the version the snapshot names.
    verifySameVersion(newTargets.signed.version, listed.version, {
      code: 'TARGETS_VERSION',
      spec: '5.6.4',
      role,
    });
    // TUF 5.6.5 (freeze).
    this.#verifyNotExpired(newTargets, '5.6.5', role);
    if (role === TARGETS) verifyUnambiguous(newTargets.signed);
    const loaded = this.#roles.get(role) ?? { metadata: newTargets, verifiedUnder: new Set<RoleName>() };
    loaded.verifiedUnder.add(delegator);
    this.#roles.set(role, loaded);
    return loaded.metadata;
  }

  /**
   * A role that is loaded, for a search that reaches it through this delegator; undefined when it is not loaded.
   * A role verified under one delegator says nothing to another: it is verified again under that one's keys.
   *
   * @throws TrustError TARGETS_THRESHOLD.
   */
  roleUnder(role: RoleName, delegator: RoleName): Metadata<Targets> | undefined {
    const loaded = this.#roles.get(role);
    if (loaded === undefined || loaded.verifiedUnder.has(delegator)) return loaded?.metadata;
    this.#verifyDelegated(loaded.metadata, role, delegator);
    loaded.verifiedUnder.add(delegator);
    return loaded.metadata;
  }

  /**
   * The file of a targets role as the trusted snapshot lists it.
   *
   * @throws TrustError ROLE_MISSING.
   */
  roleFile(role: RoleName): MetaFile {
    assert(this.#snapshot !== undefined, 'targets roles come after the snapshot');
    const listed = this.#snapshot.signed.meta.get(`${role}.json`);
    if (listed !== undefined) return listed;
    throw new TrustError({
      code: 'ROLE_MISSING',
      message: `the snapshot does not list the role ${escapeShort(role)}`,
      attack: 'mix-and-match',
      spec: '5.6.1',
      role,
    });
  }

  #roleKeys(role: TopLevelRole): RoleKeys {
    return this.#root.signed.roles[role];
  }

  #verifyOnline(file: Metadata<Timestamp | Snapshot>, role: 'timestamp' | 'snapshot', spec: string): void {
    if (!this.#thresholdsEnforced) return;
    const code = role === 'timestamp' ? 'TIMESTAMP_THRESHOLD' : 'SNAPSHOT_THRESHOLD';
    verifyThreshold(file, this.#roleKeys(role), this.#root.signed.keys, { code, spec, role, by: 'the root' });
  }

  #verifyDelegated(file: Metadata<Targets>, role: RoleName, delegator: RoleName): void {
    if (!this.#thresholdsEnforced) return;
    const context = { code: 'TARGETS_THRESHOLD', spec: '5.6.3', role, by: delegator } as const;
    if (delegator === ROOT) {
      assert(role === TARGETS, 'the root delegates to targets alone');
      verifyThreshold(file, this.#roleKeys('targets'), this.#root.signed.keys, context);
      return;
    }
    const delegations = this.#roles.get(delegator)?.metadata.signed.delegations;
    const keys = delegatedRoleKeys(delegations, role);
    assert(delegations !== undefined && keys !== undefined, 'a loaded delegator delegates to the role');
    verifyThreshold(file, keys, delegations.keys, context);
  }

  #verifyNotExpired(file: Metadata<Root | Timestamp | Snapshot | Targets>, spec: string, role: string): void {
    if (this.expiryEnforced) verifyNotExpired(file.signed, this.startTimeMs, spec, role);
  }
}
