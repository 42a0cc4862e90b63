/**
 * The compressions in which docker takes a build context: gzip and zstd by Node.js, bzip2 and xz by the programs of
 * those names.
 */
import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';
import { UsageError } from '../../../lib/errors.ts';
import { hasErrno } from '../../../lib/fs-error.ts';

export type Compression = 'gzip' | 'bzip2' | 'xz' | 'zstd';

const MAGIC: readonly (readonly [Compression, Buffer])[] = [
  ['gzip', Buffer.from([0x1f, 0x8b, 0x08])],
  ['bzip2', Buffer.from('BZh')],
  ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])],
  ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
];

/** What the first bytes tell; undefined for what is not compressed. */
export function compressionOf(bytes: Buffer): Compression | undefined {
  return MAGIC.find(([, magic]) => bytes.subarray(0, magic.length).equals(magic))?.[0];
}

/**
 * The stream unpacked.
 * @throws UsageError BUILD_CONTEXT_INVALID, while it is read
 */
export async function* unpacked(
  stream: AsyncIterable<Uint8Array>,
  compression: Compression,
  env: Readonly<Record<string, string | undefined>>,
): AsyncGenerator<Uint8Array, void> {
  if (compression === 'bzip2' || compression === 'xz') yield* byProgram(stream, compression, env);
  else yield* byNode(stream, compression);
}

async function* byNode(
  stream: AsyncIterable<Uint8Array>,
  compression: 'gzip' | 'zstd',
): AsyncGenerator<Uint8Array, void> {
  const unpack = compression === 'gzip' ? zlib.createGunzip() : zlib.createZstdDecompress();
  const fed = pipeline(Readable.from(stream), unpack);
  // Whoever stops reading early has the reason himself.
  fed.catch(() => undefined);
  try {
    yield* unpack as AsyncIterable<Uint8Array>;
    await fed;
  } catch (error) {
    await fed.catch(() => undefined);
    if (!isOfZlib(error)) throw error;
    throw damaged(compression, error);
  }
}

const isOfZlib = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /^(Z_|ZSTD_|ERR_ZSTD)/.test(String(error.code));

async function* byProgram(
  stream: AsyncIterable<Uint8Array>,
  program: 'bzip2' | 'xz',
  env: Readonly<Record<string, string | undefined>>,
): AsyncGenerator<Uint8Array, void> {
  const child = spawn(program, ['-dc'], {
    env: env as NodeJS.ProcessEnv,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  // A program that has ended early has closed its end: its status tells why.
  const fed = pipeline(Readable.from(stream), child.stdin).catch((error: unknown) => {
    if (!hasErrno(error, 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED')) throw error;
  });
  fed.catch(() => undefined);
  try {
    const [status] = await Promise.race([
      ended.then((each) => [each] as const),
      new Promise<readonly [undefined]>((resolve) => child.once('spawn', () => resolve([undefined]))),
    ]);
    if (status === undefined) yield* child.stdout as AsyncIterable<Uint8Array>;
    await fed;
    if ((await ended) !== 0) throw damaged(program);
  } catch (error) {
    await Promise.allSettled([fed, ended]);
    if (!hasErrno(error, 'ENOENT', 'EACCES')) throw error;
    throw new UsageError({
      code: 'BUILD_CONTEXT_INVALID',
      message: `the build context is compressed with ${program}, and the program ${program} is not here`,
      hints: [`Install ${program}, or send the archive uncompressed or as gzip.`],
      cause: error,
    });
  } finally {
    child.kill();
  }
}

function damaged(compression: Compression, cause?: unknown): UsageError {
  return new UsageError({
    code: 'BUILD_CONTEXT_INVALID',
    message: `the build context cannot be unpacked as ${compression}`,
    cause,
  });
}
