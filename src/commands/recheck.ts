/** DTRUST_RECHECK: how long trust data that was checked may go unchecked for an image that is here. */
import { HOUR_MS } from '../lib/clock.ts';
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';

const DEFAULT_MS = 10 * 60_000;
/** The same as the grace for a source that cannot be reached: nobody is kept on an old state for longer. */
const MOST_MS = 24 * HOUR_MS;

const UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1000],
  ['s', 1000],
  ['m', 60_000],
  ['h', HOUR_MS],
]);

/**
 * The time in milliseconds: 10 minutes when nothing is said, 0 for "always ask".
 * @throws UsageError USAGE for anything but a whole number of seconds, minutes or hours, at most 24 hours
 */
export function parseRecheck(text: string | undefined): number {
  if (text === undefined) return DEFAULT_MS;
  const [, count, unit = ''] = /^(\d{1,6})([smh]?)$/.exec(text) ?? [];
  const timeMs = count === undefined ? Number.NaN : Number(count) * (UNITS.get(unit) ?? Number.NaN);
  if (timeMs <= MOST_MS) return timeMs;
  throw new UsageError({
    code: 'USAGE',
    message: `DTRUST_RECHECK=${escapeShort(text)} is no length of time`,
    expected: 'a whole number and s, m or h, at most 24h, such as 10m; 0 asks every time',
    found: escapeShort(text),
    hints: ['Set it to a time such as 10m, or leave it unset.'],
  });
}
