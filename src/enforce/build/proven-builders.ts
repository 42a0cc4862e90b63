/**
 * Builders that were seen to obey a source policy (`builders.json`, docs/files.md), so that they need not be tried
 * before each build.
 *
 * What was seen counts for exactly this builder: its name, driver and endpoint, the engine behind it, the versions of
 * buildx and BuildKit, and the variables that buildx reads. Another value of any of them is another builder.
 *
 * Only trying stands behind an entry, so a file that is damaged is no loss: the builder is tried again.
 */
import { join } from 'node:path';
import { makePrivateDirectory, writeFileAtomic } from '../../lib/atomic-write.ts';
import type { Clock } from '../../lib/clock.ts';
import { hasCode } from '../../lib/errors.ts';
import type { FileSystem } from '../../lib/file-system.ts';
import { isSystemError } from '../../lib/fs-error.ts';
import { withLock } from '../../lib/lock.ts';
import { type Digest, digestOf } from '../../reference/digest.ts';
import { frameBody, unframeBody } from '../../trust/memory-frame.ts';
import { Reader } from '../../trust/memory-record.ts';

/** What makes two builders the same one. */
export interface BuilderIdentity {
  readonly name: string;
  readonly driver: string;
  readonly endpoint: string;
  /** The engine's ID and version; empty for a builder that is none of the engine's. */
  readonly engine: string;
  /** As `buildx inspect` and `buildx version` say. */
  readonly buildkit: string;
  readonly buildx: string;
  /** Names and values of all variables that buildx or BuildKit's client may read. */
  readonly environment: readonly (readonly [string, string])[];
}

/** `deny`: refuses what it is told to. `all`: lets pass what it is told to, too. */
export type Proof = 'deny' | 'all';

export interface BuilderStore {
  readonly fs: FileSystem;
  readonly clock: Clock;
  /** `<dockerConfig>/trust/dtrust` */
  readonly directory: string;
}

interface Entry {
  readonly builder: Digest;
  readonly name: string;
  readonly proof: Proof;
  readonly atMs: number;
}

const FILE = 'builders.json';
const WAIT_MS = 10_000;
const PROOFS: ReadonlySet<string> = new Set<Proof>(['deny', 'all']);
const MOST = 200;

/**
 * What was seen of this builder before; undefined for nothing.
 * @throws LocalStateError MEMORY_NEWER
 */
export function provenBefore(
  { fs, directory }: Pick<BuilderStore, 'fs' | 'directory'>,
  identity: BuilderIdentity,
): Proof | undefined {
  const builder = keyOf(identity);
  return load(fs, join(directory, FILE)).find((entry) => entry.builder === builder)?.proof;
}

/**
 * Notes what was seen of a builder.
 * @throws LocalStateError MEMORY_NEWER, FILE_UNWRITABLE, DISK_FULL, LOCK_TIMEOUT
 */
export async function noteProven(
  store: BuilderStore,
  identity: BuilderIdentity,
  proof: Proof,
): Promise<void> {
  const { fs, clock, directory } = store;
  const entry: Entry = {
    builder: keyOf(identity),
    name: identity.name,
    proof,
    atMs: Math.max(0, clock.now()),
  };
  makePrivateDirectory(fs, directory);
  const path = join(directory, FILE);
  await withLock({ fs, clock, path: `${path}.lock`, waitMs: WAIT_MS }, async () => {
    const others = load(fs, path).filter(({ builder }) => builder !== entry.builder);
    const builders = [...others.slice(-(MOST - 1)), entry];
    writeFileAtomic(fs, path, frameBody(JSON.stringify({ builders })));
  });
}

function keyOf(identity: BuilderIdentity): Digest {
  const { name, driver, endpoint, engine, buildkit, buildx, environment } = identity;
  const parts = [name, driver, endpoint, engine, buildkit, buildx, environment.toSorted()];
  return digestOf(Buffer.from(JSON.stringify(parts), 'utf8'));
}

/** Whatever cannot be read is as good as nothing; a newer format is left alone, as everywhere. */
function load(fs: FileSystem, path: string): readonly Entry[] {
  try {
    return new Reader(unframeBody(fs.readFileSync(path), path), path).list('builders').map((entry) => ({
      builder: entry.digest('builder'),
      name: entry.text('name'),
      proof: entry.oneOf('proof', PROOFS) as Proof,
      atMs: entry.number('atMs'),
    }));
  } catch (error) {
    if (hasCode(error, 'MEMORY_DAMAGED') || isSystemError(error)) return [];
    throw error;
  }
}
