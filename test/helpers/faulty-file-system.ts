/**
 * A file system that fails, or takes the process with it, at a chosen call.
 *
 * Calls are counted in the order they are made. 'error': call n throws as the system would, and those after it
 * work again. 'die': call n and every one after it throw ProcessDied, as if there were nobody left to make them;
 * a call that is cut in the middle (a write) has done half of its work. What remains on disk is what the next
 * process finds.
 */
import fs from 'node:fs';
import type { FileSystem } from '../../src/lib/file-system.ts';

export class ProcessDied extends Error {
  override readonly name = 'ProcessDied';
}

export interface Fault {
  /** Counted from 1. */
  readonly at: number;
  readonly kind: 'error' | 'die';
  /** For 'error'. */
  readonly errno?: string;
  /** Fails every call from `at` on that writes, instead of one; for a full disk. */
  readonly lasting?: boolean;
}

/** Calls that a read-only or full disk refuses. */
const WRITING: ReadonlySet<string> = new Set([
  'writeSync',
  'mkdirSync',
  'renameSync',
  'linkSync',
  'unlinkSync',
  'rmdirSync',
  'chmodSync',
]);

export interface FaultyFileSystem {
  readonly fs: FileSystem;
  /** Names of the calls made, in order. */
  readonly calls: readonly string[];
}

export function faultyFileSystem(fault?: Fault, real: FileSystem = fs): FaultyFileSystem {
  const calls: string[] = [];
  const wrap = (name: string, call: (...args: unknown[]) => unknown): unknown => {
    return (...args: unknown[]): unknown => {
      calls.push(name);
      if (fault === undefined || calls.length < fault.at) return call(...args);
      if (fault.kind === 'die') {
        if (calls.length === fault.at && name === 'writeSync') halfWrite(real, args);
        throw new ProcessDied(`at ${name}, call ${calls.length}`);
      }
      const hit = fault.lasting === true ? WRITING.has(name) : calls.length === fault.at;
      if (!hit) return call(...args);
      throw systemError(fault.errno ?? 'EIO', name);
    };
  };
  const wrapped = new Map<string, unknown>();
  const proxy = new Proxy(real, {
    get(target, property) {
      const name = String(property);
      const known = wrapped.get(name);
      if (known !== undefined) return known;
      const call = target[property as keyof FileSystem] as unknown as (...args: unknown[]) => unknown;
      const made = wrap(name, call.bind(target));
      wrapped.set(name, made);
      return made;
    },
  });
  return { fs: proxy, calls };
}

/** An error as Node makes it for a failing call. */
export function systemError(errno: string, syscall: string): Error {
  return Object.assign(new Error(`${errno}: injected, ${syscall}`), { code: errno, syscall, errno: -1 });
}

function halfWrite(real: FileSystem, [fd, bytes, offset, length]: unknown[]): void {
  real.writeSync(fd as number, bytes as Uint8Array, offset as number, Math.floor((length as number) / 2));
}
