import { describe, expect, it } from 'vitest';
import { DEFAULT_TIMEOUTS, timeoutsFrom } from '../../src/http/timeouts.ts';
import { UsageError } from '../../src/lib/errors.ts';

describe('DTRUST_TIMEOUT', () => {
  it('is the time for one whole request, and no part takes longer', () => {
    expect(timeoutsFrom(undefined)).toBe(DEFAULT_TIMEOUTS);
    expect(timeoutsFrom('5')).toEqual({ connectMs: 5000, headersMs: 5000, wholeMs: 5000 });
    expect(timeoutsFrom('600')).toEqual({ connectMs: 10_000, headersMs: 30_000, wholeMs: 600_000 });
  });

  it.each(['0', '-1', '1.5', '5s', 'never', '99999', '1e2', ' 5'])('refuses %j', (text) => {
    expect(() => timeoutsFrom(text)).toThrow(UsageError);
    expect(() => timeoutsFrom(text)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});
