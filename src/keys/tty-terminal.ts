/** The Terminal of terminal.ts over `/dev/tty`. */
import { constants } from 'node:fs';
import { dirname } from 'node:path';
import { isatty } from 'node:tty';
import type { Clock } from '../lib/clock.ts';
import { hasCode, KeyError } from '../lib/errors.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno, writeFailure } from '../lib/fs-error.ts';
import { Interrupted } from '../lib/interrupted.ts';
import { withLock } from '../lib/lock.ts';
import { isForeground } from './foreground.ts';
import type { LineEnd } from './line-editor.ts';
import { MIN_PASSPHRASE_CHARACTERS } from './passphrases.ts';
import { Secret } from './secret.ts';
import type { NewSecretLabels, Terminal } from './terminal.ts';
import { TERMINAL_PATH, TtySession } from './tty-session.ts';

export interface TerminalOptions {
  readonly fs: FileSystem;
  readonly clock: Clock;
  /** `CI` and `DTRUST_PROMPT` as the environment holds them. */
  readonly environment: { readonly ci: string | undefined; readonly prompt: string | undefined };
  /** Where the lock stands that lets one process of this user ask at a time. */
  readonly lockPath: string;
  /** As `process.platform` and `process.pid`. */
  readonly platform: string;
  readonly pid: number;
  /** Whether stderr is a terminal; asked of the descriptor by default. */
  readonly isStderrTerminal?: () => boolean;
  /** Ends a question that stands, with the signal's reason and the terminal as it was. */
  readonly signal?: AbortSignal;
}

const newSecretTries = 3;
// How long another question may stand on the terminal before this one gives up.
const waitMs = 5 * 60_000;

/** A Terminal on `/dev/tty`. Opens nothing until it is asked. */
export function createTerminal(options: TerminalOptions): Terminal {
  return new TtyTerminal(options);
}

class TtyTerminal implements Terminal {
  readonly #options: TerminalOptions;

  constructor(options: TerminalOptions) {
    this.#options = options;
  }

  canPrompt(): boolean {
    return this.#whyNot() === undefined;
  }

  async askSecret(label: string): Promise<Secret | undefined> {
    return await this.#withSession(async (session) => secretOf(await session.ask(label, false)));
  }

  async askYesNo(question: string): Promise<boolean> {
    return await this.#withSession(async (session) => {
      const end = await session.ask(question, true);
      if (end.kind === 'interrupt') throw new Interrupted('SIGINT');
      return end.kind === 'line' && /^\s*y(?:es)?\s*$/i.test(Buffer.from(end.bytes).toString('utf8'));
    });
  }

  async askLine(question: string): Promise<string | undefined> {
    return await this.#withSession(async (session) => {
      const end = await session.ask(question, true);
      if (end.kind === 'interrupt') throw new Interrupted('SIGINT');
      return end.kind === 'line' ? Buffer.from(end.bytes).toString('utf8').trim() : undefined;
    });
  }

  async askNewSecret(labels: NewSecretLabels): Promise<Secret | undefined> {
    return await this.#withSession(async (session) => {
      for (let tries = 1; ; tries += 1) {
        const outcome = await askTwice(session, labels);
        if (!(outcome instanceof KeyError)) return outcome;
        if (tries === newSecretTries) throw outcome;
        session.write(`${advice(outcome)}\n`);
      }
    });
  }

  say(text: string): void {
    const { fs } = this.#options;
    const fd = openTerminal(fs, constants.O_WRONLY);
    if (typeof fd === 'string') throw unavailable(fd);
    try {
      let rest: Uint8Array = Buffer.from(`${text}\n`, 'utf8');
      while (rest.length > 0) rest = rest.subarray(fs.writeSync(fd, rest));
    } finally {
      fs.closeSync(fd);
    }
  }

  /** The first condition of contracts, Terminal, that does not hold; undefined when all do. */
  #whyNot(): string | undefined {
    const { fs, environment, isStderrTerminal = () => isatty(2) } = this.#options;
    if (environment.prompt === 'never') return 'DTRUST_PROMPT is never';
    if (!isFalse(environment.ci)) return 'CI is set';
    if (!isStderrTerminal()) return 'stderr is no terminal';
    const fd = openTerminal(fs, constants.O_RDWR);
    if (typeof fd === 'string') return fd;
    fs.closeSync(fd);
    return isForeground(this.#options) ? undefined : 'this process is not in the foreground';
  }

  async #withSession<T>(work: (session: TtySession) => Promise<T>): Promise<T> {
    this.#assertCanPrompt();
    return await this.#oneAtATime(async () => {
      // Waiting may have taken minutes, in which a shell can have put this process into the background.
      this.#assertCanPrompt();
      const session = await TtySession.open(this.#options.fs, this.#options.signal);
      try {
        return await work(session);
      } finally {
        session.close();
      }
    });
  }

  #assertCanPrompt(): void {
    const reason = this.#whyNot();
    if (reason !== undefined) throw unavailable(reason);
  }

  /** A home that cannot be written to has no lock; two questions may then meet, which is better than none. */
  async #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const { fs, clock, lockPath, signal } = this.#options;
    const lock = { fs, clock, path: lockPath, waitMs, ...(signal === undefined ? {} : { signal }) };
    let asked = false;
    try {
      makeFolderFor(fs, lockPath);
      return await withLock(lock, () => {
        asked = true;
        return work();
      });
    } catch (error) {
      if (asked || !hasCode(error, 'FILE_UNWRITABLE', 'DISK_FULL')) throw error;
    }
    return await work();
  }
}

async function askTwice(
  session: TtySession,
  labels: NewSecretLabels,
): Promise<Secret | undefined | KeyError> {
  const first = secretOf(await session.ask(labels.first, false));
  if (first === undefined) return undefined;
  if (first.characters < MIN_PASSPHRASE_CHARACTERS) {
    return new KeyError({
      code: 'KEY_PASSPHRASE_SHORT',
      message: `the new passphrase is too short: it takes ${MIN_PASSPHRASE_CHARACTERS} characters or more`,
      expected: `at least ${MIN_PASSPHRASE_CHARACTERS} characters`,
    });
  }
  const second = secretOf(await session.ask(labels.repeat, false));
  if (second === undefined) return undefined;
  if (first.equals(second)) return first;
  return new KeyError({ code: 'KEY_PASSPHRASE', message: 'the new passphrase was not the same twice' });
}

/** Docker's words, and how long is long enough. */
function advice(error: KeyError): string {
  return error.code === 'KEY_PASSPHRASE_SHORT'
    ? `Passphrase is too short: it takes ${MIN_PASSPHRASE_CHARACTERS} characters or more. Please use a password manager to generate and store a good random passphrase.`
    : 'Passphrases do not match. Please retry.';
}

function secretOf(end: LineEnd): Secret | undefined {
  if (end.kind === 'interrupt') throw new Interrupted('SIGINT');
  return end.kind === 'line' ? new Secret(end.bytes) : undefined;
}

/** Makes the folder the lock stands in where it is missing; one that is there keeps its mode. */
function makeFolderFor(fs: FileSystem, lockPath: string): void {
  try {
    fs.mkdirSync(dirname(lockPath), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw writeFailure(error, lockPath);
  }
}

/** A descriptor of the terminal, or why there is none. */
function openTerminal(fs: FileSystem, flags: number): number | string {
  try {
    return fs.openSync(TERMINAL_PATH, flags | constants.O_NOCTTY);
  } catch (error) {
    // No controlling terminal, no such device, no permission, a terminal that has hung up.
    if (hasErrno(error, 'ENXIO', 'ENOENT', 'ENODEV', 'ENOTTY', 'EACCES', 'EPERM', 'EIO')) {
      return `${TERMINAL_PATH} cannot be opened`;
    }
    throw error;
  }
}

function isFalse(value: string | undefined): boolean {
  return value === undefined || ['', '0', 'false'].includes(value.toLowerCase());
}

function unavailable(reason: string): KeyError {
  return new KeyError({ code: 'PROMPT_UNAVAILABLE', message: `nobody can be asked: ${reason}` });
}
