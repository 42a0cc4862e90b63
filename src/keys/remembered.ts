/**
 * Passphrases remembered in the keychain of the system, as the chain in passphrases.ts uses them.
 *
 * The keychain is touched only where a question may be asked: one that is locked answers with a dialog, and a dialog
 * that nobody sees is a hang (docs/adr/0011-keychain.md). Once a call has failed there is no keychain for the rest of
 * this process: one line says so and the next source is asked. Nothing is put into it that its user has not agreed to,
 * save what dtrust itself made at random; and what is put into it counts only when it was read back.
 */
import { randomBytes } from 'node:crypto';
import { type Keychain, KeychainError } from './keychain.ts';
import { describe, type PassphraseRequest } from './passphrase-request.ts';
import { Secret } from './secret.ts';
import type { Terminal } from './terminal.ts';

const RANDOM_BYTES = 32;
const randomPattern = /^[A-Za-z0-9_-]{43}$/;

/** What was found for a key; `settled`: what was found is wrong, and its user has been told. */
interface Looked {
  readonly secret: Secret | undefined;
  readonly settled?: true;
}

export class RememberedPassphrases {
  readonly #keychain: Keychain | undefined;
  readonly #terminal: Terminal;
  readonly #looked = new Map<string, Looked>();
  /** Whether a passphrase that was typed is to be remembered; asked once for each, whatever keys it opens. */
  readonly #answers = new Map<Secret, boolean>();
  #gone = false;

  constructor(keychain: Keychain | undefined, terminal: Terminal) {
    this.#keychain = keychain;
    this.#terminal = terminal;
  }

  /** What is remembered for a key; undefined also where there is no keychain. @throws Interrupted */
  async get(request: PassphraseRequest): Promise<Secret | undefined> {
    const account = accountOf(request);
    if (account === undefined) return undefined;
    const known = this.#looked.get(account);
    if (known !== undefined) return known.secret;
    const answer = await this.#ask((keychain) => keychain.get(account));
    if (answer === undefined) return undefined;
    this.#looked.set(account, { secret: answer.value });
    return answer.value;
  }

  /** What was got for a key does not open it: it is not given again, nor is another one offered but in its place. */
  isWrong(request: PassphraseRequest): void {
    const account = accountOf(request);
    if (account !== undefined) this.#looked.set(account, { secret: undefined, settled: true });
  }

  /**
   * Offers to remember a passphrase that was typed and is right. `instead`: another one is remembered, which is
   * wrong now.
   *
   * @throws Interrupted
   */
  async offer(request: PassphraseRequest, secret: Secret, instead = false): Promise<void> {
    const account = accountOf(request);
    // The question is not put where a yes would come to nothing.
    const before = await this.get(request);
    if (account === undefined || !this.#usable()) return;
    const isSettled = before !== undefined || this.#looked.get(account)?.settled === true;
    if (isSettled && !instead) return;
    if (!(await this.#agreed(secret, instead))) return;
    if (await this.#keep(account, secret)) return;
    this.#terminal.say('The keychain of this system did not keep the passphrase.');
  }

  /**
   * A random passphrase for a new key, kept already; undefined where no keychain keeps it.
   *
   * @throws Interrupted
   */
  async make(request: PassphraseRequest): Promise<Secret | undefined> {
    const account = accountOf(request);
    if (account === undefined || !this.#usable()) return undefined;
    const secret = Secret.fromText(randomBytes(RANDOM_BYTES).toString('base64url'));
    if (!(await this.#keep(account, secret))) return undefined;
    this.#terminal.say(`A random passphrase for new ${describe(request)} is in the keychain of this system.`);
    return secret;
  }

  /**
   * Follows a change of passphrase: what is remembered is replaced, and where nothing is, it is offered.
   *
   * @throws Interrupted
   */
  async changed(request: PassphraseRequest, secret: Secret): Promise<void> {
    const account = accountOf(request);
    if ((await this.get(request)) === undefined || account === undefined) {
      await this.offer(request, secret);
      return;
    }
    this.#terminal.say(
      (await this.#keep(account, secret))
        ? 'The keychain of this system remembers the new passphrase.'
        : `The keychain of this system still holds the old passphrase of ${describe(request)}.`,
    );
  }

  async #agreed(secret: Secret, instead: boolean): Promise<boolean> {
    if (instead)
      return await this.#terminal.askYesNo('Replace the remembered passphrase by this one? [y/N] ');
    const said = this.#answers.get(secret);
    if (said !== undefined) return said;
    const yes = await this.#terminal.askYesNo(
      'Remember this passphrase in the keychain of this system? [y/N] ',
    );
    this.#answers.set(secret, yes);
    return yes;
  }

  /** Puts it in and reads it back; true when it is the same. */
  async #keep(account: string, secret: Secret): Promise<boolean> {
    const kept = await this.#ask(async (keychain) => {
      await keychain.set(account, secret);
      return await keychain.get(account);
    });
    this.#looked.delete(account);
    if (kept?.value?.equals(secret) !== true) return false;
    this.#looked.set(account, { secret });
    return true;
  }

  #usable(): boolean {
    return this.#keychain !== undefined && !this.#gone && this.#terminal.canPrompt();
  }

  /** The keychain's answer; undefined where there is none. */
  async #ask<T>(work: (keychain: Keychain) => Promise<T>): Promise<{ readonly value: T } | undefined> {
    const keychain = this.#keychain;
    if (keychain === undefined || !this.#usable()) return undefined;
    try {
      return { value: await work(keychain) };
    } catch (error) {
      // contracts, Keys: a failure or a time-out means that there is no keychain.
      if (!(error instanceof KeychainError)) throw error;
      this.#gone = true;
      this.#terminal.say(`The keychain of this system is not used: ${error.message}.`);
      return undefined;
    }
  }
}

/** Whether a passphrase looks like one that dtrust has made, which nobody has ever seen. */
export function looksRandom(secret: Secret): boolean {
  return randomPattern.test(secret.reveal());
}

/** A key is known to the keychain by its ID; one in a variable, or in a file not yet read, is not known to it. */
export function accountOf({ keyId, variable }: PassphraseRequest): string | undefined {
  return keyId !== undefined && variable === undefined && /^[0-9a-f]{64}$/.test(keyId) ? keyId : undefined;
}
