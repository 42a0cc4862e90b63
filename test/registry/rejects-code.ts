import { expect } from 'vitest';
import type { DtrustError } from '../../src/lib/errors.ts';

/** Asserts that the promise rejects with this class and this code, and returns the error. */
export async function rejectsCode<E extends DtrustError>(
  promise: Promise<unknown>,
  type: new (...details: never[]) => E,
  code: string,
): Promise<E> {
  const error: unknown = await promise.then(
    (value) => expect.fail(`resolved with ${JSON.stringify(value)}`),
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(type);
  expect((error as E).code).toBe(code);
  return error as E;
}
