/**
 * Who holds a lock, as a name that another process can judge: `<pid>-<start>-<boot>-<namespace>`.
 *
 * The PID alone would not do: it is used again after a while, means nothing on another machine that shares the
 * home folder, and names somebody else in another container.
 */
import type { FileSystem } from './file-system.ts';
import { hasErrno } from './fs-error.ts';

export interface LockOwner {
  /** Letters, digits and dashes; the same for every lock this process takes. */
  readonly name: string;
  /** Whether a process of this boot and namespace still runs; where /proc does not answer, from the caller. */
  readonly isAlive?: (pid: number, start: string) => boolean;
}

const OWNER = /^(\d+)-(\d+)-([0-9a-f]{8}|none)-(\d+)\.[0-9a-f]{16}$/;
const UNKNOWN_NAME = '0-0-none-0';

let found: { readonly fs: FileSystem; readonly owner: LockOwner } | undefined;

/** This process, from /proc; where there is none, an owner that others can judge by age alone. */
export function currentOwner(fs: FileSystem): LockOwner {
  if (found?.fs === fs) {
    return found.owner;
  }
  const owner = { name: readOwnName(fs) };
  found = { fs, owner };
  return owner;
}

function readOwnName(fs: FileSystem): string {
  try {
    const stat = fs.readFileSync('/proc/self/stat', 'latin1');
    const pid = stat.slice(0, stat.indexOf(' '));
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8);
    const namespace = fs.statSync('/proc/self/ns/pid').ino;
    const name = `${pid}-${startOf(stat)}-${boot}-${namespace}`;
    return OWNER.test(`${name}.0123456789abcdef`) ? name : UNKNOWN_NAME;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES', 'EPERM', 'ENOTDIR')) {
      return UNKNOWN_NAME;
    }
    throw error;
  }
}

/** Whether the owner of a lock entry has ended, lives, or cannot be judged from here. */
export function isOwnerGone(fs: FileSystem, entry: string, self: LockOwner): 'gone' | 'alive' | 'unknown' {
  const theirs = OWNER.exec(entry);
  const ours = OWNER.exec(`${self.name}.0123456789abcdef`);
  if (theirs === null || ours === null) {
    return 'unknown';
  }
  const [, pid = '', start = '', boot, namespace] = theirs;
  if (boot === 'none' || boot !== ours[3] || namespace !== ours[4]) {
    return 'unknown';
  }
  if (self.isAlive !== undefined) {
    return self.isAlive(Number(pid), start) ? 'alive' : 'gone';
  }
  try {
    return startOf(fs.readFileSync(`/proc/${pid}/stat`, 'latin1')) === start ? 'alive' : 'gone';
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) {
      return 'gone';
    }
    if (hasErrno(error, 'EACCES', 'EPERM')) {
      return 'unknown';
    }
    throw error;
  }
}

/** Field 22 of /proc/PID/stat; the second field is a name in parentheses that may hold anything. */
function startOf(stat: string): string {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[19] ?? '0';
}
