/**
 * Reading and writing the tag `_trust-staged` (docs/specification.md, rule 4.6).
 *
 * Writing goes by turns, exactly as publishing does (publish-turn.ts), so that of two who sign at once none loses his
 * signature on a registry without conditional writes: whoever finds the tag changed builds again on what is there now.
 */
import { type Clock, systemClock } from '../lib/clock.ts';
import { hasCode } from '../lib/errors.ts';
import type { Digest } from '../reference/digest.ts';
import type { Repository } from '../reference/reference.ts';
import type { RegistryClient } from '../registry/client.ts';
import { MAX_ROOT_BYTES, MAX_STAGED_BYTES } from './core/limits.ts';
import { metadataFileName } from './core/metadata.ts';
import type { StagedRole, StagedRoleName } from './core/staged.ts';
import { MAX_TURN_SECONDS, type TurnBase, type TurnState, takeTurn } from './publish-turn.ts';
import { createRegistrySource, type RegistrySource } from './registry-source.ts';
import type { SourceFile, SourceState } from './source.ts';
import {
  MAX_STAGED_FILE_BYTES,
  notStaged,
  parseNote,
  renderStaged,
  STAGED_FILE,
  STAGED_FORM,
  type StagedRecord,
} from './staged-record.ts';

export interface StagedWrite {
  /**
   * What is to stand there, given what does; undefined for nothing, or nothing that can be read. Called again when
   * somebody else was faster; it may refuse.
   */
  readonly build: (found: StagedRecord | undefined) => Promise<StagedRecord>;
  /** Whether what was read holds what this call wrote. */
  readonly holds: (found: StagedRecord) => Promise<boolean>;
  /** Seconds, of the collection; the longest where it says none. */
  readonly turnSeconds?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly signal?: AbortSignal;
}

/** Methods throw RegistryError and NetworkError. */
export interface StagedStore {
  /**
   * What stands under the tag; undefined when there is none.
   * @throws TrustError STAGED_INVALID when it is no staged state
   */
  read(signal?: AbortSignal): Promise<StagedRecord | undefined>;
  /**
   * Writes, and returns when it is sure to stay.
   * @throws TrustError PUBLISH_CONFLICT; RegistryError TRUST_TAG_IMMUTABLE; what `build` throws
   */
  write(write: StagedWrite): Promise<void>;
}

interface ReadRecord {
  readonly digest: Digest;
  readonly listing?: SourceState;
  /** Undefined: it cannot be read. */
  readonly record: StagedRecord | undefined;
}

/** Names this call's write among those that `takeTurn` may find. */
const OWN = 'own';

export function createStagedStore(options: {
  readonly client: RegistryClient;
  readonly repository: Repository;
}): StagedStore {
  return new OciStagedStore(createRegistrySource({ ...options, form: STAGED_FORM }));
}

class OciStagedStore implements StagedStore {
  readonly #source: RegistrySource;
  readonly #place: string;

  constructor(source: RegistrySource) {
    this.#source = source;
    this.#place = `${source.repository.canonical}:${STAGED_FORM.tag}`;
  }

  async read(signal?: AbortSignal): Promise<StagedRecord | undefined> {
    const listing = await this.#source.fetchState(signal);
    if (listing === undefined) return undefined;
    try {
      return await this.#record(listing, signal);
    } catch (error) {
      if (!hasCode(error, 'REGISTRY_NOT_FOUND')) throw error;
    }
    // protocol 3.2: a blob that is gone under a manifest just read by tag means that the tag has moved.
    const again = await this.#source.fetchState(signal);
    try {
      return again && (await this.#record(again, signal));
    } catch (error) {
      if (!hasCode(error, 'REGISTRY_NOT_FOUND')) throw error;
      throw notStaged(this.#place, 'a manifest that lists a file which is not there', error);
    }
  }

  async write({ build, holds, turnSeconds = MAX_TURN_SECONDS, ...rest }: StagedWrite): Promise<void> {
    const { clock = systemClock, random = Math.random, signal } = rest;
    await takeTurn<TurnBase & { readonly record: StagedRecord | undefined }, TurnState>({
      source: this.#source,
      firstTurnSeconds: turnSeconds,
      open: async () => {
        const read = await this.#readAny(signal);
        if (read === undefined) return undefined;
        const own = read.record !== undefined && (await holds(read.record));
        return {
          digest: read.digest,
          timestampSha256: own ? OWN : '',
          history: [],
          turnSeconds,
          versions: new Map(),
          record: read.record,
          ...(read.listing === undefined ? {} : { state: read.listing }),
        };
      },
      build: async (base) => ({
        files: renderStaged(await build(base?.record)),
        timestampSha256: OWN,
        versions: new Map(),
      }),
      clock,
      random,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** What stands there to be written over: garbage too. */
  async #readAny(signal?: AbortSignal): Promise<ReadRecord | undefined> {
    const digest = await this.#source.headState(signal);
    if (digest === undefined) return undefined;
    try {
      const listing = await this.#source.fetchState(signal);
      return listing && { digest: listing.digest, listing, record: await this.#record(listing, signal) };
    } catch (error) {
      if (!hasCode(error, 'STAGED_INVALID', 'REGISTRY_NOT_FOUND')) throw error;
      return { digest, record: undefined };
    }
  }

  async #record(listing: SourceState, signal?: AbortSignal): Promise<StagedRecord> {
    const bytes = await this.#file(listing, STAGED_FILE, MAX_STAGED_FILE_BYTES, signal);
    const { collection, roles: listed } = parseNote(bytes, this.#place);
    if (listed === undefined) return { kind: 'discarded', collection };
    const roles = new Map<StagedRoleName, StagedRole>();
    let left = MAX_STAGED_BYTES;
    for (const [role, note] of listed) {
      const maxBytes = Math.min(left, role === 'root' ? MAX_ROOT_BYTES : MAX_STAGED_BYTES);
      const file = await this.#file(listing, metadataFileName(role, note.version), maxBytes, signal);
      left -= file.length;
      roles.set(role, { ...note, bytes: file });
    }
    return { kind: 'waiting', state: { collection, roles } };
  }

  async #file(
    listing: SourceState,
    name: string,
    maxBytes: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    const file: SourceFile | undefined = listing.files.get(name);
    if (file === undefined) throw notStaged(this.#place, `a manifest that lacks a file which it names`);
    const { digest, lengthBytes, inline } = file;
    // The size is the writer's word until it is read: bounded before anything is fetched.
    if (lengthBytes > maxBytes) throw notStaged(this.#place, `a file of more than ${maxBytes} bytes`);
    // Hashed when the manifest was read.
    return inline ?? (await this.#source.fetchFile({ digest, lengthBytes, maxBytes }, signal));
  }
}
