/**
 * From a source to a verified collection: the part of the client workflow that does input and output.
 *
 * What is remembered is the trusted starting point; else a pin; else an own root key (protocol 4.5); else whoever
 * is asked at first use. One HEAD when something is remembered (and nothing more when the source confirms it: the
 * remembered bytes are verified again, expiry included), one GET when not or when it changed. Every verdict is
 * TrustedMetadata's; what it has accepted as a whole is remembered, and nothing else is (TUF 5.3.8, 5.4.5, 5.5.7,
 * 5.6.6: persisting comes after acceptance, here of the whole state, so that a refusal leaves no trace).
 *
 * Errors of the source pass through as they are: "cannot be reached" must never read as "there is nothing".
 */
import { LocalStateError, TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { settle, unsettle } from '../lib/settle.ts';
import type { Digest } from '../reference/digest.ts';
import { noTrustData, trustDataGone } from './absent.ts';
import type { OpenOptions, VerifiedCollection } from './collection.ts';
import { BlobGone, CollectionFiles } from './collection-files.ts';
import { collectionFor, noteMove } from './collection-name.ts';
import { type Pin, pinFor, rootKeyIds } from './core/pin.ts';
import { explainExpired } from './expiry.ts';
import { type FirstUseOffer, firstUseDeclined, firstUseRefused } from './first-use.ts';
import { MemoryMoved, type Remembered } from './memory-record.ts';
import { OpenedCollection } from './opened-collection.ts';
import { persist } from './persist.ts';
import { type KnownState, verifyRemembered } from './remembered-state.ts';
import type { SourceState } from './source.ts';
import { type Start, startFromMemory, startFromPin, verifyState } from './verify-state.ts';
import { verifyNoJump } from './version-jump.ts';

export type { OpenOptions, VerifiedCollection } from './collection.ts';

/** How often another process may get in between before dtrust gives up. */
const MAX_ROUNDS = 5;

/** What lasts over the rounds of one call. */
interface Session {
  readonly options: OpenOptions;
  readonly collection: string;
  readonly pin: Pin | undefined;
  /** Lines about this call that are not about the state. */
  readonly notices: readonly string[];
  /** Root file accepted at first use in an earlier round: nobody is asked twice. */
  accepted?: Uint8Array;
  /** The state whose blob was gone; a second time it is missing. */
  goneState?: Digest;
}

/**
 * The collection of a repository, verified, and remembered where that is possible.
 *
 * @throws TrustError NO_TRUST_DATA, TRUST_DATA_GONE, TRUST_DATA_INVALID, FIRST_USE_REFUSED, FIRST_USE_DECLINED,
 * COLLECTION_MISMATCH, COLLECTION_AMBIGUOUS, VERSION_JUMP (for editing alone), METADATA_*, ROOT_*, TIMESTAMP_*,
 * SNAPSHOT_*, TARGETS_*, ROLE_MISSING, ROLE_EXPIRED; LocalStateError MEMORY_DAMAGED, MEMORY_NEWER, MEMORY_UNWRITABLE (first use alone), DISK_FULL,
 * LOCK_TIMEOUT; RegistryError and NetworkError as the source throws them.
 */
export async function openCollection(options: OpenOptions): Promise<VerifiedCollection> {
  return open(options, undefined);
}

async function open(options: OpenOptions, goneState: Digest | undefined): Promise<VerifiedCollection> {
  const name = collectionFor(options);
  const { collection, notices } = name;
  const { pins, repository } = options;
  const session: Session = {
    options,
    collection,
    notices,
    pin: pins.get(repository.canonical) ?? pins.get(collection),
    ...(goneState === undefined ? {} : { goneState }),
  };
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const opened = await tryOnce(session);
    if (opened !== undefined) {
      await noteMove(options, name);
      return opened;
    }
  }
  throw new LocalStateError({
    code: 'LOCK_TIMEOUT',
    message: `other processes keep changing what is remembered of ${escapeShort(collection)}`,
    reference: repository.canonical,
  });
}

/** One round; undefined when the state or the memory changed under it. */
async function tryOnce(session: Session): Promise<VerifiedCollection | undefined> {
  const { options, collection } = session;
  const remembered = options.memory.load(collection, options.memoryScope);
  try {
    return remembered === undefined ? await openNew(session) : await openKnown(session, remembered);
  } catch (error) {
    if (error instanceof MemoryMoved) {
      return undefined;
    }
    if (error instanceof StateGone) {
      return retryGone(session, error);
    }
    if (error instanceof TrustError) {
      error.reference ??= options.repository.canonical;
    }
    throw error;
  }
}

/** Nothing remembered: the whole state is fetched, and somebody has to vouch for its first root. */
async function openNew(session: Session): Promise<VerifiedCollection | undefined> {
  const { options, pin, collection } = session;
  const listing = await options.source.fetchState(options.signal);
  if (listing === undefined) {
    throw pin === undefined ? noTrustData(options) : trustDataGone(options, 'there is a pin for it');
  }
  return inState(listing, async () => {
    const files = new CollectionFiles(options.source, undefined, listing, options.signal);
    const start = await startFromPin(files, options, collection, pin);
    return acceptState(session, { files, listing, start, remembered: undefined });
  });
}

/** Something remembered: one HEAD tells whether that is still the state. */
async function openKnown(session: Session, remembered: Remembered): Promise<VerifiedCollection | undefined> {
  const { options, pin } = session;
  // Sent before the remembered bytes are verified, which takes about as long as the answer.
  const answer = settle(options.source.headState(options.signal));
  const known = verifyRemembered(remembered, options, pin);
  const head = unsettle(await answer);
  if (head === undefined) {
    throw trustDataGone(options, 'it was seen here before');
  }
  if (head === remembered.state) {
    return unchangedState(session, remembered, known, undefined);
  }
  const listing = await options.source.fetchState(options.signal);
  if (listing === undefined) {
    throw trustDataGone(options, 'it was seen here before');
  }
  if (listing.digest === remembered.state) {
    return unchangedState(session, remembered, known, listing);
  }
  return inState(listing, async () => {
    const files = new CollectionFiles(options.source, remembered, listing, options.signal);
    const start = startFromMemory(remembered, known, pin);
    return acceptState(session, { files, listing, start, remembered });
  });
}

/** The source confirmed the remembered state. It may have expired since. */
async function unchangedState(
  session: Session,
  remembered: Remembered,
  known: KnownState,
  listing: SourceState | undefined,
): Promise<VerifiedCollection> {
  const { options } = session;
  if (known.refusal !== undefined) {
    const dateMs = listing?.dateMs ?? (await serverDate(options, known.refusal));
    throw explain(session, known.refusal, known.trusted, dateMs);
  }
  if (options.expiry !== 'unsafe-ignored') {
    options.memory.noteCheck(remembered, options.startTimeMs);
  }
  return new OpenedCollection({
    ...facts(session),
    trusted: known.trusted,
    files: new CollectionFiles(options.source, remembered, listing, options.signal),
    digest: remembered.state,
    listing,
    anchor: remembered.anchor,
    firstUse: false,
    unchanged: true,
    remembered,
    notices: session.notices,
    lastCheckMs: options.startTimeMs,
  });
}

interface Candidate {
  readonly files: CollectionFiles;
  readonly listing: SourceState;
  readonly start: Start;
  readonly remembered: Remembered | undefined;
}

/** Verifies a fetched state, has it accepted where nobody vouched for it, remembers it. */
async function acceptState(
  session: Session,
  { files, listing, start, remembered }: Candidate,
): Promise<VerifiedCollection | undefined> {
  const { options } = session;
  const { trusted, refusal } = await verifyState(files, start, options, session.collection);
  if (refusal !== undefined) {
    throw explain(session, refusal, trusted, listing.dateMs);
  }
  // Nobody is kept from using such a state: the versions are signed. Building on it is another matter.
  if (options.expiry === 'unsafe-ignored' && options.versionJump !== 'unsafe-ignored') {
    verifyNoJump(trusted, remembered?.highest);
  }
  if (start.anchor === 'first-use' && remembered === undefined) {
    await askFirstUse(session, start, trusted);
  }
  const kept = await persist({
    memory: options.memory,
    collection: session.collection,
    scope: options.memoryScope,
    anchor: start.anchor,
    digest: listing.digest,
    trusted,
    previous: remembered,
    mayGoOn: start.anchor !== 'first-use' || remembered !== undefined,
  });
  if (kept.outcome === 'conflict') {
    return undefined;
  }
  if (kept.outcome === 'saved' && options.expiry !== 'unsafe-ignored') {
    const { collection, memoryScope: scope = '' } = { ...options, collection: session.collection };
    options.memory.noteCheck({ collection, scope, state: listing.digest }, options.startTimeMs);
  }
  return new OpenedCollection({
    ...facts(session),
    trusted,
    files,
    digest: listing.digest,
    listing,
    anchor: start.anchor,
    firstUse: remembered === undefined,
    unchanged: false,
    remembered: kept.outcome === 'saved' ? kept.remembered : undefined,
    notices: [...session.notices, ...kept.notices],
    lastCheckMs: options.startTimeMs,
  });
}

function facts(session: Session) {
  const { options, collection } = session;
  return {
    options,
    collection,
    // protocol 3.2: a blob that is gone under a state read by tag has the tag read once more.
    reopen: (digest: Digest) => open(options, digest),
    goneBefore: session.goneState,
  };
}

/** Protocol 6.4. The state has been verified: what is asked is only whether this is the right key. */
async function askFirstUse(session: Session, start: Start, trusted: KnownState['trusted']): Promise<void> {
  const { options, collection } = session;
  if (session.accepted !== undefined && Buffer.compare(session.accepted, start.rootBytes) === 0) {
    return;
  }
  const repository = options.repository.canonical;
  if (options.firstUse === undefined) {
    throw firstUseRefused({ repository });
  }
  const offer: FirstUseOffer = {
    repository,
    collection,
    keyIds: rootKeyIds(trusted.root),
    threshold: trusted.root.signed.roles.root.threshold,
    rootVersion: trusted.root.signed.version,
    timestampVersion: trusted.timestamp?.signed.version ?? 1,
    source: options.source.description,
    assertStorable: () => options.memory.assertWritable(),
  };
  if (!(await options.firstUse(offer))) {
    throw firstUseDeclined({ repository });
  }
  session.accepted = start.rootBytes;
}

/** The pin that holds other machines to what is known here (protocol 6.1). */
export function exportPin(opened: Pick<VerifiedCollection, 'trusted'>): Pin {
  const { root, timestamp } = opened.trusted;
  return pinFor(root, timestamp?.signed.version ?? 1);
}

function explain(
  session: Session,
  refusal: TrustError,
  trusted: KnownState['trusted'],
  dateMs: number | undefined,
): TrustError {
  const repository = session.options.repository.canonical;
  refusal.reference ??= repository;
  return refusal.code === 'ROLE_EXPIRED' ? explainExpired(refusal, { repository, trusted, dateMs }) : refusal;
}

/** Contract "Network": the server's clock for the error about an expired role; it decides nothing. */
async function serverDate(options: OpenOptions, refusal: TrustError): Promise<number | undefined> {
  if (refusal.code !== 'ROLE_EXPIRED') {
    return undefined;
  }
  const outcome = await settle(options.source.fetchState(options.signal));
  return 'value' in outcome ? outcome.value?.dateMs : undefined;
}

/** BlobGone, with the state whose blob it was. */
class StateGone extends Error {
  override readonly name = 'StateGone';
  readonly digest: Digest;

  constructor(digest: Digest, cause: unknown) {
    super('a blob of the state is gone', { cause });
    this.digest = digest;
  }
}

async function inState<T>(listing: SourceState, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof BlobGone ? new StateGone(listing.digest, error.cause) : error;
  }
}

/** Protocol 3.2: the listing is read once more; the same state without its blob is a state that lacks a role. */
function retryGone(session: Session, error: StateGone): undefined {
  if (session.goneState !== undefined) {
    throw new TrustError({
      code: 'ROLE_MISSING',
      message: `a file that the state of ${session.options.repository.canonical} lists is not there`,
      attack: 'mix-and-match',
      spec: 'protocol 3.2',
      reference: session.options.repository.canonical,
      cause: error.cause,
    });
  }
  session.goneState = error.digest;
  return undefined;
}
