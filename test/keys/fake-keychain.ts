/** A keychain in memory that says what it was asked, and can be told to fail, to lie or to forget. */
import { type Keychain, KeychainError } from '../../src/keys/keychain.ts';
import { Secret } from '../../src/keys/secret.ts';

export class FakeKeychain implements Keychain {
  readonly kept: Map<string, string>;
  /** `get 0123...`, in order. */
  readonly asked: string[] = [];
  /** Set: each call fails so. */
  failure: string | undefined;
  /** Takes what it is given and keeps something else; undefined: nothing. */
  instead: { readonly value: string | undefined } | undefined;

  constructor(kept: Readonly<Record<string, string>> = {}) {
    this.kept = new Map(Object.entries(kept));
  }

  async get(account: string): Promise<Secret | undefined> {
    this.#note('get', account);
    const kept = this.kept.get(account);
    return kept === undefined ? undefined : Secret.fromText(kept);
  }

  async set(account: string, passphrase: Secret): Promise<void> {
    this.#note('set', account);
    const value = this.instead === undefined ? passphrase.reveal() : this.instead.value;
    if (value !== undefined) this.kept.set(account, value);
  }

  async remove(account: string): Promise<boolean> {
    this.#note('remove', account);
    return this.kept.delete(account);
  }

  async accounts(): Promise<readonly string[]> {
    this.#note('accounts', '');
    return [...this.kept.keys()];
  }

  #note(operation: string, account: string): void {
    this.asked.push(`${operation} ${account}`.trim());
    if (this.failure !== undefined) throw new KeychainError(this.failure);
  }
}
