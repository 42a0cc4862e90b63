/**
 * Which collection a repository belongs to, where that is not the collection of its own name (protocol 6.2).
 *
 * Only a policy rule that names both source and pins puts an entry here; what it says outlives the rule, so a
 * rule that is lost does not send a repository back to whatever stands under its own name.
 */
import { join } from 'node:path';
import { makePrivateDirectory, writeFileAtomic } from '../lib/atomic-write.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno, isSystemError } from '../lib/fs-error.ts';
import { frameBody, memoryDamaged, unframeBody } from './memory-frame.ts';
import { Reader } from './memory-record.ts';
import { type MemoryWriter, withCollectionLock } from './memory-save.ts';

const FILE = 'repositories.json';

/** @throws LocalStateError MEMORY_DAMAGED, MEMORY_NEWER */
export function loadBindings(fs: FileSystem, root: string): ReadonlyMap<string, string> {
  const path = join(root, FILE);
  let bytes: Uint8Array;
  try {
    bytes = fs.readFileSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return new Map();
    }
    throw isSystemError(error) ? memoryDamaged(path, 'cannot be read', error) : error;
  }
  const entries = new Reader(unframeBody(bytes, path), path).list('repositories');
  return new Map(entries.map((entry) => [entry.text('repository'), entry.text('collection')]));
}

/** @throws LocalStateError MEMORY_DAMAGED, MEMORY_NEWER, FILE_UNWRITABLE, DISK_FULL, LOCK_TIMEOUT */
export async function saveBinding(
  writer: MemoryWriter,
  repository: string,
  collection: string,
): Promise<void> {
  makePrivateDirectory(writer.fs, writer.root);
  await withCollectionLock(writer, 'repositories', async () => {
    const bindings = new Map(loadBindings(writer.fs, writer.root));
    if (bindings.get(repository) === collection) {
      return;
    }
    bindings.set(repository, collection);
    const body = {
      repositories: [...bindings].map(([name, bound]) => ({ repository: name, collection: bound })),
    };
    writeFileAtomic(writer.fs, join(writer.root, FILE), frameBody(JSON.stringify(body)));
  });
}
