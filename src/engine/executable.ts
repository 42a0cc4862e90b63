/**
 * What kind of program a file is, read before it is started.
 *
 * A failing `process.execve` ends Node with a native abort (status 134) that nothing can catch. So what execve
 * would find is looked at first: the right machine and a loader that is there, or a script whose interpreter is.
 */
import type nodeFs from 'node:fs';
import path from 'node:path';

export type ProgramFiles = Pick<
  typeof nodeFs,
  'statSync' | 'accessSync' | 'openSync' | 'readSync' | 'closeSync'
>;

export interface Executable {
  readonly path: string;
  /** A script may be a wrapper that calls dtrust again; a native program is no wrapper of ours. */
  readonly kind: 'native' | 'script' | 'other';
  /** Whether execve is sure to take it, as far as its content tells. */
  readonly startable: boolean;
}

export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
}

const X_OK = 1;
const HEAD_BYTES = 4_096;
/** Linux reads this much of a script's first line. */
const MAX_SHEBANG = 256;

/** ELF `e_machine` of the architectures Node runs on; those that are not here are not compared. */
const ELF_MACHINE: Readonly<Record<string, number>> = {
  ia32: 3,
  ppc64: 21,
  s390x: 22,
  arm: 40,
  x64: 62,
  arm64: 183,
  riscv64: 243,
  loong64: 258,
};
const MACH_O = new Set([0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe, 0xcafebabe]);
const PT_INTERP = 3;

/** Looks at a file that exists and may be executed. */
export function readExecutable(fs: ProgramFiles, file: string, machine: Machine): Executable {
  const handle = fs.openSync(file, 'r');
  try {
    const head = readAt(fs, handle, 0, HEAD_BYTES);
    if (head.subarray(0, 2).toString('latin1') === '#!') {
      return { path: file, kind: 'script', startable: hasInterpreter(fs, head) };
    }
    if (head.subarray(0, 4).toString('latin1') === '\x7fELF') {
      return { path: file, kind: 'native', startable: isLoadable(fs, handle, head, machine) };
    }
    const isMachO = head.length >= 4 && MACH_O.has(head.readUInt32BE(0));
    if (isMachO) return { path: file, kind: 'native', startable: machine.platform === 'darwin' };
    return { path: file, kind: 'other', startable: false };
  } finally {
    fs.closeSync(handle);
  }
}

/** Whether the file exists, is a regular one, and may be executed by this user. */
export function isExecutable(fs: ProgramFiles, file: string): boolean {
  try {
    fs.accessSync(file, X_OK);
    return fs.statSync(file).isFile();
  } catch (error) {
    if (isFileError(error)) return false;
    throw error;
  }
}

/** A failure of the file system to find or open something, as opposed to a bug. */
export function isFileError(error: unknown): boolean {
  return error instanceof Error && typeof Reflect.get(error, 'code') === 'string' && 'syscall' in error;
}

function hasInterpreter(fs: ProgramFiles, head: Buffer): boolean {
  const line = head.subarray(2, MAX_SHEBANG).toString('latin1').split('\n', 1)[0] ?? '';
  const interpreter = line.trim().split(/[ \t]/, 1)[0] ?? '';
  return path.isAbsolute(interpreter) && isExecutable(fs, interpreter);
}

/** The right machine, and the loader it names is there. A 32-bit or big-endian program is left to spawn. */
function isLoadable(fs: ProgramFiles, handle: number, head: Buffer, machine: Machine): boolean {
  if (machine.platform !== 'linux' || head.length < 64) return false;
  const is64Little = head[4] === 2 && head[5] === 1;
  if (!is64Little) return false;
  const wanted = ELF_MACHINE[machine.arch];
  if (wanted !== undefined && head.readUInt16LE(18) !== wanted) return false;
  const loader = loaderOf(fs, handle, head);
  return loader === undefined || isExecutable(fs, loader);
}

/** The dynamic loader that the program header names; undefined for a static program. */
function loaderOf(fs: ProgramFiles, handle: number, head: Buffer): string | undefined {
  const offset = Number(head.readBigUInt64LE(32));
  const entrySize = head.readUInt16LE(54);
  const count = head.readUInt16LE(56);
  const table = readAt(fs, handle, offset, entrySize * count);
  for (let at = 0; entrySize >= 56 && at + entrySize <= table.length; at += entrySize) {
    if (table.readUInt32LE(at) !== PT_INTERP) continue;
    const from = Number(table.readBigUInt64LE(at + 8));
    const length = Math.min(Number(table.readBigUInt64LE(at + 32)), HEAD_BYTES);
    return readAt(fs, handle, from, length).toString('utf8').replace(/\0.*$/s, '');
  }
  return undefined;
}

function readAt(fs: ProgramFiles, handle: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, fs.readSync(handle, bytes, 0, length, position));
}
