/**
 * As much of DER (X.690) as key files need: definite lengths in their shortest form, low tag numbers, nothing left
 * over. Not a general ASN.1 library.
 *
 * The bytes may be garbage that came out of a decryption with a wrong passphrase, so every length is checked
 * against what is there before it is used.
 */

/** The bytes are not the DER that was expected. Says nothing about their content. */
export class DerError extends Error {}

export const DER_INTEGER = 0x02;
export const DER_BIT_STRING = 0x03;
export const DER_OCTET_STRING = 0x04;
export const DER_NULL = 0x05;
export const DER_OID = 0x06;
export const DER_SEQUENCE = 0x30;

/** Reads elements one after the other from one level of a DER structure. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#position === this.#bytes.length;
  }

  /** Tag of the element to come; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#position];
  }

  /** @throws DerError when anything follows. */
  end(): void {
    if (!this.atEnd) throw new DerError('bytes after the end');
  }

  /** Content of the next element, which must have this tag. @throws DerError */
  read(tag: number): Uint8Array {
    if (this.nextTag !== tag) throw new DerError('unexpected element');
    this.#position += 1;
    const length = this.#readLength();
    const start = this.#position;
    if (length > this.#bytes.length - start) throw new DerError('element longer than what holds it');
    this.#position = start + length;
    return this.#bytes.subarray(start, this.#position);
  }

  /** A SEQUENCE, as a reader of what is in it. @throws DerError */
  sequence(): DerReader {
    return new DerReader(this.read(DER_SEQUENCE));
  }

  /** A non-negative INTEGER of at most 31 bits. @throws DerError */
  smallInteger(): number {
    const content = this.read(DER_INTEGER);
    const [first = 0x80] = content;
    if (content.length > 5 || first >= 0x80) throw new DerError('integer out of range');
    const value = content.reduce((sum, byte) => sum * 256 + byte, 0);
    if (value > 0x7fffffff) throw new DerError('integer out of range');
    return value;
  }

  /** An OBJECT IDENTIFIER in dotted form. @throws DerError */
  oid(): string {
    return oidText(this.read(DER_OID));
  }

  #readLength(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw new DerError('length out of range');
    let length = 0;
    for (let i = 0; i < count; i += 1) length = length * 256 + this.#byte();
    if (length < 0x80 || length < 256 ** (count - 1)) throw new DerError('length not in its shortest form');
    return length;
  }

  #byte(): number {
    const byte = this.#bytes[this.#position];
    if (byte === undefined) throw new DerError('cut short');
    this.#position += 1;
    return byte;
  }
}

function oidText(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if (arc > 0x7fffffff) throw new DerError('object identifier out of range');
    if (byte < 0x80) {
      arcs.push(arc);
      arc = 0;
    }
  }
  const [first] = arcs;
  if (first === undefined || (content.at(-1) ?? 0x80) >= 0x80)
    throw new DerError('object identifier cut short');
  const top = Math.min(2, Math.floor(first / 40));
  return [top, first - top * 40, ...arcs.slice(1)].join('.');
}

/** One element: tag, length, content. */
export function derElement(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag]), lengthBytes(body.length), body]);
}

export function derSequence(...elements: readonly Uint8Array[]): Buffer {
  return derElement(DER_SEQUENCE, ...elements);
}

/** A non-negative INTEGER. */
export function derInteger(value: number): Buffer {
  const bytes = bigEndian(value);
  // A leading 1 bit would make it negative.
  return derElement(DER_INTEGER, Buffer.from((bytes[0] ?? 0) >= 0x80 ? [0, ...bytes] : bytes));
}

export function derOid(dotted: string): Buffer {
  const [top = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return derElement(DER_OID, Buffer.from([top * 40 + second, ...rest].flatMap(base128)));
}

function base128(value: number): number[] {
  const digits = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
    digits.unshift((rest % 128) | 0x80);
  }
  return digits;
}

function lengthBytes(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = bigEndian(length);
  return Buffer.from([0x80 | bytes.length, ...bytes]);
}

function bigEndian(value: number): number[] {
  const bytes = [value % 256];
  for (let rest = Math.floor(value / 256); rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return bytes;
}
