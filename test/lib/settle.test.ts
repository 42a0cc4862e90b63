import { expect, test } from 'vitest';
import { settle, unsettle } from '../../src/lib/settle.ts';

test('a promise that fails before it is awaited fails where it is asked', async () => {
  const reason = new Error('early');
  const early = settle(Promise.reject(reason));
  await new Promise((resolve) => setImmediate(resolve));
  const outcome = await early;
  expect(() => unsettle(outcome)).toThrow(reason);
});

test('a value comes through, undefined too', async () => {
  expect(unsettle(await settle(Promise.resolve(7)))).toBe(7);
  expect(unsettle(await settle(Promise.resolve(undefined)))).toBeUndefined();
});
