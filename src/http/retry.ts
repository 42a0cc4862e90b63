/**
 * Trying again, where trying again can help and cannot harm: 429 (the server did not do it), 500, 502, 503, 504 and a
 * broken connection for requests that may be sent twice. Exponential backoff with full jitter; a Retry-After is
 * waited for exactly, or, when it asks for more patience than a command has, not at all.
 */
import type { Clock } from '../lib/clock.ts';
import { hasCode } from '../lib/errors.ts';
import type { HttpRequest, HttpResponse, Transport } from './transport.ts';

export interface RetryOptions {
  readonly clock: Clock;
  /** A number from 0 up to but not including 1, as Math.random. */
  readonly random: () => number;
  /** Attempts in all. */
  readonly attempts?: number;
}

const DEFAULT_ATTEMPTS = 4;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
/** The longest Retry-After that is waited for. */
const PATIENCE_MS = 30_000;

/** A transport that tries again; after the last attempt the answer, or the error, is the caller's. */
export function withRetry(send: Transport, options: RetryOptions): Transport {
  const attempts = options.attempts ?? DEFAULT_ATTEMPTS;
  return async (request) => {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await tryOnce(send, request);
      const waitMs = attempt < attempts ? waitBefore(outcome, attempt, request, options) : undefined;
      if (waitMs === undefined) {
        if (outcome instanceof Error) throw outcome;
        return outcome;
      }
      await options.clock.sleep(waitMs, request.signal);
    }
  };
}

async function tryOnce(send: Transport, request: HttpRequest): Promise<HttpResponse | Error> {
  try {
    return await send(request);
  } catch (error) {
    if (!hasCode(error, 'NETWORK_BROKEN')) throw error;
    return error;
  }
}

/** Milliseconds to wait before the next attempt; undefined when there must be none. */
function waitBefore(
  outcome: HttpResponse | Error,
  attempt: number,
  request: HttpRequest,
  { clock, random }: RetryOptions,
): number | undefined {
  const repeatable = request.retryable ?? (request.method === 'GET' || request.method === 'HEAD');
  if (outcome instanceof Error) return repeatable ? backoff(attempt, random) : undefined;
  // 429: the request was counted and not carried out, so sending it again is sending it once.
  const refusedUnread = outcome.status === 429;
  if (repeatable && outcome.status === 500) return halfWritten(random);
  const unavailable = repeatable && [502, 503, 504].includes(outcome.status);
  if (!refusedUnread && !unavailable) return undefined;
  const asked = parseRetryAfter(outcome.headers.get('retry-after'), clock.now());
  if (asked === undefined) return backoff(attempt, random);
  return asked <= PATIENCE_MS ? asked : undefined;
}

function backoff(attempt: number, random: () => number): number {
  return Math.floor(random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1)));
}

/**
 * docker-registry on a disk answers 500 to who reads a tag in the instant in which another one writes it: a moment
 * later it is there.
 */
function halfWritten(random: () => number): number {
  return 50 + Math.floor(random() * 150);
}

/** RFC 9110 10.2.3: seconds, or a date; undefined for anything else. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^[0-9]{1,9}$/.test(value)) return Number(value) * 1000;
  // IMF-fixdate only: Date.parse alone takes almost anything for a date.
  if (!/^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/.test(value))
    return undefined;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
