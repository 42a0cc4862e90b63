/** A clock that stands still until a test moves it; no test ever waits for real time. */
import type { Clock } from '../../src/lib/clock.ts';

interface Sleeper {
  readonly until: number;
  readonly wake: () => void;
}

export class ManualClock implements Clock {
  /** Every wait that was asked for, in order. */
  readonly sleeps: number[] = [];
  #nowMs: number;
  #monotonicMs = 0;
  #sleepers: Sleeper[] = [];
  #watchers: { readonly count: number; readonly seen: () => void }[] = [];

  constructor(nowMs: number = Date.UTC(2026, 0, 2, 3, 4, 5)) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  /** How many sleeps have neither ended nor been aborted. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      this.sleeps.push(ms);
      const sleeper: Sleeper = {
        until: this.#monotonicMs + ms,
        wake: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      const abort = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#sleepers.push(sleeper);
      for (const { count, seen } of this.#watchers) if (this.sleeps.length >= count) seen();
    });
  }

  /** Resolves once `count` sleeps in all have been asked for. */
  async asked(count: number): Promise<void> {
    if (this.sleeps.length >= count) return;
    await new Promise<void>((seen) => this.#watchers.push({ count, seen }));
  }

  /** Moves both clocks on and wakes whoever has slept long enough, in order. */
  async advance(ms: number): Promise<void> {
    this.#nowMs += ms;
    this.#monotonicMs += ms;
    const due = this.#sleepers.filter((sleeper) => sleeper.until <= this.#monotonicMs);
    this.#sleepers = this.#sleepers.filter((sleeper) => !due.includes(sleeper));
    for (const sleeper of due.toSorted((a, b) => a.until - b.until)) sleeper.wake();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** The wall clock alone jumps, as when somebody sets it. */
  set(nowMs: number): void {
    this.#nowMs = nowMs;
  }
}
