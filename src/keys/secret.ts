/**
 * A value that cannot be printed by accident.
 *
 * Passphrases and private key bytes live in a Secret from the place where they enter (environment, file, terminal,
 * key file) to the one call that uses them. Turning it into text in any of the usual ways (template, JSON, console,
 * util.inspect, an error's properties) gives `[secret]`; only `reveal` and `bytes` give the content, so a review can
 * find every use by those two names.
 *
 * Not guaranteed: that the bytes vanish from memory. `wipe` overwrites this copy; the garbage collector and strings
 * that held the value before keep theirs.
 */
import { timingSafeEqual } from 'node:crypto';

const shown = '[secret]';

export class Secret {
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes);
  }

  static fromText(text: string): Secret {
    return new Secret(Buffer.from(text, 'utf8'));
  }

  /** The content itself; the caller keeps it out of messages, files and argument lists. */
  bytes(): Uint8Array {
    return this.#bytes;
  }

  /** The content as UTF-8 text; same duty as with `bytes`. */
  reveal(): string {
    return this.#bytes.toString('utf8');
  }

  get byteLength(): number {
    return this.#bytes.length;
  }

  /** Number of characters (code points), which is what a minimum length counts. */
  get characters(): number {
    return [...this.reveal()].length;
  }

  /** Whether both hold the same bytes, in a time that depends on the lengths alone. */
  equals(other: Secret): boolean {
    return this.#bytes.length === other.#bytes.length && timingSafeEqual(this.#bytes, other.#bytes);
  }

  /** Overwrites the content; the Secret is empty zeros from then on. */
  wipe(): void {
    this.#bytes.fill(0);
  }

  toString(): string {
    return shown;
  }

  toJSON(): string {
    return shown;
  }

  [Symbol.toPrimitive](): string {
    return shown;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return shown;
  }
}
