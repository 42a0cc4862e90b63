/**
 * Taking turns: how any number of publishers write one `_trust` tag and none loses what it wrote (protocol 4.2),
 * on registries that know no conditional write.
 *
 * One publish: read and verify; build the next state from it; upload; HEAD, still the base; PUT, given up when
 * not done within a turn T of the sending of that HEAD; then read the tag twice, the second read sent more than
 * T after the first was answered, with the same digest, of a state that contains this publish. A PUT that did
 * not know this publish began its HEAD before the first of the two reads, so it has ended by the second; the
 * digest did not change between them; so every later PUT builds on a state that contains this publish.
 *
 * Relied on: reads see finished writes; no PUT is applied after its client gave up; one turn for all publishers
 * of a collection. Hence a turn is chosen once, at the first publish, and kept: were it raised, a publisher that
 * only knows the short turn would wait too little for the PUT of one who knows the long one
 * (test/trust/publish-model.test.ts shows the loss).
 */
import type { Clock } from '../lib/clock.ts';
import { DtrustError, hasCode, NetworkError, RegistryError, TrustError } from '../lib/errors.ts';
import type { Digest } from '../reference/digest.ts';
import { HISTORY_LENGTH } from './core/limits.ts';
import type { PublishingSource, SourceState } from './source.ts';

export const MIN_TURN_SECONDS = 1;
export const MAX_TURN_SECONDS = 10;

/** What taking turns needs to know of a state that was read and verified. */
export interface TurnBase {
  /** Of the manifest that was read under the tag. */
  readonly digest: Digest;
  /** sha256 of its timestamp.json, hex. */
  readonly timestampSha256: string;
  /** sha256 of the timestamps before it (snapshot `x-dtrust.history`). */
  readonly history: readonly string[];
  /** The turn signed in its snapshot. */
  readonly turnSeconds: number;
  readonly versions: ReadonlyMap<string, number>;
  /** The listing, when it was fetched: its blobs are not uploaded again. */
  readonly state?: SourceState;
}

/** The state to be published. */
export interface TurnState {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly timestampSha256: string;
  readonly versions: ReadonlyMap<string, number>;
}

/** What the next state must be built with. */
export interface TurnTerms {
  readonly turnSeconds: number;
  /** By role: the next version is above this and above the base's. */
  readonly highestVersions: ReadonlyMap<string, number>;
}

/** Where it is written down what was published, before and after (protocol 4.3). */
export interface TurnJournal<State> {
  readonly highestVersions: ReadonlyMap<string, number>;
  /** Called before a state is sent. */
  begin(state: State): Promise<void> | void;
  /** Called when it is sure to stay. */
  confirm(state: State): Promise<void> | void;
}

export interface TurnOptions<Base extends TurnBase, State extends TurnState> {
  readonly source: TurnSource;
  /**
   * Reads the tag and verifies what it serves as a client, against what was known when the publish began;
   * remembers nothing, so that what another publisher writes over it still verifies. undefined: nothing there.
   */
  readonly open: () => Promise<Base | undefined>;
  /** Applies this publish's changes, and only those, to the base. */
  readonly build: (base: Base | undefined, terms: TurnTerms) => Promise<State>;
  readonly clock: Clock;
  /** 0 <= random() < 1 */
  readonly random: () => number;
  readonly journal?: TurnJournal<State>;
  readonly signal?: AbortSignal;
  readonly maxAttempts?: number;
  /** The turn where there is nothing yet, for those who know one; without it a PUT is measured. */
  readonly firstTurnSeconds?: number;
  /** How much more than T the second read waits, beside what a late timer takes. */
  readonly quietMarginMs?: number;
  /** Told when the wait for the second read begins. */
  readonly onWait?: (waitMs: number) => void;
}

export type TurnSource = Pick<PublishingSource, 'headState' | 'uploadFiles' | 'putState' | 'description'> & {
  /** Measures a PUT before the first publish; without it the shortest turn is chosen. */
  storeUntagged?(files: ReadonlyMap<string, Uint8Array>, signal?: AbortSignal): Promise<void>;
};

export interface TurnTaken<State> {
  readonly state: State;
  /** What the tag pointed at when the publish was sure: this state, or a later one that contains it. */
  readonly digest: Digest;
  readonly attempts: number;
}

/**
 * How often others may come first. Each time one of them wrote, and of PUTs that cross the last one stays: so whoever is
 * beaten is beaten by at most as many writes as the others make, and of N publishers at once each comes through within
 * about N attempts. With ten, eight were the most seen (test/trust/publish-load.test.ts); this is room for fifty. More
 * would be of no use: a state tells of its last 64 publishes.
 */
const MAX_BEATEN = HISTORY_LENGTH;
/** How often the registry may fail, or take longer than a turn: nothing is gained by asking it for ever. */
const MAX_UNFINISHED = 12;
const MAX_QUIET_ROUNDS = 40;
const DEFAULT_MARGIN_MS = 100;
const BACKOFF_MS = 100;
/** After which a beaten publisher who is slow himself waits no longer. */
const MAX_PAUSE_MS = 2000;

/**
 * Publishes, and returns when the publish is sure to stay.
 *
 * @throws TrustError PUBLISH_CONFLICT when others kept overwriting it; RegistryError (TRUST_TAG_IMMUTABLE among
 *   them) and NetworkError when the source does not work; what `open` and `build` throw
 */
export function takeTurn<Base extends TurnBase, State extends TurnState>(
  options: TurnOptions<Base, State>,
): Promise<TurnTaken<State>> {
  return new Turn(options).run();
}

/** Whether a verified state contains a publish: it is it, or has it in its history. */
export function containsPublish(
  base: Pick<TurnBase, 'timestampSha256' | 'history'>,
  timestampSha256: string,
): boolean {
  return base.timestampSha256 === timestampSha256 || base.history.includes(timestampSha256);
}

/** Protocol 4.1: four times the slowest PUT of a manifest, in whole seconds, at least 1, at most 10. */
export function chooseTurnSeconds(slowestPutMs: number): number {
  return Math.min(MAX_TURN_SECONDS, Math.max(MIN_TURN_SECONDS, Math.ceil((4 * slowestPutMs) / 1000)));
}

type PutOutcome = 'done' | 'unfinished' | 'moved';

/** Why an attempt did not come through: another publisher was first, or the registry did not do its part. */
type Failed = 'beaten' | 'unfinished';

class Turn<Base extends TurnBase, State extends TurnState> {
  readonly #options: TurnOptions<Base, State>;
  readonly #clock: Clock;
  readonly #source: TurnSource;
  /** What this call has sent: any of them, found in the tag, is this publish. */
  readonly #sent = new Map<string, State>();
  readonly #highest: Map<string, number>;
  #inline = true;
  #uploadAll = false;
  #firstTurnSeconds: number | undefined;
  #probe: State | undefined;
  #lastError: DtrustError | undefined;
  /** What the last attempt took from its first request to its last look at the tag. */
  #workMs = 0;

  constructor(options: TurnOptions<Base, State>) {
    this.#options = options;
    this.#clock = options.clock;
    this.#source = options.source;
    this.#highest = new Map(options.journal?.highestVersions);
    this.#firstTurnSeconds = options.firstTurnSeconds;
  }

  async run(): Promise<TurnTaken<State>> {
    const { maxAttempts = Number.POSITIVE_INFINITY, journal } = this.#options;
    const failed = { beaten: 0, unfinished: 0 };
    for (let attempts = 1; ; attempts++) {
      const taken = await this.#attempt();
      if (typeof taken === 'object') {
        await journal?.confirm(taken.state);
        return { ...taken, attempts };
      }
      failed[taken] += 1;
      if (attempts === maxAttempts || failed.beaten > MAX_BEATEN || failed.unfinished >= MAX_UNFINISHED) {
        throw this.#lastError ?? this.#conflict(attempts);
      }
      await this.#pause(taken, failed.unfinished);
    }
  }

  async #attempt(): Promise<{ state: State; digest: Digest } | Failed> {
    const startedAt = this.#clock.monotonic();
    const base = await this.#options.open();
    this.#noteVersions(base?.versions);
    const arrived = base && this.#sentIn(base);
    // A PUT whose answer was lost, or one that another publisher has built upon meanwhile.
    if (base !== undefined && arrived !== undefined) {
      const confirmed = await this.#confirm(arrived, base.digest, base.turnSeconds, this.#clock.monotonic());
      return confirmed ?? 'beaten';
    }
    const turnSeconds = base?.turnSeconds ?? (await this.#firstTurn());
    const state = this.#takeProbe(base, turnSeconds) ?? (await this.#build(base, turnSeconds));
    this.#noteVersions(state.versions);
    await this.#options.journal?.begin(state);
    await this.#source.uploadFiles(state.files, this.#uploadAll ? undefined : base?.state);
    const headSentAt = this.#clock.monotonic();
    this.#workMs = headSentAt - startedAt;
    const found = await this.#source.headState(this.#options.signal);
    // Protocol 4.2: still the base, else start over.
    if (found !== base?.digest) return 'beaten';
    const outcome = await this.#put(state, base?.digest, headSentAt + turnSeconds * 1000);
    if (outcome.kind !== 'done') return outcome.kind === 'moved' ? 'beaten' : 'unfinished';
    // Others who start at the same time measure a turn of their own: where PUTs are slow, wait out the longest.
    const waitSeconds =
      base !== undefined || turnSeconds === MIN_TURN_SECONDS ? turnSeconds : MAX_TURN_SECONDS;
    return (await this.#confirm(state, outcome.digest, waitSeconds)) ?? 'beaten';
  }

  #build(base: Base | undefined, turnSeconds: number): Promise<State> {
    return this.#options.build(base, { turnSeconds, highestVersions: new Map(this.#highest) });
  }

  /** The state that was stored to measure a PUT is the one to publish, when it says the turn that was found. */
  #takeProbe(base: Base | undefined, turnSeconds: number): State | undefined {
    const probe = this.#probe;
    this.#probe = undefined;
    return base === undefined && turnSeconds === MIN_TURN_SECONDS ? probe : undefined;
  }

  /**
   * Protocol 4.1: the turn of a collection that does not exist yet. The manifest that is about to be published is
   * stored once under its digest alone, which shows what a PUT takes here.
   */
  async #firstTurn(): Promise<number> {
    if (this.#firstTurnSeconds !== undefined) return this.#firstTurnSeconds;
    if (this.#source.storeUntagged === undefined) return MIN_TURN_SECONDS;
    const state = await this.#build(undefined, MIN_TURN_SECONDS);
    this.#probe = state;
    await this.#source.uploadFiles(state.files);
    const startedAt = this.#clock.monotonic();
    await this.#source.storeUntagged(state.files, this.#options.signal);
    this.#firstTurnSeconds = chooseTurnSeconds(this.#clock.monotonic() - startedAt);
    return this.#firstTurnSeconds;
  }

  async #put(
    state: State,
    ifMatch: Digest | undefined,
    deadline: number,
  ): Promise<{ kind: 'done'; digest: Digest } | { kind: Exclude<PutOutcome, 'done'> }> {
    const leftMs = deadline - this.#clock.monotonic();
    if (leftMs <= 0) return { kind: 'unfinished' };
    this.#sent.set(state.timestampSha256, state);
    const { signal: outer } = this.#options;
    const late = new AbortController();
    const done = new AbortController();
    const signal = outer === undefined ? late.signal : AbortSignal.any([outer, late.signal]);
    const timer = this.#abortAfter(leftMs, late, done.signal);
    try {
      const condition = ifMatch === undefined ? {} : { ifMatch };
      const digest = await this.#source.putState(state.files, {
        ...condition,
        inline: this.#inline,
        signal,
      });
      return { kind: 'done', digest };
    } catch (error) {
      outer?.throwIfAborted();
      return { kind: this.#putFailure(error, late.signal.aborted) };
    } finally {
      done.abort();
      await timer;
    }
  }

  async #abortAfter(ms: number, late: AbortController, done: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(ms, done);
      late.abort();
    } catch (error) {
      // The PUT ended first and nobody needs the timer.
      if (!done.aborted) throw error;
    }
  }

  /** What a PUT that threw means; rethrows what no further attempt can mend. */
  #putFailure(error: unknown, late: boolean): Exclude<PutOutcome, 'done'> {
    if (late) {
      // Protocol 4.2: the second time without inline data, which makes the PUT small.
      this.#inline = false;
      return 'unfinished';
    }
    if (error instanceof RegistryError && error.code !== 'TRUST_TAG_IMMUTABLE') {
      const gone = error.registryCodes.some((code) => code.endsWith('BLOB_UNKNOWN'));
      if (gone && this.#uploadAll) throw error;
      this.#uploadAll ||= gone;
      // 412: a registry that does know If-Match, and found another state than the base.
      if (gone || error.status === 412) return 'moved';
    }
    const passing =
      error instanceof NetworkError || hasCode(error, 'REGISTRY_UNAVAILABLE', 'REGISTRY_RATE_LIMIT');
    if (!passing || !(error instanceof DtrustError)) throw error;
    this.#lastError = error;
    return 'unfinished';
  }

  /**
   * The two quiet reads. Returns undefined when the state was overwritten by one that does not contain it.
   * @param readAt when the read that found `digest` was answered; left out when it has not been read yet
   */
  async #confirm(
    sent: State,
    sentDigest: Digest,
    turnSeconds: number,
    readAt?: number,
  ): Promise<{ state: State; digest: Digest } | undefined> {
    let state = sent;
    let containing = sentDigest;
    let waitMs = turnSeconds * 1000;
    let first = readAt === undefined ? await this.#read() : { digest: sentDigest, answeredAt: readAt };
    for (let round = 0; round < MAX_QUIET_ROUNDS; round++) {
      if (first.digest !== containing) {
        const base = await this.#options.open();
        this.#noteVersions(base?.versions);
        const contained = base && this.#sentIn(base);
        if (base === undefined || contained === undefined) return undefined;
        state = contained;
        containing = base.digest;
        // Protocol 4.1: the longer of the turns in play.
        waitMs = Math.max(waitMs, base.turnSeconds * 1000);
        first = { digest: base.digest, answeredAt: this.#clock.monotonic() };
      }
      await this.#quiet(first.answeredAt, waitMs);
      const second = await this.#read();
      if (second.digest === first.digest) return { state, digest: containing };
      first = second;
    }
    return undefined;
  }

  async #read(): Promise<{ digest: Digest | undefined; answeredAt: number }> {
    const digest = await this.#source.headState(this.#options.signal);
    return { digest, answeredAt: this.#clock.monotonic() };
  }

  /** Protocol 4.2: the second read is sent more than T after the first was answered. */
  async #quiet(answeredAt: number, waitMs: number): Promise<void> {
    const until = answeredAt + waitMs + (this.#options.quietMarginMs ?? DEFAULT_MARGIN_MS);
    this.#options.onWait?.(until - this.#clock.monotonic());
    for (let left = until - this.#clock.monotonic(); left > 0; left = until - this.#clock.monotonic()) {
      await this.#clock.sleep(left, this.#options.signal);
    }
  }

  #sentIn(base: Base): State | undefined {
    for (const [timestampSha256, state] of this.#sent) {
      if (containsPublish(base, timestampSha256)) return state;
    }
    return undefined;
  }

  #noteVersions(versions: ReadonlyMap<string, number> | undefined): void {
    for (const [role, version] of versions ?? []) {
      this.#highest.set(role, Math.max(version, this.#highest.get(role) ?? 0));
    }
  }

  /**
   * Protocol 4.2: a random wait between two attempts. Who was beaten waits as long as one try takes him at most: then
   * his next look falls anywhere in the others' tries, so they do not all write at once again, and who was beaten often
   * does not wait longer than who has just come. What a registry could not do it is asked for ever more rarely.
   */
  async #pause(after: Failed, unfinished: number): Promise<void> {
    const longest =
      after === 'beaten'
        ? Math.min(Math.max(this.#workMs, BACKOFF_MS), MAX_PAUSE_MS)
        : BACKOFF_MS * 2 ** Math.min(unfinished - 1, 5);
    const ms = this.#options.random() * longest;
    if (ms > 0) await this.#clock.sleep(ms, this.#options.signal);
  }

  #conflict(attempts: number): TrustError {
    return new TrustError({
      code: 'PUBLISH_CONFLICT',
      message: `publishing to ${this.#source.description} did not come through in ${attempts} attempts: others kept writing, or the registry took longer than a turn`,
      spec: 'protocol 4.2',
      hints: ['nothing is lost: run the same command again when the others are done'],
    });
  }
}
