/**
 * One command as it is, in this process: with a home, over a file system that can fail at any call, ended at any request.
 * A turn passes at once.
 */
import fs from 'node:fs';
import { parseDockerArgv } from '../../src/cli/argv.ts';
import { commandNamed } from '../../src/commands/command-modules.ts';
import type { Context } from '../../src/commands/context.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { NetworkError } from '../../src/lib/errors.ts';
import type { FileSystem } from '../../src/lib/file-system.ts';
import { readEnvironment } from '../../src/settings/environment.ts';
import { type Fault, faultyFileSystem } from '../helpers/faulty-file-system.ts';
import type { MemoryRegistry } from '../helpers/memory-registry.ts';

export const PASSPHRASE = 'passphrase-of-a-test';
/** Loopback names are remembered for one engine (protocol 1.3). */
export const ENGINE = 'unix:///nowhere/docker.sock';
/** A number that no process has. */
export const PID_OF_THE_DEAD = 4_194_999;

export interface RunOptions {
  readonly fault?: Fault;
  /** The process is gone at this request, counted from 1; `heard`: the registry has done it. */
  readonly request?: { readonly at: number; readonly heard: boolean };
  /** Called with the number of each write, before it is made; such a run is counted. */
  readonly beforeWrite?: (write: number) => void;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Outcome {
  readonly error: unknown;
  /** How many calls of the file system write. */
  readonly writes: number;
  /** How many requests the registry got, of a run that is counted. */
  readonly requests: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `dtrust ARGS` on the machine with this home, which has nobody at its terminal; or other work, with what it would be given. */
export async function runCommand(
  registry: MemoryRegistry,
  home: string,
  args: readonly string[],
  { fault, request, beforeWrite, env = {} }: RunOptions = {},
  work: (context: Context) => Promise<unknown> = runNamed,
): Promise<Outcome> {
  const isToEnd = fault !== undefined || request !== undefined;
  const faulty = faultyFileSystem(fault, withPid(isToEnd ? PID_OF_THE_DEAD : undefined), beforeWrite);
  const ending = new AbortController();
  let requests = 0;
  const end = () => {
    faulty.die();
    // Nothing goes on that has not asked the file system for a while.
    ending.abort(new Error('the process has ended'));
  };
  // The hooks are the test's, unless the run is counted or ends.
  const isWatched = isToEnd || beforeWrite !== undefined;
  if (isWatched) {
    registry.switches.before = () => {
      requests += 1;
      if (requests === request?.at && !request.heard) end();
      if (faulty.isDead) throw gone();
    };
    registry.switches.after = () => {
      if (requests === request?.at && request.heard) end();
      if (faulty.isDead) throw gone();
    };
  }
  const said = { out: '', err: '' };
  const raw = {
    DOCKER_CONFIG: home,
    DOCKER_HOST: ENGINE,
    DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: PASSPHRASE,
    DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: PASSPHRASE,
    ...env,
  };
  const context: Context = {
    parsed: parseDockerArgv(args),
    env: readEnvironment(raw),
    rawEnvironment: raw,
    fs: faulty.fs,
    clock: hurriedClock(ending.signal),
    startTimeMs: Date.now(),
    platform: 'linux',
    pid: process.pid,
    nodeProgram: process.execPath,
    userHome: undefined,
    random: () => 0.5,
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    isTerminal: () => false,
    columns: () => 80,
    signal: ending.signal,
  };
  try {
    const error = await work(context).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return { error, writes: faulty.writes, requests, ...said };
  } finally {
    if (isWatched) {
      delete registry.switches.before;
      delete registry.switches.after;
    }
  }
}

async function runNamed(context: Context): Promise<unknown> {
  const command = await commandNamed(context.parsed.path.join(' '));
  return await command.run(context);
}

function gone(): NetworkError {
  return new NetworkError({ code: 'NETWORK_BROKEN', message: 'nobody is there' });
}

/** A turn passes at once; the time limits of requests are as long as they are. */
function hurriedClock(signal: AbortSignal): Clock {
  let ahead = 0;
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() + ahead,
    sleep: async (ms, given) => {
      if (given !== signal) return await systemClock.sleep(ms, given);
      ahead += ms;
    },
  };
}

/** The real file system, in which this process has another number: one that nobody has once it is dead. */
function withPid(pid: number | undefined): FileSystem {
  if (pid === undefined) return fs;
  const readFileSync = (...args: Parameters<typeof fs.readFileSync>) => {
    const read = fs.readFileSync(...args);
    return args[0] === '/proc/self/stat' ? String(read).replace(/^\d+/, `${pid}`) : read;
  };
  return { ...fs, readFileSync: readFileSync as typeof fs.readFileSync };
}
