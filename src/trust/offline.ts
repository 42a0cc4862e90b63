/**
 * Facts for going on without a source (protocol 7.3). What follows from them is the caller's rule.
 */
import { hasCode, type NetworkError, RegistryError } from '../lib/errors.ts';
import type { OpenOptions, VerifiedCollection } from './collection.ts';
import { CollectionFiles } from './collection-files.ts';
import { collectionFor } from './collection-name.ts';
import { explainExpired } from './expiry.ts';
import { MemoryMoved } from './memory-record.ts';
import { OpenedCollection } from './opened-collection.ts';
import { verifyRemembered } from './remembered-state.ts';
import type { Source } from './source.ts';

const UNREACHABLE = [
  'NETWORK_DNS',
  'NETWORK_REFUSED',
  'NETWORK_BROKEN',
  'NETWORK_TIMEOUT',
  'NETWORK_TLS',
  'NETWORK_PROXY',
  'REGISTRY_RATE_LIMIT',
  'REGISTRY_UNAVAILABLE',
];

/**
 * Whether the source could not be asked: no connection, 5xx, 429. An answer is never that: not 401, 403 or 404,
 * not data that was refused, not more of it than is read.
 */
export function isUnreachable(error: unknown): error is NetworkError | RegistryError {
  return hasCode(error, ...UNREACHABLE);
}

/** Whether a check at `lastCheckMs` is younger than the grace. A check in the future is none: the clock jumped. */
export function isWithinGrace(lastCheckMs: number | undefined, nowMs: number, graceMs: number): boolean {
  const ageMs = lastCheckMs === undefined ? -1 : nowMs - lastCheckMs;
  return ageMs >= 0 && ageMs < graceMs;
}

/** Where a role that is not remembered comes from: nowhere (ROLE_MISSING), or the source, by its digest alone. */
export type MissingRoles = 'refused' | 'fetched';

/**
 * The remembered collection, verified again (expiry included), with the time of its last good check. The source is
 * not asked what is current. Undefined when nothing is remembered.
 *
 * @throws TrustError ROLE_EXPIRED, ROOT_PIN, ROOT_BELOW_PIN, COLLECTION_MISMATCH; LocalStateError MEMORY_DAMAGED,
 * MEMORY_NEWER
 */
export function openRemembered(
  options: OpenOptions,
  missing: MissingRoles = 'refused',
): VerifiedCollection | undefined {
  for (let round = 1; ; round++) {
    try {
      return openOnce(options, missing);
    } catch (error) {
      // Another process has just remembered a newer state; it does not do so for ever.
      if (!(error instanceof MemoryMoved) || round === MAX_ROUNDS) {
        throw error;
      }
    }
  }
}

const MAX_ROUNDS = 5;

function openOnce(options: OpenOptions, missing: MissingRoles): VerifiedCollection | undefined {
  const source = missing === 'fetched' ? options.source : absent(options.source);
  const { collection } = collectionFor(options);
  const repository = options.repository.canonical;
  const remembered = options.memory.load(collection, options.memoryScope);
  if (remembered === undefined) {
    return undefined;
  }
  const pin = options.pins.get(repository) ?? options.pins.get(collection);
  const { trusted, refusal } = verifyRemembered(remembered, options, pin);
  if (refusal !== undefined) {
    throw refusal.code === 'ROLE_EXPIRED'
      ? explainExpired(refusal, { repository, trusted, dateMs: undefined })
      : refusal;
  }
  return new OpenedCollection({
    options,
    collection,
    trusted,
    files: new CollectionFiles(source, remembered, undefined),
    digest: remembered.state,
    listing: undefined,
    anchor: remembered.anchor,
    firstUse: false,
    unchanged: true,
    remembered,
    notices: [],
    lastCheckMs: remembered.lastCheckMs(),
    reopen: () => Promise.reject(new RangeError('nothing is opened again without a source')),
    goneBefore: remembered.state,
  });
}

/** A source that has nothing. */
function absent(source: Source): Source {
  return {
    kind: source.kind,
    description: source.description,
    dialect: source.dialect,
    headState: () => Promise.resolve(undefined),
    fetchState: () => Promise.resolve(undefined),
    fetchFile: () => Promise.reject(notAsked()),
  };
}

function notAsked(): RegistryError {
  return new RegistryError({ code: 'REGISTRY_NOT_FOUND', message: 'the source was not asked' });
}
