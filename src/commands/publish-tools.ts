/** What a publishing command needs, put together from the services of a call. */
import type { PublishTools, Staging } from '../publish/prepare.ts';
import type { Repository } from '../reference/reference.ts';
import { openJournal } from '../trust/journal.ts';
import type { RegistrySource } from '../trust/registry-source.ts';
import type { StagedStore } from '../trust/staged-store.ts';
import { note } from './context.ts';
import { memoryScopeOf, openOptionsFor, sourceFor } from './open-collection.ts';
import type { Services } from './services.ts';
import { waitNotice } from './wait-notice.ts';

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
    currentKeys: services.currentKeys,
    keys,
    passphrases,
    terminal,
    clock: context.clock,
    random: context.random,
    signal: context.signal,
    unattended: context.env.init === '1',
    say: (line) => note(context, line),
    onWait: waitNotice(context),
    debug: (line) => {
      if (context.env.debug !== undefined) note(context, `debug: ${line}`);
    },
    ...(context.staging === true ? { staging: await stagingFor(services, source) } : {}),
  };
}

/** Where what waits for signatures is kept: beside the trust data. */
export async function stagedStoreFor(
  services: Services,
  { repository }: RegistrySource,
): Promise<StagedStore> {
  const { createStagedStore } = await import('../trust/staged-store.ts');
  return createStagedStore({ client: await services.registry(), repository });
}

async function stagingFor(services: Services, source: RegistrySource): Promise<Staging> {
  const [{ createStaging }, { renderStaged }, store] = await Promise.all([
    import('../publish/stage.ts'),
    import('./render-staged.ts'),
    stagedStoreFor(services, source),
  ]);
  const { familiar } = services.about ?? source.repository;
  return createStaging(store, (view) => services.context.out(renderStaged(view, familiar)));
}
