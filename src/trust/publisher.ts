/**
 * Publishing a collection: what `takeTurn` does for any state, done for verified collections and the editor.
 *
 * `publish` takes all changes of a command at once: one publish, one wait. It reads and verifies as a client,
 * but against what was known when the publish began and without remembering: while publishers overwrite one
 * another, a state with a lower version may be the one that stays, and it has to be built upon, not refused.
 */
import { type Clock, systemClock } from '../lib/clock.ts';
import { hasCode, TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { type Digest, digestHex, digestOf } from '../reference/digest.ts';
import type { OpenOptions, VerifiedCollection } from './collection.ts';
import type { NewState } from './core/edits.ts';
import { pinFor } from './core/pin.ts';
import { findLostUpdates, type Journal, type JournalChange, lostUpdate, type Settled } from './journal.ts';
import type { Memory, Remembered } from './memory.ts';
import {
  MAX_TURN_SECONDS,
  type TurnBase,
  type TurnSource,
  type TurnTerms,
  takeTurn,
} from './publish-turn.ts';
import type { SourceState } from './source.ts';
import { openCollection } from './updater.ts';

export type { TurnTerms } from './publish-turn.ts';

/** How often a state may change between two of its own requests. */
const MAX_READS = 10;

/** A state to build upon, read and verified for this publish. */
export interface PublishBase extends TurnBase {
  readonly verified: VerifiedCollection;
}

export interface PublishOptions {
  readonly source: TurnSource;
  /** Usually `openForPublishing(...)`. */
  readonly open: () => Promise<PublishBase | undefined>;
  /**
   * The next state: `editCollection` with `await base.loadAll()`, or `createCollection` without a base, given
   * these terms. Called again with another base when others came first; applies this call's changes only.
   */
  readonly build: (base: VerifiedCollection | undefined, terms: TurnTerms) => Promise<NewState>;
  readonly journal: Journal;
  /** For the journal: `journalChanges(edits)`. */
  readonly changes: readonly JournalChange[];
  /** What was lost before, and is not any more once this publish is sure to stay. */
  readonly settles?: readonly Settled[];
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly signal?: AbortSignal;
  readonly maxAttempts?: number;
  /** Told when the wait between the two reads begins, in milliseconds. */
  readonly onWait?: (waitMs: number) => void;
}

export interface Published {
  readonly state: NewState;
  /** What the tag pointed at when it was sure: this state, or a later one that contains it. */
  readonly digest: Digest;
  readonly attempts: number;
}

/**
 * Publishes the changes, and returns when they are sure to stay. The caller opens the collection once more, with
 * its memory, before it says so.
 *
 * @throws TrustError PUBLISH_CONFLICT; RegistryError TRUST_TAG_IMMUTABLE and others; NetworkError; LocalStateError
 *   of the journal; what `open` and `build` throw
 */
export async function publish(options: PublishOptions): Promise<Published> {
  const { source, open, build, journal, changes, clock = systemClock, random = Math.random } = options;
  const { signal, maxAttempts, onWait, settles } = options;
  return takeTurn<PublishBase, NewState>({
    source,
    open,
    build: (base, terms) => build(base?.verified, terms),
    clock,
    random,
    journal: {
      highestVersions: journal.load().highest,
      begin: (state) =>
        journal.begin(
          {
            timestampSha256: state.timestampSha256,
            timestampVersion: state.versions.get('timestamp') ?? 1,
            atMs: clock.now(),
            changes,
          },
          state.versions,
        ),
      confirm: (state) => journal.confirm(state.timestampSha256, settles),
    },
    ...(signal === undefined ? {} : { signal }),
    ...(maxAttempts === undefined ? {} : { maxAttempts }),
    ...(onWait === undefined ? {} : { onWait }),
  });
}

/**
 * The reader of one publish: each call reads the tag and verifies what it serves, against the memory as it is
 * now, and remembers nothing. Make a new one for each publish.
 *
 * undefined means that there is no trust data and none is expected. Throws as `openCollection`. Nobody is asked about a
 * first use: what a publish builds on was trusted before it began, or is the user's own. [The registry says 404 until
 * the first keys are made, and then shows a collection that lists them beside its own.]
 */
export function openForPublishing(given: OpenOptions): () => Promise<PublishBase | undefined> {
  const { firstUse: _, ...options } = given;
  const memory = asItIsNow(options.memory);
  return async () => {
    for (let read = 0; read < MAX_READS; read++) {
      const opened = await openOrNothing({ ...options, memory });
      if (opened === undefined) return undefined;
      const listing = opened.state.listing ?? (await options.source.fetchState(options.signal));
      // Written between the two reads: once more.
      if (listing === undefined || listing.digest !== opened.state.digest) continue;
      const verified = isServed(opened, listing) ? opened : await openServed(options, opened);
      if (verified !== undefined) return baseOf(verified, verified.state.listing ?? listing);
    }
    throw new TrustError({
      code: 'PUBLISH_CONFLICT',
      message: `the trust data of ${options.repository.canonical} changed at each of ${MAX_READS} readings`,
      spec: 'protocol 4.2',
      reference: options.repository.canonical,
    });
  };
}

async function openOrNothing(options: OpenOptions): Promise<VerifiedCollection | undefined> {
  try {
    return await openCollection(options);
  } catch (error) {
    // Protocol 4.4: with a pin or any memory this would be TRUST_DATA_GONE.
    if (hasCode(error, 'NO_TRUST_DATA')) return undefined;
    throw error;
  }
}

/**
 * Whether what was verified is what the source serves. TUF 5.4.3.1 keeps the timestamp already known when the
 * served one has the same version: two publishers raced, and this machine saw the one that was overwritten.
 */
function isServed(opened: VerifiedCollection, listing: SourceState): boolean {
  const timestamp = opened.trusted.timestamp?.bytes;
  return timestamp !== undefined && listing.files.get('timestamp.json')?.digest === digestOf(timestamp);
}

/**
 * The served state where the known one has the same version: verified from the known root on, as a pin would
 * have it, and not older than what is known. [To build on the known one would drop the publish that stayed.]
 */
async function openServed(
  options: OpenOptions,
  known: VerifiedCollection,
): Promise<VerifiedCollection | undefined> {
  const { root, timestamp } = known.trusted;
  const pin = pinFor(root, timestamp?.signed.version ?? 1);
  const opened = await openCollection({
    ...options,
    collection: known.collection,
    memory: nothingKnown(options.memory),
    pins: new Map([[options.repository.canonical, pin]]),
  });
  const { listing } = opened.state;
  if (listing === undefined || !isServed(opened, listing)) return undefined;
  verifyNoneOlder(known, opened);
  return opened;
}

/**
 * TUF 5.5.5, for a state of the same version: none of its roles is older than what is known. [Whoever holds the online
 * key could name targets from before a revocation, and have the next publisher sign them anew.] Of racing publishers
 * the one whose state was overwritten may be known here with a role of his own that is newer: he writes again, and
 * until then nobody who has seen that role builds on a state without it (`openSettled`).
 */
function verifyNoneOlder(known: VerifiedCollection, served: VerifiedCollection): void {
  const now = served.trusted.snapshot?.signed.meta;
  for (const [name, { version }] of known.trusted.snapshot?.signed.meta ?? []) {
    const found = now?.get(name)?.version ?? 0;
    if (found >= version) continue;
    throw new TrustError({
      code: 'SNAPSHOT_ROLLBACK',
      message: `the trust data served has ${escapeShort(name)} version ${found}, older than version ${version} known here`,
      attack: 'rollback',
      spec: '5.5.5',
      role: 'snapshot',
      reference: known.repository.canonical,
      expected: `at least ${version}`,
      found: `${found}`,
    });
  }
}

function baseOf(verified: VerifiedCollection, state: SourceState): PublishBase {
  const { timestamp, snapshot } = verified.trusted;
  const extension = snapshot?.signed.extension;
  return {
    verified,
    digest: state.digest,
    timestampSha256: digestHex(digestOf(timestamp?.bytes ?? new Uint8Array())),
    history: extension?.history ?? [],
    // A collection made by another tool names no turn: the longest one.
    turnSeconds: extension?.turnSeconds ?? MAX_TURN_SECONDS,
    versions: verified.highest,
    state,
  };
}

/** The memory as it is when first asked, to which nothing is added. */
export function asItIsNow(memory: Memory): Memory {
  const loaded = new Map<string, Remembered | undefined>();
  return {
    directory: memory.directory,
    collectionOf: (repository) => memory.collectionOf(repository),
    known: () => memory.known(),
    bind: async () => {},
    load(collection, scope) {
      const key = `${collection}\n${scope ?? ''}`;
      if (!loaded.has(key)) loaded.set(key, memory.load(collection, scope));
      return loaded.get(key);
    },
    save: async () => 'saved',
    noteCheck: () => {},
    assertWritable: () => memory.assertWritable(),
  };
}

/** A memory of nothing, to which nothing is added. */
export function nothingKnown(memory: Memory): Memory {
  return {
    ...asItIsNow(memory),
    collectionOf: (repository) => memory.collectionOf(repository),
    load: () => undefined,
  };
}

/**
 * Protocol 4.3: whether a publish from this machine is missing from a state that was opened.
 * @throws TrustError LOST_UPDATE, naming it; LocalStateError of the journal
 */
export function assertNothingLost(verified: VerifiedCollection, journal: Journal): void {
  const { timestamp, snapshot } = verified.trusted;
  const lost = findLostUpdates(journal.load(), {
    timestampSha256: digestHex(digestOf(timestamp?.bytes ?? new Uint8Array())),
    timestampVersion: timestamp?.signed.version ?? 0,
    history: snapshot?.signed.extension?.history ?? [],
  });
  if (lost.length > 0) throw lostUpdate(verified.repository.canonical, lost);
}
