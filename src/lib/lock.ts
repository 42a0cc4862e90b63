/**
 * One process at a time, by nothing but the file system, and without a lock that outlives its owner.
 *
 * The lock is a folder at `path` that holds one entry, named after its owner. Two properties of rename and
 * unlink carry it:
 *
 *  - a prepared folder (with the own entry in it) is renamed to `path`. POSIX lets that succeed only when there
 *    is nothing or an *empty* folder, so of any number of processes exactly one gets it;
 *  - releasing, and taking over from a dead owner, both unlink an entry *by its name*, which holds random bits.
 *    Whoever decided on an outdated view ("7 is dead") finds that name gone and removes nobody else's lock.
 *
 * An owner is known to be dead when it ran under this kernel's boot and in this PID namespace and its process
 * is gone (or is another one: the start time is in the name). An owner that cannot be judged (another machine
 * on a shared home, another container, a reboot) loses the lock when its entry is older than `abandonedMs`.
 * Locks are held for the time of a few file writes, or of one publish; a user who can write here can steal
 * them anyway.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock } from './clock.ts';
import { LocalStateError } from './errors.ts';
import { escapeText } from './escape.ts';
import type { FileSystem } from './file-system.ts';
import { hasErrno, isSystemError, writeFailure } from './fs-error.ts';
import { currentOwner, isOwnerGone, type LockOwner } from './lock-owner.ts';

export interface LockOptions {
  readonly fs: FileSystem;
  /** The lock's own path; the folder it is in must exist. */
  readonly path: string;
  readonly clock: Clock;
  /** How long to wait for another owner before LOCK_TIMEOUT. */
  readonly waitMs: number;
  /** Who is locking; by default found under /proc. */
  readonly owner?: LockOwner;
  /** Age at which the entry of an owner that cannot be judged counts as left behind. Default 15 minutes. */
  readonly abandonedMs?: number;
  readonly signal?: AbortSignal;
}

const ABANDONED_MS = 15 * 60_000;
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;

/**
 * Runs `work` while holding the lock, and releases it whatever comes of it.
 *
 * @throws LocalStateError LOCK_TIMEOUT, DISK_FULL, FILE_UNWRITABLE, and whatever `work` throws
 */
export async function withLock<T>(options: LockOptions, work: () => Promise<T>): Promise<T> {
  const entry = await acquire(options);
  try {
    return await work();
  } finally {
    release(options, entry);
  }
}

async function acquire(options: LockOptions): Promise<string> {
  const owner = options.owner ?? currentOwner(options.fs);
  const entry = `${owner.name}.${randomBytes(8).toString('hex')}`;
  const deadline = options.clock.monotonic() + options.waitMs;
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    options.signal?.throwIfAborted();
    if (tryAcquire(options, entry)) {
      return entry;
    }
    if (removeAbandoned(options, owner)) {
      continue;
    }
    if (options.clock.monotonic() >= deadline) {
      throw timeout(options);
    }
    await options.clock.sleep(pauseMs, options.signal);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

/** Prepares a folder with the own entry in it and renames it to the lock's path. */
function tryAcquire({ fs, path }: LockOptions, entry: string): boolean {
  const prepared = join(dirname(path), `.${basename(path)}.${entry}.tmp`);
  try {
    fs.mkdirSync(prepared, { mode: 0o700 });
    fs.closeSync(
      fs.openSync(join(prepared, entry), constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600),
    );
    fs.renameSync(prepared, path);
    return true;
  } catch (error) {
    discard(fs, prepared, entry);
    // EPERM, EACCES: what Windows says for a folder that is there; it is told from a folder that cannot be
    // written by the folder being there.
    if (
      hasErrno(error, 'ENOTEMPTY', 'EEXIST') ||
      (hasErrno(error, 'EPERM', 'EACCES') && entriesOf(fs, path).length > 0)
    ) {
      return false;
    }
    throw writeFailure(error, path);
  }
}

/** Takes back what was prepared; what cannot be removed has a name of its own and stands in nobody's way. */
function discard(fs: FileSystem, prepared: string, entry: string): void {
  tolerateSystem(() => fs.unlinkSync(join(prepared, entry)));
  tolerateSystem(() => fs.rmdirSync(prepared));
}

/** Unlinks the entries of owners that are gone. Says whether the lock may be free now. */
function removeAbandoned(options: LockOptions, self: LockOwner): boolean {
  const { fs, path, clock } = options;
  const entries = entriesOf(fs, path);
  let removed = entries.length === 0;
  for (const entry of entries) {
    const verdict = isOwnerGone(fs, entry, self);
    if (verdict === 'gone' || (verdict === 'unknown' && isOlder(options, entry, clock.now()))) {
      tolerate(['ENOENT', 'ENOTDIR'], () => fs.unlinkSync(join(path, entry)));
      removed = true;
    }
  }
  if (removed) {
    // Only needed where an empty folder cannot be renamed over; fails, rightly, on one that is taken again.
    tolerate(['ENOENT', 'ENOTEMPTY', 'EEXIST', 'EPERM', 'EACCES'], () => fs.rmdirSync(path));
  }
  return removed;
}

function isOlder(options: LockOptions, entry: string, nowMs: number): boolean {
  try {
    const ageMs = nowMs - options.fs.lstatSync(join(options.path, entry)).mtimeMs;
    return ageMs > (options.abandonedMs ?? ABANDONED_MS);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) {
      return false;
    }
    throw error;
  }
}

function entriesOf(fs: FileSystem, path: string): readonly string[] {
  try {
    return fs.readdirSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) {
      return [];
    }
    throw writeFailure(error, path);
  }
}

/**
 * Whatever the system says to it, the work has been done and its result stands: an entry that cannot be removed
 * is judged by the next owner like any other, and one that is gone was taken over from us as abandoned.
 */
function release({ fs, path }: LockOptions, entry: string): void {
  tolerateSystem(() => fs.unlinkSync(join(path, entry)));
  tolerateSystem(() => fs.rmdirSync(path));
}

function tolerateSystem(step: () => void): void {
  try {
    step();
  } catch (error) {
    if (!isSystemError(error)) {
      throw error;
    }
  }
}

function tolerate(errnos: readonly string[], step: () => void): void {
  try {
    step();
  } catch (error) {
    if (!hasErrno(error, ...errnos)) {
      throw error;
    }
  }
}

function timeout({ path, waitMs }: LockOptions): LocalStateError {
  return new LocalStateError({
    code: 'LOCK_TIMEOUT',
    message: `another dtrust has held ${escapeText(path)} for more than ${Math.ceil(waitMs / 1000)} s`,
    hints: [`when no dtrust is running, remove the folder ${escapeText(path)}`],
  });
}
