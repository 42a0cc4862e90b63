/**
 * Where passphrases come from, in order: the environment (a value, or a file it names), what a person has typed
 * earlier in this process, a question on the terminal. (The OS keychain will stand between the first two.)
 *
 * Docker's split is kept: the root key has its own passphrase, every other key (repository, online, signers) shares
 * the repository's. A value from the environment is tried once: asking a script again gives the same answer. A person
 * gets three tries. Where nothing is set and nobody can be asked, the refusal names both variables.
 *
 * Passphrases are never written, logged or put in an error.
 */
import { KeyError, LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { readPassphraseFile } from './passphrase-file.ts';
import { Secret } from './secret.ts';
import type { Terminal } from './terminal.ts';

/** The variables as the environment holds them; an empty one counts as unset, as it does for Docker. */
export interface PassphraseEnvironment {
  readonly rootPassphrase?: string | undefined;
  readonly rootPassphraseFile?: string | undefined;
  readonly repositoryPassphrase?: string | undefined;
  readonly repositoryPassphraseFile?: string | undefined;
}

export const ROOT_PASSPHRASE_VARIABLE = 'DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE';
export const REPOSITORY_PASSPHRASE_VARIABLE = 'DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE';

/** Which key a passphrase is for, as a prompt names it. */
export interface PassphraseRequest {
  /** `root`, `targets`, `snapshot`, a signer's name; undefined when the file does not say. */
  readonly role?: string | undefined;
  /** Canonical repository (GUN) that the key belongs to. */
  readonly repository?: string | undefined;
  /** Full key ID (hex); prompts show its first 7 digits, as Docker does. Absent for a file not yet read. */
  readonly keyId?: string | undefined;
  /** The variable that holds the key, where it is in no file. */
  readonly variable?: string | undefined;
}

export interface Passphrases {
  /**
   * Calls `attempt` with one passphrase after the other until it does not throw KEY_PASSPHRASE.
   *
   * @throws KeyError KEY_PASSPHRASE (wrong: once from the environment, three times at the terminal),
   *   KEY_PASSPHRASE_MISSING (none set and nobody to ask), PROMPT_DECLINED; Interrupted
   * @throws LocalStateError CONFIG_INVALID, FILE_UNREADABLE (the `..._FILE` variables)
   */
  unlock<T>(request: PassphraseRequest, attempt: (passphrase: Secret) => Promise<T>): Promise<T>;

  /**
   * The passphrase for a key that is being made: from the environment, the one set earlier in this process for the
   * same kind of key, or asked twice.
   *
   * @throws KeyError KEY_PASSPHRASE_SHORT, KEY_PASSPHRASE_MISSING, PROMPT_DECLINED; Interrupted
   * @throws LocalStateError CONFIG_INVALID, FILE_UNREADABLE
   */
  choose(request: PassphraseRequest): Promise<Secret>;

  /**
   * The new passphrase when an existing one is being changed: always asked, never taken from the environment,
   * which holds the old one.
   *
   * @throws KeyError KEY_PASSPHRASE_MISSING (nobody to ask), KEY_PASSPHRASE_SHORT, PROMPT_DECLINED; Interrupted
   */
  replace(request: PassphraseRequest): Promise<Secret>;

  /**
   * Refuses now when a passphrase for such a key could not be had later: before an upload, not after it.
   *
   * @throws KeyError KEY_PASSPHRASE_MISSING
   * @throws LocalStateError CONFIG_INVALID, FILE_UNREADABLE
   */
  assertAvailable(request: PassphraseRequest): void;
}

export interface PassphraseOptions {
  readonly environment: PassphraseEnvironment;
  readonly terminal: Terminal;
  readonly fs: FileSystem;
}

/** Least length of a new passphrase, in characters; Docker's. */
export const MIN_PASSPHRASE_CHARACTERS = 8;

const terminalTries = 3;

type Kind = 'root' | 'repository';

interface Found {
  readonly secret: Secret;
  readonly variable: string;
}

/** Builds the chain of sources described at the head of this file. */
export function createPassphrases(options: PassphraseOptions): Passphrases {
  return new PassphraseChain(options);
}

class PassphraseChain implements Passphrases {
  readonly #options: PassphraseOptions;
  readonly #fromFiles = new Map<Kind, Secret>();
  readonly #typed = new Map<string, Secret>();

  constructor(options: PassphraseOptions) {
    this.#options = options;
  }

  async unlock<T>(request: PassphraseRequest, attempt: (passphrase: Secret) => Promise<T>): Promise<T> {
    const kind = kindOf(request);
    const set = this.#environment(kind);
    if (set !== undefined) return await tryFromEnvironment(request, set, attempt);
    const earlier = this.#typed.get(shelf(request));
    if (earlier !== undefined) {
      const outcome = await tolerateWrong(() => attempt(earlier));
      if (outcome.ok) return outcome.value;
    }
    if (!this.#options.terminal.canPrompt()) throw missing(request);
    return await this.#askUntilRight(request, attempt);
  }

  async choose(request: PassphraseRequest): Promise<Secret> {
    const set = this.#environment(kindOf(request));
    if (set !== undefined) return assertLongEnough(set);
    const earlier = this.#typed.get(shelf(request));
    if (earlier !== undefined && earlier.characters >= MIN_PASSPHRASE_CHARACTERS) return earlier;
    return await this.replace(request);
  }

  async replace(request: PassphraseRequest): Promise<Secret> {
    const { terminal } = this.#options;
    if (!terminal.canPrompt()) throw missing(request);
    const what = describe(request);
    const secret = await terminal.askNewSecret({
      first: `Enter passphrase for new ${what}: `,
      repeat: `Repeat passphrase for new ${what}: `,
    });
    if (secret === undefined) throw declined(request);
    this.#typed.set(shelf(request), secret);
    return secret;
  }

  assertAvailable(request: PassphraseRequest): void {
    if (this.#environment(kindOf(request)) !== undefined) return;
    if (this.#typed.has(shelf(request)) || this.#options.terminal.canPrompt()) return;
    throw missing(request);
  }

  async #askUntilRight<T>(
    request: PassphraseRequest,
    attempt: (passphrase: Secret) => Promise<T>,
  ): Promise<T> {
    const { terminal } = this.#options;
    for (let tries = 1; ; tries += 1) {
      const secret = await terminal.askSecret(`Enter passphrase for ${describe(request)}: `);
      if (secret === undefined) throw declined(request);
      const outcome = await tolerateWrong(() => attempt(secret));
      if (outcome.ok) {
        this.#typed.set(shelf(request), secret);
        return outcome.value;
      }
      if (tries === terminalTries) throw wrong(request, outcome.error, `${terminalTries} tries`, []);
      terminal.say('Passphrase incorrect. Please retry.');
    }
  }

  /** What the environment gives for this kind of key; a file is read once, it may be a pipe. */
  #environment(kind: Kind): Found | undefined {
    const { environment, fs } = this.#options;
    const variable = variableOf(kind);
    const value = kind === 'root' ? environment.rootPassphrase : environment.repositoryPassphrase;
    const file = kind === 'root' ? environment.rootPassphraseFile : environment.repositoryPassphraseFile;
    const hasFile = file !== undefined && file !== '';
    if (value !== undefined && value !== '') {
      if (hasFile) throw bothSet(variable);
      return { secret: Secret.fromText(value), variable };
    }
    if (!hasFile) return undefined;
    const secret = this.#fromFiles.get(kind) ?? readPassphraseFile(fs, file, `${variable}_FILE`);
    this.#fromFiles.set(kind, secret);
    return { secret, variable: `${variable}_FILE` };
  }
}

/** How a prompt names a key: Docker's words, and the repository where the key has one. */
export function describe(request: PassphraseRequest): string {
  const role = request.role === 'targets' || request.role === 'snapshot' ? 'repository' : request.role;
  const id = request.keyId === undefined ? '' : ` with ID ${request.keyId.slice(0, 7)}`;
  const repository = request.repository === undefined ? '' : ` (${escapeText(request.repository)})`;
  const variable = request.variable === undefined ? '' : ` in ${request.variable}`;
  return `${escapeText(role ?? 'encrypted')} key${id}${repository}${variable}`;
}

function kindOf(request: PassphraseRequest): Kind {
  return request.role === 'root' ? 'root' : 'repository';
}

function variableOf(kind: Kind): string {
  return kind === 'root' ? ROOT_PASSPHRASE_VARIABLE : REPOSITORY_PASSPHRASE_VARIABLE;
}

/** Keys that share a passphrase in one process: all root keys, the keys of one repository, one signer's. */
function shelf(request: PassphraseRequest): string {
  return kindOf(request) === 'root' ? 'root' : `repository ${request.repository ?? ''}`;
}

async function tryFromEnvironment<T>(
  request: PassphraseRequest,
  set: Found,
  attempt: (passphrase: Secret) => Promise<T>,
): Promise<T> {
  const outcome = await tolerateWrong(() => attempt(set.secret));
  if (outcome.ok) return outcome.value;
  throw wrong(request, outcome.error, set.variable, [
    `Set ${set.variable} to the passphrase of this key, or unset it to be asked on a terminal.`,
  ]);
}

type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: KeyError };

/** Runs an attempt; a wrong passphrase (KEY_PASSPHRASE) is an answer, every other failure is thrown on. */
async function tolerateWrong<T>(attempt: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await attempt() };
  } catch (error) {
    if (error instanceof KeyError && error.code === 'KEY_PASSPHRASE') return { ok: false, error };
    throw error;
  }
}

function assertLongEnough({ secret, variable }: Found): Secret {
  return assertPassphraseLength(secret, variable);
}

/**
 * A passphrase for something new that nobody typed.
 *
 * @throws KeyError KEY_PASSPHRASE_SHORT
 */
export function assertPassphraseLength(secret: Secret, source: string): Secret {
  if (secret.characters >= MIN_PASSPHRASE_CHARACTERS) return secret;
  throw new KeyError({
    code: 'KEY_PASSPHRASE_SHORT',
    message: `the passphrase in ${source} is too short for a new key`,
    expected: `at least ${MIN_PASSPHRASE_CHARACTERS} characters`,
    hints: ['Use a password manager to make and keep a long random passphrase.'],
  });
}

function wrong(
  request: PassphraseRequest,
  cause: KeyError,
  source: string,
  hints: readonly string[],
): KeyError {
  return new KeyError({
    code: 'KEY_PASSPHRASE',
    message: `wrong passphrase for ${describe(request)} (${source})`,
    hints,
    cause,
  });
}

function declined(request: PassphraseRequest): KeyError {
  return new KeyError({
    code: 'PROMPT_DECLINED',
    message: `no passphrase was given for ${describe(request)}`,
  });
}

function missing(request: PassphraseRequest): KeyError {
  const variable = variableOf(kindOf(request));
  return new KeyError({
    code: 'KEY_PASSPHRASE_MISSING',
    message: `no passphrase for ${describe(request)}: no terminal to ask on, and ${ROOT_PASSPHRASE_VARIABLE} (root keys) or ${REPOSITORY_PASSPHRASE_VARIABLE} (all other keys) is not set`,
    hints: [`Set ${variable}, or ${variable}_FILE to a file that holds it.`],
  });
}

function bothSet(variable: string): LocalStateError {
  return new LocalStateError({
    code: 'CONFIG_INVALID',
    message: `${variable} and ${variable}_FILE are both set`,
    hints: ['Set only one of them.'],
  });
}
