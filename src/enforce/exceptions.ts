/**
 * Exceptions: digests that may be used although nobody signed them, until a day that is near
 * (`<dockerConfig>/trust/dtrust/allow.json`, which a person may read, edit and commit; docs/files.md).
 *
 *     {"format": 1, "allow": [{"repository": "docker.io/library/nginx", "digest": "sha256:<64 hex>",
 *       "reason": "base image, not signed by its owner", "until": "2027-03-31"}]}
 *
 * An exception is for a tag of a repository without trust data: the tag is resolved by whoever has it, and counts only
 * where it stands for exactly this digest. It takes nothing away from a repository that has trust data. Anything in the
 * file that is not this is ALLOW_INVALID.
 */
import { join } from 'node:path';
import { makePrivateDirectory, writeFileAtomic } from '../lib/atomic-write.ts';
import { type Clock, DAY_MS } from '../lib/clock.ts';
import { LocalStateError, UsageError } from '../lib/errors.ts';
import { escapeShort, escapeText } from '../lib/escape.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno, isSystemError } from '../lib/fs-error.ts';
import { withLock } from '../lib/lock.ts';
import { isJsonArray, isJsonObject, JsonError, type JsonValue, parseStrictJson } from '../lib/strict-json.ts';
import { type Digest, isSha256 } from '../reference/digest.ts';
import { parseRepository } from '../reference/reference.ts';

export interface Exception {
  /** Canonical. */
  readonly repository: string;
  readonly digest: Digest;
  readonly reason: string;
  /** `2027-03-31`, UTC; the whole day counts. */
  readonly until: string;
}

export interface ExceptionStore {
  readonly fs: FileSystem;
  readonly clock: Clock;
  readonly directory: string;
}

const FILE = 'allow.json';
const FORMAT = 1;
const WAIT_MS = 10_000;
const MEMBERS = ['repository', 'digest', 'reason', 'until'];
const MOST_DAYS = 366;
const MOST_REASON = 500;

/**
 * All exceptions, in use or over; none where there is no file.
 * @throws LocalStateError ALLOW_INVALID
 */
export function loadExceptions({
  fs,
  directory,
}: Pick<ExceptionStore, 'fs' | 'directory'>): readonly Exception[] {
  const path = join(directory, FILE);
  let bytes: Uint8Array;
  try {
    bytes = fs.readFileSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw isSystemError(error) ? invalid(`cannot read ${escapeText(path)}`, error) : error;
  }
  return parseFile(bytes, path);
}

/** Whether it counts now: not over, and not further ahead than any exception may be. */
export function isCurrent({ until }: Pick<Exception, 'until'>, nowMs: number): boolean {
  const endMs = endOf(until);
  return endMs !== undefined && nowMs < endMs && endMs <= nowMs + (MOST_DAYS + 1) * DAY_MS;
}

/**
 * An exception from what was typed.
 * @throws UsageError USAGE for a reason that says nothing, a day that is none, is over, or more than a year ahead
 */
export function makeException(given: Exception, nowMs: number): Exception {
  const reason = given.reason.trim();
  if (reason === '' || reason.length > MOST_REASON) {
    throw usage(`a reason of 1 to ${MOST_REASON} characters is expected: --reason TEXT`);
  }
  if (endOf(given.until) === undefined) {
    throw usage(`--until ${escapeShort(given.until)} is no day; write it as 2027-03-31`);
  }
  if (!isCurrent(given, nowMs)) {
    throw usage(`--until ${given.until} is over, or more than ${MOST_DAYS} days ahead`);
  }
  return { ...given, reason };
}

/**
 * Adds an exception, or puts it in the place of the one for the same digest.
 * @throws LocalStateError ALLOW_INVALID, FILE_UNWRITABLE, DISK_FULL, LOCK_TIMEOUT
 */
export async function addException(store: ExceptionStore, exception: Exception): Promise<void> {
  await change(store, (all) => [...all.filter((each) => !isSame(each, exception)), exception]);
}

/** Takes it back; says whether it was there. Throws as `addException`. */
export async function removeException(
  store: ExceptionStore,
  named: Pick<Exception, 'repository' | 'digest'>,
): Promise<boolean> {
  let found = false;
  await change(store, (all) => {
    const kept = all.filter((each) => !isSame(each, named));
    found = kept.length < all.length;
    return kept;
  });
  return found;
}

function isSame(
  left: Pick<Exception, 'repository' | 'digest'>,
  right: Pick<Exception, 'repository' | 'digest'>,
): boolean {
  return left.repository === right.repository && left.digest === right.digest;
}

async function change(
  store: ExceptionStore,
  edit: (all: readonly Exception[]) => readonly Exception[],
): Promise<void> {
  const { fs, clock, directory } = store;
  makePrivateDirectory(fs, directory);
  const path = join(directory, FILE);
  await withLock({ fs, clock, path: `${path}.lock`, waitMs: WAIT_MS }, async () => {
    const before = loadExceptions(store);
    const after = edit(before);
    if (after.length !== before.length || after.some((each, i) => each !== before[i])) {
      writeFileAtomic(fs, path, render(after));
    }
  });
}

function render(all: readonly Exception[]): Uint8Array {
  const lines = all.map(({ repository, digest, reason, until }) =>
    JSON.stringify({ repository, digest, reason, until }),
  );
  const list = lines.length === 0 ? '[]' : `[\n    ${lines.join(',\n    ')}\n  ]`;
  return Buffer.from(`{\n  "format": ${FORMAT},\n  "allow": ${list}\n}\n`, 'utf8');
}

function parseFile(bytes: Uint8Array, path: string): readonly Exception[] {
  let value: JsonValue;
  try {
    value = parseStrictJson(bytes, 'the exceptions');
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw invalid(`${escapeText(path)} is not JSON`, error);
  }
  const list =
    isJsonObject(value) && value.size === 2 && value.get('format') === FORMAT && value.get('allow');
  if (!list || !isJsonArray(list))
    throw invalid(`${escapeText(path)} is not {"format": ${FORMAT}, "allow": [...]}`);
  const all = list.map((item, i) => parseEntry(item, `${escapeText(path)}, entry ${i + 1}`));
  const twice = all.find((each, i) => all.findIndex((other) => isSame(each, other)) !== i);
  if (twice !== undefined) throw invalid(`${escapeText(path)} has ${twice.repository}@${twice.digest} twice`);
  return all;
}

function parseEntry(item: JsonValue, where: string): Exception {
  if (!isJsonObject(item) || item.size !== MEMBERS.length || !MEMBERS.every((name) => item.has(name))) {
    throw invalid(`${where}: it has other members than ${MEMBERS.join(', ')}`);
  }
  const text = (name: string): string => {
    const value = item.get(name);
    return typeof value === 'string' ? value : invalidMember(where, name);
  };
  const [repository, digest, reason, until] = [
    text('repository'),
    text('digest'),
    text('reason'),
    text('until'),
  ];
  if (canonicalOf(repository, where) !== repository)
    throw invalid(`${where}: the repository is not written in full`);
  if (!isSha256(digest)) return invalidMember(where, 'digest');
  if (reason.trim() === '' || reason.length > MOST_REASON) return invalidMember(where, 'reason');
  if (endOf(until) === undefined) return invalidMember(where, 'until');
  return Object.freeze({ repository, digest, reason, until });
}

function canonicalOf(text: string, where: string): string {
  try {
    return parseRepository(text).canonical;
  } catch (error) {
    if (error instanceof UsageError) throw invalid(`${where}: ${escapeShort(text)} is no repository`, error);
    throw error;
  }
}

/** The first moment after a day; undefined for what is no day. */
function endOf(day: string): number | undefined {
  const startMs = /^\d{4}-\d{2}-\d{2}$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  // 30 February is read as 2 March by some.
  if (Number.isNaN(startMs) || new Date(startMs).toISOString().slice(0, 10) !== day) return undefined;
  return startMs + DAY_MS;
}

function invalidMember(where: string, name: string): never {
  throw invalid(`${where}: no valid ${name}`);
}

function invalid(message: string, cause?: unknown): LocalStateError {
  return new LocalStateError({
    code: 'ALLOW_INVALID',
    message,
    hints: ['Mend the file, or remove it and make the exceptions again with dtrust trust allow.'],
    cause,
  });
}

function usage(message: string): UsageError {
  return new UsageError({ code: 'USAGE', message });
}
