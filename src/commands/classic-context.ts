/** `PATH | URL | -` of a classic build, and `-f`: where the context and the Dockerfile come from. */
import assert from 'node:assert';
import fs from 'node:fs';
import { dockerfileText, streamContext } from '../enforce/build/context/archive-context.ts';
import type { BuildContext, DockerfileSource } from '../enforce/build/context/build-context.ts';
import {
  contextFolder,
  dockerfileOfFolder,
  dockerfileWithin,
} from '../enforce/build/context/dockerfile-path.ts';
import { folderContext } from '../enforce/build/context/folder-context.ts';
import { fetchGit, isGitAddress, parseGitAddress } from '../enforce/build/context/git-context.ts';
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { helperEnvironment } from '../settings/environment.ts';
import type { BuildOptions } from './build-options.ts';
import { type Context, note } from './context.ts';

const ON_STDIN = '-';

/**
 * Reads it. Whoever is done with the context closes it.
 * @throws UsageError USAGE, BUILD_CONTEXT_INVALID; LocalStateError DISK_FULL, FILE_UNWRITABLE
 */
export async function readContext(
  context: Context,
  { context: place, file }: Pick<BuildOptions, 'context' | 'file'>,
): Promise<BuildContext> {
  if (place === ON_STDIN && file === ON_STDIN) {
    throw new UsageError({
      code: 'USAGE',
      message: "invalid argument: can't use stdin for both build context and dockerfile",
    });
  }
  const read = await readFrom(context, place, file);
  for (const line of read.notes) note(context, line);
  return read;
}

async function readFrom(context: Context, place: string, file: string | undefined): Promise<BuildContext> {
  const environment = helperEnvironment(context.rawEnvironment);
  const { temporaryFolder } = context;
  assert(temporaryFolder !== undefined, 'a build has a temporary folder');
  if (place === ON_STDIN)
    return await streamContext(stdinOf(context), { temporaryFolder, environment, file });
  if (fs.existsSync(place)) {
    const folder = contextFolder(place);
    return folderContext(folder, (await onStdin(context, file)) ?? dockerfileOfFolder(folder, file));
  }
  if (isGitAddress(place)) {
    const { signal, env } = context;
    const allowedProtocols = env.gitAllowProtocol;
    const git = { temporaryFolder, environment, allowedProtocols, signal };
    const checkout = await fetchGit(parseGitAddress(place), git);
    try {
      const dockerfile = (await onStdin(context, file)) ?? dockerfileWithin(checkout.folder, file);
      return { ...folderContext(checkout.folder, dockerfile), close: checkout.close };
    } catch (error) {
      checkout.close();
      throw error;
    }
  }
  if (/^https?:\/\//.test(place)) throw fromTheWeb(place);
  throw invalid(`unable to prepare context: path "${escapeShort(place)}" not found`);
}

async function onStdin(context: Context, file: string | undefined): Promise<DockerfileSource | undefined> {
  if (file !== ON_STDIN) return undefined;
  return { bytes: await dockerfileText(stdinOf(context)), name: 'the Dockerfile on stdin' };
}

function stdinOf({ stdin }: Context): AsyncIterable<Uint8Array> {
  assert(stdin !== undefined, 'a build has a stdin');
  return stdin();
}

function fromTheWeb(place: string): UsageError {
  const shown = escapeShort(place);
  return new UsageError({
    code: 'BUILD_CONTEXT_INVALID',
    message: `a build context is not fetched from the web: ${shown}`,
    hints: ['Fetch it, look at it, and hand it over: `curl -fsSL URL | dtrust build -`.'],
  });
}

function invalid(message: string): UsageError {
  return new UsageError({ code: 'BUILD_CONTEXT_INVALID', message });
}
