/** Which root keys repositories list, and which of them list one of this user's. */
import { DtrustError, KeyError } from '../lib/errors.ts';
import { keysOfRole } from '../publish/change-keys.ts';
import type { Repository } from '../reference/reference.ts';
import type { PublicKey } from '../trust/core/keys.ts';
import { metadataFileName, parseRoot } from '../trust/core/metadata.ts';
import { rootKeys } from '../trust/core/pin.ts';
import { openCollection } from '../trust/updater.ts';
import { repositoriesHere } from './known-repositories.ts';
import { memoryScopeOf } from './open-collection.ts';
import { createPublishTools } from './publish-tools.ts';
import type { Services } from './services.ts';

/**
 * What each lists now, by canonical name; one that cannot be opened is left out, and says so when its turn comes.
 */
export async function rootKeysListed(
  services: Services,
  repositories: readonly Repository[],
): Promise<ReadonlyMap<string, readonly PublicKey[]>> {
  const listed = new Map<string, readonly PublicKey[]>();
  for (const repository of repositories) {
    try {
      const { editOptions } = await createPublishTools(services, repository);
      listed.set(repository.canonical, keysOfRole(await openCollection(editOptions), 'root'));
    } catch (error) {
      if (!(error instanceof DtrustError)) throw error;
    }
  }
  return listed;
}

/**
 * Every repository known here whose root, as it was last seen, lists a root key that is on this machine; and those of
 * this user of which nothing was seen yet.
 *
 * @throws KeyError KEY_ROOT_MISSING where there is none; LocalStateError MEMORY_DAMAGED and others for a repository of
 * which it cannot be told: it would keep the old key without anybody noticing
 */
export async function repositoriesOfOwnRoot(services: Services): Promise<readonly Repository[]> {
  const keys = await services.keys();
  const labelled = new Set(keys.files().map(({ repository }) => repository));
  const own: Repository[] = [];
  for (const known of await repositoriesHere(services)) {
    if ('error' in known) throw known.error;
    const { repository } = known;
    const root = rememberedRoot(services, repository);
    const isOwn = root === undefined ? labelled.has(repository.canonical) : root.some((key) => keys.has(key));
    if (isOwn) own.push(repository);
  }
  if (own.length > 0) return own;
  throw new KeyError({
    code: 'KEY_ROOT_MISSING',
    message: 'no repository known here lists a root key that is on this machine',
    hints: ['Name the repositories, or see the keys that are here: dtrust trust key list'],
  });
}

function rememberedRoot(services: Services, repository: Repository): readonly PublicKey[] | undefined {
  const { memory } = services;
  const collection = memory.collectionOf(repository.canonical) ?? repository.canonical;
  const remembered = memory.load(collection, memoryScopeOf(services, repository));
  return remembered && rootKeys(parseRoot(remembered.read(metadataFileName('root', remembered.rootVersion))));
}
