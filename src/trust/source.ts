/**
 * Where a collection's files come from: beside the images in a registry, a folder, later a Notary server.
 *
 * A source is not believed. What it hands out is bounded in size and carries the digest it was asked by, and
 * nothing more: which file is current, who signed it and whether it is old is decided by the state machine in
 * trust/core. Only a clear "there is nothing here" is `undefined`; anything else is thrown.
 */
import type { Digest } from '../reference/digest.ts';

/** One metadata file as the source lists it. */
export interface SourceFile {
  /** As TUF names it: `7.root.json`, `timestamp.json`, `9.targets%2Freleases.json`. */
  readonly name: string;
  readonly digest: Digest;
  readonly lengthBytes: number;
  /** Bytes that came with the listing; to be hashed before use. */
  readonly inline?: Uint8Array;
}

/** One state of a collection as the source lists it. */
export interface SourceState {
  /** Of the listing itself: in a registry, the digest of the manifest under `_trust`. */
  readonly digest: Digest;
  readonly files: ReadonlyMap<string, SourceFile>;
  /** The server's clock when it answered; for error messages, never for a decision. */
  readonly dateMs?: number;
}

export interface Source {
  readonly kind: 'registry' | 'directory';
  /** For messages: `registry ghcr.io/acme/app`, escaped. */
  readonly description: string;
  readonly dialect: 'tuf-1.0';

  /**
   * The digest of the current state, undefined when there is none.
   * @throws RegistryError, NetworkError when the source cannot tell
   */
  headState(signal?: AbortSignal): Promise<Digest | undefined>;

  /**
   * The current state, undefined when there is none.
   * @throws TrustError TRUST_DATA_INVALID when what is there is no collection; RegistryError, NetworkError
   */
  fetchState(signal?: AbortSignal): Promise<SourceState | undefined>;

  /**
   * The bytes with this digest, checked against it and against `lengthBytes` when given.
   * @throws RegistryError REGISTRY_NOT_FOUND, REGISTRY_DIGEST and others, NetworkError
   */
  fetchFile(
    file: { readonly digest: Digest; readonly lengthBytes?: number; readonly maxBytes: number },
    signal?: AbortSignal,
  ): Promise<Uint8Array>;
}

export interface PutStateOptions {
  /** The state this one was built on; sent as If-Match and never relied on. */
  readonly ifMatch?: Digest;
  /** Whether small files ride in the listing. */
  readonly inline: boolean;
  readonly signal?: AbortSignal;
}

/** A source that can be written to. How publishers take turns is publisher.ts's business. */
export interface PublishingSource extends Source {
  uploadFiles(files: ReadonlyMap<string, Uint8Array>, previous?: SourceState): Promise<void>;
  putState(files: ReadonlyMap<string, Uint8Array>, options: PutStateOptions): Promise<Digest>;
}
