/**
 * Opening a repository's collection for a command: which source, which memory, and who answers for a first use.
 */
import { describeEndpoint } from '../engine/endpoint-name.ts';
import type { KeyStore } from '../keys/key-store.ts';
import { isLoopbackHost, parseRepository, type Repository } from '../reference/reference.ts';
import type { OpenOptions, VerifiedCollection } from '../trust/collection.ts';
import { decideFirstUse, type FirstUseOffer } from '../trust/first-use.ts';
import { createRegistrySource, type RegistrySource } from '../trust/registry-source.ts';
import { openCollection } from '../trust/updater.ts';
import { note } from './context.ts';
import type { Services } from './services.ts';

export interface OpenRequest {
  /**
   * 'use': may this image be used. 'own': a root key in this machine's key store counts as the pin (protocol 4.5).
   * 'edit': the same, and what has expired is read as well, to be renewed.
   */
  readonly purpose: 'use' | 'own' | 'edit';
  /** Default true. False: nobody is asked, an unknown repository is FIRST_USE_REFUSED. */
  readonly mayAsk?: boolean;
}

/** The place a repository's trust data lies in: beside its images, unless the user named another one. */
export async function sourceFor(services: Services, repository: Repository): Promise<RegistrySource> {
  services.about = repository;
  const { trustRepository } = services.context.env;
  const place = trustRepository === undefined ? repository : parseRepository(trustRepository);
  return createRegistrySource({ client: await services.registry(), repository: place });
}

/**
 * Opens and verifies the collection.
 * @throws TrustError, RegistryError, NetworkError, LocalStateError, as `openCollection`
 */
export async function openFor(
  services: Services,
  repository: Repository,
  source: RegistrySource,
  request: OpenRequest,
): Promise<VerifiedCollection> {
  return await openCollection(await openOptionsFor(services, repository, source, request));
}

/** Protocol 1.3: what tells one engine's loopback registry from another's. */
export function memoryScopeOf(services: Services, repository: Repository): string | undefined {
  return isLoopbackHost(repository.host) ? describeEndpoint(services.endpoint) : undefined;
}

/** The options of `openCollection` for a command. */
export async function openOptionsFor(
  services: Services,
  repository: Repository,
  source: RegistrySource,
  { purpose, mayAsk = true }: OpenRequest,
): Promise<OpenOptions> {
  const { context, memory, pins } = services;
  const scope = memoryScopeOf(services, repository);
  return {
    repository,
    source,
    memory,
    pins,
    startTimeMs: context.startTimeMs,
    ...(scope === undefined ? {} : { memoryScope: scope }),
    ...(purpose === 'use' ? {} : ownKeys(await services.keys())),
    ...(purpose === 'edit' ? { expiry: 'unsafe-ignored' as const } : {}),
    firstUse: (offer) => answerFirstUse(services, offer, mayAsk),
    signal: context.signal,
  };
}

function ownKeys(keys: KeyStore): Pick<OpenOptions, 'ownRootKeys' | 'holdsOnlineKey'> {
  return {
    // By its role here, too: whoever shares the repository key or a signer's key is not thereby a root.
    ownRootKeys: (rootKeys) => rootKeys.filter((key) => keys.has(key) && keys.find(key)?.role === 'root'),
    holdsOnlineKey: (onlineKeys) => onlineKeys.some((key) => keys.has(key)),
  };
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
  // Nobody is asked about a key that could not be remembered.
  offer.assertStorable();
  if (decision.kind === 'accept') {
    for (const line of decision.notice) note(context, line);
    return true;
  }
  for (const line of decision.details) terminal.say(line);
  return await terminal.askYesNo(`${decision.question} [y/N] `);
}
