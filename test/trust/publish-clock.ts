import type { Clock } from '../../src/lib/clock.ts';

/** A clock for one publisher alone: when everything waits for time, time jumps to the next timer. */
export class JumpingClock implements Clock {
  readonly sleeps: number[] = [];
  #nowMs = 0;
  readonly #timers: { readonly dueMs: number; readonly wake: () => void }[] = [];

  now(): number {
    return Date.UTC(2026, 10, 22) + this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs;
  }

  /** Time passes without anybody having slept: a slow answer. */
  pass(ms: number): void {
    this.#nowMs += ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.sleeps.push(ms);
    return new Promise((resolve, reject) => {
      const drop = () => this.#timers.splice(this.#timers.indexOf(timer), 1);
      const timer = { dueMs: this.#nowMs + ms, wake: resolve };
      this.#timers.push(timer);
      signal?.addEventListener('abort', () => {
        if (this.#timers.includes(timer)) drop();
        reject(signal.reason as Error);
      });
    });
  }

  /** Runs the work to its end, jumping where it waits. */
  async drive<T>(work: Promise<T>): Promise<T> {
    let ended = false;
    const end = () => {
      ended = true;
    };
    work.then(end, end);
    while (!ended) {
      for (let turn = 0; turn < 20 && !ended; turn++) await new Promise((resolve) => setImmediate(resolve));
      const next = this.#timers.toSorted((a, b) => a.dueMs - b.dueMs)[0];
      if (ended || next === undefined) continue;
      this.#timers.splice(this.#timers.indexOf(next), 1);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.wake();
    }
    return work;
  }
}
