/**
 * What images that are built upon have others run (ONBUILD), by digest, so that a build that was made before asks the
 * registry no more than whether the tags are signed as they were.
 *
 *     bases.json   {"format":1,"sha256":"...","body":{"bases":[{digest, mediaType, lengthBytes, platform, onBuild}]}}
 *
 * Bytes do not change under their digest, so nothing here grows old; nothing here lets anything in either. An entry is
 * written once the bytes were verified, by a build that was let through. A file that is lost or damaged is nothing
 * known, and asked for again.
 */
import { join } from 'node:path';
import { makePrivateDirectory, writeFileAtomic } from '../lib/atomic-write.ts';
import type { Clock } from '../lib/clock.ts';
import { hasCode } from '../lib/errors.ts';
import type { FileSystem } from '../lib/file-system.ts';
import { isSystemError } from '../lib/fs-error.ts';
import { withLock } from '../lib/lock.ts';
import type { Digest } from '../reference/digest.ts';
import { isSha256 } from '../reference/digest.ts';
import { formatPlatform, normalizePlatform, type Platform } from '../reference/platform.ts';
import { frameBody, unframeBody } from '../trust/memory-frame.ts';
import { Reader } from '../trust/memory-record.ts';

export interface BaseSeen {
  /** Of the manifest or index that an admission stands for. */
  readonly digest: Digest;
  readonly mediaType: string;
  readonly lengthBytes: number;
  /** What its ONBUILD is of; undefined where only the manifest was looked at. */
  readonly platform: Platform | undefined;
  readonly onBuild: readonly string[];
}

export interface BaseStore {
  readonly fs: FileSystem;
  readonly clock: Clock;
  /** `<dockerConfig>/trust/dtrust` */
  readonly directory: string;
}

const FILE = 'bases.json';
const WAIT_MS = 2_000;
const MOST_BASES = 500;
/** Of one image, as JSON; a longer list is read again each time. */
const MOST_LENGTH = 4096;

interface Entry extends Omit<BaseSeen, 'platform'> {
  /** `linux/amd64`; empty for none. */
  readonly platform: string;
}

export class BaseMemory {
  readonly #store: BaseStore;
  readonly #new: Entry[] = [];
  #known: readonly Entry[] | undefined;

  constructor(store: BaseStore) {
    this.#store = store;
  }

  /**
   * What is remembered of these bytes, for this platform where one is given.
   * @throws LocalStateError MEMORY_NEWER
   */
  find(digest: Digest, platform: Platform | undefined): Omit<BaseSeen, 'platform'> | undefined {
    this.#known ??= load(this.#store);
    const wanted = platform && nameOf(platform);
    return [...this.#known, ...this.#new].find(
      (each) => each.digest === digest && (wanted === undefined || each.platform === wanted),
    );
  }

  /** To be written by `save`. */
  note({ digest, mediaType, lengthBytes, platform, onBuild }: BaseSeen): void {
    // A digest of another kind cannot be written down, and needs not be.
    if (!isSha256(digest) || JSON.stringify(onBuild).length > MOST_LENGTH) return;
    this.#new.push({ digest, mediaType, lengthBytes, platform: platform ? nameOf(platform) : '', onBuild });
  }

  /** Writes what is new. Where that cannot be, the next build asks again. @throws LocalStateError MEMORY_NEWER */
  async save(): Promise<void> {
    const { fs, clock, directory } = this.#store;
    if (this.#new.length === 0) return;
    const path = join(directory, FILE);
    try {
      makePrivateDirectory(fs, directory);
      await withLock({ fs, clock, path: `${path}.lock`, waitMs: WAIT_MS }, async () => {
        const isNew = (entry: Entry) => !this.#new.some((each) => isSame(each, entry));
        const all = [...load(this.#store).filter(isNew), ...this.#new];
        writeFileAtomic(fs, path, frameBody(JSON.stringify({ bases: all.slice(-MOST_BASES).map(written) })));
      });
    } catch (error) {
      if (!hasCode(error, 'FILE_UNWRITABLE', 'DISK_FULL', 'LOCK_TIMEOUT')) throw error;
    }
    this.#new.length = 0;
  }
}

function isSame(left: Entry, right: Entry): boolean {
  return left.digest === right.digest && left.platform === right.platform;
}

function nameOf(platform: Platform): string {
  return formatPlatform(normalizePlatform(platform));
}

function written({ onBuild, ...rest }: Entry) {
  return { ...rest, onBuild: onBuild.map((line) => ({ line })) };
}

function load({ fs, directory }: BaseStore): readonly Entry[] {
  const path = join(directory, FILE);
  let bytes: Uint8Array;
  try {
    bytes = fs.readFileSync(path);
  } catch (error) {
    if (isSystemError(error)) return [];
    throw error;
  }
  try {
    return new Reader(unframeBody(bytes, path), path).list('bases').map((entry) => ({
      digest: entry.digest('digest'),
      mediaType: entry.text('mediaType'),
      lengthBytes: entry.number('lengthBytes'),
      platform: entry.text('platform'),
      onBuild: entry.list('onBuild').map((line) => line.text('line')),
    }));
  } catch (error) {
    if (hasCode(error, 'MEMORY_DAMAGED')) return [];
    throw error;
  }
}
