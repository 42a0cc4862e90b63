/**
 * Handing a command that brings no image in over to the real docker.
 *
 * By execve: process ID, terminal, standard streams, umask and exit status are docker's own and no dtrust is
 * left; arguments and environment go on byte for byte. Where execve cannot be used (Windows, a file it would not
 * take), docker is run as a child.
 *
 * Nothing here touches process.stdin, stdout or stderr: that alone would leave pipes non-blocking for docker.
 *
 * Not kept, because Node changes them before any script runs: a signal that was ignored when dtrust started (as
 * by nohup) is not ignored for docker, and SIGPIPE is (which Go programs do not mind: they set it themselves).
 */
import type nodeFs from 'node:fs';
import { UsageError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { isExecutable, isFileError, type ProgramFiles } from './executable.ts';
import {
  asText,
  mayBeDamaged,
  type RawStart,
  restoreBytes,
  shellStart,
  startedWithText,
} from './raw-arguments.ts';
import type { Start } from './run-docker.ts';

export interface PassOn extends Start {
  readonly fs: ProgramFiles & Pick<typeof nodeFs, 'readFileSync' | 'fstatSync'>;
  /** Called just before this process becomes another program. */
  readonly beforeExecve?: () => void;
}

/** Docker's own name: a program is named by its first argument, as a shell would. */
const DOCKER_NAME = 'docker';
const SHELL = '/bin/sh';
/** A single argument of a new program may have 128 KiB on Linux. */
const MAX_SCRIPT_LENGTH = 100_000;

/**
 * Hands the command over as it is, or with the arguments and variables that were changed. Does not return where
 * execve does it; else the exit status for dtrust.
 * @throws UsageError ARG_ENCODING for arguments that Node could not read and nothing can restore
 * @throws LocalStateError DOCKER_NOT_FOUND when docker cannot be started after all
 */
export async function passOn(start: PassOn): Promise<number> {
  const { docker, args, process, fs } = start;
  const env = { ...start.env, ...docker.addedEnvironment };
  if (process.platform === 'win32' || !startedWithText(fs)) {
    const raw = process.platform === 'win32' ? undefined : restoreBytes(fs, args, env);
    if (raw === undefined ? args.some(mayBeDamaged) : !isAllText(raw)) return passBytesOn(start, raw);
  }
  const inherited = openedFor(args).filter((fd) => isOpen(fs, fd));
  if (docker.startable && process.execve !== undefined && inherited.length === 0) {
    start.beforeExecve?.();
    return process.execve(docker.path, [DOCKER_NAME, ...args], env);
  }
  // Loaded only here: the way through execve is to cost next to nothing.
  const { runDocker } = await import('./run-docker.ts');
  return await runDocker(start, { inherited });
}

/** Through a shell that spells the bytes; docker's own name is then its path. */
function passBytesOn({ docker, args, process, fs }: PassOn, raw: RawStart | undefined): never {
  if (raw !== undefined && docker.startable && process.execve !== undefined && isExecutable(fs, SHELL)) {
    const command = shellStart(docker.path, raw.args, raw.environment);
    if ((command[2] ?? '').length <= MAX_SCRIPT_LENGTH) {
      // The shell reads bytes, not characters, and finds env where systems have it.
      return process.execve(SHELL, command, { LC_ALL: 'C', PATH: '/usr/bin:/bin' });
    }
  }
  const argument = args.find(mayBeDamaged);
  throw new UsageError({
    code: 'ARG_ENCODING',
    message: `an argument or variable is not UTF-8 and cannot be handed on as it is: ${escapeText(argument ?? '')}`,
    hints: ['Use a name in UTF-8, or call docker itself.'],
  });
}

function isAllText({ args, environment }: RawStart): boolean {
  return [...args, ...environment].every((bytes) => asText(bytes) !== undefined);
}

/** Files that the caller opened for docker, as `<(...)` does; Node closes them for execve. */
function openedFor(args: readonly string[]): number[] {
  const numbers = args.flatMap((arg) => [...arg.matchAll(/\/(?:dev|proc\/self)\/fd\/(\d{1,4})(?!\d)/g)]);
  return [...new Set(numbers.map((match) => Number(match[1])))].filter((fd) => fd > 2);
}

function isOpen(fs: Pick<typeof nodeFs, 'fstatSync'>, fd: number): boolean {
  try {
    fs.fstatSync(fd);
    return true;
  } catch (error) {
    if (isFileError(error)) return false;
    throw error;
  }
}
