/**
 * Gets the bytes of metadata files: from memory, out of the listing, or from the source, whichever is nearest.
 *
 * Nothing is verified here but what keeps a source honest about bytes: what rides in a listing is hashed against
 * its own descriptor, sizes are bounded before anything is fetched. Whether a file is the right one is for the
 * state machine. A fetch can be started ahead (`prefetch`), so that files travel side by side.
 */
import { hasCode, NetworkError, RegistryError, TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { type Digest, digestOf } from '../reference/digest.ts';
import { MAX_TARGETS_BYTES } from './core/limits.ts';
import type { MetaFile } from './core/metadata.ts';
import type { RoleRequest } from './core/search.ts';
import { MemoryMoved, type Remembered } from './memory-record.ts';
import type { Source, SourceFile, SourceState } from './source.ts';

/** A blob that the listing names is not there: protocol 3.2 has the listing read once more. */
export class BlobGone extends Error {
  override readonly name = 'BlobGone';
}

type Outcome = { readonly bytes: Uint8Array } | { readonly error: unknown };

export class CollectionFiles {
  readonly #source: Source;
  readonly #remembered: Remembered | undefined;
  #listing: SourceState | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #started = new Map<Digest, Promise<Outcome>>();

  constructor(
    source: Source,
    remembered: Remembered | undefined,
    listing: SourceState | undefined,
    signal?: AbortSignal,
  ) {
    this.#source = source;
    this.#remembered = remembered;
    this.#listing = listing;
    this.#signal = signal;
  }

  /**
   * Fetches the listing where there is none yet: a remembered state that the source confirmed needed none. What is no
   * trust data lists nothing.
   *
   * @throws RegistryError, NetworkError
   */
  async fetchListing(): Promise<void> {
    if (this.#listing !== undefined) {
      return;
    }
    try {
      this.#listing = await this.#source.fetchState(this.#signal);
    } catch (error) {
      if (!(error instanceof TrustError)) {
        throw error;
      }
    }
  }

  /** Whether the listing names this file. */
  isListed(name: string): boolean {
    return this.#listing?.files.has(name) === true;
  }

  /** Names in the listing, in no particular order. */
  listedNames(): readonly string[] {
    return [...(this.#listing?.files.keys() ?? [])];
  }

  /** Starts fetching a listed file that is not at hand; its failure shows when it is asked for. */
  prefetch(name: string, maxBytes: number): void {
    const file = this.#listing?.files.get(name);
    if (file !== undefined && file.inline === undefined && !this.#isRemembered(name, file.digest)) {
      if (file.lengthBytes <= maxBytes) {
        void this.#fetch(file.digest, file.lengthBytes, maxBytes);
      }
    }
  }

  /** Starts fetching a role that the snapshot names, unless it is at hand. */
  prefetchRole(name: string, file: MetaFile): void {
    const digest = digestOfMeta(file);
    if (file.lengthBytes <= MAX_TARGETS_BYTES && this.#atHand(name, digest) === undefined) {
      void this.#fetch(digest, file.lengthBytes, MAX_TARGETS_BYTES);
    }
  }

  /**
   * A file by the name the listing has it under.
   *
   * @throws TrustError ROLE_MISSING, METADATA_TOO_LARGE, TRUST_DATA_INVALID; LocalStateError MEMORY_DAMAGED;
   * BlobGone; RegistryError, NetworkError
   */
  async listed(name: string, role: string, maxBytes: number): Promise<Uint8Array> {
    const file = this.#listing?.files.get(name);
    if (file === undefined) {
      throw missing(name, role);
    }
    if (file.lengthBytes > maxBytes) {
      throw tooLarge(role, file.lengthBytes, maxBytes);
    }
    const known = this.#known(name, file.digest, (remembered) => remembered.read(name));
    if (known !== undefined) {
      return known;
    }
    if (file.inline !== undefined) {
      return verifiedInline(file, file.inline);
    }
    return bytesOf(await this.#fetch(file.digest, file.lengthBytes, maxBytes));
  }

  /**
   * The file a trusted file names with its hash: from memory, from the listing when it has these very bytes, else
   * by digest. The state machine hashes it again. Throws as `listed`, without ROLE_MISSING.
   */
  async named(name: string, file: MetaFile, role: string, maxBytes: number): Promise<Uint8Array> {
    // Signed lengths are no bound: whoever signs may be the attacker.
    if (file.lengthBytes > maxBytes) {
      throw tooLarge(role, file.lengthBytes, maxBytes);
    }
    const digest = digestOfMeta(file);
    const near = this.#atHand(name, digest);
    return near ?? bytesOf(await this.#fetch(digest, file.lengthBytes, maxBytes));
  }

  /** What a search asks for; undefined for what it may pass over. */
  async role(request: RoleRequest): Promise<Uint8Array | undefined> {
    try {
      return await this.named(request.fileName, request.file, request.role, MAX_TARGETS_BYTES);
    } catch (error) {
      const absent = error instanceof BlobGone || hasCode(error, 'REGISTRY_NOT_FOUND');
      const outage = error instanceof RegistryError || error instanceof NetworkError;
      if ((absent && request.optional !== 'no') || (outage && request.optional === 'unreachable')) {
        return undefined;
      }
      throw error;
    }
  }

  /**
   * The file with this hash where it needs no request; not hashed yet.
   *
   * @throws LocalStateError MEMORY_DAMAGED
   */
  atHand(name: string, file: MetaFile): Uint8Array | undefined {
    return this.#atHand(name, digestOfMeta(file));
  }

  #atHand(name: string, digest: Digest): Uint8Array | undefined {
    const known = this.#known(name, digest, (remembered) => remembered.readUnhashed(name));
    if (known !== undefined) {
      return known;
    }
    const file = this.#listing?.files.get(name);
    return file?.digest === digest ? file.inline : undefined;
  }

  #isRemembered(name: string, digest: Digest): boolean {
    return this.#remembered?.files.get(name)?.digest === digest;
  }

  /** A remembered file; undefined also when another process has replaced the memory meanwhile. */
  #known(name: string, digest: Digest, read: (remembered: Remembered) => Uint8Array): Uint8Array | undefined {
    if (this.#remembered === undefined || !this.#isRemembered(name, digest)) {
      return undefined;
    }
    try {
      return read(this.#remembered);
    } catch (error) {
      if (error instanceof MemoryMoved) {
        return undefined;
      }
      throw error;
    }
  }

  #fetch(digest: Digest, lengthBytes: number, maxBytes: number): Promise<Outcome> {
    const started = this.#started.get(digest);
    if (started !== undefined) {
      return started;
    }
    const outcome = this.#source.fetchFile({ digest, lengthBytes, maxBytes }, this.#signal).then(
      (bytes): Outcome => ({ bytes }),
      (error: unknown): Outcome => ({ error }),
    );
    this.#started.set(digest, outcome);
    return outcome;
  }
}

function bytesOf(outcome: Outcome): Uint8Array {
  if ('bytes' in outcome) {
    return outcome.bytes;
  }
  if (hasCode(outcome.error, 'REGISTRY_NOT_FOUND')) {
    throw new BlobGone('a listed file is gone', { cause: outcome.error });
  }
  throw outcome.error;
}

/** What rides in a listing is as untrusted as the rest of it; and must be what its own descriptor says. */
function verifiedInline(file: SourceFile, inline: Uint8Array): Uint8Array {
  const found = digestOf(inline);
  if (found === file.digest && inline.length === file.lengthBytes) {
    return inline;
  }
  throw new TrustError({
    code: 'TRUST_DATA_INVALID',
    message: `the listing carries other bytes for ${escapeShort(file.name)} than it names`,
    spec: 'protocol 3.2',
    expected: file.digest,
    found,
  });
}

function digestOfMeta(file: MetaFile): Digest {
  return `sha256:${file.sha256}` as Digest;
}

function missing(name: string, role: string): TrustError {
  return new TrustError({
    code: 'ROLE_MISSING',
    message: `the state does not list ${escapeShort(name)}`,
    attack: 'mix-and-match',
    spec: role === 'timestamp' ? '5.4.1' : role === 'snapshot' ? '5.5.1' : '5.6.1',
    role,
  });
}

function tooLarge(role: string, found: number, maxBytes: number): TrustError {
  return new TrustError({
    code: 'METADATA_TOO_LARGE',
    message: `${escapeShort(role)} metadata has ${found} bytes, at most ${maxBytes} are read`,
    attack: 'endless data',
    role,
    expected: `${maxBytes}`,
    found: `${found}`,
  });
}
