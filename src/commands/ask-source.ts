/**
 * A question to a repository's trust data about an image that may be here already.
 *
 * For an image that is here, trust data checked a moment ago is not asked for again (DTRUST_RECHECK), and a source
 * that cannot be reached is no obstacle for a day (protocol 7.3), both with the remembered files verified again,
 * expiry included. For an image that is not here the source is always asked.
 */
import { HOUR_MS } from '../lib/clock.ts';
import { RegistryError, TrustError } from '../lib/errors.ts';
import type { Repository } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { isUnreachable, isWithinGrace, openRemembered } from '../trust/offline.ts';
import { note } from './context.ts';
import { openFor, openOptionsFor, printWarnings, sourceFor } from './open-collection.ts';
import { parseRecheck } from './recheck.ts';
import type { Services } from './services.ts';

export interface Question<T> {
  readonly repository: Repository;
  /** The source is asked whatever is remembered, and must answer (`--pull always`). */
  readonly mustAsk?: boolean;
  /** Whether a person may be asked about a first key. Default true. */
  readonly mayAsk?: boolean;
  /** Throws a TrustError where the collection says no. */
  readonly find: (collection: VerifiedCollection) => Promise<T>;
  /** Whether what was found is on the engine. */
  readonly isHere: (found: T) => Promise<boolean>;
}

/** Protocol 7.3: offline-grace. */
const GRACE_MS = 24 * HOUR_MS;

/**
 * What `find` finds.
 * @throws UsageError USAGE (DTRUST_RECHECK); TrustError, RegistryError, NetworkError, LocalStateError as
 * `openCollection` and `find`; EngineError as `isHere`
 */
export async function askSource<T>(services: Services, question: Question<T>): Promise<T> {
  const { repository, mustAsk = false, mayAsk = true, find } = question;
  const recheckMs = parseRecheck(services.context.env.recheck);
  if (!mustAsk) {
    const held = await askMemory(services, question, recheckMs);
    if (held !== undefined) return held.found;
  }
  try {
    const source = await sourceFor(services, repository);
    const collection = await openFor(services, repository, source, { purpose: 'use', mayAsk });
    printWarnings(services, collection);
    return await find(collection);
  } catch (error) {
    if (mustAsk || !isUnreachable(error)) throw error;
    const held = await askMemory(services, question, GRACE_MS);
    if (held === undefined) throw error;
    note(
      services.context,
      `warning: ${repository.host} cannot be reached (${error.code}); going on with what ${repository.familiar} had signed ${held.minutesAgo} min ago`,
    );
    return held.found;
  }
}

interface Held<T> {
  readonly found: T;
  readonly minutesAgo: number;
}

/** The answer by what is remembered, where its last good check is young enough and the engine holds the image. */
async function askMemory<T>(
  services: Services,
  { repository, find, isHere }: Question<T>,
  youngerThanMs: number,
): Promise<Held<T> | undefined> {
  const { startTimeMs } = services.context;
  const source = await sourceFor(services, repository);
  const options = await openOptionsFor(services, repository, source, { purpose: 'use', mayAsk: false });
  let collection: VerifiedCollection | undefined;
  let found: T;
  try {
    collection = openRemembered(options);
    if (!isWithinGrace(collection?.lastCheckMs, startTimeMs, youngerThanMs)) return undefined;
    if (collection === undefined) return undefined;
    found = await find(collection);
  } catch (error) {
    // What is remembered says no, or not enough: then the source is asked, and its answer counts.
    if (error instanceof TrustError || error instanceof RegistryError) return undefined;
    throw error;
  }
  if (!(await isHere(found))) return undefined;
  const minutesAgo = Math.floor((startTimeMs - (collection.lastCheckMs ?? startTimeMs)) / 60_000);
  return { found, minutesAgo };
}
