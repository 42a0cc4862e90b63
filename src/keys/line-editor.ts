/**
 * One line typed on a terminal in raw mode, where the terminal itself edits nothing and echoes nothing.
 *
 * Pure: bytes in, what to echo and how it ended out. The line is kept as bytes, so a passphrase is exactly what was
 * typed, whatever its encoding. Escape sequences (arrow keys, a pasted colour) and other control characters are
 * dropped: they cannot be seen, and would make a passphrase that nobody can repeat.
 */

export type LineEnd =
  | { readonly kind: 'line'; readonly bytes: Uint8Array }
  /** Ctrl-D on an empty line, or a line longer than anybody types. */
  | { readonly kind: 'end' }
  /** Ctrl-C or Ctrl-\. */
  | { readonly kind: 'interrupt' };

export interface Fed {
  /** Bytes to show when the line is echoed. */
  readonly echo: Uint8Array;
  /** How the line ended; undefined while it goes on. */
  readonly end?: LineEnd;
  /** Bytes after the end of the line. */
  readonly rest: Uint8Array;
}

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const BACKSPACE = 0x08;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const CTRL_U = 0x15;
const ESCAPE = 0x1b;
const CTRL_BACKSLASH = 0x1c;
const DELETE = 0x7f;

const maxBytes = 16 * 1024;
const rubOut = [BACKSPACE, 0x20, BACKSPACE];

export class LineEditor {
  readonly #line: number[] = [];
  #escape: 'none' | 'started' | 'sequence' = 'none';

  /** Takes bytes as they come from the terminal, up to the end of the line. */
  feed(bytes: Uint8Array): Fed {
    const echo: number[] = [];
    for (const [i, byte] of bytes.entries()) {
      const end = this.#take(byte, echo);
      if (end !== undefined) return { echo: Buffer.from(echo), end, rest: bytes.subarray(i + 1) };
    }
    return { echo: Buffer.from(echo), rest: new Uint8Array() };
  }

  /** Overwrites what was typed. */
  wipe(): void {
    this.#line.fill(0);
    this.#line.length = 0;
  }

  #take(byte: number, echo: number[]): LineEnd | undefined {
    if (byte === CTRL_C || byte === CTRL_BACKSLASH) return { kind: 'interrupt' };
    if (byte === LINE_FEED || byte === CARRIAGE_RETURN)
      return { kind: 'line', bytes: Buffer.from(this.#line) };
    if (this.#escape !== 'none' || byte === ESCAPE) return this.#skipEscape(byte);
    if (byte === CTRL_D) return this.#line.length === 0 ? { kind: 'end' } : undefined;
    if (byte === BACKSPACE || byte === DELETE) this.#removeCharacter(echo);
    else if (byte === CTRL_U) while (this.#line.length > 0) this.#removeCharacter(echo);
    else if (byte >= 0x20 || byte === TAB) {
      this.#line.push(byte);
      echo.push(byte);
    }
    return this.#line.length > maxBytes ? { kind: 'end' } : undefined;
  }

  /** ESC, then `[` or `O` and everything up to a final byte, or any one other byte. */
  #skipEscape(byte: number): undefined {
    if (byte === ESCAPE) this.#escape = 'started';
    else if (this.#escape === 'started') this.#escape = byte === 0x5b || byte === 0x4f ? 'sequence' : 'none';
    else if (byte >= 0x40 && byte <= 0x7e) this.#escape = 'none';
    return undefined;
  }

  /** Removes one UTF-8 character: its continuation bytes, then the byte that leads them. */
  #removeCharacter(echo: number[]): void {
    if (this.#line.length === 0) return;
    let removed = this.#line.pop();
    while (removed !== undefined && (removed & 0xc0) === 0x80) removed = this.#line.pop();
    echo.push(...rubOut);
  }
}
