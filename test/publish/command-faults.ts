/**
 * A command that ends in the middle: killed, or out of disk, at each of its writes, or gone at each of its requests; all of
 * them, counted in a run that is left alone. Writes before which the disk and the registry hold the same, temporary files
 * aside, are one place to be killed at: the last of them is taken, which leaves most behind. A disk that fills up is tried
 * at each write; what comes after it, once for each such place and error.
 *
 * What has to hold after every one of them: somebody outside, with a memory of his own, verifies the old state or the
 * completely new one; every key file opens; what went wrong is said by name, with what to do; the same command again ends in
 * the new state or says that it is there, and then this machine verifies it as well; no journal is left open, and nobody
 * holds a lock.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { isTemporaryName } from '../../src/lib/atomic-write.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { DtrustError, LocalStateError } from '../../src/lib/errors.ts';
import type { Pin } from '../../src/trust/core/pin.ts';
import { openJournal } from '../../src/trust/journal.ts';
import { ProcessDied } from '../helpers/faulty-file-system.ts';
import { copyOf, putBack } from '../helpers/stored-repository.ts';
import { ENGINE, type Outcome, PID_OF_THE_DEAD, type RunOptions } from './command-run.ts';
import type { CommandWorld } from './command-world.ts';

export interface Scene {
  /** The machine that runs it, as it is before; copied for each run. */
  readonly home: string;
  readonly args: (home: string) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The repository's path, where the command is about one. */
  readonly repository?: string;
  /** What the outside starts from; by default the root key of this machine. */
  readonly pin?: Pin;
  /** The outside, as it is before; by default a home with nothing in it. */
  readonly reader?: string;
  /** What else tells the old state from the new one. */
  readonly also?: (home: string) => Promise<unknown> | unknown;
  /** What the same command is refused with once it is done. */
  readonly onceDone?: readonly string[];
  /** Whether the same command would begin anew: it is done, and this machine knows. */
  readonly isOver?: (home: string) => boolean;
  /** How many key files of each role are there in the end, where the command makes some. */
  readonly keys?: Readonly<Record<string, number>>;
  /** Where else passphrases of this machine's keys come from. */
  readonly passphrases?: readonly string[];
}

type Ends = Pick<RunOptions, 'fault' | 'request' | 'beforeWrite'>;

/** Judges how it ended; true when what comes after such an end is to be tried. */
type Judge = (outcome: Outcome, seen: string) => boolean;

export class FaultRun {
  readonly #world: CommandWorld;
  readonly #scene: Scene;
  readonly #stored;
  #before = '';
  #after = '';
  /** By the number of a write: what was there before it. */
  readonly #found = new Map<number, string>();

  constructor(world: CommandWorld, scene: Scene) {
    this.#world = world;
    this.#scene = scene;
    this.#stored = copyOf(world.registry.repository(scene.repository ?? 'none'));
  }

  /** The run that nobody disturbs: it says how many ends there are, and what comes of it. */
  async whole(): Promise<Outcome> {
    const home = this.#afresh();
    this.#before = await this.#look(home);
    const beforeWrite = (write: number) => void this.#found.set(write, this.#durable(home));
    const outcome = await this.#run(home, { beforeWrite });
    expect(outcome.error, outcome.err).toBeUndefined();
    this.#after = await this.#look(home);
    this.#assertKeyCount(home, 'undisturbed');
    return outcome;
  }

  /** Killed at each place that its writes are made in; returns how many there are. */
  async killedEverywhere(): Promise<number> {
    const places = new Map([...this.#found].map(([write, found]) => [found, write]));
    for (const at of places.values()) {
      const where = `killed at write ${at}`;
      await this.#ended({ fault: { at, of: 'writes', kind: 'die' } }, where, ({ error }) => {
        expect(isDeath(error), `${where}: ${error}`).toBe(true);
        return true;
      });
    }
    return places.size;
  }

  /** With a disk that is full from each of its writes on; returns what it was refused with. */
  async fullFromEverywhere(): Promise<readonly string[]> {
    const codes = new Set<string>();
    const tried = new Set<string>();
    for (const at of this.#found.keys()) {
      const where = `full from write ${at} on`;
      const fault = { at, of: 'writes', kind: 'error', errno: 'ENOSPC', lasting: true } as const;
      await this.#ended({ fault }, where, ({ error }, seen) => {
        if (error === undefined) expect(seen, where).toBe(this.#after);
        if (error === undefined) return true;
        expect(error, where).toBeInstanceOf(DtrustError);
        expect((error as DtrustError).hints, where).not.toEqual([]);
        codes.add((error as DtrustError).code);
        const place = `${this.#found.get(at)} ${(error as DtrustError).code}`;
        const isNew = !tried.has(place);
        tried.add(place);
        return isNew;
      });
    }
    return [...codes].sort();
  }

  /** Gone at each of so many requests: before it is done, and before its answer is heard. */
  async goneAtEach(requests: number): Promise<void> {
    for (let at = 1; at <= requests; at++) {
      for (const heard of [false, true]) {
        const where = `gone ${heard ? 'after' : 'before'} request ${at}`;
        await this.#ended({ request: { at, heard } }, where, ({ error }) => {
          // The last answer may have been wanted by nobody.
          if (!heard) expect(error, where).toBeDefined();
          return true;
        });
      }
    }
  }

  async #ended(ends: Ends, where: string, judge: Judge): Promise<void> {
    const home = this.#afresh();
    const reader = this.#reader();
    const outcome = await this.#run(home, ends);
    const seen = await this.#look(home, reader);
    expect([this.#before, this.#after], where).toContain(seen);
    await this.#verifyKeys(home, where);
    if (!judge(outcome, seen)) return;
    if (seen !== this.#after || this.#scene.isOver?.(home) !== true) await this.#again(home, seen, where);
    await this.#verifyKeys(home, where);
    await this.#verifyNothingOpen(home, where);
    await this.#verifyNew(home, reader, where);
    for (const each of [home, reader]) fs.rmSync(each, { recursive: true });
  }

  async #again(home: string, seen: string, where: string): Promise<void> {
    const { onceDone = [] } = this.#scene;
    const { error, err } = await this.#run(home);
    if (error === undefined) return this.#assertKeyCount(home, where);
    expect(seen, `${where}: ${err} ${error}`).toBe(this.#after);
    expect(error, where).toBeInstanceOf(DtrustError);
    expect(onceDone, where).toContain((error as DtrustError).code);
    if (!(error instanceof LocalStateError)) expect((error as DtrustError).hints, where).not.toEqual([]);
  }

  #run(home: string, ends: Ends = {}): Promise<Outcome> {
    const { args, env = {} } = this.#scene;
    return this.#world.run(home, args(home), { ...ends, env });
  }

  /** What a process that ends now leaves behind, without what nobody reads: temporary files, and who held a lock. */
  #durable(home: string): string {
    const hash = createHash('sha256');
    for (const name of fs.readdirSync(home, { recursive: true, encoding: 'utf8' }).sort()) {
      if (name.split('/').some(isTemporaryName)) continue;
      const file = path.join(home, name);
      const isLock = name.includes('.lock/');
      hash.update(`${isLock ? path.dirname(name) : name}\n`);
      if (!isLock && fs.statSync(file).isFile()) hash.update(fs.readFileSync(file));
    }
    const { tags, manifests, blobs } = this.#world.registry.repository(this.#scene.repository ?? 'none');
    for (const each of [tags, manifests, blobs]) hash.update(`${[...each.keys()].sort()}\n`);
    hash.update(`${[...tags.values()]}`);
    return hash.digest('hex');
  }

  /** The home and the registry as they were. */
  #afresh(): string {
    const { repository, home } = this.#scene;
    if (repository !== undefined) putBack(this.#world.registry, repository, this.#stored);
    return this.#world.home(home);
  }

  #reader(): string {
    return this.#world.home(this.#scene.reader);
  }

  /** What the outside finds. */
  async #look(home: string, reader = this.#reader()): Promise<string> {
    const more = JSON.stringify(await this.#scene.also?.(home));
    const { repository } = this.#scene;
    if (repository === undefined) return `${more}`;
    return `${await this.#find(repository, home, reader)} ${more}`;
  }

  /** That the outside finds the new state, and this machine too. */
  async #verifyNew(home: string, reader: string, where: string): Promise<void> {
    expect(await this.#look(home, reader), where).toBe(this.#after);
    expect(await this.#look(home, home), where).toBe(this.#after);
  }

  async #find(repository: string, home: string, memory: string): Promise<string> {
    if (this.#world.tag(repository) === undefined) return 'nothing';
    const pin = this.#scene.pin ?? this.#world.ownPin(home);
    return this.#world.describe(await this.#world.open({ name: this.#world.name(repository), pin }, memory));
  }

  async #verifyKeys(home: string, where: string): Promise<void> {
    expect(await this.#world.lockedKeys(home, this.#scene.passphrases), where).toEqual([]);
  }

  #assertKeyCount(home: string, where: string): void {
    for (const [role, count] of Object.entries(this.#scene.keys ?? {})) {
      expect(this.#world.keyFiles(home, role), `${where}: ${role}`).toHaveLength(count);
    }
  }

  /** What a publish whose end nobody has seen leaves behind, the next one settles. */
  async #verifyNothingOpen(home: string, where: string): Promise<void> {
    const { repository } = this.#scene;
    if (repository !== undefined && !this.#isSettled(home, repository)) {
      const refresh = await this.#world.run(home, ['trust', 'refresh', this.#world.name(repository)]);
      expect(refresh.error, `${where}: ${refresh.err}`).toBeUndefined();
      expect(this.#isSettled(home, repository), where).toBe(true);
    }
    expect(locksIn(home), where).toEqual([]);
  }

  #isSettled(home: string, repository: string): boolean {
    const directory = path.join(home, 'trust', 'dtrust');
    const journal = openJournal({
      fs,
      directory,
      collection: this.#world.name(repository),
      scope: ENGINE,
      clock: systemClock,
    });
    return journal.load().entries.every(({ confirmed }) => confirmed);
  }
}

/** Locks that a process holds which may still be there. */
function locksIn(home: string): readonly string[] {
  const left = fs.readdirSync(home, { recursive: true, encoding: 'utf8' });
  return left.filter(
    (name) => /\.lock\/./.test(name) && !path.basename(name).startsWith(`${PID_OF_THE_DEAD}-`),
  );
}

/** Whether that is how it ended, whatever it was wrapped in on the way. */
function isDeath(error: unknown): boolean {
  return error instanceof ProcessDied || (error instanceof Error && isDeath(error.cause));
}
