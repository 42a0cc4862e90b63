/**
 * A state that this machine has verified before, by the digest it was read under, while the registry still has it. For
 * a recovery whose newest known state is a thief's (protocol 2.5): he could list a role that nobody can have, and a
 * look at it has put that into the memory in the place of what was good.
 */
import { TrustError } from '../lib/errors.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { pinFor } from '../trust/core/pin.ts';
import type { Remembered } from '../trust/memory.ts';
import { nothingKnown } from '../trust/publisher.ts';
import type { Source, SourceState } from '../trust/source.ts';
import { openCollection } from '../trust/updater.ts';
import type { PublishTools } from './prepare.ts';

/**
 * The newest of them that is of the present root and of which nothing is missing.
 * @throws RegistryError, NetworkError, LocalStateError
 */
export async function stateSeenBefore(
  { editOptions, source, signal }: PublishTools,
  known: VerifiedCollection,
  remembered: Pick<Remembered, 'sights'>,
): Promise<VerifiedCollection | undefined> {
  const { canonical } = known.repository;
  // The root that is known vouches for it: what is older than that root is not looked at.
  const pins = new Map([[canonical, pinFor(known.trusted.root, 1)]]);
  const memory = nothingKnown(editOptions.memory);
  for (const { state } of remembered.sights.toReversed()) {
    try {
      const listing = await source.fetchStateNamed(state, signal);
      if (listing === undefined) continue;
      const { collection } = known;
      const options = { ...editOptions, collection, pins, memory, source: standingStill(source, listing) };
      const opened = await openCollection(options);
      await opened.loadAll();
      return opened;
    } catch (error) {
      // Not that one: it is the thief's, or parts of it are gone.
      if (!(error instanceof TrustError)) throw error;
    }
  }
  return undefined;
}

/** A source that has exactly this state. */
function standingStill(source: Source, listing: SourceState): Source {
  const { kind, description, dialect } = source;
  return {
    kind,
    description,
    dialect,
    headState: async () => listing.digest,
    fetchState: async () => listing,
    fetchFile: (file, signal) => source.fetchFile(file, signal),
  };
}
