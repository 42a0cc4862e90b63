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
  /** What is counted; default all calls. Reads come in another order where answers do. */
  readonly of?: 'calls' | 'writes';
  readonly kind: 'error' | 'die';
  /** For 'error'. */
  readonly errno?: string;
  /** Fails every call from `at` on that writes, instead of one; for a full disk. */
  readonly lasting?: boolean;
}

/** Calls that a read-only or full disk refuses, whatever their arguments. */
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
  /** How many of them change the disk or make sure of it: making a file and syncing one are among them. */
  readonly writes: number;
  readonly isDead: boolean;
  /** From now on there is nobody left to make a call. */
  die(): void;
}

/** @param beforeWrite called with the number of each write, before it is made */
export function faultyFileSystem(
  fault?: Fault,
  real: FileSystem = fs,
  beforeWrite: (write: number) => void = () => undefined,
): FaultyFileSystem {
  const calls: string[] = [];
  let writes = 0;
  let dead = false;
  const wrap = (name: string, call: (...args: unknown[]) => unknown): unknown => {
    return (...args: unknown[]): unknown => {
      calls.push(name);
      const isWrite = WRITING.has(name) || name === 'fsyncSync' || makesFile(name, args);
      if (isWrite) {
        writes += 1;
        beforeWrite(writes);
      }
      if (dead) throw new ProcessDied(`before ${name}, call ${calls.length}`);
      const isCounted = fault?.of !== 'writes' || isWrite;
      const count = fault?.of === 'writes' ? writes : calls.length;
      if (fault === undefined || !isCounted || count < fault.at) return call(...args);
      if (fault.kind === 'die') {
        dead = true;
        if (name === 'writeSync') halfWrite(real, args);
        throw new ProcessDied(`at ${name}, call ${calls.length}`);
      }
      if (fault.lasting === true ? !isWrite : count !== fault.at) return call(...args);
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
  return {
    fs: proxy,
    calls,
    get writes() {
      return writes;
    },
    get isDead() {
      return dead;
    },
    die: () => {
      dead = true;
    },
  };
}

function makesFile(name: string, [, flags]: readonly unknown[]): boolean {
  return name === 'openSync' && typeof flags === 'number' && (flags & fs.constants.O_CREAT) !== 0;
}

/** An error as Node makes it for a failing call. */
export function systemError(errno: string, syscall: string): Error {
  return Object.assign(new Error(`${errno}: injected, ${syscall}`), { code: errno, syscall, errno: -1 });
}

function halfWrite(real: FileSystem, [fd, bytes, offset, length]: unknown[]): void {
  real.writeSync(fd as number, bytes as Uint8Array, offset as number, Math.floor((length as number) / 2));
}
