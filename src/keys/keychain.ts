/**
 * The keychain of the operating system: passphrases by the ID of the key they open.
 *
 * Secret Service on Linux, Keychain on macOS, Credential Manager on Windows, by the optional package keytar. Each call
 * is a child process (keychain-child.ts) with three seconds: a locked keychain waits for a dialog that nobody may ever
 * answer, a bus may be there and silent, and a native module may bring a process down. Whatever goes wrong is a
 * KeychainError, which to every caller but `trust key forget` means that there is no keychain.
 *
 * The child gets what it needs and no more: passphrases by its pipes alone, never by arguments or environment; of the
 * environment only what the system's libraries look for. On Linux the bus has to be named by the session: the library
 * would otherwise start one, by a program it looks for in the current folder too.
 */
import { ChildError, type ChildFailure, type ChildResult, runChild } from '../lib/child.ts';
import { escapeShort } from '../lib/escape.ts';
import type { Environment, RawEnvironment } from '../settings/environment.ts';
import { Secret } from './secret.ts';

const TIMEOUT_MS = 3000;
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** Every method rejects with KeychainError, or with the reason of the signal that stopped it. */
export interface Keychain {
  /** What is kept for an account; undefined when nothing is. */
  get(account: string): Promise<Secret | undefined>;
  /** Keeps it in place of what was there. Only reading it back shows that it is kept. */
  set(account: string, passphrase: Secret): Promise<void>;
  /** Removes it; false when there was nothing. */
  remove(account: string): Promise<boolean>;
  /** All accounts something is kept for, without what is kept. */
  accounts(): Promise<readonly string[]>;
}

/** Why there is no keychain, as a part of a sentence. Never holds anything that was kept. */
export class KeychainError extends Error {
  override readonly name = 'KeychainError';
}

export interface KeychainOptions {
  readonly env: Pick<Environment, 'sessionBus' | 'xdgRuntimeDir'>;
  /** What is handed on to the child is taken from it by name. */
  readonly rawEnvironment: RawEnvironment;
  readonly platform: NodeJS.Platform;
  /** Path of Node.js. */
  readonly nodeProgram: string;
  readonly signal?: AbortSignal;
  /** For tests: another program in place of keychain-child.ts. */
  readonly childProgram?: string;
  readonly timeoutMs?: number;
}

/** The keychain of this system. Starts nothing until it is asked. */
export function createKeychain(options: KeychainOptions): Keychain {
  const ask = (request: KeychainRequest) => askChild(request, options);
  return {
    get: async (account) => {
      const { passphrase } = await ask({ operation: 'get', account });
      return passphrase === undefined ? undefined : Secret.fromText(passphrase);
    },
    set: async (account, passphrase) => {
      await ask({ operation: 'set', account, passphrase: passphrase.reveal() });
    },
    remove: async (account) => (await ask({ operation: 'remove', account })).removed === true,
    accounts: async () => (await ask({ operation: 'accounts', account: '' })).accounts ?? [],
  };
}

/** One JSON object on the child's stdin. */
export interface KeychainRequest {
  readonly operation: 'get' | 'set' | 'remove' | 'accounts';
  readonly account: string;
  readonly passphrase?: string;
}

/** One JSON object on its stdout. */
export interface KeychainAnswer {
  readonly passphrase?: string;
  readonly removed?: boolean;
  readonly accounts?: readonly string[];
  /** What is wrong, when something is; `module`: keytar or a library it needs cannot be loaded. */
  readonly problem?: 'module' | 'failed';
  readonly message?: string;
}

async function askChild(request: KeychainRequest, options: KeychainOptions): Promise<KeychainAnswer> {
  const env = childEnvironment(options);
  const { status, stdout } = await runToEnd(request, env, options);
  const answer = parseAnswer(stdout);
  if (answer === undefined) {
    throw new KeychainError(status === 0 ? 'it gave no answer' : 'the process that asked it crashed');
  }
  if (answer.problem === 'module') {
    throw new KeychainError('the module for it cannot be loaded');
  }
  if (answer.problem !== undefined)
    throw new KeychainError(`it failed: ${escapeShort(answer.message ?? '')}`);
  return answer;
}

async function runToEnd(
  request: KeychainRequest,
  env: RawEnvironment,
  options: KeychainOptions,
): Promise<ChildResult> {
  try {
    return await runChild({
      file: options.nodeProgram,
      args: [options.childProgram ?? childProgram()],
      stdin: JSON.stringify(request),
      env,
      cwd: '/',
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
      maxOutputBytes: MAX_OUTPUT_BYTES,
      signal: options.signal,
    });
  } catch (error) {
    if (!(error instanceof ChildError)) throw error;
    options.signal?.throwIfAborted();
    throw new KeychainError(FAILURES[error.reason]);
  }
}

const FAILURES: Readonly<Record<ChildFailure, string>> = {
  start: 'the process that asks it cannot be started',
  timeout: 'it did not answer within 3 seconds; it may be locked',
  output: 'it answered with more than any passphrase',
  stopped: 'the call was stopped',
};

/** Beside this file, under the same ending: one is a source, or both are bundles. */
function childProgram(): string {
  const { dirname, filename } = import.meta;
  return `${dirname}/keychain-child${filename.endsWith('.ts') ? '.ts' : '.js'}`;
}

/** What the system's libraries need to find the keychain of this user; names are compared as Windows does. */
const HANDED_ON: ReadonlySet<string> = new Set([
  'HOME',
  'USER',
  'LOGNAME',
  'XDG_RUNTIME_DIR',
  // Where a system keeps libsecret outside of the standard folders.
  'LD_LIBRARY_PATH',
  'SYSTEMROOT',
  'USERPROFILE',
  'APPDATA',
  'LOCALAPPDATA',
]);

function childEnvironment({ env, rawEnvironment, platform }: KeychainOptions): RawEnvironment {
  const handedOn = Object.fromEntries(
    Object.entries(rawEnvironment).filter(([name]) => HANDED_ON.has(name.toUpperCase())),
  );
  if (platform !== 'linux') return handedOn;
  const bus = env.sessionBus ?? busOfSession(env.xdgRuntimeDir);
  if (bus === undefined) throw new KeychainError('there is no session bus');
  return { ...handedOn, DBUS_SESSION_BUS_ADDRESS: bus, PATH: '/usr/bin:/bin' };
}

/** Where systemd puts the bus of a login session; what an address may not hold as it is, is escaped. */
function busOfSession(runtimeFolder: string | undefined): string | undefined {
  if (runtimeFolder === undefined) return undefined;
  const escaped = Buffer.from(`${runtimeFolder}/bus`, 'utf8')
    .toString('latin1')
    .replace(/[^-0-9A-Za-z_/.\\*]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `unix:path=${escaped}`;
}

/** The child's answer; undefined when it is none, as after a crash. */
function parseAnswer(stdout: Buffer): KeychainAnswer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(stdout.toString('utf8'));
  } catch (error) {
    // Its message quotes what was read, which may be a passphrase.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return isAnswer(value) ? value : undefined;
}

/** Whether each member that is there has its type. */
function isAnswer(value: unknown): value is KeychainAnswer {
  if (typeof value !== 'object' || value === null) return false;
  const { passphrase, removed, accounts, problem, message } = value as Record<string, unknown>;
  return (
    [passphrase, problem, message].every((each) => each === undefined || typeof each === 'string') &&
    (removed === undefined || typeof removed === 'boolean') &&
    (accounts === undefined || isListOfText(accounts))
  );
}

function isListOfText(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}
