/**
 * Finding the real docker: the first program of that name on PATH that is not dtrust.
 *
 * Empty and relative entries of PATH are skipped: they would make the folder one stands in choose the program.
 * dtrust knows itself by device and inode through any chain of links, so it may be installed as `docker`. What
 * that misses, a script that calls dtrust again, is stopped by counting: DTRUST_DEPTH goes up each time a script
 * is started. It is not set for native programs, whose environment stays as it was, byte for byte.
 */
import path from 'node:path';
import { LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { Environment } from '../settings/environment.ts';
import {
  type Executable,
  isExecutable,
  isFileError,
  type Machine,
  type ProgramFiles,
  readExecutable,
} from './executable.ts';

export interface Docker extends Executable {
  /** What its environment gets besides dtrust's own: the depth for a script, nothing for a native program. */
  readonly addedEnvironment: { readonly DTRUST_DEPTH?: string };
}

export interface DockerSearch {
  readonly env: Pick<Environment, 'path' | 'dockerProgram' | 'depth'>;
  /** The files dtrust was started through; those that do not exist are ignored. */
  readonly ownFiles: readonly string[];
  readonly fs: ProgramFiles;
  readonly machine: Machine;
}

/** Scripts that call dtrust again and again end here; a few levels are somebody's honest wrappers. */
const MAX_DEPTH = 5;

/**
 * The real docker.
 * @throws LocalStateError DOCKER_NOT_FOUND, DOCKER_LOOP
 */
export function findDocker(search: DockerSearch): Docker {
  const depth = parseDepth(search.env.depth);
  if (depth >= MAX_DEPTH) {
    throw new LocalStateError({
      code: 'DOCKER_LOOP',
      message: `dtrust was called by itself ${depth} times: the docker on PATH is a wrapper around dtrust`,
      hints: ['Name the real docker with DTRUST_DOCKER.'],
    });
  }
  const own = ownIdentities(search);
  const given = search.env.dockerProgram;
  const found = given === undefined ? onPath(search, own) : outright(given, search, own);
  const addedEnvironment = found.kind === 'script' ? { DTRUST_DEPTH: String(depth + 1) } : {};
  return { ...found, addedEnvironment };
}

/** Anything that is not a small number counts as none: it only ever stops a loop. */
function parseDepth(depth: string | undefined): number {
  return depth !== undefined && /^\d{1,4}$/.test(depth) ? Number(depth) : 0;
}

function onPath(search: DockerSearch, own: ReadonlySet<string>): Executable {
  const windows = search.machine.platform === 'win32';
  const { isAbsolute, join, delimiter } = windows ? path.win32 : path.posix;
  for (const folder of (search.env.path ?? '').split(delimiter)) {
    if (!isAbsolute(folder)) continue;
    // Windows: only a program can be started without a shell, so no .cmd and no .bat.
    const file = join(folder, windows ? 'docker.exe' : 'docker');
    if (isExecutable(search.fs, file) && !own.has(identity(search.fs, file) ?? '')) {
      return readExecutable(search.fs, file, search.machine);
    }
  }
  throw notFound('docker is not on PATH');
}

function outright(given: string, search: DockerSearch, own: ReadonlySet<string>): Executable {
  const shown = escapeText(given);
  const { isAbsolute } = search.machine.platform === 'win32' ? path.win32 : path.posix;
  if (!isAbsolute(given)) throw notFound(`DTRUST_DOCKER is no absolute path: ${shown}`);
  if (!isExecutable(search.fs, given)) throw notFound(`DTRUST_DOCKER names no program: ${shown}`);
  if (own.has(identity(search.fs, given) ?? '')) {
    throw new LocalStateError({
      code: 'DOCKER_LOOP',
      message: `DTRUST_DOCKER names dtrust itself: ${shown}`,
    });
  }
  return readExecutable(search.fs, given, search.machine);
}

function notFound(message: string): LocalStateError {
  return new LocalStateError({
    code: 'DOCKER_NOT_FOUND',
    message,
    hints: ['Install the docker command, or name it with DTRUST_DOCKER. pull and push work without it.'],
  });
}

function ownIdentities({ fs, ownFiles }: DockerSearch): ReadonlySet<string> {
  return new Set(ownFiles.map((file) => identity(fs, file)).filter((id) => id !== undefined));
}

/** Device and inode behind all links. */
function identity(fs: ProgramFiles, file: string): string | undefined {
  try {
    const { dev, ino } = fs.statSync(file, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if (isFileError(error)) return undefined;
    throw error;
  }
}
