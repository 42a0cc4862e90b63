/**
 * Which collection speaks for a repository (protocol 1.2, 6.2): the one a rule names, the one it was bound to,
 * else the one of its own name. Only a rule that names both source and pins moves it to another one.
 */
import { LocalStateError, TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { OpenOptions } from './collection.ts';

export interface CollectionName {
  readonly collection: string;
  /** Said once, when the repository moves. */
  readonly notices: readonly string[];
  /** What it is bound to now, where that is written down. */
  readonly bound: string | undefined;
}

/**
 * @throws TrustError COLLECTION_MISMATCH; LocalStateError MEMORY_DAMAGED, MEMORY_NEWER
 */
export function collectionFor(options: OpenOptions): CollectionName {
  const { memory, memoryScope } = options;
  const repository = options.repository.canonical;
  const bound = memory.collectionOf(repository);
  const wanted = options.collection ?? bound ?? repository;
  const known =
    bound ?? (wanted !== repository && memory.load(repository, memoryScope) ? repository : wanted);
  if (known === wanted) {
    return { collection: wanted, notices: [], bound };
  }
  if (options.mayMove !== true) {
    throw new TrustError({
      code: 'COLLECTION_MISMATCH',
      message: `${repository} belongs to the collection ${escapeShort(known)}, not to ${escapeShort(wanted)}`,
      attack: 'mix-and-match',
      spec: 'protocol 6.2',
      reference: repository,
      expected: known,
      found: wanted,
      hints: ['only a policy rule that names both source and pins moves a repository to another collection'],
    });
  }
  return {
    collection: wanted,
    bound,
    notices: [
      `by policy, ${repository} now belongs to the collection ${escapeShort(wanted)}, ` +
        `before to ${escapeShort(known)}`,
    ],
  };
}

/**
 * Binds the repository to the collection that was verified for it, where that is not plain from its name.
 *
 * @throws LocalStateError MEMORY_DAMAGED, MEMORY_NEWER, DISK_FULL, LOCK_TIMEOUT
 */
export async function noteMove(options: OpenOptions, { collection, bound }: CollectionName): Promise<void> {
  const { memory, repository } = options;
  if ((bound ?? repository.canonical) === collection) {
    return;
  }
  try {
    await memory.bind(repository.canonical, collection);
  } catch (error) {
    // The rule that named the collection names it the next time too; persisting has said that nothing is kept.
    if (!(error instanceof LocalStateError && error.code === 'MEMORY_UNWRITABLE')) {
      throw error;
    }
  }
}
