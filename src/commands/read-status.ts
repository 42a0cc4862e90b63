/**
 * Reads how a repository's trust data stands, and what waits for signatures beside it. It is verified as a client would, and remembered as by any look at it;
 * what a client refuses because it has expired is read once more without expiry, and of that nothing is remembered.
 * Nobody is asked whom to trust: an unknown repository is refused.
 */
import type { KeyStore } from '../keys/key-store.ts';
import { hasCode, type TrustError } from '../lib/errors.ts';
import type { Repository } from '../reference/reference.ts';
import type { OpenOptions, VerifiedCollection } from '../trust/collection.ts';
import { type CollectionStatus, collectionStatus } from '../trust/collection-status.ts';
import type { TrustedMetadata } from '../trust/core/trusted-metadata.ts';
import { openJournal } from '../trust/journal.ts';
import { asItIsNow, assertNothingLost } from '../trust/publisher.ts';
import { openCollection } from '../trust/updater.ts';
import { memoryScopeOf, openOptionsFor, sourceFor } from './open-collection.ts';
import type { Services } from './services.ts';
import { stagedHere } from './staged-here.ts';

/**
 * @throws TrustError FIRST_USE_REFUSED and every refusal of `openCollection` but ROLE_EXPIRED; LocalStateError (memory,
 * journal); RegistryError, NetworkError
 */
export async function readStatus(
  services: Services,
  repository: Repository,
  keys: KeyStore,
): Promise<{ readonly status: CollectionStatus; readonly warnings: readonly string[] }> {
  const { context, memory, pins } = services;
  const source = await sourceFor(services, repository);
  const given = await openOptionsFor(services, repository, source, { purpose: 'own', mayAsk: false });
  const { firstUse: _, ...options } = given;
  const { collection, refusal } = await openAsItIs(options);
  const { trusted } = collection;
  const version = trusted.timestamp?.signed.version;
  const sights = memory.load(collection.collection, options.memoryScope)?.sights ?? [];
  const status = collectionStatus(collection, {
    source: source.description,
    pin: pins.get(repository.canonical) ?? pins.get(collection.collection),
    firstSeenMs: sights.find(({ timestampVersion }) => timestampVersion === version)?.atMs,
    lost: lostUpdateOf(services, collection),
    refusal,
    staged: await stagedHere(services, source, collection),
    nowMs: context.startTimeMs,
    isHere: (key) => keys.has(key),
  });
  return { status, warnings: collection.warnings };
}

interface AsItIs {
  readonly collection: VerifiedCollection;
  readonly refusal: TrustError | undefined;
}

async function openAsItIs(options: OpenOptions): Promise<AsItIs> {
  // `unsafe-ignored` is for looking alone: no command takes a digest from what is opened here.
  const anyAge: OpenOptions = { ...options, memory: asItIsNow(options.memory), expiry: 'unsafe-ignored' };
  try {
    const collection = await openWhole(options);
    if (hasAll(collection.trusted)) return { collection, refusal: undefined };
    // A signer's role that has expired is passed over by a client, and shown here.
    return { collection: await openWhole(anyAge), refusal: undefined };
  } catch (error) {
    if (!hasCode(error, 'ROLE_EXPIRED')) throw error;
    return { collection: await openWhole(anyAge), refusal: error as TrustError };
  }
}

async function openWhole(options: OpenOptions): Promise<VerifiedCollection> {
  const collection = await openCollection(options);
  // Bins are very many and are not walked for a look.
  const bins = collection.trusted.targets()?.signed.delegations?.succinct;
  if (bins === undefined) await collection.loadAll();
  return collection;
}

/** Whether every role that `targets` delegates to and that has a file was read. */
function hasAll(trusted: TrustedMetadata): boolean {
  const listed = trusted.snapshot?.signed.meta;
  const names = [...(trusted.targets()?.signed.delegations?.roles.keys() ?? [])];
  return names.every((name) => listed?.has(`${name}.json`) !== true || trusted.targets(name) !== undefined);
}

/** Protocol 4.3, said and not thrown: a look changes nothing. */
function lostUpdateOf(services: Services, collection: VerifiedCollection): TrustError | undefined {
  const { context, trustDirectory: directory } = services;
  const scope = memoryScopeOf(services, collection.repository);
  const journal = openJournal({
    fs: context.fs,
    clock: context.clock,
    directory,
    collection: collection.collection,
    ...(scope === undefined ? {} : { scope }),
  });
  try {
    assertNothingLost(collection, journal);
    return undefined;
  } catch (error) {
    if (hasCode(error, 'LOST_UPDATE')) return error as TrustError;
    throw error;
  }
}
