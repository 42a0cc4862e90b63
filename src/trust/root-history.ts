/**
 * Roots older than the one a verification started from. They decide nothing here, but a publisher has to keep
 * them in the state: other machines start from them (protocol 3.1, "all root versions stay").
 */
import { TrustError } from '../lib/errors.ts';
import type { CollectionFiles } from './collection-files.ts';
import { MAX_ROOT_BYTES } from './core/limits.ts';
import { metadataFileName } from './core/metadata.ts';
import { TrustedMetadata } from './core/trusted-metadata.ts';
import { MemoryMoved, type Remembered, rootVersionOf } from './memory-record.ts';

/**
 * The older roots by file name, as far back as they form one chain up to the first root trusted here. What is
 * listed and does not belong to that chain is left out.
 *
 * @throws BlobGone, RegistryError, NetworkError; LocalStateError MEMORY_DAMAGED
 */
export async function olderRoots(
  trusted: TrustedMetadata,
  files: CollectionFiles,
  remembered: Remembered | undefined,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const [first] = trusted.roots;
  const chain: Uint8Array[] = first === undefined ? [] : [first.bytes];
  const found = new Map<string, Uint8Array>();
  for (let version = (first?.signed.version ?? 1) - 1; version >= 1; version--) {
    const name = metadataFileName('root', version);
    const bytes = await older(name, files, remembered);
    const next = chain.at(-1);
    if (bytes === undefined || next === undefined || !isLink(trusted, bytes, next)) {
      break;
    }
    chain.push(bytes);
    found.set(name, bytes);
  }
  return found;
}

async function older(
  name: string,
  files: CollectionFiles,
  remembered: Remembered | undefined,
): Promise<Uint8Array | undefined> {
  if (remembered !== undefined && rootVersionOf(name) !== undefined && remembered.files.has(name)) {
    try {
      return remembered.read(name);
    } catch (error) {
      if (!(error instanceof MemoryMoved)) {
        throw error;
      }
    }
  }
  // A machine that began with a later root remembers none before it, and may have been told that nothing has changed.
  await files.fetchListing();
  return files.isListed(name) ? files.listed(name, 'root', MAX_ROOT_BYTES) : undefined;
}

/** Whether `next` is a valid successor of `bytes` for this collection. */
function isLink(trusted: TrustedMetadata, bytes: Uint8Array, next: Uint8Array): boolean {
  try {
    const { startTimeMs, collection } = trusted;
    new TrustedMetadata(bytes, { startTimeMs, collection }).updateRoot(next);
    return true;
  } catch (error) {
    if (error instanceof TrustError) {
      return false;
    }
    throw error;
  }
}
