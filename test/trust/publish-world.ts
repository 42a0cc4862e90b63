/**
 * A world in which several publishers share one registry and nothing happens by itself.
 *
 * Every request that touches the trust tag waits until the schedule lets it through (it is then applied and
 * answered at once); every timer that is due waits as well, and time moves by whole ticks only while none is
 * due. A schedule is a list of choices, so a run can be repeated and varied: `explore` walks through all of
 * them, `sample` through seeded ones. What is published is done by `takeTurn` as it is; only what it publishes is small.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../src/lib/clock.ts';
import { hasCode } from '../../src/lib/errors.ts';
import type { Digest } from '../../src/reference/digest.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient, type RegistryClient } from '../../src/registry/client.ts';
import { type TurnBase, type TurnOptions, type TurnState, takeTurn } from '../../src/trust/publish-turn.ts';
import { createRegistrySource, type RegistrySource } from '../../src/trust/registry-source.ts';
import { createMemoryRegistry, type MemoryRegistry } from '../helpers/memory-registry.ts';
import { seeded } from './seeded.ts';

export const TICK_MS = 1000;
const REPOSITORY = parseRepository('registry.test/acme/app');

export interface WorldOptions {
  readonly publishers: number;
  /** The turn of the collection that is there; without it there is none yet. */
  readonly turnSeconds?: number;
  readonly marginMs?: number;
  readonly maxAttempts?: number;
  /** These may be killed whenever they wait for an answer; what they have sent and is not done by then, is never done. */
  readonly mayCrash?: readonly number[];
  /** A PUT is answered some time after it was done: its publisher may have given it up by then, or be dead. */
  readonly slowAnswers?: boolean;
  /** Whose requests may take a tick or longer; default everybody's. While one of another is on its way, no time passes. */
  readonly slow?: readonly number[];
  /** A wrong protocol, to show that the model finds it. */
  readonly mutant?: 'one-read' | 'raise-turn';
  /** What tells two worlds apart; default 'what-counts'. */
  readonly key?: 'everything' | 'what-counts';
  /** In the mutant 'raise-turn', publisher 0 signs this turn. */
  readonly raisedSeconds?: number;
}

/** What the stand-in for a collection holds: the names of those whose publish is in it. */
interface Content {
  readonly version: number;
  readonly edits: readonly string[];
  readonly history: readonly string[];
  readonly turn: number;
}

interface Base extends TurnBase {
  readonly content: Content;
}

interface Waiting {
  readonly publisher: number;
  readonly label: string;
  readonly go: () => void;
}

interface Timer {
  readonly publisher: number;
  readonly dueAt: number;
  readonly fire: () => void;
}

/** All that decides what a publisher does next, beside its timers. */
interface Local {
  attempt: number;
  phase: string;
  /** Whether its last PUT was answered. */
  confirming: boolean;
  /** What the next state is built on. */
  base: string;
  /** What the last state that it read and verified, or wrote, was. */
  known: string;
  /** All it has sent. */
  sent: string;
  /** Whether inline data was given up. */
  small: boolean;
}

function idle(): Local {
  return { attempt: 1, phase: 'start', confirming: false, base: '', known: '', sent: '', small: false };
}

type Result = 'published' | 'conflict' | 'crashed';

export interface Outcome {
  /** In order of publishers: what came of it. */
  readonly results: readonly Result[];
  /** Publishers that were told "published" and whose publish is not in the state at the end. */
  readonly lost: readonly number[];
  readonly schedule: readonly number[];
}

export class World {
  readonly #registry: MemoryRegistry;
  readonly #options: WorldOptions;
  readonly #waiting: Waiting[] = [];
  readonly #timers: Timer[] = [];
  readonly #local: Local[];
  readonly #headSentAt: number[];
  readonly #results: (Result | undefined)[];
  readonly #contents = new Map<string, Content>();
  #now = 0;
  #failure: unknown;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#registry = createMemoryRegistry();
    this.#local = Array.from({ length: options.publishers }, idle);
    this.#headSentAt = Array.from({ length: options.publishers }, () => 0);
    this.#results = Array.from({ length: options.publishers }, () => undefined);
  }

  /** Puts the first state there, when there is to be one, and starts all publishers. */
  async start(): Promise<void> {
    const { turnSeconds, publishers } = this.#options;
    if (turnSeconds !== undefined) {
      const first = stateOf({ version: 1, edits: [], history: [], turn: turnSeconds });
      const source = this.#source();
      await source.uploadFiles(first.files);
      await source.putState(first.files, { inline: true });
    }
    for (let publisher = 0; publisher < publishers; publisher++) void this.#publish(publisher);
    await settle();
  }

  get done(): boolean {
    return this.#results.every((result) => result !== undefined);
  }

  /** What can happen next: a request of a publisher goes through, a timer that is due fires, or time passes. */
  choices(): readonly string[] {
    if (this.#failure !== undefined) throw this.#failure;
    const due = this.#timers.filter((timer) => timer.dueAt <= this.#now);
    const requests = this.#waiting.map((waiting) => `${waiting.publisher}:${waiting.label}`);
    const timers = due.map((timer) => `${timer.publisher}:timer`);
    const { slow } = this.#options;
    const mayPass = slow === undefined || this.#waiting.every(({ publisher }) => slow.includes(publisher));
    const tick = due.length === 0 && !this.done && mayPass ? ['tick'] : [];
    const mortal = this.#waiting.filter(({ publisher }) => this.#options.mayCrash?.includes(publisher));
    return [...requests, ...timers, ...tick, ...mortal.map(({ publisher }) => `${publisher}:crash`)];
  }

  async choose(index: number): Promise<void> {
    const choice = this.choices()[index] ?? '';
    const due = this.#timers.filter((timer) => timer.dueAt <= this.#now);
    if (choice.endsWith(':crash')) this.#crash(Number(choice.split(':')[0]));
    else if (index < this.#waiting.length) this.#waiting.splice(index, 1)[0]?.go();
    else if (choice === 'tick') this.#now += TICK_MS;
    else due[index - this.#waiting.length]?.fire();
    await settle();
  }

  /** Nothing of it goes on: neither what it waits for nor its timers. */
  #crash(publisher: number): void {
    for (const list of [this.#waiting, this.#timers] as { publisher: number }[][]) {
      const kept = list.filter((each) => each.publisher !== publisher);
      list.splice(0, list.length, ...kept);
    }
    this.#results[publisher] = 'crashed';
    this.#local[publisher] = { ...idle(), phase: 'crashed' };
  }

  /**
   * Choices that stand for all of them: every order of the others leads to worlds that these lead to as well. A timer that
   * nothing but its publisher waits for changes nothing that anybody else sees, and no time passes before it has fired.
   */
  choicesThatCount(): readonly number[] {
    const all = this.choices();
    const alone = all.findIndex((choice) => {
      const [publisher, what] = choice.split(':');
      return what === 'timer' && !this.#waiting.some((waiting) => `${waiting.publisher}` === publisher);
    });
    return this.#options.key === 'everything' || alone < 0 ? all.map((_, index) => index) : [alone];
  }

  /**
   * Two worlds with the same key go on in the same ways. Time counts only as far as somebody measures it. Of a state
   * under the tag counts whose publishes are in it, its turn, and which of those that somebody knows it is: versions
   * and histories only make it another one than all before, and what else was ever sent is asked for nowhere. Which
   * publisher is which counts only where they differ. How many attempts were made counts where they are limited.
   */
  key(): string {
    if (this.#options.key === 'everything') return this.#exactKey();
    const { mayCrash = [], slow = [], publishers, mutant } = this.#options;
    const areAlike =
      mutant === undefined && [mayCrash, slow].every(({ length }) => length % publishers === 0);
    const orders = areAlike ? permutations(publishers) : [Array.from({ length: publishers }, (_, i) => i)];
    return orders.map((order) => this.#keyIn(order)).sort()[0] ?? '';
  }

  /** The key with the publishers in another order. */
  #keyIn(order: readonly number[]): string {
    const names = new Map<string, number>();
    const meaning = (digest: string): string => {
      const content = this.#contentOf(digest);
      if (content === undefined) return digest;
      const name = names.get(digest) ?? names.set(digest, names.size).size - 1;
      const edits = order.flatMap((publisher, at) => (content.edits.includes(`p${publisher}`) ? [at] : []));
      return `${name}:${edits}:${content.turn}`;
    };
    const tag = meaning(this.#tag());
    const publishers = order.map((publisher) => {
      const { base, known, sent: _, attempt, ...rest } = this.#of(publisher);
      const left = this.#options.maxAttempts === undefined ? '' : attempt;
      const knows = [meaning(base), meaning(known)];
      return [left, ...Object.values(rest), ...knows, ...this.#waits(publisher)].join('|');
    });
    return [tag, ...publishers].join('\n');
  }

  /** The same with all that was ever written: to show that what is left out of the other makes no difference. */
  #exactKey(): string {
    const publishers = this.#local.map((local, publisher) =>
      [...Object.values(local), ...this.#waits(publisher)].join('|'),
    );
    return createHash('sha1')
      .update([this.#tag(), ...publishers].join('\n'))
      .digest('base64');
  }

  /** What a publisher waits for. */
  #waits(publisher: number): readonly unknown[] {
    const most = ((this.#options.raisedSeconds ?? this.#options.turnSeconds ?? 1) + 1) * 1000;
    const timers = this.#timers.filter((timer) => timer.publisher === publisher);
    const asked = this.#waiting.find((waiting) => waiting.publisher === publisher)?.label;
    const age = asked !== 'HEAD' ? asked : Math.min(this.#now - this.#sentAt(publisher), most);
    return [timers.map((timer) => timer.dueAt - this.#now), age];
  }

  outcome(schedule: readonly number[]): Outcome {
    const edits = this.#current()?.edits ?? [];
    const results = this.#results.map((result) => result ?? 'conflict');
    const lost = results.flatMap((result, i) =>
      result === 'published' && !edits.includes(`p${i}`) ? [i] : [],
    );
    return { results, lost, schedule };
  }

  async #publish(publisher: number): Promise<void> {
    try {
      await takeTurn(this.#turnOptions(publisher));
      this.#results[publisher] = 'published';
    } catch (error) {
      if (hasCode(error, 'PUBLISH_CONFLICT')) this.#results[publisher] = 'conflict';
      else this.#failure = error;
    }
    this.#local[publisher] = { ...idle(), phase: `${this.#results[publisher]}` };
  }

  #turnOptions(publisher: number): TurnOptions<Base, TurnState> {
    const source = this.#source(publisher);
    return {
      source: this.#options.mutant === 'one-read' ? readingOnce(source) : source,
      open: () => open(source),
      build: async (base, terms) => {
        const local = this.#of(publisher);
        local.confirming = false;
        local.base = base?.digest ?? 'none';
        const version = Math.max(base?.content.version ?? 0, terms.highestVersions.get('timestamp') ?? 0) + 1;
        const edits = [...new Set([...(base?.content.edits ?? []), `p${publisher}`])].sort();
        const history = base === undefined ? [] : [...base.history, base.timestampSha256];
        const raised =
          this.#options.mutant === 'raise-turn' && publisher === 0 && this.#options.raisedSeconds;
        const state = stateOf(
          { version, edits, history, turn: raised || terms.turnSeconds },
          `p${publisher}`,
        );
        local.sent += state.timestampSha256.slice(0, 8);
        return state;
      },
      clock: this.#clock(publisher),
      random: () => {
        // Asked once before each further attempt.
        this.#of(publisher).attempt += 1;
        return 0;
      },
      maxAttempts: this.#options.maxAttempts ?? Number.POSITIVE_INFINITY,
      quietMarginMs: this.#options.marginMs ?? TICK_MS,
    };
  }

  #source(publisher?: number): RegistrySource {
    const source = createRegistrySource({ repository: REPOSITORY, client: this.#client(publisher) });
    return Object.assign(source, {
      // Blobs are named by what they hold: when they come makes no difference to anybody.
      uploadFiles: async (files: ReadonlyMap<string, Uint8Array>) => {
        for (const bytes of [Buffer.from('{}'), ...files.values()]) {
          this.#registry.putBlob(REPOSITORY.path, bytes);
        }
      },
    });
  }

  #client(publisher: number | undefined): RegistryClient {
    const { http } = this.#registry;
    return createRegistryClient({
      request: async (repository, request) => {
        const path = String(request.path);
        const label = path === 'manifests/_trust' ? request.method : undefined;
        if (publisher === undefined || label === undefined) return http.request(repository, request);
        if (label === 'HEAD') this.#headSentAt[publisher] = this.#now;
        await this.#turnOf(publisher, label, request.signal);
        const response = await http.request(repository, request);
        if (label === 'PUT' && this.#options.slowAnswers === true) {
          await this.#turnOf(publisher, 'answer', request.signal);
        }
        const local = this.#of(publisher);
        local.phase = label;
        if (label !== 'HEAD') local.known = this.#tag();
        if (label === 'PUT') local.confirming = true;
        return response;
      },
    });
  }

  #turnOf(publisher: number, label: string, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { publisher, label, go: resolve };
      this.#waiting.push(waiting);
      signal?.addEventListener('abort', () => {
        const index = this.#waiting.indexOf(waiting);
        if (index < 0) return;
        this.#waiting.splice(index, 1);
        this.#of(publisher).small = true;
        this.#of(publisher).phase = 'late';
        reject(signal.reason);
      });
    });
  }

  #clock(publisher: number): Clock {
    return {
      now: () => this.#now,
      monotonic: () => this.#now,
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          const end = (how: () => void) => () => {
            const index = this.#timers.indexOf(timer);
            if (index >= 0) this.#timers.splice(index, 1);
            how();
          };
          const timer: Timer = { publisher, dueAt: this.#now + ms, fire: end(resolve) };
          this.#timers.push(timer);
          signal?.addEventListener(
            'abort',
            end(() => reject(signal.reason)),
          );
        }),
    };
  }

  #of(publisher: number): Local {
    const local = this.#local[publisher];
    if (local === undefined) throw new Error(`no publisher ${publisher}`);
    return local;
  }

  #sentAt(publisher: number): number {
    return this.#headSentAt[publisher] ?? 0;
  }

  #tag(): string {
    return this.#registry.repository(REPOSITORY.path).tags.get('_trust') ?? 'none';
  }

  #current(): Content | undefined {
    return this.#contentOf(this.#tag());
  }

  #contentOf(tagged: string): Content | undefined {
    const known = this.#contents.get(tagged);
    if (known !== undefined) return known;
    const content = this.#readContent(tagged);
    if (content !== undefined) this.#contents.set(tagged, content);
    return content;
  }

  #readContent(tagged: string): Content | undefined {
    const { manifests, blobs } = this.#registry.repository(REPOSITORY.path);
    const bytes = manifests.get(tagged)?.bytes;
    if (bytes === undefined) return undefined;
    const { digest } = JSON.parse(Buffer.from(bytes).toString()).layers[0];
    const file = blobs.get(digest);
    return file && JSON.parse(Buffer.from(file).toString());
  }
}

/** Every order of so many. */
function permutations(count: number): readonly (readonly number[])[] {
  if (count === 0) return [[]];
  return permutations(count - 1).flatMap((order) =>
    Array.from({ length: count }, (_, at) => [...order.slice(0, at), count - 1, ...order.slice(at)]),
  );
}

function stateOf(content: Content, by = ''): TurnState {
  const bytes = Buffer.from(JSON.stringify({ ...content, by }));
  return {
    files: new Map([['timestamp.json', bytes]]),
    timestampSha256: createHash('sha256').update(bytes).digest('hex'),
    versions: new Map([['timestamp', content.version]]),
  };
}

async function open(source: RegistrySource): Promise<Base | undefined> {
  const state = await source.fetchState();
  const file = state?.files.get('timestamp.json');
  if (state === undefined || file === undefined) return undefined;
  const bytes = file.inline ?? (await source.fetchFile({ digest: file.digest, maxBytes: 100_000 }));
  const content: Content = JSON.parse(Buffer.from(bytes).toString());
  return {
    digest: state.digest,
    timestampSha256: file.digest.slice('sha256:'.length),
    history: content.history,
    turnSeconds: content.turn,
    versions: new Map([['timestamp', content.version]]),
    state,
    content,
  };
}

/** The mutant that trusts one read-back: a second HEAD in a row gets the answer of the first. */
function readingOnce(source: RegistrySource): TurnOptions<Base, TurnState>['source'] {
  let afterPut = false;
  let answer: { digest: Digest | undefined } | undefined;
  return {
    description: source.description,
    uploadFiles: (files, previous) => source.uploadFiles(files, previous),
    async headState(signal) {
      if (afterPut && answer !== undefined) return answer.digest;
      const digest = await source.headState(signal);
      if (afterPut) answer = { digest };
      return digest;
    },
    async putState(files, options) {
      const digest = await source.putState(files, options);
      afterPut = true;
      answer = undefined;
      return digest;
    },
  };
}

/** Lets everything run that can run without a choice. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function replay(options: WorldOptions, schedule: readonly number[]): Promise<World> {
  const world = new World(options);
  await world.start();
  for (const index of schedule) await world.choose(index);
  return world;
}

export interface Exploration {
  readonly worlds: number;
  readonly ends: number;
  /** How often all publishers came through. */
  readonly allPublished: number;
  /** How often all came through that were not killed, and one was. */
  readonly survived: number;
  /** What came of the publishers, whichever was which: `published published`, each once. */
  readonly outcomes: readonly string[];
  readonly lost: Outcome | undefined;
}

/**
 * Walks through every order to its end, each world once; stops at the first loss. Worlds that go on in the same ways are
 * one (`key`), and of choices whose order makes no difference one is taken (`choicesThatCount`).
 */
export async function explore(
  options: WorldOptions,
  maxWorlds = Number.POSITIVE_INFINITY,
): Promise<Exploration> {
  const seen = new Set<string>();
  const stack: number[][] = [[]];
  const outcomes = new Set<string>();
  let ends = 0;
  let allPublished = 0;
  let survived = 0;
  for (let schedule = stack.pop(); schedule !== undefined; schedule = stack.pop()) {
    const world = await replay(options, schedule);
    let path = schedule;
    for (;;) {
      const key = world.key();
      if (seen.has(key)) break;
      seen.add(key);
      if (seen.size > maxWorlds) throw new Error(`more than ${maxWorlds} worlds`);
      if (world.done) {
        const outcome = world.outcome(path);
        ends += 1;
        outcomes.add([...outcome.results].sort().join(' '));
        if (outcome.results.every((result) => result === 'published')) allPublished += 1;
        const alive = outcome.results.filter((result) => result !== 'crashed');
        if (alive.length < outcome.results.length && alive.every((result) => result === 'published')) {
          survived += 1;
        }
        const counts = { worlds: seen.size, ends, allPublished, survived, outcomes: [...outcomes].sort() };
        if (outcome.lost.length > 0) return { ...counts, lost: outcome };
        break;
      }
      const [first = 0, ...others] = world.choicesThatCount();
      for (const other of others.reverse()) stack.push([...path, other]);
      path = [...path, first];
      await world.choose(first);
    }
  }
  return { worlds: seen.size, ends, allPublished, survived, outcomes: [...outcomes].sort(), lost: undefined };
}

/** One order, named by what happens: `0:PUT`, `1:timer`, `tick`; what is left then ends in the first way there is. */
export async function follow(options: WorldOptions, script: readonly string[]): Promise<Outcome> {
  const world = new World(options);
  await world.start();
  for (const step of script) {
    const index = world.choices().indexOf(step);
    if (index < 0) throw new Error(`no ${step} among ${world.choices()}`);
    await world.choose(index);
  }
  while (!world.done) await world.choose(0);
  return world.outcome([]);
}

export type Sample = Pick<Exploration, 'allPublished' | 'lost'>;

/** Orders drawn with a seed; stops at the first loss. */
export async function sample(options: WorldOptions, runs: number, seed: number): Promise<Sample> {
  const next = seeded(seed);
  let allPublished = 0;
  for (let run = 1; run <= runs; run++) {
    const world = new World(options);
    await world.start();
    const schedule: number[] = [];
    while (!world.done) {
      const choices = world.choices();
      // Time passes less often than requests, or every PUT would come late.
      let index = Math.floor(next() * choices.length);
      if (choices[index] === 'tick' && next() < 0.5) index = Math.floor(next() * choices.length);
      schedule.push(index);
      await world.choose(index);
    }
    const outcome = world.outcome(schedule);
    if (outcome.results.every((result) => result === 'published')) allPublished += 1;
    if (outcome.lost.length > 0) return { allPublished, lost: outcome };
  }
  return { allPublished, lost: undefined };
}
