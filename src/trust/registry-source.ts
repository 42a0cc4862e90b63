/**
 * A collection in a registry, beside the images, under the tag `_trust` (protocol, section 3).
 *
 * One GET brings a state with its small files, one HEAD says whether it changed; other files come by digest.
 * The tag is an untrusted pointer: this file decides nothing but whether there is something, and whether it has
 * the form of trust data. Only the registry's own code for an unknown manifest or name (MANIFEST_UNKNOWN,
 * NAME_UNKNOWN, Harbor's NOT_FOUND) is "there is nothing".
 */
import { hasCode, RegistryError } from '../lib/errors.ts';
import { type Digest, digestOf, isSha256 } from '../reference/digest.ts';
import type { Repository, Tag } from '../reference/reference.ts';
import type { RegistryClient } from '../registry/client.ts';
import { OCI_MANIFEST } from '../registry/media-types.ts';
import {
  buildState,
  EMPTY_CONFIG,
  MAX_STATE_BYTES,
  parseState,
  type StateForm,
  TRUST_FORM,
} from './registry-state.ts';
import type { PublishingSource, PutStateOptions, SourceState } from './source.ts';

export interface RegistrySourceOptions {
  readonly client: RegistryClient;
  /** Where the trust data lies: the image's repository, unless the user or a policy says otherwise. */
  readonly repository: Repository;
  /** Default: the current state of the collection, under `_trust`. */
  readonly form?: StateForm;
}

/** A source in a registry, with what publishing needs beside `PublishingSource`. */
export interface RegistrySource extends PublishingSource {
  readonly kind: 'registry';
  readonly repository: Repository;
  /** A state by its digest, whatever the tag points at; undefined when the registry has it no more. */
  fetchStateNamed(digest: Digest, signal?: AbortSignal): Promise<SourceState | undefined>;
  /** Stores the manifest of a state by its digest, under no tag: what a PUT costs here, before it counts. */
  storeUntagged(files: ReadonlyMap<string, Uint8Array>, signal?: AbortSignal): Promise<void>;
}

const UPLOADS_AT_ONCE = 4;

/**
 * The source of a collection in `repository`. Its methods throw what RegistryClient throws, and
 * TrustError TRUST_DATA_INVALID, METADATA_TOO_LARGE; RegistryError TRUST_TAG_IMMUTABLE on a write.
 */
export function createRegistrySource(options: RegistrySourceOptions): RegistrySource {
  return new OciSource(options);
}

class OciSource implements RegistrySource {
  readonly kind = 'registry';
  readonly dialect = 'tuf-1.0';
  readonly description: string;
  readonly repository: Repository;
  readonly #client: RegistryClient;
  readonly #place: string;
  readonly #form: StateForm;
  /** What this process has stored there: not sent again when a publish starts over. */
  readonly #stored = new Set<Digest>();

  constructor({ client, repository, form = TRUST_FORM }: RegistrySourceOptions) {
    this.#client = client;
    this.repository = repository;
    this.description = `registry ${repository.canonical}`;
    this.#form = form;
    this.#place = `${repository.canonical}:${form.tag}`;
  }

  async headState(signal?: AbortSignal): Promise<Digest | undefined> {
    const options = signal === undefined ? {} : { signal };
    const head = await this.#client.headManifest(this.repository, this.#form.tag, options);
    if (head === undefined) return undefined;
    if (head.claimedDigest !== undefined && isSha256(head.claimedDigest)) return head.claimedDigest;
    // Some registries send no digest with a HEAD: then the bytes have to say it.
    return (await this.#client.getManifest(this.repository, this.#form.tag, options))?.digest;
  }

  fetchState(signal?: AbortSignal): Promise<SourceState | undefined> {
    return this.#fetch(this.#form.tag, signal);
  }

  fetchStateNamed(digest: Digest, signal?: AbortSignal): Promise<SourceState | undefined> {
    return this.#fetch(digest, signal);
  }

  async #fetch(reference: Tag | Digest, signal?: AbortSignal): Promise<SourceState | undefined> {
    try {
      const fetched = await this.#client.getManifest(this.repository, reference, {
        maxBytes: MAX_STATE_BYTES,
        ...(signal === undefined ? {} : { signal }),
      });
      return fetched && parseState(fetched, this.#place, this.#form);
    } catch (error) {
      // No registry stores a larger manifest: this is data without end, not a broken connection.
      if (!hasCode(error, 'NETWORK_TOO_LARGE')) throw error;
      throw this.#form.refuse(this.#place, `more than ${MAX_STATE_BYTES} bytes`, error);
    }
  }

  fetchFile(
    file: { readonly digest: Digest; readonly lengthBytes?: number; readonly maxBytes: number },
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    return this.#client.getBlob(this.repository, file.digest, {
      maxBytes: file.maxBytes,
      ...(file.lengthBytes === undefined ? {} : { expectedLength: file.lengthBytes }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async uploadFiles(files: ReadonlyMap<string, Uint8Array>, previous?: SourceState): Promise<void> {
    // What a tagged manifest names is kept by the registry, its config included.
    const kept = new Set([...(previous?.files.values() ?? [])].map((file) => file.digest));
    if (previous !== undefined) kept.add(digestOf(EMPTY_CONFIG));
    const wanted = new Map<Digest, Uint8Array>(
      [EMPTY_CONFIG, ...files.values()].map((b) => [digestOf(b), b]),
    );
    const waiting = [...wanted].filter(([digest]) => !kept.has(digest) && !this.#stored.has(digest));
    const upload = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        await this.#client.putBlob(this.repository, next[1]);
        this.#stored.add(next[0]);
      }
    };
    await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, upload));
  }

  async putState(files: ReadonlyMap<string, Uint8Array>, options: PutStateOptions): Promise<Digest> {
    const bytes = buildState(files, options.inline, this.#form);
    try {
      return await this.#client.putManifest(this.repository, this.#form.tag, bytes, OCI_MANIFEST, {
        ...(options.ifMatch === undefined ? { ifAbsent: true } : { ifMatch: options.ifMatch }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      if (error.registryCodes.some((code) => code.endsWith('BLOB_UNKNOWN'))) this.#stored.clear();
      throw saysImmutable(error) ? immutable(this.#place, this.#form.tag, error) : error;
    }
  }

  async storeUntagged(files: ReadonlyMap<string, Uint8Array>, signal?: AbortSignal): Promise<void> {
    const bytes = buildState(files, true, this.#form);
    const options = signal === undefined ? {} : { signal };
    await this.#client.putManifest(this.repository, digestOf(bytes), bytes, OCI_MANIFEST, options);
  }
}

const IMMUTABLE_STATUSES: ReadonlySet<number | undefined> = new Set([400, 403, 405, 409, 412]);

/**
 * Whether a refused PUT says that the tag cannot be moved. No specification names a code for it: ECR answers 400
 * TAG_INVALID, Harbor 412, others 403 or 409, all with a text that says so.
 */
function saysImmutable(error: RegistryError): boolean {
  return (
    IMMUTABLE_STATUSES.has(error.status) &&
    (/immutab|cannot be overwritten|overwrit/i.test(error.found ?? '') ||
      error.registryCodes.some((code) => /IMMUTABLE|TAG_INVALID/.test(code)))
  );
}

/** Protocol 4.4: the refusal for a registry that does not let the trust tag move. */
function immutable(place: string, tag: Tag, cause: RegistryError): RegistryError {
  return new RegistryError({
    code: 'TRUST_TAG_IMMUTABLE',
    message: `the registry does not let ${place} be replaced: its tags are immutable`,
    reference: place,
    registryCodes: cause.registryCodes,
    cause,
    ...(cause.status === undefined ? {} : { status: cause.status }),
    hints: [
      `exclude the tag ${tag} from immutability: in ECR as a filter of imageTagMutability IMMUTABLE_WITH_EXCLUSION, in Harbor by a rule whose tags exclude ${tag}`,
      'or keep the trust data elsewhere: DTRUST_TRUST_REPOSITORY=<a repository with mutable tags>',
    ],
  });
}
