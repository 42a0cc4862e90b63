/**
 * A verified collection in use: searches, listings, and the roles they load on the way.
 */
import { TrustError } from '../lib/errors.ts';
import type { Digest } from '../reference/digest.ts';
import type { Repository } from '../reference/reference.ts';
import type { OpenOptions, VerifiedCollection } from './collection.ts';
import { BlobGone, type CollectionFiles } from './collection-files.ts';
import { delegationsFor } from './core/delegations.ts';
import { AGE_SHOWN_FROM_MS, DAY_MS } from './core/limits.ts';
import { listTargets } from './core/list.ts';
import { metadataFileName } from './core/metadata.ts';
import { type Search, searchTarget, type TargetFound, verifyFound } from './core/search.ts';
import type { TrustedMetadata } from './core/trusted-metadata.ts';
import { expiryWarnings, explainExpired, keysOfRole } from './expiry.ts';
import type { Anchor, Remembered } from './memory.ts';
import { persist, verifiedFiles, versionsOf } from './persist.ts';
import { releasing, walkRoles } from './role-walk.ts';
import { olderRoots } from './root-history.ts';
import type { SourceState } from './source.ts';

export interface OpenedFacts {
  readonly options: OpenOptions;
  readonly collection: string;
  readonly trusted: TrustedMetadata;
  readonly files: CollectionFiles;
  readonly digest: Digest;
  readonly listing: SourceState | undefined;
  readonly anchor: Anchor;
  readonly firstUse: boolean;
  readonly unchanged: boolean;
  /** The memory as it is now; undefined when this state is not remembered. */
  readonly remembered: Remembered | undefined;
  readonly notices: readonly string[];
  readonly lastCheckMs: number | undefined;
  /** Opens the collection once more after a blob of this state was gone. */
  readonly reopen: (goneState: Digest) => Promise<VerifiedCollection>;
  /** Set when this is that second time. */
  readonly goneBefore: Digest | undefined;
}

export class OpenedCollection implements VerifiedCollection {
  readonly repository: Repository;
  readonly collection: string;
  readonly trusted: TrustedMetadata;
  readonly state: { readonly digest: Digest; readonly listing?: SourceState };
  readonly anchor: Anchor;
  readonly firstUse: boolean;
  readonly unchanged: boolean;
  readonly highest: ReadonlyMap<string, number>;
  readonly signedAtAgeDays?: number;
  readonly lastCheckMs?: number;
  readonly #facts: OpenedFacts;
  #remembered: Remembered | undefined;

  constructor(facts: OpenedFacts) {
    this.#facts = facts;
    this.#remembered = facts.remembered;
    this.repository = facts.options.repository;
    this.collection = facts.collection;
    this.trusted = facts.trusted;
    this.state = { digest: facts.digest, ...(facts.listing === undefined ? {} : { listing: facts.listing }) };
    this.anchor = facts.anchor;
    this.firstUse = facts.firstUse;
    this.unchanged = facts.unchanged;
    this.highest = facts.remembered?.highest ?? versionsOf(facts.trusted);
    const ageDays = ageInDays(facts);
    if (ageDays !== undefined) {
      this.signedAtAgeDays = ageDays;
    }
    if (facts.lastCheckMs !== undefined) {
      this.lastCheckMs = facts.lastCheckMs;
    }
  }

  get files(): ReadonlyMap<string, Uint8Array> {
    const files = new Map(verifiedFiles(this.trusted));
    for (const root of this.trusted.roots.slice(0, -1)) {
      files.delete(metadataFileName('root', root.signed.version));
    }
    return files;
  }

  get warnings(): readonly string[] {
    const { options, notices } = this.#facts;
    const online = [...keysOfRole(this.trusted, 'timestamp'), ...keysOfRole(this.trusted, 'snapshot')];
    const holder = options.holdsOnlineKey?.(online) === true;
    return [...notices, ...expiryWarnings(this.trusted, this.repository.canonical, holder)];
  }

  resolve(path: string): Promise<TargetFound> {
    return this.#again(
      async () => {
        this.#prefetchFor(path);
        const result = await this.#drive(searchTarget(this.trusted, path));
        await this.#rememberRoles();
        return verifyFound(result, path);
      },
      (reopened) => reopened.resolve(path),
    );
  }

  listTargets(below: 'needed' | 'passed-over' = 'needed'): Promise<readonly TargetFound[]> {
    return this.#again(
      async () => {
        const found = await this.#drive(listTargets(this.trusted, { below, ...this.#leaving }));
        await this.#rememberRoles();
        return found;
      },
      (reopened) => reopened.listTargets(below),
    );
  }

  loadAll(): Promise<ReadonlyMap<string, Uint8Array>> {
    return this.#again(
      async () => {
        await this.#drive(walkRoles(this.trusted, this.#leaving));
        const files = new Map(await olderRoots(this.trusted, this.#facts.files, this.#remembered));
        for (const [name, bytes] of verifiedFiles(this.trusted)) {
          files.set(name, bytes);
        }
        await this.#rememberRoles();
        return files;
      },
      (reopened) => reopened.loadAll(),
    );
  }

  get #leaving(): Pick<OpenOptions, 'leaving'> {
    const { leaving } = this.#facts.options;
    return leaving === undefined ? {} : { leaving };
  }

  /** Protocol 3.2: when a blob of this state is gone, the state is read once more. */
  async #again<T>(
    work: () => Promise<T>,
    withNewer: (reopened: VerifiedCollection) => Promise<T>,
  ): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BlobGone)) {
        throw this.#explained(error);
      }
      const { goneBefore, reopen } = this.#facts;
      const reopened = goneBefore === undefined ? await reopen(this.state.digest) : undefined;
      if (reopened === undefined || reopened.state.digest === this.state.digest) {
        throw this.#missing(error);
      }
      return withNewer(reopened);
    }
  }

  #missing(error: BlobGone): TrustError {
    const repository = this.repository.canonical;
    return new TrustError({
      code: 'ROLE_MISSING',
      message: `a file that the state of ${repository} names is not there`,
      attack: 'mix-and-match',
      spec: 'protocol 3.2',
      reference: repository,
      cause: error.cause,
    });
  }

  /** A delegated role is found to have expired when it is needed first: its keys are others than the online key. */
  #explained(error: unknown): unknown {
    if (!(error instanceof TrustError) || error.code !== 'ROLE_EXPIRED' || error.hints.length > 0) {
      return error;
    }
    const repository = this.repository.canonical;
    return explainExpired(error, {
      repository,
      trusted: this.trusted,
      dateMs: this.#facts.listing?.dateMs,
    });
  }

  /** Gives a search the roles it asks for. */
  async #drive<Result>(search: Search<Result>): Promise<Result> {
    let step = search.next();
    while (step.done !== true) {
      step = search.next(await this.#facts.files.role(step.value));
    }
    return step.value;
  }

  /** The roles a search may come to first, side by side instead of one after the other. */
  #prefetchFor(path: string): void {
    const delegations = this.trusted.targets()?.signed.delegations;
    for (const name of releasing(delegations, delegationsFor(delegations, path))) {
      const file = this.trusted.snapshot?.signed.meta.get(`${name}.json`);
      if (file !== undefined && this.trusted.targets(name) === undefined) {
        this.#facts.files.prefetchRole(metadataFileName(name, file.version), file);
      }
    }
  }

  /** Keeps roles that were loaded after the state was remembered. Another process's newer state stays. */
  async #rememberRoles(): Promise<void> {
    const remembered = this.#remembered;
    const { options, collection, anchor, digest } = this.#facts;
    if (remembered === undefined) {
      return;
    }
    const files = verifiedFiles(this.trusted);
    if ([...files.keys()].every((name) => remembered.files.has(name))) {
      return;
    }
    const kept = await persist({
      memory: options.memory,
      collection,
      scope: options.memoryScope,
      anchor,
      digest,
      trusted: this.trusted,
      previous: remembered,
      mayGoOn: true,
    });
    this.#remembered = kept.outcome === 'saved' ? kept.remembered : undefined;
  }
}

/** Protocol 2.7: days since this timestamp was first seen here, from 30 days on. */
function ageInDays({ remembered, trusted, options }: OpenedFacts): number | undefined {
  const version = trusted.timestamp?.signed.version;
  const sight = remembered?.sights.find(({ timestampVersion }) => timestampVersion === version);
  const ageMs = sight === undefined ? 0 : options.startTimeMs - sight.atMs;
  return ageMs >= AGE_SHOWN_FROM_MS ? Math.floor(ageMs / DAY_MS) : undefined;
}
