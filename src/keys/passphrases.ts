/**
 * Where passphrases come from, in order: the environment (a value, or a file it names), the keychain of the system
 * (remembered.ts), what a person has typed earlier in this process, a question on the terminal.
 *
 * Docker's split is kept: the root key has its own passphrase, every other key (repository, online, signers) shares
 * the repository's. Where the keychain keeps them, new repository and online keys get random ones instead. A value from the environment is tried once: asking a script again gives the same answer. A person
 * gets three tries. Where nothing is set and nobody can be asked, the refusal names both variables.
 *
 * Passphrases are never written but to the keychain, never logged and never put in an error.
 */
import { KeyError } from '../lib/errors.ts';
import type { FileSystem } from '../lib/file-system.ts';
import type { Keychain } from './keychain.ts';
import { bothSet, declined, missing, nobodyToType, outdatedLine, wrong } from './passphrase-errors.ts';
import { readPassphraseFile } from './passphrase-file.ts';
import {
  describe,
  isOfCollection,
  type Kind,
  kindOf,
  type PassphraseRequest,
  shelf,
  variableOf,
} from './passphrase-request.ts';
import { RememberedPassphrases } from './remembered.ts';
import { Secret } from './secret.ts';
import type { Terminal } from './terminal.ts';

/** The variables as the environment holds them; an empty one counts as unset, as it does for Docker. */
export interface PassphraseEnvironment {
  readonly rootPassphrase?: string | undefined;
  readonly rootPassphraseFile?: string | undefined;
  readonly repositoryPassphrase?: string | undefined;
  readonly repositoryPassphraseFile?: string | undefined;
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
   * The passphrase for a key that is being made: from the environment; for a repository or online key a random one
   * that the keychain has kept; the one set earlier in this process for the same kind of key; or asked twice, and
   * then offered to the keychain.
   *
   * @param beforeAsking what a person is told who is asked; nobody else is
   * @throws KeyError KEY_PASSPHRASE_SHORT, KEY_PASSPHRASE_MISSING, PROMPT_DECLINED; Interrupted
   * @throws LocalStateError CONFIG_INVALID, FILE_UNREADABLE
   */
  choose(request: PassphraseRequest, beforeAsking?: string): Promise<Secret>;

  /**
   * The new passphrase when an existing one is being changed: always asked, never taken from the environment,
   * which holds the old one.
   *
   * @throws KeyError KEY_PASSPHRASE_MISSING (nobody to ask), KEY_PASSPHRASE_SHORT, PROMPT_DECLINED; Interrupted
   */
  replace(request: PassphraseRequest): Promise<Secret>;

  /**
   * To be told when an existing key has a new passphrase: the keychain follows where it remembers the old one.
   *
   * @throws Interrupted
   */
  changed(request: PassphraseRequest, passphrase: Secret): Promise<void>;

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
  /** Absent: nothing is remembered. */
  readonly keychain?: Keychain;
}

/** Least length of a new passphrase, in characters; Docker's. */
export const MIN_PASSPHRASE_CHARACTERS = 8;

const terminalTries = 3;

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
  readonly #fromKeychain = new Map<string, Secret>();
  readonly #remembered: RememberedPassphrases;

  constructor(options: PassphraseOptions) {
    this.#options = options;
    this.#remembered = new RememberedPassphrases(options.keychain, options.terminal);
  }

  async unlock<T>(request: PassphraseRequest, attempt: (passphrase: Secret) => Promise<T>): Promise<T> {
    const kind = kindOf(request);
    const set = this.#environment(kind);
    if (set !== undefined) return await tryFromEnvironment(request, set, attempt);
    const remembered = await this.#remembered.get(request);
    const outdated = remembered !== undefined;
    if (remembered !== undefined) {
      const outcome = await tolerateWrong(() => attempt(remembered));
      if (outcome.ok) {
        this.#fromKeychain.set(shelf(request), remembered);
        return outcome.value;
      }
      this.#remembered.isWrong(request);
      this.#options.terminal.say(outdatedLine(request));
    }
    for (const earlier of this.#earlier(request)) {
      const outcome = await tolerateWrong(() => attempt(earlier));
      if (!outcome.ok) continue;
      // One that the keychain holds for another key is not offered to it again.
      if (earlier === this.#typed.get(shelf(request))) {
        await this.#remembered.offer(request, earlier, outdated);
      }
      return outcome.value;
    }
    if (!this.#options.terminal.canPrompt()) throw missing(request);
    const { secret, value } = await this.#askUntilRight(request, attempt);
    await this.#remembered.offer(request, secret, outdated);
    return value;
  }

  async choose(request: PassphraseRequest, beforeAsking?: string): Promise<Secret> {
    const set = this.#environment(kindOf(request));
    if (set !== undefined) return assertLongEnough(set);
    const made = isOfCollection(request) ? await this.#remembered.make(request) : undefined;
    if (made !== undefined) return made;
    const earlier = this.#typed.get(shelf(request));
    if (earlier !== undefined && earlier.characters >= MIN_PASSPHRASE_CHARACTERS) return earlier;
    if (!this.#options.terminal.canPrompt()) throw missing(request);
    if (beforeAsking !== undefined) this.#options.terminal.say(beforeAsking);
    const secret = await this.replace(request);
    await this.#remembered.offer(request, secret);
    return secret;
  }

  async replace(request: PassphraseRequest): Promise<Secret> {
    const { terminal } = this.#options;
    if (!terminal.canPrompt()) throw nobodyToType(request);
    const what = describe(request);
    const secret = await terminal.askNewSecret({
      first: `Enter passphrase for new ${what}: `,
      repeat: `Repeat passphrase for new ${what}: `,
    });
    if (secret === undefined) throw declined(request);
    this.#typed.set(shelf(request), secret);
    return secret;
  }

  async changed(request: PassphraseRequest, passphrase: Secret): Promise<void> {
    await this.#remembered.changed(request, passphrase);
  }

  assertAvailable(request: PassphraseRequest): void {
    if (this.#environment(kindOf(request)) !== undefined) return;
    if (this.#typed.has(shelf(request)) || this.#options.terminal.canPrompt()) return;
    throw missing(request);
  }

  async #askUntilRight<T>(
    request: PassphraseRequest,
    attempt: (passphrase: Secret) => Promise<T>,
  ): Promise<{ readonly secret: Secret; readonly value: T }> {
    const { terminal } = this.#options;
    for (let tries = 1; ; tries += 1) {
      const secret = await terminal.askSecret(`Enter passphrase for ${describe(request)}: `);
      if (secret === undefined) throw declined(request);
      const outcome = await tolerateWrong(() => attempt(secret));
      if (outcome.ok) {
        this.#typed.set(shelf(request), secret);
        return { secret, value: outcome.value };
      }
      if (tries === terminalTries) throw wrong(request, outcome.error, `${terminalTries} tries`, []);
      terminal.say('Passphrase incorrect. Please retry.');
    }
  }

  /** What has opened a key of the same kind in this process: typed, or kept for that one in the keychain. */
  #earlier(request: PassphraseRequest): readonly Secret[] {
    const found = [this.#typed.get(shelf(request)), this.#fromKeychain.get(shelf(request))];
    return found.filter((each) => each !== undefined);
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
    message: `the passphrase in ${source} is too short for a new key, which takes ${MIN_PASSPHRASE_CHARACTERS} characters or more`,
    expected: `at least ${MIN_PASSPHRASE_CHARACTERS} characters`,
    hints: ['Use a password manager to make and keep a long random passphrase.'],
  });
}
