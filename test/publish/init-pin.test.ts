import { describe, expect, test } from 'vitest';
import { createRootKey } from '../../src/keys/create.ts';
import { TrustError } from '../../src/lib/errors.ts';
import { assertMeetsPin } from '../../src/publish/init-pin.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { tufKeyId } from '../../src/trust/core/keys.ts';
import type { Pin } from '../../src/trust/core/pin.ts';
import { throwsCode } from '../helpers/throws-code.ts';

const repository = parseRepository('ghcr.io/acme/app');
const { publicKey } = await createRootKey();
const own = tufKeyId(publicKey);
const other = tufKeyId((await createRootKey()).publicKey);
const pin: Pin = { keyIds: [own], threshold: 1, rootVersion: 1, timestampVersion: 1, dialect: 'tuf-1.0' };

describe('protocol 4.4: trust init where a pin exists', () => {
  test('takes a root key that meets it, also as one of several', () => {
    expect(assertMeetsPin(repository, pin, publicKey)).toBe(pin);
    const several = { ...pin, keyIds: [other, own] };
    expect(assertMeetsPin(repository, several, publicKey)).toBe(several);
  });

  test.each<[string, Partial<Pin>]>([
    ['another key', { keyIds: [other] }],
    ['more keys than one', { keyIds: [own, other], threshold: 2 }],
  ])('refuses with ROOT_PIN where the pin asks for %s', (_, change) => {
    const work = () => assertMeetsPin(repository, { ...pin, ...change }, publicKey);
    expect(throwsCode(work, TrustError, 'ROOT_PIN')).toMatchObject({ spec: 'protocol 4.4', found: own });
  });

  test.each<[string, Partial<Pin>]>([
    ['a later root', { rootVersion: 2 }],
    ['a later timestamp', { timestampVersion: 7 }],
  ])(
    'refuses with ROOT_BELOW_PIN where the pin has seen %s: a new collection would be a rollback',
    (_, change) => {
      throwsCode(
        () => assertMeetsPin(repository, { ...pin, ...change }, publicKey),
        TrustError,
        'ROOT_BELOW_PIN',
      );
    },
  );
});
