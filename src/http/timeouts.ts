/** How long the parts of one attempt may take. */
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';

export interface Timeouts {
  /** TCP, proxy and TLS. */
  readonly connectMs: number;
  /** From the request's last byte to the answer's headers. */
  readonly headersMs: number;
  /** All of it, body included; a request may set another one. */
  readonly wholeMs: number;
}

export const DEFAULT_TIMEOUTS: Timeouts = Object.freeze({
  connectMs: 10_000,
  headersMs: 30_000,
  wholeMs: 120_000,
});

const MAX_SECONDS = 3600;

/**
 * The limits with DTRUST_TIMEOUT, in whole seconds, in place of the longest one; the others never exceed it.
 * @throws UsageError USAGE
 */
export function timeoutsFrom(seconds: string | undefined): Timeouts {
  if (seconds === undefined) return DEFAULT_TIMEOUTS;
  const value = /^[0-9]{1,4}$/.test(seconds) ? Number(seconds) : 0;
  if (value < 1 || value > MAX_SECONDS) {
    throw new UsageError({
      code: 'USAGE',
      message: `DTRUST_TIMEOUT is ${escapeShort(seconds)}, expected whole seconds from 1 to ${MAX_SECONDS}`,
    });
  }
  const wholeMs = value * 1000;
  return {
    connectMs: Math.min(DEFAULT_TIMEOUTS.connectMs, wholeMs),
    headersMs: Math.min(DEFAULT_TIMEOUTS.headersMs, wholeMs),
    wholeMs,
  };
}
