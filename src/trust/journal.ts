/**
 * What this machine has published, per collection (protocol 4.2, 4.3): the versions written, so that no version
 * is used twice, and the last publishes with their changes, so that one that others overwrote is noticed and can
 * be published again.
 *
 *     journal/<sha256 of the collection's name>.json       the journal of one collection
 *     journal/<sha256 of the collection's name>.lock       held while it is being written
 *
 * An entry is written before its state is sent and marked when it is sure to stay. Only marked entries are ever
 * said to be lost: for the others nobody was told "published". No secrets, nothing a decision of trust rests on.
 */
import { join } from 'node:path';
import { makePrivateDirectory, writeFileAtomic } from '../lib/atomic-write.ts';
import type { Clock } from '../lib/clock.ts';
import { LocalStateError, TrustError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { hasErrno } from '../lib/fs-error.ts';
import { withLock } from '../lib/lock.ts';
import type { Edit } from './core/edits.ts';
import { HISTORY_LENGTH } from './core/limits.ts';
import { parseRecord, renderRecord } from './journal-record.ts';
import { folderOf } from './memory-record.ts';

/** One change of a publish, as far as it can be made again without a person. */
export type JournalChange =
  | {
      readonly kind: 'put';
      readonly path: string;
      readonly lengthBytes: number;
      readonly sha256: string;
      readonly mediaType: string;
      readonly role?: string;
    }
  | { readonly kind: 'remove'; readonly path: string }
  /** Keys, signers, expiry: named, not kept. */
  | { readonly kind: 'other'; readonly what: string };

export interface JournalEntry {
  /** Names the publish: sha256 of its timestamp.json, hex. */
  readonly timestampSha256: string;
  readonly timestampVersion: number;
  readonly atMs: number;
  /** Whether it was seen to stay. */
  readonly confirmed: boolean;
  readonly changes: readonly JournalChange[];
}

export interface JournalRecord {
  readonly collection: string;
  /** Newest last. */
  readonly entries: readonly JournalEntry[];
  /** Highest version by role ever written here. */
  readonly highest: ReadonlyMap<string, number>;
}

export interface JournalOptions {
  readonly fs: FileSystem;
  /** `<dockerConfig>/trust/dtrust` */
  readonly directory: string;
  readonly collection: string;
  /** Protocol 1.3: what tells one engine's loopback registry from another's. */
  readonly scope?: string;
  readonly clock: Clock;
  readonly waitMs?: number;
}

/** All methods throw LocalStateError MEMORY_DAMAGED, MEMORY_NEWER, FILE_UNREADABLE; writing also FILE_UNWRITABLE, DISK_FULL, LOCK_TIMEOUT. */
export interface Journal {
  /** What is written down; empty when nothing is. */
  load(): JournalRecord;
  /** Before a state is sent. An entry that never came to be confirmed is replaced. */
  begin(entry: Omit<JournalEntry, 'confirmed'>, versions: ReadonlyMap<string, number>): Promise<void>;
  /** When it is sure to stay. */
  confirm(timestampSha256: string): Promise<void>;
  /** After the user has declined to publish a lost entry again. */
  forget(timestampSha256: string): Promise<void>;
}

const MAX_ENTRIES = 16;
const LOCK_WAIT_MS = 10_000;

/** The journal of one collection. Reads nothing yet. */
export function openJournal(options: JournalOptions): Journal {
  return new FileJournal(options);
}

class FileJournal implements Journal {
  readonly #options: JournalOptions;
  readonly #folder: string;
  readonly #path: string;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#folder = join(options.directory, 'journal');
    this.#path = join(this.#folder, `${folderOf(options.collection, options.scope ?? '')}.json`);
  }

  load(): JournalRecord {
    const { fs, collection } = this.#options;
    let bytes: Uint8Array;
    try {
      bytes = fs.readFileSync(this.#path);
    } catch (error) {
      // Nothing was published from here yet. Anything else must not read as that: versions would start again.
      if (hasErrno(error, 'ENOENT')) return { collection, entries: [], highest: new Map() };
      throw new LocalStateError({
        code: 'FILE_UNREADABLE',
        message: `cannot read ${escapeText(this.#path)}`,
        cause: error,
      });
    }
    return parseRecord(bytes, this.#path, collection);
  }

  begin(entry: Omit<JournalEntry, 'confirmed'>, versions: ReadonlyMap<string, number>): Promise<void> {
    return this.#change((record) => {
      const highest = new Map(record.highest);
      for (const [role, version] of versions) {
        highest.set(role, Math.max(version, highest.get(role) ?? 0));
      }
      const kept = record.entries.filter((other) => other.confirmed);
      const entries = [...kept, { ...entry, confirmed: false }].slice(-MAX_ENTRIES);
      return { ...record, entries, highest };
    });
  }

  confirm(timestampSha256: string): Promise<void> {
    return this.#change((record) => ({
      ...record,
      entries: record.entries.map((entry) =>
        entry.timestampSha256 === timestampSha256 ? { ...entry, confirmed: true } : entry,
      ),
    }));
  }

  forget(timestampSha256: string): Promise<void> {
    return this.#change((record) => ({
      ...record,
      entries: record.entries.filter((entry) => entry.timestampSha256 !== timestampSha256),
    }));
  }

  async #change(change: (record: JournalRecord) => JournalRecord): Promise<void> {
    const { fs, clock, waitMs = LOCK_WAIT_MS } = this.#options;
    makePrivateDirectory(fs, this.#folder);
    const path = this.#path.replace(/\.json$/, '.lock');
    await withLock({ fs, clock, path, waitMs }, async () => {
      writeFileAtomic(fs, this.#path, renderRecord(change(this.load())));
    });
  }
}

/** The changes of a publish, for the journal. */
export function journalChanges(edits: readonly Edit[]): readonly JournalChange[] {
  return edits.map((edit): JournalChange => {
    switch (edit.kind) {
      case 'putTarget': {
        const { path, lengthBytes, sha256, mediaType } = edit.target;
        return {
          kind: 'put',
          path,
          lengthBytes,
          sha256,
          mediaType,
          ...(edit.role === undefined ? {} : { role: edit.role }),
        };
      }
      case 'removeTarget':
        return { kind: 'remove', path: edit.path };
      default:
        return { kind: 'other', what: edit.kind };
    }
  });
}

/** The state a source serves now, as far as its history goes. */
export interface CurrentHistory {
  readonly timestampSha256: string;
  readonly timestampVersion: number;
  readonly history: readonly string[];
}

/**
 * Protocol 4.3: the newest publish from here that the current state does not contain, although it was seen to
 * stay. undefined when all are contained, or too old for the history to tell.
 */
export function findLostUpdate(record: JournalRecord, current: CurrentHistory): JournalEntry | undefined {
  const known = new Set([current.timestampSha256, ...current.history]);
  return record.entries.findLast((entry) => {
    if (!entry.confirmed || known.has(entry.timestampSha256)) return false;
    // The history holds the last 64 timestamps. It is shorter than that when it goes back to the first; and as
    // every publish raises the version, fewer versions than 64 cannot have pushed an entry out.
    const publishes = current.timestampVersion - entry.timestampVersion;
    return current.history.length < HISTORY_LENGTH || publishes < HISTORY_LENGTH;
  });
}

/** The error for a publish that is gone, naming what it changed. */
export function lostUpdate(repository: string, entry: JournalEntry): TrustError {
  const changes = entry.changes.map((change) =>
    change.kind === 'other' ? change.what : `${change.kind === 'put' ? 'sign' : 'revoke'} ${change.path}`,
  );
  return new TrustError({
    code: 'LOST_UPDATE',
    message: `a publish from this machine (timestamp version ${entry.timestampVersion}) is no longer in the trust data of ${repository}: ${escapeText(changes.join(', '))}`,
    attack: 'rollback',
    spec: 'protocol 4.3',
    reference: repository,
    expected: entry.timestampSha256,
    hints: ['something other than dtrust wrote the tag _trust, or put an old copy back'],
  });
}
