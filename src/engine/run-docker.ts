/**
 * Running docker as a child: for a command that dtrust has changed, and where execve cannot be used.
 *
 * Signals are passed on, and docker's end, by status or by signal, becomes dtrust's own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { hasErrno } from '../lib/fs-error.ts';
import type { RawEnvironment } from '../settings/environment.ts';
import type { Docker } from './docker-binary.ts';
import type { Executable } from './executable.ts';

/** What main.ts hands over of `process`. */
export interface ProcessControl {
  readonly pid: number;
  readonly platform: NodeJS.Platform;
  readonly execve?: ((file: string, args: readonly string[], env: NodeJS.ProcessEnv) => never) | undefined;
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
  kill(pid: number, signal: NodeJS.Signals): unknown;
}

export interface Start {
  readonly docker: Docker;
  /** Without docker's own name. */
  readonly args: readonly string[];
  /** `process.env` itself, or `enforcedEnvironment` of it. */
  readonly env: RawEnvironment;
  readonly process: ProcessControl;
}

/** Docker's own name: a program is named by its first argument, as a shell would. */
const DOCKER_NAME = 'docker';

/**
 * The environment of the real docker for a command that dtrust has decided on: Docker CLI <= 28 would ask Notary
 * again.
 */
export function enforcedEnvironment(env: RawEnvironment): RawEnvironment {
  return { ...env, DOCKER_CONTENT_TRUST: '0' };
}

/** Sent to one process, as by `kill`: docker gets them only from us. */
const FORWARDED: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGUSR2', 'SIGCONT', 'SIGWINCH'];
/** Typed on a terminal they reach docker by themselves; we only must not end before it. */
const WAITED_OUT: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];

export interface ChildStreams {
  /** Open files beyond 0 to 2 that docker gets under their own numbers. */
  readonly inherited?: readonly number[];
  /** What docker reads on its stdin, in place of this process's own. */
  readonly stdin?: AsyncIterable<Uint8Array> | undefined;
}

/**
 * Runs docker as a child on the same streams and returns the status to exit with, 128+n after a signal that does
 * not end dtrust too.
 * @throws LocalStateError DOCKER_NOT_FOUND when it cannot be started after all
 */
export async function runDocker(start: Start, streams: ChildStreams = {}): Promise<number> {
  const { inherited = [], stdin } = streams;
  const stdio = Array.from({ length: Math.max(2, ...inherited) + 1 }, (_, fd) => {
    if (fd === 0 && stdin !== undefined) return 'pipe' as const;
    return fd <= 2 || inherited.includes(fd) ? fd : ('ignore' as const);
  });
  // Before docker is there: a signal between its start and our listening would end dtrust alone.
  const signals = holdSignals(start.process);
  try {
    const child = spawn(start.docker.path, start.args, {
      argv0: DOCKER_NAME,
      stdio,
      env: { ...start.env, ...start.docker.addedEnvironment } as NodeJS.ProcessEnv,
    });
    signals.forwardTo(child);
    const fed = child.stdin === null || stdin === undefined ? undefined : feed(stdin, child.stdin);
    const { status, signal } = await ended(child, start.docker);
    child.stdin?.destroy();
    await fed;
    signals.release();
    if (signal === null) return status ?? 1;
    if (start.process.platform !== 'win32') start.process.kill(start.process.pid, signal);
    return 128 + constants.signals[signal];
  } finally {
    signals.release();
  }
}

/** Runs docker as a child as `runDocker` does, and returns what it printed on stdout as well. */
export async function observeDocker(start: Start): Promise<{ status: number; stdout: string }> {
  const signals = holdSignals(start.process);
  try {
    const child = spawn(start.docker.path, start.args, {
      argv0: DOCKER_NAME,
      stdio: ['inherit', 'pipe', 'inherit'],
      env: { ...start.env, ...start.docker.addedEnvironment } as NodeJS.ProcessEnv,
    });
    signals.forwardTo(child);
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const [{ status, signal }] = await Promise.all([
      ended(child, start.docker),
      new Promise((resolve) => {
        child.stdout.once('close', resolve);
      }),
    ]);
    const ending = signal === null ? (status ?? 1) : 128 + constants.signals[signal];
    return { status: ending, stdout: Buffer.concat(chunks).toString() };
  } finally {
    signals.release();
  }
}

/** A docker that does not read its input to the end closes the pipe: its own business, its exit status tells. */
async function feed(source: AsyncIterable<Uint8Array>, stdin: Writable): Promise<void> {
  try {
    await pipeline(source, stdin);
  } catch (error) {
    if (!hasErrno(error, 'EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED'))
      throw error;
  }
}

interface HeldSignals {
  forwardTo(child: ChildProcess): void;
  release(): void;
}

function holdSignals(process: ProcessControl): HeldSignals {
  const listeners = new Map<NodeJS.Signals, () => void>();
  let target: ChildProcess | undefined;
  if (process.platform !== 'win32') {
    for (const signal of FORWARDED) listeners.set(signal, () => void target?.kill(signal));
  }
  for (const signal of WAITED_OUT) listeners.set(signal, () => undefined);
  for (const [signal, listener] of listeners) process.on(signal, listener);
  return {
    forwardTo: (child) => {
      target = child;
    },
    release: () => {
      for (const [signal, listener] of listeners) process.off(signal, listener);
    },
  };
}

function ended(
  child: ChildProcess,
  docker: Executable,
): Promise<{ status: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.on('error', (cause) => {
      const message = `${escapeText(docker.path)} cannot be started`;
      reject(new LocalStateError({ code: 'DOCKER_NOT_FOUND', message, cause }));
    });
    child.on('exit', (status, signal) => resolve({ status, signal }));
  });
}
