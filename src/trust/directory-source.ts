/**
 * A collection in a folder: files by their TUF names, as a copy of a registry's state or any TUF tool leaves them.
 *
 * There is no listing to fetch, so the state's digest is made from the names and digests of the files. A file is
 * handed out only under a digest it has at that moment. Names that TUF would not give are not seen; links are not
 * followed, so the folder cannot be made to show something outside of it.
 */
import { join } from 'node:path';
import { LocalStateError, RegistryError, TrustError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno, isSystemError } from '../lib/fs-error.ts';
import { type Digest, digestOf } from '../reference/digest.ts';
import { MAX_TARGETS_BYTES } from './core/limits.ts';
import type { Source, SourceFile, SourceState } from './source.ts';

/** As TUF names metadata under consistent snapshots. */
const METADATA_NAME = /^(?:timestamp|[1-9]\d{0,15}\.[A-Za-z0-9%._-]{1,200})\.json$/;
/** More files than any collection has roots and roles. */
const MAX_FILES = 100_000;

/** The collection in this folder. */
export function createDirectorySource(fs: FileSystem, directory: string): Source {
  const shown = escapeText(directory);
  const known = new Map<Digest, string>();
  return {
    kind: 'directory',
    description: `folder ${shown}`,
    dialect: 'tuf-1.0',
    headState: async () => readState(fs, directory, known)?.digest,
    fetchState: async () => readState(fs, directory, known),
    fetchFile: async ({ digest, maxBytes }) => {
      const name = known.get(digest);
      const bytes = name === undefined ? undefined : readFile(fs, join(directory, name), maxBytes);
      if (bytes === undefined || digestOf(bytes) !== digest) {
        throw new RegistryError({ code: 'REGISTRY_NOT_FOUND', message: `${shown} holds no ${digest}` });
      }
      return bytes;
    },
  };
}

/** Undefined when the folder is not there, or holds no timestamp and no root. */
function readState(fs: FileSystem, directory: string, known: Map<Digest, string>): SourceState | undefined {
  const names = namesIn(fs, directory);
  const files = new Map<string, SourceFile>();
  for (const name of names) {
    const bytes = readFile(fs, join(directory, name), MAX_TARGETS_BYTES);
    if (bytes !== undefined) {
      const digest = digestOf(bytes);
      known.set(digest, name);
      files.set(name, { name, digest, lengthBytes: bytes.length });
    }
  }
  if (files.size === 0) {
    return undefined;
  }
  const lines = [...files.values()].map(({ name, digest }) => `${name} ${digest}\n`);
  return { digest: digestOf(Buffer.from(lines.join(''))), files };
}

function namesIn(fs: FileSystem, directory: string): readonly string[] {
  let names: readonly string[];
  try {
    names = fs.readdirSync(directory);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return [];
    }
    throw unreadable(error, directory);
  }
  if (names.length > MAX_FILES) {
    throw new TrustError({
      code: 'TRUST_DATA_INVALID',
      message: `the folder ${escapeText(directory)} holds more than ${MAX_FILES} files`,
      attack: 'endless data',
    });
  }
  return names.filter((name) => METADATA_NAME.test(name)).sort();
}

/** The bytes of a plain file; undefined for anything else, or when it is gone. */
function readFile(fs: FileSystem, path: string, maxBytes: number): Uint8Array | undefined {
  try {
    const stat = fs.lstatSync(path);
    if (!stat.isFile()) {
      return undefined;
    }
    if (stat.size > maxBytes) {
      throw new TrustError({
        code: 'METADATA_TOO_LARGE',
        message: `${escapeText(path)} has ${stat.size} bytes, at most ${maxBytes} are read`,
        attack: 'endless data',
      });
    }
    return fs.readFileSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return undefined;
    }
    throw unreadable(error, path);
  }
}

function unreadable(error: unknown, path: string): unknown {
  return isSystemError(error)
    ? new LocalStateError({
        code: 'FILE_UNREADABLE',
        message: `cannot read ${escapeText(path)}`,
        cause: error,
      })
    : error;
}
