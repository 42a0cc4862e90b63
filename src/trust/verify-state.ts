/**
 * Verifies one fetched state: where it starts, which roots follow, then timestamp, snapshot and targets.
 *
 * The order and every check are TrustedMetadata's; this file only gets it the bytes. The root walk asks no more
 * than the state lists: a root that follows another one in the listing is there or the state is refused.
 */
import { TrustError } from '../lib/errors.ts';
import type { OpenOptions } from './collection.ts';
import type { CollectionFiles } from './collection-files.ts';
import { TARGETS } from './core/delegations.ts';
import { type PublicKey, tufKeyId } from './core/keys.ts';
import {
  MAX_ROOT_BYTES,
  MAX_ROOT_ROTATIONS,
  MAX_SEARCHED_ROLES,
  MAX_SNAPSHOT_BYTES,
  MAX_TARGETS_BYTES,
  MAX_TIMESTAMP_BYTES,
} from './core/limits.ts';
import { type Metadata, type MetaFile, metadataFileName, parseRoot, type Root } from './core/metadata.ts';
import { meetsPin, type Pin, type PinVersions, rootKeys, verifyNotBelowPin, verifyPin } from './core/pin.ts';
import { type PriorMetadata, TrustedMetadata } from './core/trusted-metadata.ts';
import type { Anchor, Remembered } from './memory.ts';
import { rootVersionOf } from './memory-record.ts';
import type { KnownState } from './remembered-state.ts';

/** The root a verification starts from, and why it is trusted. */
export interface Start {
  readonly rootBytes: Uint8Array;
  readonly rootVersion: number;
  readonly anchor: Anchor;
  /** To be met by this very root. */
  readonly pin?: Pin;
  /** To be met by a root that is still to come: the known one is older than the pin. */
  readonly pinAhead?: Pin;
  readonly pinVersions?: PinVersions;
  readonly prior?: PriorMetadata;
}

export interface VerifyOutcome {
  readonly trusted: TrustedMetadata;
  /** Set when the state was refused after its first root was trusted. */
  readonly refusal?: TrustError;
}

/** Nothing is looked for further than this among the roots of a listing. */
const MAX_CANDIDATES = MAX_ROOT_ROTATIONS + 1;

/** TUF 5.2: the root known here, with what was trusted before. */
export function startFromMemory(remembered: Remembered, known: KnownState, pin: Pin | undefined): Start {
  return {
    rootBytes: known.rootBytes,
    rootVersion: remembered.rootVersion,
    anchor: remembered.anchor,
    prior: { timestamp: known.timestampBytes, snapshot: known.snapshotBytes },
    ...(pin === undefined ? {} : { pinVersions: pin }),
    ...(pin === undefined || remembered.rootVersion >= pin.rootVersion ? {} : { pinAhead: pin }),
  };
}

/**
 * The first root of a state nobody knows here: the one that meets the pin; else one signed by an own root key;
 * else the oldest, for whoever is asked at first use.
 *
 * Protocol 6.1: with a pin the oldest root from the pinned version on that meets it, so that everything after it
 * is checked as a chain. Never an older one: it may list keys that were taken away since, which is what the version
 * in the pin says. Older roots are looked at only to tell "too old" from "by other keys".
 *
 * @throws TrustError ROLE_MISSING, ROOT_PIN, ROOT_BELOW_PIN, METADATA_*
 */
export async function startFromPin(
  files: CollectionFiles,
  options: OpenOptions,
  collection: string,
  pin: Pin | undefined,
): Promise<Start> {
  const versions = listedRoots(files);
  const [oldest] = versions;
  if (oldest === undefined) {
    throw new TrustError({
      code: 'ROLE_MISSING',
      message: 'the state lists no root',
      spec: '5.2',
      role: 'root',
    });
  }
  if (pin !== undefined) {
    return startAtPin(files, versions, pin);
  }
  const { ownRootKeys, repository } = options;
  // protocol 4.5: an own root key vouches for collections made for this very repository, and for no other.
  if (ownRootKeys !== undefined && collection === repository.canonical) {
    const own = await firstOwn(files, versions, ownRootKeys);
    if (own !== undefined) {
      return own;
    }
  }
  return { rootBytes: await rootAt(files, oldest), rootVersion: oldest, anchor: 'first-use' };
}

async function startAtPin(files: CollectionFiles, versions: readonly number[], pin: Pin): Promise<Start> {
  const ahead = versions.filter((version) => version >= pin.rootVersion);
  const start = await firstMeeting(files, ahead.length > 0 ? ahead : versions.toReversed(), 'pin', () => pin);
  verifyNotBelowPin(pin, 'root', start.rootVersion);
  return start;
}

async function firstMeeting(
  files: CollectionFiles,
  versions: readonly number[],
  anchor: Anchor,
  pinOf: (root: Metadata<Root>) => Pin,
): Promise<Start> {
  let refusal: TrustError | undefined;
  for (const version of versions.slice(0, MAX_CANDIDATES)) {
    const rootBytes = await rootAt(files, version);
    const root = parseRoot(rootBytes);
    try {
      const pin = pinOf(root);
      verifyPin(root, pin);
      return { rootBytes, rootVersion: version, anchor, pin };
    } catch (error) {
      if (!(error instanceof TrustError) || error.code !== 'ROOT_PIN') {
        throw error;
      }
      refusal = error;
    }
  }
  throw refusal ?? new RangeError('there is a root to look at');
}

async function firstOwn(
  files: CollectionFiles,
  versions: readonly number[],
  ownRootKeys: (keys: readonly PublicKey[]) => readonly PublicKey[],
): Promise<Start | undefined> {
  try {
    return await firstMeeting(files, versions, 'own-key', (root) => ({
      // An empty list is met by nothing.
      keyIds: ownRootKeys(rootKeys(root)).map(tufKeyId),
      threshold: 1,
      rootVersion: 1,
      timestampVersion: 1,
      dialect: 'tuf-1.0',
    }));
  } catch (error) {
    if (error instanceof TrustError && error.code === 'ROOT_PIN') {
      return undefined;
    }
    throw error;
  }
}

/**
 * TUF 5.3 to 5.6 over a fetched state. Refusals after the first root come back together with what was trusted up
 * to there, because the error wants the keys of it.
 *
 * @throws TrustError for the first root alone; BlobGone; RegistryError, NetworkError
 */
export async function verifyState(
  files: CollectionFiles,
  start: Start,
  options: OpenOptions,
  collection: string,
): Promise<VerifyOutcome> {
  prefetch(files, start.rootVersion);
  const { pin, pinVersions } = start;
  const trusted = new TrustedMetadata(start.rootBytes, {
    startTimeMs: options.startTimeMs,
    collection,
    ...(pin === undefined ? {} : { pin }),
    ...(pinVersions === undefined ? {} : { pinVersions }),
    ...(options.expiry === undefined ? {} : { expiry: options.expiry }),
  });
  try {
    await walk(files, trusted, start);
    return { trusted };
  } catch (error) {
    if (error instanceof TrustError) {
      return { trusted, refusal: error };
    }
    throw error;
  }
}

async function walk(files: CollectionFiles, trusted: TrustedMetadata, start: Start): Promise<void> {
  if (start.prior !== undefined) {
    trusted.loadPrior(start.prior);
  }
  // TUF 5.3.3, 5.3.9: N+1 as long as the state lists it.
  for (let next = start.rootVersion + 1; files.isListed(rootName(next)); next++) {
    trusted.updateRoot(await rootAt(files, next));
  }
  verifyNoGap(files, trusted.root.signed.version);
  trusted.finishRoot();
  if (start.pinAhead !== undefined) {
    verifyPinReached(trusted, start.pinAhead);
  }
  trusted.updateTimestamp(await files.listed('timestamp.json', 'timestamp', MAX_TIMESTAMP_BYTES));
  const listed = trusted.timestamp?.signed.snapshot;
  if (listed !== undefined) {
    trusted.updateSnapshot(await topLevel(files, 'snapshot', listed, MAX_SNAPSHOT_BYTES));
  }
  trusted.updateTargets(await topLevel(files, 'targets', trusted.roleFile(TARGETS), MAX_TARGETS_BYTES));
  loadAtHand(files, trusted);
}

/**
 * Protocol 6.1: from a known root that is older than the pin, the chain must come by a root that meets it. A key that
 * was taken away in between could lead it elsewhere.
 *
 * @throws TrustError ROOT_PIN
 */
function verifyPinReached(trusted: TrustedMetadata, pin: Pin): void {
  const ahead = trusted.roots.filter(({ signed }) => signed.version >= pin.rootVersion);
  const met = ahead.some((root) => meetsPin(root, pin));
  if (!met) {
    verifyPin(trusted.root, pin);
  }
}

/** A state that lists root 5 and not root 4 keeps from us what root 4 said (TUF 5.3.4 needs each of them). */
function verifyNoGap(files: CollectionFiles, reached: number): void {
  const beyond = listedRoots(files).find((version) => version > reached);
  if (beyond !== undefined) {
    throw new TrustError({
      code: 'ROOT_CHAIN',
      message: `the state lists root version ${beyond} and lacks version ${reached + 1}`,
      attack: 'freeze',
      spec: '5.3.3',
      role: 'root',
      expected: rootName(reached + 1),
    });
  }
}

/** As the listing has it, so that another file under this name is found out; else what is at hand. */
async function topLevel(
  files: CollectionFiles,
  role: 'snapshot' | 'targets',
  file: MetaFile,
  maxBytes: number,
): Promise<Uint8Array> {
  const name = metadataFileName(role, file.version);
  return files.atHand(name, file) ?? files.listed(name, role, maxBytes);
}

/**
 * Verifies the releasing roles whose bytes came along, so that the state is remembered as whole as it came. What
 * is wrong with one of them is for the search that needs it to say: it must not fail a tag that stands elsewhere.
 */
function loadAtHand(files: CollectionFiles, trusted: TrustedMetadata): void {
  const delegations = trusted.targets(TARGETS)?.signed.delegations;
  const names = [...(delegations?.roles.keys() ?? [])];
  for (const role of names.slice(0, MAX_SEARCHED_ROLES)) {
    try {
      const file = trusted.roleFile(role);
      const bytes = files.atHand(metadataFileName(role, file.version), file);
      if (bytes !== undefined) {
        trusted.updateDelegatedTargets(bytes, role, TARGETS);
      }
    } catch (error) {
      if (!(error instanceof TrustError)) {
        throw error;
      }
    }
  }
}

/** Everything that will be needed and did not come with the listing, at once. */
function prefetch(files: CollectionFiles, knownRoot: number): void {
  for (const version of listedRoots(files)) {
    if (version > knownRoot && version <= knownRoot + MAX_ROOT_ROTATIONS) {
      files.prefetch(rootName(version), MAX_ROOT_BYTES);
    }
  }
  files.prefetch('timestamp.json', MAX_TIMESTAMP_BYTES);
  const names = files.listedNames();
  for (const [pattern, maxBytes] of [
    [/^\d+\.snapshot\.json$/, MAX_SNAPSHOT_BYTES],
    [/^\d+\.targets\.json$/, MAX_TARGETS_BYTES],
  ] as const) {
    const matching = names.filter((name) => pattern.test(name));
    const [only] = matching;
    // Several of them: the timestamp says which one, and the others are not worth a request.
    if (only !== undefined && matching.length === 1) {
      files.prefetch(only, maxBytes);
    }
  }
}

/** Versions of the roots a state lists, oldest first. */
export function listedRoots(files: CollectionFiles): readonly number[] {
  return files
    .listedNames()
    .flatMap((name) => rootVersionOf(name) ?? [])
    .sort((left, right) => left - right);
}

function rootAt(files: CollectionFiles, version: number): Promise<Uint8Array> {
  return files.listed(rootName(version), 'root', MAX_ROOT_BYTES);
}

function rootName(version: number): string {
  return metadataFileName('root', version);
}
