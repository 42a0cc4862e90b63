/**
 * The terminal while a question is on it: opened by name, in raw mode, and given back as it was.
 *
 * Raw mode by `tty.ReadStream` on an own descriptor, and not `stty` in a child or a blocking read: nothing runs
 * beside us, Ctrl-C comes as a byte and so always finds the code that restores the echo, and Node itself restores
 * the mode when it ends any other way it can notice (exit, an uncaught error, SIGTERM, SIGINT, SIGHUP's kin). stdin
 * is never touched. Two descriptors, because the one that is read becomes non-blocking and the one that is written
 * must not be.
 *
 * What was typed before the question is thrown away: a person answers what has been read, and an impatient `y` to
 * something else is not a yes to a fingerprint.
 */
import { constants } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { ReadStream } from 'node:tty';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno } from '../lib/fs-error.ts';
import { LineEditor, type LineEnd } from './line-editor.ts';

export const TERMINAL_PATH = '/dev/tty';

export class TtySession {
  readonly #fs: FileSystem;
  readonly #output: number;
  readonly #input: ReadStream;
  readonly #signal: AbortSignal | undefined;
  #pending: Uint8Array = new Uint8Array();

  private constructor(fs: FileSystem, output: number, input: ReadStream, signal: AbortSignal | undefined) {
    this.#fs = fs;
    this.#output = output;
    this.#input = input;
    this.#signal = signal;
    // A terminal that goes away between two reads says so here; the next read then ends at once.
    input.on('error', () => input.destroy());
  }

  /** Opens the terminal and turns its echo and line editing off. Errors are the system's. */
  static async open(fs: FileSystem, signal?: AbortSignal): Promise<TtySession> {
    signal?.throwIfAborted();
    const output = fs.openSync(TERMINAL_PATH, constants.O_WRONLY | constants.O_NOCTTY);
    const session = new TtySession(fs, output, openInput(fs, output), signal);
    try {
      session.#input.setRawMode(true);
      await session.#discardTypedAhead();
      return session;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  write(text: string | Uint8Array): void {
    let rest: Uint8Array = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
    try {
      while (rest.length > 0) rest = rest.subarray(this.#fs.writeSync(this.#output, rest));
    } catch (error) {
      // The terminal has hung up: nobody is left to read it, and reading will say the same.
      if (!hasErrno(error, 'EIO')) throw error;
    }
  }

  /** Writes the question and reads one line; `echo` shows what is typed. Rejects with the signal's reason. */
  async ask(question: string, echo: boolean): Promise<LineEnd> {
    this.#signal?.throwIfAborted();
    this.write(question);
    try {
      return await this.#readLine(echo);
    } finally {
      this.write('\n');
    }
  }

  /** Gives the terminal back as it was. */
  close(): void {
    this.#input.setRawMode(false);
    this.#input.destroy();
    this.#fs.closeSync(this.#output);
  }

  #readLine(echo: boolean): Promise<LineEnd> {
    const { promise, resolve, reject } = Promise.withResolvers<LineEnd>();
    const editor = new LineEditor();
    const input = this.#input;
    const finish = (settle: () => void): void => {
      input.pause();
      input.off('data', take);
      input.off('close', hungUp);
      input.off('end', hungUp);
      this.#signal?.removeEventListener('abort', aborted);
      editor.wipe();
      settle();
    };
    const take = (chunk: Uint8Array): void => {
      const { echo: shown, end, rest } = editor.feed(chunk);
      if (echo && shown.length > 0) this.write(shown);
      if (end === undefined) return;
      this.#pending = rest;
      finish(() => resolve(end));
    };
    // The terminal is gone (window closed, connection lost): nobody will answer.
    const hungUp = (): void => finish(() => resolve({ kind: 'end' }));
    const aborted = (): void => finish(() => reject(this.#signal?.reason));
    input.on('data', take);
    input.on('end', hungUp);
    input.on('close', hungUp);
    this.#signal?.addEventListener('abort', aborted);
    const pending = this.#pending;
    this.#pending = new Uint8Array();
    if (input.destroyed) hungUp();
    else if (pending.length > 0) take(pending);
    else input.resume();
    return promise;
  }

  /** Reads and drops what the terminal has ready: one turn of the event loop asks it, the next one has the answer. */
  async #discardTypedAhead(): Promise<void> {
    const drop = (): void => undefined;
    this.#input.on('data', drop);
    await setImmediate();
    await setImmediate();
    this.#input.pause();
    this.#input.off('data', drop);
  }
}

function openInput(fs: FileSystem, output: number): ReadStream {
  try {
    return new ReadStream(fs.openSync(TERMINAL_PATH, constants.O_RDWR | constants.O_NOCTTY));
  } catch (error) {
    fs.closeSync(output);
    throw error;
  }
}
