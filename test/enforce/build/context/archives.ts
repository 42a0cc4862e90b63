/** Archives for tests: made by the system's `tar`, and by hand where no tool makes such a thing. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { ReadAt } from '../../../../src/enforce/build/context/tar-reader.ts';

/** Files, and folders that end in a slash. */
export function fill(folder: string, files: Readonly<Record<string, string>>): string {
  for (const [name, text] of Object.entries(files)) {
    const full = path.join(folder, name);
    fs.mkdirSync(name.endsWith('/') ? full : path.dirname(full), { recursive: true });
    if (!name.endsWith('/')) fs.writeFileSync(full, text);
  }
  return folder;
}

/** What `tar -c` makes of a folder. */
export function tarOf(folder: string, ...args: readonly string[]): Buffer {
  return execFileSync('tar', ['-C', folder, '-c', ...args, '.'], { maxBuffer: 1 << 28 });
}

export const readAtOf =
  (bytes: Buffer): ReadAt =>
  (offset, length) =>
    bytes.subarray(offset, offset + length);

export async function* streamOf(
  ...chunks: readonly (Uint8Array | string)[]
): AsyncGenerator<Uint8Array, void> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

export async function gather(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export interface Member {
  readonly name: string | Buffer;
  readonly flag?: string;
  readonly content?: string | Buffer;
  readonly linkTo?: string;
  readonly prefix?: string;
  readonly magic?: string;
  readonly size?: string;
}

/** One member, byte by byte. */
export function member({ name, flag = '0', content = '', linkTo = '', ...more }: Member): Buffer {
  const block = Buffer.alloc(512);
  const body = Buffer.from(content);
  Buffer.from(name).copy(block, 0, 0, 100);
  block.write('0000644\0' + '0000000\0' + '0000000\0', 100, 'latin1');
  block.write(more.size ?? `${body.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  block.write(`00000000000\0        ${flag}${linkTo}`, 136, 'latin1');
  block.write(more.magic ?? 'ustar\x0000', 257, 'latin1');
  block.write(more.prefix ?? '', 345, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([block, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

/** A pax header before a member. */
export function pax(records: Readonly<Record<string, string>>, flag = 'x'): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    let length = rest + 1;
    while (String(length).length + rest !== length) length = String(length).length + rest;
    return `${length} ${key}=${value}\n`;
  });
  return member({ name: 'pax', flag, content: lines.join('') });
}

export const END = Buffer.alloc(1024);

export const archive = (...members: readonly Buffer[]): Buffer => Buffer.concat([...members, END]);
