/**
 * The Dockerfile of a build with BuildKit, wherever it is, read to find the images that it names. BuildKit reads it
 * again for itself: what is another Dockerfile by then can name nothing that the source policy lets through.
 */
import assert from 'node:assert';
import fs from 'node:fs';
import { dockerfileText, streamContext } from '../enforce/build/context/archive-context.ts';
import type { DockerfileSource } from '../enforce/build/context/build-context.ts';
import {
  contextFolder,
  dockerfileOfFolder,
  dockerfileWithin,
} from '../enforce/build/context/dockerfile-path.ts';
import { fetchGit, isGitAddress, parseGitAddress } from '../enforce/build/context/git-context.ts';
import { type Spool, spoolStream } from '../enforce/build/context/spool.ts';
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { helperEnvironment } from '../settings/environment.ts';
import type { BuildOptions } from './build-options.ts';
import type { Context } from './context.ts';

export interface DockerfileFound extends DockerfileSource {
  /** What came on stdin, once more, where it was read. */
  readonly stdin?: () => AsyncIterable<Uint8Array>;
  close(): void;
}

const ON_STDIN = '-';
const CHUNK_BYTES = 256 * 1024;
const WEB = /^https?:\/\//;

/**
 * Finds it. Whoever is done with stdin closes what is returned.
 * @throws UsageError USAGE, BUILD_CONTEXT_INVALID; LocalStateError DISK_FULL, FILE_UNWRITABLE
 */
export async function buildkitDockerfile(
  context: Context,
  { context: place, file }: Pick<BuildOptions, 'context' | 'file'>,
): Promise<DockerfileFound> {
  if (place === ON_STDIN && file === ON_STDIN) {
    throw new UsageError({
      code: 'USAGE',
      message: "invalid argument: can't use stdin for both build context and dockerfile",
    });
  }
  if (file !== undefined && WEB.test(file)) throw fromTheWeb('a Dockerfile', file);
  if (file === ON_STDIN) return await aloneOnStdin(context);
  if (place === ON_STDIN) return await inArchive(context, file);
  if (fs.existsSync(place)) return withoutStdin(dockerfileOfFolder(contextFolder(place), file));
  if (isGitAddress(place)) return withoutStdin(await inRepository(context, place, file));
  if (WEB.test(place)) throw fromTheWeb('a build context', place);
  throw invalid(`unable to prepare context: path "${escapeShort(place)}" not found`);
}

function withoutStdin(source: DockerfileSource): DockerfileFound {
  return { ...source, close: () => undefined };
}

async function aloneOnStdin(context: Context): Promise<DockerfileFound> {
  const bytes = await dockerfileText(stdinOf(context));
  return {
    bytes,
    name: 'the Dockerfile on stdin',
    stdin: async function* () {
      yield bytes;
    },
    close: () => undefined,
  };
}

/** Kept as it came: BuildKit gets these bytes, and reads them by its own rules. */
async function inArchive(context: Context, file: string | undefined): Promise<DockerfileFound> {
  const temporaryFolder = folderFor(context);
  const environment = helperEnvironment(context.rawEnvironment);
  const spool = await spoolStream(stdinOf(context), temporaryFolder);
  try {
    const read = await streamContext(contentOf(spool), { temporaryFolder, environment, file });
    try {
      return { ...read.dockerfile, stdin: () => contentOf(spool), close: () => spool.close() };
    } finally {
      read.close();
    }
  } catch (error) {
    spool.close();
    throw error;
  }
}

async function* contentOf({ size, readAt }: Spool): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < size; at += CHUNK_BYTES) yield readAt(at, CHUNK_BYTES);
}

async function inRepository(
  context: Context,
  place: string,
  file: string | undefined,
): Promise<DockerfileSource> {
  const address = parseGitAddress(place);
  const [ref = ''] = place.slice(place.indexOf('#') + 1).split(':');
  const hasRef = place.includes('#') && ref !== '';
  // BuildKit takes the branch that the repository calls its own.
  const checkout = await fetchGit(hasRef ? address : { ...address, ref: 'HEAD' }, {
    temporaryFolder: folderFor(context),
    environment: helperEnvironment(context.rawEnvironment),
    allowedProtocols: context.env.gitAllowProtocol,
    signal: context.signal,
  });
  try {
    return dockerfileWithin(checkout.folder, file);
  } finally {
    checkout.close();
  }
}

function stdinOf({ stdin }: Context): AsyncIterable<Uint8Array> {
  assert(stdin !== undefined, 'a build has a stdin');
  return stdin();
}

function folderFor({ temporaryFolder }: Context): string {
  assert(temporaryFolder !== undefined, 'a build has a temporary folder');
  return temporaryFolder;
}

function fromTheWeb(what: string, place: string): UsageError {
  return invalid(`${what} is not fetched from the web: ${escapeShort(place)}`, [
    'Fetch it, look at it, and hand it over: `curl -fsSL URL | dtrust build -`.',
  ]);
}

function invalid(message: string, hints: readonly string[] = []): UsageError {
  return new UsageError({ code: 'BUILD_CONTEXT_INVALID', message, hints });
}
