/** What comes from elsewhere, kept in a file without a name. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { streamContext } from '../../../../src/enforce/build/context/archive-context.ts';
import { contentOf, openSpool, spoolStream } from '../../../../src/enforce/build/context/spool.ts';
import { temporaryFolder } from '../../../helpers/temporary-folder.ts';

async function* streamOf(...chunks: readonly string[]): AsyncGenerator<Uint8Array, void> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(content)).toString();
}

describe('contract (Disk): a spool', () => {
  test('holds what was written since it began, under no name', async () => {
    const folder = temporaryFolder();
    const spool = openSpool(folder);
    for (const text of ['a longer text', 'short']) {
      spool.begin();
      spool.write(Buffer.from(text));
      spool.write(Buffer.from('!'));
    }
    expect(fs.readdirSync(folder)).toEqual([]);
    const whole = spool.whole();
    expect(whole.size).toBe(6);
    expect(await textOf(contentOf(whole))).toBe('short!');
    expect(whole.readAt(4, 100).toString()).toBe('t!');
    whole.close();
  });

  test('holds no more than it may, packed or unpacked', async () => {
    const temporary = temporaryFolder();
    const spool = await spoolStream(streamOf('12345', '67890'), temporary, 10);
    expect(await textOf(contentOf(spool))).toBe('1234567890');
    spool.close();
    const tooLarge = { code: 'BUILD_CONTEXT_INVALID', message: expect.stringContaining('10 bytes') };
    await expect(spoolStream(streamOf('12345', '678901'), temporary, 10)).rejects.toMatchObject(tooLarge);
    expect(fs.readdirSync(temporary)).toEqual([]);
  });

  test.each<[string, (bytes: Buffer) => Uint8Array]>([
    ['gzip', (bytes) => gzipSync(bytes)],
    ['zstd', (bytes) => zstdCompressSync(bytes)],
    ['xz', (input) => execFileSync('xz', ['-c'], { input })],
    ['bzip2', (input) => execFileSync('bzip2', ['-c'], { input })],
  ])('holds no more than it may of what %s makes of a little', async (_, pack) => {
    const temporary = temporaryFolder();
    const packed = pack(Buffer.alloc(10_000_000));
    async function* content() {
      for (let at = 0; at < packed.length; at += 100) yield packed.subarray(at, at + 100);
    }
    const options = { temporaryFolder: temporary, environment: process.env, file: undefined };
    await expect(streamContext(content(), { ...options, mostBytes: 500_000 })).rejects.toMatchObject({
      code: 'BUILD_CONTEXT_INVALID',
      message: expect.stringContaining('500000 bytes'),
    });
    expect(fs.readdirSync(temporary)).toEqual([]);
  });
});
