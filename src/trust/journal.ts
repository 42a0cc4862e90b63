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
import { escapeShort, escapeText } from '../lib/escape.ts';
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

/** What of a lost publish has been made again, or need not be. */
export interface Settled {
  readonly timestampSha256: string;
  /** The changes of these tags; without it, all of it. */
  readonly paths?: readonly string[];
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
  /** When it is sure to stay, and what was lost is settled with it. */
  confirm(timestampSha256: string, settled?: readonly Settled[]): Promise<void>;
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
    try {
      return parseRecord(bytes, this.#path, collection);
    } catch (error) {
      if (error instanceof LocalStateError && error.code === 'MEMORY_DAMAGED') {
        error.hints = [
          `restore ${escapeText(this.#path)} from a backup; or look at what is signed (dtrust trust inspect --pretty ${escapeShort(collection)}) and remove it: it is the note of what was published from this machine, and nothing is trusted because of it`,
        ];
      }
      throw error;
    }
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

  confirm(timestampSha256: string, settled: readonly Settled[] = []): Promise<void> {
    return this.#change((record) => ({
      ...record,
      entries: record.entries
        .map((entry) => (entry.timestampSha256 === timestampSha256 ? { ...entry, confirmed: true } : entry))
        .flatMap((entry) => afterSettling(entry, settled)),
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

/** What is left of an entry. */
function afterSettling(entry: JournalEntry, settled: readonly Settled[]): readonly JournalEntry[] {
  const done = settled.find((each) => each.timestampSha256 === entry.timestampSha256);
  if (done === undefined) return [entry];
  const { paths } = done;
  if (paths === undefined) return [];
  const changes = entry.changes.filter((change) => change.kind === 'other' || !paths.includes(change.path));
  return changes.length === 0 ? [] : [{ ...entry, changes }];
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
      case 'addSigner':
        return { kind: 'other', what: `add signer ${edit.name}` };
      case 'removeSigner':
        return { kind: 'other', what: `remove signer ${edit.name}` };
      case 'rotateKeys':
        return { kind: 'other', what: `replace the keys of ${edit.role}` };
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
 * Protocol 4.3: the publishes from here that the current state does not contain, although they were seen to stay,
 * oldest first. None when all are contained, or too old for the history to tell.
 */
export function findLostUpdates(record: JournalRecord, current: CurrentHistory): readonly JournalEntry[] {
  const known = new Set([current.timestampSha256, ...current.history]);
  return record.entries.filter((entry) => {
    if (!entry.confirmed || known.has(entry.timestampSha256)) return false;
    // The history holds the last 64 timestamps. It is shorter than that when it goes back to the first; and as
    // every publish raises the version, fewer versions than 64 cannot have pushed an entry out.
    const publishes = current.timestampVersion - entry.timestampVersion;
    return current.history.length < HISTORY_LENGTH || publishes < HISTORY_LENGTH;
  });
}

/** The error for publishes that are gone, naming what they changed. */
export function lostUpdate(repository: string, entries: readonly JournalEntry[]): TrustError {
  const changes = entries.flatMap((entry) => entry.changes.map(nameOf));
  const versions = entries.map(({ timestampVersion }) => timestampVersion);
  const which =
    versions.length === 1
      ? `a publish from this machine (timestamp version ${versions[0]}) is`
      : `publishes from this machine (timestamp versions ${versions.join(', ')}) are`;
  const what = changes.length === 0 ? 'it renewed what is signed' : escapeText(changes.join(', '));
  return new TrustError({
    code: 'LOST_UPDATE',
    message: `${which} no longer in the trust data of ${repository}: ${what}`,
    attack: 'rollback',
    spec: 'protocol 4.3',
    reference: repository,
    expected: entries.map(({ timestampSha256 }) => timestampSha256).join(', '),
    hints: ['something other than dtrust wrote the tag _trust, or put an old copy back'],
  });
}

function nameOf(change: JournalChange): string {
  if (change.kind === 'other') return change.what;
  return `${change.kind === 'put' ? 'sign' : 'revoke'} ${change.path}`;
}
