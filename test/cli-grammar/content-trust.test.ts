import { describe, expect, test } from 'vitest';
import { contentTrustEnabled, parseGoBool } from '../../src/cli/content-trust.ts';

describe('whether trust is on', () => {
  test.each([undefined, '', '1', 'true', 'T', 'yes', 'no', 'off', 'FALSE ', '00', 'falsch', '-1', 'fAlse'])(
    'DOCKER_CONTENT_TRUST=%j is on',
    (value) => expect(contentTrustEnabled(value, undefined)).toBe(true),
  );

  test.each(['0', 'f', 'F', 'FALSE', 'false', 'False'])('DOCKER_CONTENT_TRUST=%j is off', (value) => {
    expect(contentTrustEnabled(value, undefined)).toBe(false);
  });

  test('the flag wins over the variable', () => {
    expect(contentTrustEnabled('0', 'on')).toBe(true);
    expect(contentTrustEnabled('1', 'off')).toBe(false);
    expect(contentTrustEnabled(undefined, 'off')).toBe(false);
  });

  test("reads booleans as Go's ParseBool and nothing else", () => {
    for (const text of ['1', 't', 'T', 'TRUE', 'true', 'True']) expect(parseGoBool(text)).toBe(true);
    for (const text of ['0', 'f', 'F', 'FALSE', 'false', 'False']) expect(parseGoBool(text)).toBe(false);
    for (const text of ['', 'tRue', 'yes', 'on', ' 1', '1 ', '2']) expect(parseGoBool(text)).toBeUndefined();
  });
});
