/**
 * The ledger: which images of which engine were decided on here, and why.
 *
 *     ledger.json   {"format":1,"sha256":"...","body":{"entries":[{engine, image, why, reference, atMs}]}}
 *
 * The key is the engine's own ID with the full image ID, which names bytes; a name is never looked up here. Two kinds
 * of entries: images that come from here and may run by themselves (`accepted` by a person, `built`, `committed` from a
 * container whose image was known), and images that a container was made of under enforcement (`verified`, `named`,
 * `allowed`), which let that container be started again and nothing more.
 *
 * Written by commands that enforce or accept, so never while trust is off. A file that cannot be read is
 * LEDGER_DAMAGED for everybody who asks, and never an empty ledger or a full one.
 */
import { join } from 'node:path';
import { makePrivateDirectory, writeFileAtomic } from '../lib/atomic-write.ts';
import type { Clock } from '../lib/clock.ts';
import { hasCode, LocalStateError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno, isSystemError } from '../lib/fs-error.ts';
import { withLock } from '../lib/lock.ts';
import type { Digest } from '../reference/digest.ts';
import { frameBody, unframeBody } from '../trust/memory-frame.ts';
import { Reader } from '../trust/memory-record.ts';

export type LedgerReason = 'accepted' | 'built' | 'committed' | 'verified' | 'named' | 'allowed';

export interface LedgerEntry {
  /** The engine's ID, from its `GET /info`. */
  readonly engine: string;
  readonly image: Digest;
  readonly why: LedgerReason;
  /** What was asked for: a canonical reference, or the names that were shown. */
  readonly reference: string;
  readonly atMs: number;
}

export interface LedgerStore {
  readonly fs: FileSystem;
  readonly clock: Clock;
  /** `<dockerConfig>/trust/dtrust` */
  readonly directory: string;
}

const FILE = 'ledger.json';
const WAIT_MS = 10_000;
const REASONS: ReadonlySet<string> = new Set([
  'accepted',
  'built',
  'committed',
  'verified',
  'named',
  'allowed',
]);
/** Images that came from here, and may run without anybody else's word. */
const OWN: ReadonlySet<LedgerReason> = new Set(['accepted', 'built', 'committed']);
/** Of those that only let a container be started again, so many are kept, the newest. */
const MOST_USED = 2000;

/**
 * All entries, oldest first; none where there is no file.
 * @throws LocalStateError LEDGER_DAMAGED, MEMORY_NEWER
 */
export function loadLedger({ fs, directory }: Pick<LedgerStore, 'fs' | 'directory'>): readonly LedgerEntry[] {
  const path = join(directory, FILE);
  let bytes: Uint8Array;
  try {
    bytes = fs.readFileSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw isSystemError(error) ? damaged(path, error) : error;
  }
  try {
    return new Reader(unframeBody(bytes, path), path).list('entries').map((entry) => ({
      engine: entry.text('engine'),
      image: entry.digest('image'),
      why: entry.oneOf('why', REASONS) as LedgerReason,
      reference: entry.text('reference'),
      atMs: entry.number('atMs'),
    }));
  } catch (error) {
    throw hasCode(error, 'MEMORY_DAMAGED') ? damaged(path, error) : error;
  }
}

/** Whether an entry lets the image run by itself, and not only a container that was made of it before. */
export function isOwn({ why }: LedgerEntry): boolean {
  return OWN.has(why);
}

/**
 * Adds an entry; the same image of the same engine for the same reason is there once.
 * @throws LocalStateError LEDGER_DAMAGED, MEMORY_NEWER, FILE_UNWRITABLE, DISK_FULL, LOCK_TIMEOUT
 */
export async function recordImage(store: LedgerStore, entry: Omit<LedgerEntry, 'atMs'>): Promise<void> {
  await recordImages(store, [entry]);
}

/** All images that an engine holds now. */
export interface Held {
  readonly engine: string;
  readonly images: { has(image: Digest): boolean };
}

/**
 * Adds entries in one go. What was built on an engine and is gone from it is taken out: each step of a build leaves an
 * image, and nobody else would ever.
 *
 * @throws LocalStateError as `recordImage`
 */
export async function recordImages(
  store: LedgerStore,
  added: readonly Omit<LedgerEntry, 'atMs'>[],
  held?: Held,
): Promise<void> {
  const isSame = (left: Omit<LedgerEntry, 'atMs'>) => (right: Omit<LedgerEntry, 'atMs'>) =>
    isFor(right, left.engine, left.image) && right.why === left.why;
  const there = loadLedger(store);
  const missing = added.filter((entry) => there.find(isSame(entry))?.reference !== entry.reference);
  if (missing.length === 0) return;
  const atMs = Math.max(0, store.clock.now());
  await change(store, (entries) => [
    ...entries.filter((each) => !missing.some(isSame(each)) && !isGone(each, held)),
    ...missing.map((entry) => ({ ...entry, atMs })),
  ]);
}

function isGone({ engine, image, why }: LedgerEntry, held: Held | undefined): boolean {
  return held !== undefined && why === 'built' && engine === held.engine && !held.images.has(image);
}

/**
 * Takes an image back: what was accepted or committed, and that containers were made of it. Says whether it was there.
 * @throws LocalStateError as `recordImage`
 */
export async function forgetImage(store: LedgerStore, engine: string, image: Digest): Promise<boolean> {
  let found = false;
  await change(store, (entries) => {
    const kept = entries.filter((entry) => !isFor(entry, engine, image));
    found = kept.length < entries.length;
    return kept;
  });
  return found;
}

/** Whether the entry is for this image on this engine. */
export function isFor(entry: Omit<LedgerEntry, 'atMs'>, engine: string, image: Digest): boolean {
  // An engine without an ID is nobody's: two of them would share their entries.
  return engine !== '' && entry.engine === engine && entry.image === image;
}

async function change(
  store: LedgerStore,
  edit: (entries: readonly LedgerEntry[]) => readonly LedgerEntry[],
): Promise<void> {
  const { fs, clock, directory } = store;
  makePrivateDirectory(fs, directory);
  const path = join(directory, FILE);
  await withLock({ fs, clock, path: `${path}.lock`, waitMs: WAIT_MS }, async () => {
    const entries = edit(loadLedger(store));
    const used = entries.filter((entry) => !isOwn(entry));
    const dropped = new Set(used.slice(0, Math.max(0, used.length - MOST_USED)));
    writeFileAtomic(fs, path, render(entries.filter((entry) => !dropped.has(entry))));
  });
}

function render(entries: readonly LedgerEntry[]): Uint8Array {
  return frameBody(JSON.stringify({ entries }));
}

function damaged(path: string, cause: unknown): LocalStateError {
  return new LocalStateError({
    code: 'LEDGER_DAMAGED',
    message: `the ledger of local images at ${escapeText(path)} cannot be read or is damaged`,
    hints: [
      `Restore it from a backup, or remove ${escapeText(path)}; what was accepted is then to be accepted again.`,
    ],
    cause,
  });
}
