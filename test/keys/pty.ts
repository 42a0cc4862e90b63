/**
 * Programs on a real pseudo-terminal, by util-linux's `script`: what is written to its stdin is typed, what the
 * terminal shows is its stdout. A character that shows up without the program printing it was echoed.
 */
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

/** Whether this machine has a `script` that runs a command; fails instead where peers are required. */
export function hasScript(): boolean {
  try {
    execFileSync('script', ['-qec', 'true', '/dev/null'], { stdio: 'ignore' });
    return process.platform === 'linux';
  } catch (error) {
    if (process.env.DTRUST_REQUIRE_PEERS === '1') throw error;
    return false;
  }
}

export class PtyRun {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #ended: Promise<void>;
  #shown = '';
  #seen = 0;
  #wake: () => void = () => undefined;
  #over = false;

  /** Runs a shell command line on a new terminal, with exactly this environment beside PATH. */
  constructor(command: string, env: Record<string, string>) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    this.#child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { PATH: process.env.PATH, SHELL: '/bin/sh', TERM: 'dumb', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#shown += text;
      this.#wake();
    });
    this.#child.on('close', () => {
      this.#over = true;
      this.#wake();
      resolve();
    });
  }

  /** Resolves when the text has been shown after what was waited for last. */
  async waitFor(text: string): Promise<void> {
    for (;;) {
      const at = this.#shown.indexOf(text, this.#seen);
      if (at >= 0) {
        this.#seen = at + text.length;
        return;
      }
      if (this.#over) throw new Error(`ended without showing ${text}: ${this.#shown}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  type(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Everything the terminal has shown, once the command is over. */
  async shown(): Promise<string> {
    await this.#ended;
    return this.#shown;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}
