/**
 * Whether this process is in the foreground process group of its terminal.
 *
 * One in the background that reads the terminal is stopped by SIGTTIN: `dtrust push x &` would hang without a word.
 * Node has no tcgetpgrp, so Linux is asked through /proc/self/stat and other systems through ps. What cannot be
 * found out counts as background.
 */
import { execFileSync } from 'node:child_process';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno } from '../lib/fs-error.ts';

export interface ForegroundOptions {
  readonly fs: FileSystem;
  /** As `process.platform`. */
  readonly platform: string;
  readonly pid: number;
  /** Runs ps with these arguments and gives its output; undefined when that failed. For tests. */
  readonly ps?: (args: readonly string[]) => string | undefined;
}

export function isForeground(options: ForegroundOptions): boolean {
  if (options.platform === 'win32') return false;
  const groups = options.platform === 'linux' ? fromProc(options.fs) : fromPs(options);
  // 0 and -1 stand for "no terminal" and for a group that this PID namespace cannot see.
  return groups !== undefined && groups.own > 0 && groups.own === groups.terminal;
}

interface Groups {
  readonly own: number;
  readonly terminal: number;
}

function fromProc(fs: FileSystem): Groups | undefined {
  const stat = readStat(fs);
  // The program's name stands in parentheses and may hold anything; the fields come after the last one.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 1)
    .trim()
    .split(' ');
  const [, , own, , , terminal] = fields;
  return own === undefined || terminal === undefined
    ? undefined
    : { own: Number(own), terminal: Number(terminal) };
}

function readStat(fs: FileSystem): string {
  try {
    return fs.readFileSync('/proc/self/stat', 'latin1');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES', 'EPERM')) return '';
    throw error;
  }
}

function fromPs(options: ForegroundOptions): Groups | undefined {
  const run = options.ps ?? runPs;
  const output = run(['-o', 'pgid=', '-o', 'tpgid=', '-p', String(options.pid)]);
  const [, own, terminal] = /^\s*(\d+)\s+(-?\d+)\s*$/.exec(output ?? '') ?? [];
  return own === undefined || terminal === undefined
    ? undefined
    : { own: Number(own), terminal: Number(terminal) };
}

function runPs(args: readonly string[]): string | undefined {
  try {
    const stdio = ['ignore', 'pipe', 'ignore'] as const;
    return execFileSync('/bin/ps', args, { encoding: 'latin1', timeout: 2000, env: {}, stdio: [...stdio] });
  } catch (error) {
    // No ps, one that failed, or one that hung: then nobody knows, and nothing is asked.
    if (error instanceof Error && ('status' in error || 'code' in error)) return undefined;
    throw error;
  }
}
