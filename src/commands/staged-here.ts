/**
 * What waits for signatures beside the trust data (docs/specification.md, rule 4.6), for a look at how a repository
 * stands: its ID and whose signatures are missing. Whoever can write to the registry chose it; what cannot be published
 * on the present state is said to be that, and what was built on another one is not there.
 */
import { hasCode, TrustError } from '../lib/errors.ts';
import { describeMissing } from '../publish/staged-words.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import type { StagedStatus } from '../trust/collection-status.ts';
import { viewStaged } from '../trust/core/staged-view.ts';
import type { RegistrySource } from '../trust/registry-source.ts';
import { stagedStoreFor } from './publish-tools.ts';
import type { Services } from './services.ts';

/** Undefined: nothing waits. @throws RegistryError; NetworkError; LocalStateError */
export async function stagedHere(
  services: Services,
  source: RegistrySource,
  collection: VerifiedCollection,
): Promise<StagedStatus | undefined> {
  const { signal, startTimeMs } = services.context;
  try {
    const record = await (await stagedStoreFor(services, source)).read(signal);
    if (record?.kind !== 'waiting') return undefined;
    const current = { trusted: collection.trusted, files: await collection.loadAll() };
    const terms = { nowMs: startTimeMs, highestVersions: collection.highest };
    const view = await viewStaged(current, record.state, terms);
    return { kind: 'waiting', id: view.id, missing: describeMissing(view) };
  } catch (error) {
    // Published since, or overtaken: nobody can sign it any more.
    if (hasCode(error, 'STAGED_OUTDATED')) return undefined;
    if (!(error instanceof TrustError)) throw error;
    return { kind: 'refused', refusal: error };
  }
}
