/**
 * The Dockerfile of a build with BuildKit, wherever it is, read to find the images that it names. BuildKit reads it
 * again for itself: what is another Dockerfile by then can name nothing that the source policy lets through.
 */
import assert from 'node:assert';
import fs from 'node:fs';
import path from 'node:path';
import { dockerfileText, streamContext } from '../enforce/build/context/archive-context.ts';
import type { DockerfileSource } from '../enforce/build/context/build-context.ts';
import {
  contextFolder,
  dockerfileOfFolder,
  dockerfileWithin,
} from '../enforce/build/context/dockerfile-path.ts';
import { fetchGit, isGitAddress, parseGitAddress } from '../enforce/build/context/git-context.ts';
import { contentOf, spoolStream } from '../enforce/build/context/spool.ts';
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { helperEnvironment } from '../settings/environment.ts';
import type { BuildOptions } from './build-options.ts';
import type { Context } from './context.ts';
import { dockerfileOfWebContext, isWebAddress, webDockerfile } from './web-dockerfile.ts';

export interface DockerfileFound extends DockerfileSource {
  /** What came on stdin, once more, where it was read. */
  readonly stdin?: () => AsyncIterable<Uint8Array>;
  close(): void;
}

const ON_STDIN = '-';

/**
 * Finds it. Whoever is done with stdin closes what is returned.
 * @throws UsageError USAGE, BUILD_CONTEXT_INVALID; NetworkError, every code; LocalStateError DISK_FULL, FILE_UNWRITABLE
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
  if (file !== undefined && isWebAddress(file)) return withoutStdin(await webDockerfile(context, file));
  if (file === ON_STDIN) return await aloneOnStdin(context);
  if (place === ON_STDIN) return await inArchive(context, file);
  if (fs.existsSync(place)) return withoutStdin(dockerfileOfFolder(contextFolder(place), file));
  if (isGitAddress(place) || isWebAddress(place)) return withoutStdin(await remote(context, place, file));
  throw new UsageError({
    code: 'BUILD_CONTEXT_INVALID',
    message: `unable to prepare context: path "${escapeShort(place)}" not found`,
  });
}

/** buildx: with a context elsewhere, a whole path after `-f` is a file of this machine, any other is within the context. */
async function remote(context: Context, place: string, file: string | undefined): Promise<DockerfileSource> {
  if (file !== undefined && path.isAbsolute(file)) return dockerfileOfFolder(path.dirname(file), file);
  if (isWebAddress(place) && !isRepository(place)) return await dockerfileOfWebContext(context, place, file);
  return await inRepository(context, place, file);
}

/** BuildKit: of what is fetched with http, only what is called `.git` is a repository. */
const isRepository = (place: string): boolean => /\.git(?:#.+)?$/.test(place);

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
