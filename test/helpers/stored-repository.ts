/** What a registry in memory holds of a repository, kept and put back. */
import type { MemoryRegistry, StoredRepository } from './memory-registry.ts';

export function copyOf(stored: StoredRepository): StoredRepository {
  return {
    manifests: new Map(stored.manifests),
    tags: new Map(stored.tags),
    blobs: new Map(stored.blobs),
  };
}

/** Makes the repository what was kept, and forgets what was asked. */
export function putBack(registry: MemoryRegistry, path: string, stored: StoredRepository): void {
  const now = registry.repository(path);
  for (const member of ['manifests', 'tags', 'blobs'] as const) {
    now[member].clear();
    for (const [key, value] of stored[member]) (now[member] as Map<string, unknown>).set(key, value);
  }
  registry.log.length = 0;
}
