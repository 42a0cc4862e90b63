/**
 * Running another program to its end: text in, bounded bytes out, a time limit. For credential helpers and the
 * like; a program that takes over the terminal is run elsewhere.
 *
 * The program is started directly, never through a shell. When it does not end in time, or says more than it
 * may, it is killed and the call rejects with ChildError; callers turn that into an error of their own.
 */
import { spawn } from 'node:child_process';

export interface ChildOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly stdin?: string | Uint8Array;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
  /** Of stdout and stderr, each. */
  readonly maxOutputBytes: number;
  /** Where the program runs; this process's own folder by default. */
  readonly cwd?: string;
  /** Ends the program when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** It could not be started, took too long, said too much, or was ended by the caller's signal. */
export type ChildFailure = 'start' | 'timeout' | 'output' | 'stopped';

export interface ChildResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** Why there is no result. */
export class ChildError extends Error {
  readonly reason: ChildFailure;

  constructor(reason: ChildFailure, file: string, cause?: unknown) {
    super(`${file}: ${reason}`, { cause });
    this.name = 'ChildError';
    this.reason = reason;
  }
}

/** Runs the program to its end. Rejects with ChildError only. */
export function runChild(options: ChildOptions): Promise<ChildResult> {
  return new Promise((resolve, reject) => {
    const { signal: stop } = options;
    if (stop?.aborted === true) {
      reject(new ChildError('stopped', options.file));
      return;
    }
    const child = spawn(options.file, options.args, {
      env: options.env as NodeJS.ProcessEnv,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
    const fail = (reason: ChildFailure, cause?: unknown) => {
      over();
      child.kill('SIGKILL');
      // A grandchild may hold the pipes open; nothing more is read from them.
      child.stdout.destroy();
      child.stderr.destroy();
      reject(new ChildError(reason, options.file, cause));
    };
    const timer = setTimeout(() => fail('timeout'), options.timeoutMs);
    const stopped = () => fail('stopped');
    stop?.addEventListener('abort', stopped);
    const over = () => {
      clearTimeout(timer);
      stop?.removeEventListener('abort', stopped);
    };
    const gather = (stream: NodeJS.ReadableStream): Buffer[] => {
      const chunks: Buffer[] = [];
      let length = 0;
      stream.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > options.maxOutputBytes) fail('output');
        else chunks.push(chunk);
      });
      return chunks;
    };
    const stdout = gather(child.stdout);
    const stderr = gather(child.stderr);
    child.on('error', (error) => fail('start', error));
    child.on('close', (status, signal) => {
      over();
      resolve({ status, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) });
    });
    // A program that never reads its input closes the pipe: its own business, its exit status tells.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.stdin ?? '');
  });
}
