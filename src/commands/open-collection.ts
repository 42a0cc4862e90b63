/**
 * Opening a repository's collection for a command: which source, which memory, and who answers for a first use.
 */
import { describeEndpoint } from '../engine/endpoint-name.ts';
import { isLoopbackHost, parseRepository, type Repository } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { decideFirstUse, type FirstUseOffer } from '../trust/first-use.ts';
import { createRegistrySource, type RegistrySource } from '../trust/registry-source.ts';
import { openCollection } from '../trust/updater.ts';
import { note } from './context.ts';
import type { Services } from './services.ts';

export interface OpenRequest {
  /**
   * 'use': may this image be used. 'edit': the state is to be changed, so a root key in this machine's key store
   * counts as the pin (protocol 4.5) and what has expired can be renewed.
   */
  readonly purpose: 'use' | 'edit';
  /** Default true. False: nobody is asked, an unknown repository is FIRST_USE_REFUSED. */
  readonly mayAsk?: boolean;
}

/** The place a repository's trust data lies in: beside its images, unless the user named another one. */
export async function sourceFor(services: Services, repository: Repository): Promise<RegistrySource> {
  const { trustRepository } = services.context.env;
  const place = trustRepository === undefined ? repository : parseRepository(trustRepository);
  return createRegistrySource({ client: await services.registry(), repository: place });
}

/**
 * Opens and verifies the collection and prints its warnings.
 * @throws TrustError, RegistryError, NetworkError, LocalStateError, as `openCollection`
 */
export async function openFor(
  services: Services,
  repository: Repository,
  source: RegistrySource,
  request: OpenRequest,
): Promise<VerifiedCollection> {
  const { context, memory, pins } = services;
  const keys = request.purpose === 'edit' ? await services.keys() : undefined;
  const scope = isLoopbackHost(repository.host) ? describeEndpoint(services.endpoint) : undefined;
  return await openCollection({
    repository,
    source,
    memory,
    pins,
    startTimeMs: context.startTimeMs,
    ...(scope === undefined ? {} : { memoryScope: scope }),
    ...(keys === undefined
      ? {}
      : {
          ownRootKeys: (rootKeys) => rootKeys.filter((key) => keys.has(key)),
          holdsOnlineKey: (onlineKeys) => onlineKeys.some((key) => keys.has(key)),
          expiry: 'unsafe-ignored' as const,
        }),
    firstUse: (offer) => answerFirstUse(services, offer, request.mayAsk ?? true),
    signal: context.signal,
  });
}

/** Lines that the collection wants said, each once. */
export function printWarnings(services: Services, collection: VerifiedCollection): void {
  for (const line of new Set(collection.warnings)) note(services.context, `warning: ${line}`);
}

async function answerFirstUse(services: Services, offer: FirstUseOffer, mayAsk: boolean): Promise<boolean> {
  const { context } = services;
  const terminal = await services.terminal();
  const canPrompt = mayAsk && terminal.canPrompt();
  const decision = decideFirstUse(offer, { mode: context.env.firstUse, canPrompt });
  if (decision.kind === 'refuse') throw decision.error;
  if (decision.kind === 'accept') {
    for (const line of decision.notice) note(context, line);
    return true;
  }
  for (const line of decision.details) terminal.say(line);
  return await terminal.askYesNo(`${decision.question} [y/N] `);
}
