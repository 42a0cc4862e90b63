import { describe, expect, test } from 'vitest';
import { TrustError } from '../../src/lib/errors.ts';
import type { KeyId } from '../../src/trust/core/keys.ts';
import {
  decideFirstUse,
  type FirstUseOffer,
  firstUseDeclined,
  pinOfOffer,
} from '../../src/trust/first-use.ts';

const KEY = 'c'.repeat(64) as KeyId;
const OTHER = 'd'.repeat(64) as KeyId;

function offer(more: Partial<FirstUseOffer> = {}): FirstUseOffer {
  return {
    repository: 'ghcr.io/acme/app',
    collection: 'ghcr.io/acme/app',
    keyIds: [KEY],
    threshold: 1,
    rootVersion: 3,
    timestampVersion: 41,
    source: 'registry ghcr.io/acme/app',
    assertStorable: () => undefined,
    ...more,
  };
}

test('protocol 6.4: on a terminal the fingerprint is shown and a person is asked', () => {
  const decision = decideFirstUse(offer(), { mode: undefined, canPrompt: true });
  if (decision.kind !== 'ask') expect.fail(decision.kind);
  expect(decision.question).toBe('Trust this key for ghcr.io/acme/app?');
  expect(decision.details.join('\n')).toContain(KEY);
  expect(decision.details.join('\n')).toContain('dtrust trust pin export ghcr.io/acme/app');
});

test('several keys are all shown, with how many sign together', () => {
  const decision = decideFirstUse(offer({ keyIds: [KEY, OTHER], threshold: 2 }), {
    mode: undefined,
    canPrompt: true,
  });
  if (decision.kind !== 'ask') expect.fail(decision.kind);
  expect(decision.details.join('\n')).toContain(OTHER);
  expect(decision.details.join('\n')).toContain('2 of them');
});

describe('contract (Terminal): a refusal never shows the key that was received', () => {
  const situations = [
    { mode: undefined, canPrompt: false },
    { mode: 'ask', canPrompt: false },
    { mode: 'Accept', canPrompt: false },
    { mode: 'accept ', canPrompt: false },
    { mode: '1', canPrompt: false },
    { mode: 'accept', canPrompt: true, forbidden: true },
  ];
  test.each(situations)('%j', (situation) => {
    const decision = decideFirstUse(offer(), situation);
    if (decision.kind !== 'refuse') expect.fail(decision.kind);
    const { error } = decision;
    expect(error).toBeInstanceOf(TrustError);
    expect(error.code).toBe('FIRST_USE_REFUSED');
    expect(JSON.stringify([error.message, error.hints, error])).not.toContain(KEY);
    expect(error.hints).toEqual([
      'dtrust trust pin add ghcr.io/acme/app <KEYID>',
      'get <KEYID> from the owner, who prints it with: dtrust trust pin export ghcr.io/acme/app',
    ]);
  });
});

test('protocol 6.4: DTRUST_FIRST_USE=accept accepts, and prints fingerprint and pin line each time', () => {
  const decision = decideFirstUse(offer(), { mode: 'accept', canPrompt: false });
  if (decision.kind !== 'accept') expect.fail(decision.kind);
  const text = decision.notice.join('\n');
  expect(text).toContain(`root key ${KEY}`);
  expect(text).toContain(
    `dtrust trust pin add ghcr.io/acme/app ${KEY} --threshold 1 --root-version 3 --timestamp-version 41`,
  );
});

test('an accepted offer amounts to a pin on its keys and versions', () => {
  expect(pinOfOffer(offer())).toEqual({
    keyIds: [KEY],
    threshold: 1,
    rootVersion: 3,
    timestampVersion: 41,
    dialect: 'tuf-1.0',
  });
});

test('a no is FIRST_USE_DECLINED, without the key', () => {
  const error = firstUseDeclined(offer());
  expect(error.code).toBe('FIRST_USE_DECLINED');
  expect(JSON.stringify([error.message, error.hints])).not.toContain(KEY);
});
