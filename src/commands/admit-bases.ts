/**
 * The images that a build names, decided on together: each once, side by side, over connections that are kept, and one
 * collection of trust data opened once for all tags of its repository. What is refused is refused in one error that
 * lists every one of them with its file and line.
 *
 * A build asks the source whatever is remembered, and the source must answer (protocol 7.3). Questions about a first
 * key are put one after the other, in the order of the Dockerfile, and only when nothing else stands in the way.
 * docs/adr/0020-bases.md says why.
 */
import { BaseMemory } from '../enforce/base-memory.ts';
import { DtrustError, hasCode, UsageError } from '../lib/errors.ts';
import { inParallel } from '../lib/parallel.ts';
import { type Settled, settle } from '../lib/settle.ts';
import type { Admission } from '../reference/admission.ts';
import type { Digest } from '../reference/digest.ts';
import { type Reference, withDefaultTag } from '../reference/reference.ts';
import { firstUseRefused } from '../trust/first-use.ts';
import { BaseCollections } from './base-collections.ts';
import { readOnBuild } from './base-on-build.ts';
import { refusedBases } from './base-refusals.ts';
import { type BaseRead, type Decided, decideBase, readBase } from './decide-base.ts';
import type { Services } from './services.ts';

export interface BaseWanted {
  /** As docker would read it, variables expanded. */
  readonly text: string;
  /** Where the use names one. */
  readonly platform?: string | undefined;
  /** What it is taken for where the use names none; default the builder's. */
  readonly targetPlatform?: string | undefined;
  /** `Dockerfile:3` */
  readonly where: string;
  /** `FROM`, `COPY --from`, `syntax` and so on. */
  readonly by: string;
  /** Whether its ONBUILD runs in this build, and is therefore asked for. */
  readonly triggers?: boolean;
}

export interface AdmittedBase {
  readonly text: string;
  readonly platform?: string | undefined;
  readonly targetPlatform?: string | undefined;
  readonly where: string;
  readonly by: string;
  /** Canonical, with its tag; absent for what was named by an image ID. */
  readonly reference?: Reference;
  readonly admission: Admission;
  /** In its repository; absent for an image of the engine. */
  readonly digest?: Digest;
  /** For an image of the engine: its full ID. */
  readonly localImageId?: Digest;
  /** Empty where it was not asked for. */
  readonly onBuild: readonly string[];
}

export interface BuilderFacts {
  /** How references are read: classic takes image IDs as well. */
  readonly grammar: 'buildkit' | 'classic';
  /** Whether the builder sees what the engine holds. */
  readonly engineIsBuilder: boolean;
  /** `--pull`: what the engine holds under a name does not count. */
  readonly pull: boolean;
  readonly quiet: boolean;
  /** `linux/amd64`: for what names no platform. */
  readonly platform: string;
}

/** Repositories that are asked at a time. */
export const AT_ONCE = 8;
/** Images of one build; each costs at least one request. */
export const MOST_BASES = 200;

/**
 * The admissions of what a build names, in its order; `scratch` is no image and is left out.
 *
 * @throws UsageError REFERENCE_INVALID, TAG_RESERVED, PLATFORM_INVALID, DOCKERFILE_INVALID (too many); TrustError
 * NO_TRUST_DATA, TARGET_NOT_SIGNED, LOCAL_BASE, IMAGE_UNVERIFIED, FIRST_USE_* and others as `openCollection`;
 * RegistryError, NetworkError, LocalStateError, EngineError
 */
export async function admitBases(
  services: Services,
  uses: readonly BaseWanted[],
  facts: BuilderFacts,
): Promise<readonly AdmittedBase[]> {
  const admitter = new BaseAdmitter(services, facts);
  const admitted = await admitter.admit(uses);
  await admitter.remember();
  return admitted;
}

/** Keeps what was decided from one call to the next. */
export class BaseAdmitter {
  readonly #services: Services;
  readonly #facts: BuilderFacts;
  readonly #collections: BaseCollections;
  readonly #memory: BaseMemory;
  readonly #decided = new Map<string, Settled<Decided>>();
  readonly #onBuild = new Map<string, Settled<readonly string[]>>();

  /** `collections`: where some may have been opened already. */
  constructor(services: Services, facts: BuilderFacts, collections = new BaseCollections(services)) {
    this.#services = services;
    this.#facts = facts;
    this.#collections = collections;
    const { fs, clock } = services.context;
    this.#memory = new BaseMemory({ fs, clock, directory: services.trustDirectory });
  }

  /** Throws as `admitBases`. */
  async admit(uses: readonly BaseWanted[]): Promise<readonly AdmittedBase[]> {
    const wanted = uses.filter((use) => !isScratch(use, this.#facts.grammar));
    const reads = wanted.map((use) => ({ use, read: readBase(use, this.#facts) }));
    this.#assertFew(reads);
    const named = reads.flatMap(({ read }) => ('value' in read ? [read.value] : []));
    await this.#decide(named.filter(({ key }) => !this.#decided.has(key)));
    await this.#askInOrder(reads);
    await this.#readOnBuild(reads);
    // Whoever explains a failure by the repository in hand has been told each by its own here.
    this.#services.about = undefined;
    const outcomes = reads.map(({ use, read }) => ({ use, read, outcome: this.#outcome(use, read) }));
    const failed = outcomes.filter(({ outcome }) => 'reason' in outcome);
    if (failed.length > 0) {
      throw await refusedBases(this.#services, failed.map(failureOf), reads.length);
    }
    return outcomes.flatMap(({ outcome }) => ('value' in outcome ? [outcome.value] : []));
  }

  /** Keeps what was read of the images, once all of them may be used. @throws LocalStateError MEMORY_NEWER */
  async remember(): Promise<void> {
    await this.#memory.save();
  }

  /** Repositories side by side, the tags of one one after the other: they share its collection. */
  async #decide(bases: readonly BaseRead[]): Promise<void> {
    const groups = new Map<string, Map<string, BaseRead>>();
    for (const base of bases) {
      const name = base.reference?.repository.canonical ?? base.text;
      const group = groups.get(name) ?? new Map<string, BaseRead>();
      groups.set(name, group.set(base.key, base));
    }
    await inParallel([...groups.values()], this.#atOnce, async (group) => {
      for (const base of group.values()) {
        const deciding = decideBase(this.#services, this.#facts, this.#collections, base);
        this.#decided.set(base.key, await failuresOnly(deciding));
      }
    });
  }

  /** All images in one place of trust data would open that at once, each on its own. */
  get #atOnce(): number {
    return this.#services.context.env.trustRepository === undefined ? AT_ONCE : 1;
  }

  /** Protocol 6.4: a person is asked about first keys, where nothing else would stop the build anyhow. */
  async #askInOrder(reads: readonly Read[]): Promise<void> {
    const failures = reads.flatMap(({ read }) => {
      const outcome = 'value' in read ? this.#decided.get(read.value.key) : read;
      return outcome !== undefined && 'reason' in outcome ? [{ read, reason: outcome.reason }] : [];
    });
    const firstUses = failures.filter(({ reason }) => hasCode(reason, 'FIRST_USE_REFUSED'));
    if (firstUses.length === 0 || !(await this.#services.terminal()).canPrompt()) return;
    let mayAsk = firstUses.length === failures.length;
    const asked = new Set<string>();
    for (const { read } of firstUses) {
      if (!('value' in read) || asked.has(read.value.key)) continue;
      const { key, reference } = read.value;
      asked.add(key);
      if (reference === undefined) continue;
      if (!mayAsk) {
        const { canonical } = reference.repository;
        this.#decided.set(key, { reason: firstUseRefused({ repository: canonical }, NOT_ASKED_YET) });
        continue;
      }
      this.#collections.mayAsk(reference.repository);
      const deciding = decideBase(this.#services, this.#facts, this.#collections, read.value);
      const outcome = await failuresOnly(deciding);
      this.#decided.set(key, outcome);
      mayAsk = 'value' in outcome;
    }
  }

  /** The signed manifest of each seen, and its ONBUILD where that runs. */
  async #readOnBuild(reads: readonly Read[]): Promise<void> {
    const wanted = new Map<string, () => Promise<readonly string[]>>();
    for (const { use, read } of reads) {
      const key = onBuildKey(use, read);
      const decided = 'value' in read ? this.#decided.get(read.value.key) : undefined;
      if (key === undefined || this.#onBuild.has(key)) continue;
      if (decided === undefined || !('value' in decided)) continue;
      const { platform } = (read as { readonly value: BaseRead }).value;
      const asked = { memory: this.#memory, platform, triggers: use.triggers === true };
      wanted.set(key, () => readOnBuild(this.#services, decided.value, asked));
    }
    await inParallel([...wanted], AT_ONCE, async ([key, work]) => {
      this.#onBuild.set(key, await failuresOnly(work()));
    });
  }

  #outcome(use: BaseWanted, read: Settled<BaseRead>): Settled<AdmittedBase> {
    if (!('value' in read)) return read;
    const decided = this.#decided.get(read.value.key);
    if (decided === undefined || !('value' in decided)) return decided ?? { reason: undefined };
    const onBuild = this.#onBuild.get(onBuildKey(use, read) ?? '');
    if (onBuild === undefined || !('value' in onBuild)) return onBuild ?? { reason: undefined };
    const { text, platform, targetPlatform, where, by } = use;
    const { admission, digest, localImageId } = decided.value;
    const reference = decided.value.reference && asTyped(decided.value.reference, read.value.reference);
    return {
      value: {
        ...{ text, platform, targetPlatform, where, by, admission, onBuild: onBuild.value },
        ...(reference === undefined ? {} : { reference }),
        ...(digest === undefined ? {} : { digest }),
        ...(localImageId === undefined ? {} : { localImageId }),
      },
    };
  }

  #assertFew(reads: readonly Read[]): void {
    const keys = new Set<string>(this.#decided.keys());
    for (const { use, read } of reads) {
      if ('value' in read) keys.add(read.value.key);
      if (keys.size <= MOST_BASES) continue;
      throw new UsageError({
        code: 'DOCKERFILE_INVALID',
        message: `${use.where}: more than ${MOST_BASES} different images are named`,
        expected: `at most ${MOST_BASES} images`,
      });
    }
  }
}

/** One image, decided on once: each use has its own spelling of the name. */
function asTyped(decided: Reference, typed: Reference = decided): Reference {
  return typed.digest === undefined ? withDefaultTag(typed) : typed;
}

interface Read {
  readonly use: BaseWanted;
  readonly read: Settled<BaseRead>;
}

const NOT_ASKED_YET = 'you are asked about its key once nothing else stops this build';

/** Docker: the empty image, in a FROM; BuildKit takes it wherever an image is named. */
function isScratch({ text, by }: BaseWanted, grammar: BuilderFacts['grammar']): boolean {
  return text === 'scratch' && (grammar === 'buildkit' || by === 'FROM');
}

function onBuildKey(use: BaseWanted, read: Settled<BaseRead>): string | undefined {
  return 'value' in read ? `${use.triggers === true ? 'on build' : 'seen'} ${read.value.key}` : undefined;
}

function failureOf({ use, read, outcome }: Read & { readonly outcome: Settled<AdmittedBase> }) {
  const reference = 'value' in read ? read.value.reference : undefined;
  return { use, reference, reason: 'reason' in outcome ? outcome.reason : undefined };
}

/** Settled for what dtrust foresees; a call that was stopped, and a bug, end everything. */
async function failuresOnly<T>(work: Promise<T>): Promise<Settled<T>> {
  const outcome = await settle(work);
  if ('reason' in outcome && !(outcome.reason instanceof DtrustError)) throw outcome.reason;
  return outcome;
}
