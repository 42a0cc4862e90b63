/**
 * Which repositories the memory holds something of. Folders have hashes for names, so each index is asked; one that
 * cannot be read stands in the list as that, and never keeps the others from it.
 */
import { join } from 'node:path';
import { LocalStateError } from '../lib/errors.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno, isSystemError } from '../lib/fs-error.ts';
import { loadBindings } from './memory-bindings.ts';
import { memoryDamaged, unframeBody } from './memory-frame.ts';
import { folderOf, Reader } from './memory-record.ts';

export type KnownRepository =
  | { readonly repository: string; readonly scope: string }
  /** What is remembered in this folder, and of what, cannot be told. */
  | { readonly folder: string; readonly error: LocalStateError };

/**
 * @param root `.../trust/dtrust/memory`
 * @throws LocalStateError MEMORY_DAMAGED, MEMORY_NEWER (the folder itself, or what says whose a collection is)
 */
export function knownRepositories(fs: FileSystem, root: string): readonly KnownRepository[] {
  const bindings = [...loadBindings(fs, root)];
  return foldersIn(fs, root).flatMap((name): readonly KnownRepository[] => {
    const folder = join(root, name);
    try {
      const { collection, scope } = identityOf(fs, folder, name);
      const bound = bindings.filter(([, to]) => to === collection).map(([repository]) => repository);
      const repositories = bound.length > 0 ? bound : [collection];
      return repositories.map((repository) => ({ repository, scope }));
    } catch (error) {
      if (error instanceof LocalStateError) return [{ folder, error }];
      throw error;
    }
  });
}

function foldersIn(fs: FileSystem, root: string): readonly string[] {
  try {
    return fs
      .readdirSync(root)
      .filter((name) => /^[0-9a-f]{64}$/.test(name))
      .sort();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw isSystemError(error) ? memoryDamaged(root, 'cannot be read', error) : error;
  }
}

function identityOf(fs: FileSystem, folder: string, name: string) {
  const path = join(folder, 'memory.json');
  let bytes: Uint8Array;
  try {
    bytes = fs.readFileSync(path);
  } catch (error) {
    throw isSystemError(error) ? memoryDamaged(path, 'cannot be read', error) : error;
  }
  const reader = new Reader(unframeBody(bytes, path), path);
  const identity = { collection: reader.text('collection'), scope: reader.text('scope') };
  if (folderOf(identity.collection, identity.scope) !== name) {
    throw memoryDamaged(path, 'is damaged: it belongs to another collection');
  }
  return identity;
}
