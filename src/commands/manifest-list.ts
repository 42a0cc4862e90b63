/**
 * The manifest lists that `docker manifest create` keeps: a folder for each list under `manifests` in Docker's
 * configuration, in it a file for each image, with the name it was asked for by and the descriptor it had then.
 *
 * docker wrote down what the registry said at that moment, so a name with a tag is no evidence of what is signed.
 */
import path from 'node:path';
import { LocalStateError, RegistryError, UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { JsonError, parseStrictJson } from '../lib/strict-json.ts';
import { parseReference, type Reference } from '../reference/reference.ts';
import { type Descriptor, parseDescriptor } from '../registry/manifest.ts';
import { listFolderIfPresent, type ReadableFiles, readFile } from '../settings/local-files.ts';

export interface ListedImage {
  readonly reference: Reference;
  readonly descriptor: Descriptor;
}

/**
 * The images of a list, in docker's order; undefined when there is no such list.
 * @throws LocalStateError CONFIG_INVALID for a file that cannot be read as docker's, FILE_UNREADABLE
 */
export function loadManifestList(
  fs: ReadableFiles,
  configFolder: string,
  list: Reference,
): readonly ListedImage[] | undefined {
  const folder = path.join(configFolder, 'manifests', fileName(list.canonical));
  const names = listFolderIfPresent(fs, folder);
  if (names === undefined || names.length === 0) return undefined;
  return names.map((name) => readListed(path.join(folder, name), readFile(fs, path.join(folder, name))));
}

/** docker's own way to make a file name of a reference. */
function fileName(reference: string): string {
  return reference.replaceAll(':', '-').replaceAll('/', '_');
}

function readListed(file: string, bytes: Uint8Array): ListedImage {
  try {
    const json = parseStrictJson(bytes, 'manifest list', { numbers: 'finite', prototypeNames: 'keep' });
    const reference = json instanceof Map ? json.get('Ref') : undefined;
    // Clients before 18.09 kept these beside the descriptor, and docker takes them before it.
    if (
      json instanceof Map &&
      typeof reference === 'string' &&
      !json.has('Digest') &&
      !json.has('Platform')
    ) {
      const descriptor = parseDescriptor(json.get('Descriptor'), 'Descriptor');
      return { reference: parseReference(reference), descriptor };
    }
  } catch (error) {
    const ours = [JsonError, RegistryError, UsageError].some((type) => error instanceof type);
    if (!ours) throw error;
    throw invalid(file, error);
  }
  throw invalid(file);
}

function invalid(file: string, cause?: unknown): LocalStateError {
  return new LocalStateError({
    code: 'CONFIG_INVALID',
    message: `${escapeShort(file)} is no image of a manifest list as docker keeps it`,
    hints: ['Make the list again: docker manifest rm LIST, then docker manifest create LIST IMAGE...'],
    cause,
  });
}
