/**
 * Remembers a state that was accepted as a whole (TUF 5.3.8, 5.4.5, 5.5.7, 5.6.6).
 *
 * Exactly the bytes that verified are kept: every root trusted on the way, and all older ones; timestamp, snapshot
 * and targets; the roles loaded. A role that did not change stays as remembered without being loaded again.
 */
import { LocalStateError } from '../lib/errors.ts';
import { type Digest, digestOf } from '../reference/digest.ts';
import { metadataFileName, type RoleName } from './core/metadata.ts';
import type { TrustedMetadata } from './core/trusted-metadata.ts';
import type { Anchor, Memory, Remembered } from './memory.ts';
import { rootVersionOf } from './memory-record.ts';

export interface PersistOptions {
  readonly memory: Memory;
  readonly collection: string;
  readonly scope: string | undefined;
  readonly anchor: Anchor;
  readonly digest: Digest;
  readonly trusted: TrustedMetadata;
  readonly previous: Remembered | undefined;
  /** Whether something else than this memory vouches for the root, so that the command may go on without it. */
  readonly mayGoOn: boolean;
}

export type Persisted =
  | {
      readonly outcome: 'saved';
      readonly remembered: Remembered | undefined;
      readonly notices: readonly string[];
    }
  | { readonly outcome: 'conflict' }
  | { readonly outcome: 'not-remembered'; readonly notices: readonly string[] };

/**
 * @throws LocalStateError MEMORY_UNWRITABLE when the command may not go on without; DISK_FULL, LOCK_TIMEOUT,
 * MEMORY_DAMAGED, MEMORY_NEWER
 */
export async function persist(options: PersistOptions): Promise<Persisted> {
  const { memory, collection, scope, previous, trusted, anchor, digest } = options;
  const files = verifiedFiles(trusted);
  try {
    const outcome = await memory.save(previous, {
      collection,
      anchor,
      state: digest,
      timestampVersion: trusted.timestamp?.signed.version ?? 0,
      files: onlyNew(files, previous),
      keep: keptNames(files, trusted, previous),
      versions: versionsOf(trusted),
      versionsBeginAnew: trusted.priorDropped,
      ...(scope === undefined ? {} : { scope }),
    });
    return outcome === 'conflict'
      ? { outcome }
      : { outcome, remembered: memory.load(collection, scope), notices: [] };
  } catch (error) {
    if (options.mayGoOn && error instanceof LocalStateError && error.code === 'MEMORY_UNWRITABLE') {
      // Contract "Disk": said once, and the command goes on, because the pin decided.
      return {
        outcome: 'not-remembered',
        notices: [`${error.message}: a rollback of ${collection} would not be noticed here`],
      };
    }
    throw error;
  }
}

/** The verified files by name: roots of this run, timestamp, snapshot, and the targets roles loaded. */
export function verifiedFiles(trusted: TrustedMetadata): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const root of trusted.roots) {
    files.set(metadataFileName('root', root.signed.version), root.bytes);
  }
  if (trusted.timestamp !== undefined) {
    files.set('timestamp.json', trusted.timestamp.bytes);
  }
  if (trusted.snapshot !== undefined) {
    files.set(metadataFileName('snapshot', trusted.snapshot.signed.version), trusted.snapshot.bytes);
  }
  for (const role of trusted.loadedRoles) {
    const targets = trusted.targets(role);
    if (targets !== undefined) {
      files.set(metadataFileName(role, targets.signed.version), targets.bytes);
    }
  }
  return files;
}

function onlyNew(
  files: ReadonlyMap<string, Uint8Array>,
  previous: Remembered | undefined,
): ReadonlyMap<string, Uint8Array> {
  // By bytes and not by name: after a recovery a version may come again with another content.
  return new Map([...files].filter(([name, bytes]) => previous?.files.get(name)?.digest !== digestOf(bytes)));
}

/** Remembered files that are still part of this state: roots always, the others by the hash in the snapshot. */
function keptNames(
  files: ReadonlyMap<string, Uint8Array>,
  trusted: TrustedMetadata,
  previous: Remembered | undefined,
): readonly string[] {
  if (previous === undefined) {
    return [];
  }
  const current = new Set(files.keys());
  for (const [metaName, file] of trusted.snapshot?.signed.meta ?? []) {
    const name = metadataFileName(metaName.replace(/\.json$/, '') as RoleName, file.version);
    if (previous.files.get(name)?.digest === `sha256:${file.sha256}`) {
      current.add(name);
    }
  }
  return [...previous.files.keys()].filter((name) => rootVersionOf(name) !== undefined || current.has(name));
}

/** Versions by role of everything a state names. */
export function versionsOf(trusted: TrustedMetadata): ReadonlyMap<string, number> {
  const versions = new Map<string, number>([['root', trusted.root.signed.version]]);
  if (trusted.timestamp !== undefined) {
    versions.set('timestamp', trusted.timestamp.signed.version);
  }
  if (trusted.snapshot !== undefined) {
    versions.set('snapshot', trusted.snapshot.signed.version);
    for (const [name, file] of trusted.snapshot.signed.meta) {
      versions.set(name.replace(/\.json$/, ''), file.version);
    }
  }
  return versions;
}
