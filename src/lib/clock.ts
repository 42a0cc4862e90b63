/**
 * Time as a parameter: wall clock for dates that others signed, a steady clock for waits, and sleeping.
 *
 * Nothing else in dtrust reads the time. One start time is taken per command (TUF 5.1) and handed down, so that
 * a check made late in a command cannot come to another verdict than one made early.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since 1970, as the system believes; may jump. */
  now(): number;
  /** Milliseconds from an unspecified start; never goes back. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    signal?.throwIfAborted();
    if (signal === undefined) {
      await delay(ms);
      return;
    }
    try {
      await delay(ms, undefined, { signal });
    } catch (error) {
      // Node rejects with an AbortError of its own; callers are promised the reason they aborted with.
      signal.throwIfAborted();
      throw error;
    }
  },
};

export const SECOND_MS = 1000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
