/** What a publishing command needs, put together from the services of a call. */
import type { PublishTools } from '../publish/prepare.ts';
import type { Repository } from '../reference/reference.ts';
import { openJournal } from '../trust/journal.ts';
import { note } from './context.ts';
import { memoryScopeOf, openOptionsFor, sourceFor } from './open-collection.ts';
import type { Services } from './services.ts';

/** @throws what building the services throws: LocalStateError, UsageError */
export async function createPublishTools(services: Services, repository: Repository): Promise<PublishTools> {
  const { context } = services;
  const source = await sourceFor(services, repository);
  // Without `firstUse`: what was just published is known here, or the user's own; a key that is neither is not his.
  const [editOptions, { firstUse: _, ...clientOptions }, keys, passphrases, terminal] = await Promise.all([
    openOptionsFor(services, repository, source, { purpose: 'edit' }),
    openOptionsFor(services, repository, source, { purpose: 'own', mayAsk: false }),
    services.signingKeys(),
    services.passphrases(),
    services.terminal(),
  ]);
  const scope = memoryScopeOf(services, repository);
  const collection = services.memory.collectionOf(repository.canonical) ?? repository.canonical;
  return {
    repository,
    source,
    editOptions,
    clientOptions,
    journal: openJournal({
      fs: context.fs,
      directory: services.trustDirectory,
      collection,
      clock: context.clock,
      ...(scope === undefined ? {} : { scope }),
    }),
    keys,
    passphrases,
    terminal,
    clock: context.clock,
    random: context.random,
    signal: context.signal,
    unattended: context.env.init === '1',
    say: (line) => note(context, line),
  };
}
