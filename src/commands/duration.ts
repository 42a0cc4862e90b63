/** A length of time as it is typed: `90d`, `12w`, `2160h`. */

import { DAY_MS, HOUR_MS } from '../lib/clock.ts';
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';

const UNITS: ReadonlyMap<string, number> = new Map([
  ['h', HOUR_MS],
  ['d', DAY_MS],
  ['w', 7 * DAY_MS],
]);
/** Nothing that is signed lives longer; a slip of the finger does. */
const MOST_MS = 100 * 365 * DAY_MS;

/**
 * The duration in milliseconds.
 * @throws UsageError USAGE for anything but a whole number, 1 or more, of hours, days or weeks
 */
export function parseDuration(text: string, flag: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([hdw])$/.exec(text) ?? [];
  const durationMs = Number(count) * (UNITS.get(unit) ?? 0);
  if (durationMs > 0 && durationMs <= MOST_MS) return durationMs;
  throw new UsageError({
    code: 'USAGE',
    message: `--${flag} ${escapeShort(text)} is no length of time`,
    expected: 'a whole number of hours, days or weeks, such as 2160h, 90d or 12w',
    found: escapeShort(text),
    hints: [`Write it as a number and h, d or w: --${flag} 90d`],
  });
}
