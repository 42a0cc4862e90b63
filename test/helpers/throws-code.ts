/**
 * Refusals in tests: class and code are asserted, wording is not.
 */
import { expect } from 'vitest';
import { DtrustError } from '../../src/lib/errors.ts';

type ErrorType<E extends DtrustError> = new (...args: never[]) => E;

/** The error of this class and code that the work throws; anything else fails the test. */
export function throwsCode<E extends DtrustError>(work: () => unknown, type: ErrorType<E>, code: string): E {
  let caught: unknown = 'nothing was thrown';
  try {
    work();
  } catch (error) {
    caught = error;
  }
  return assertCode(caught, type, code);
}

/** As `throwsCode`, for promises. */
export async function rejectsCode<E extends DtrustError>(
  work: Promise<unknown>,
  type: ErrorType<E>,
  code: string,
): Promise<E> {
  const caught = await work.then(
    () => 'nothing was thrown',
    (error: unknown) => error,
  );
  return assertCode(caught, type, code);
}

function assertCode<E extends DtrustError>(caught: unknown, type: ErrorType<E>, code: string): E {
  if (!(caught instanceof DtrustError)) expect.fail(`${code} expected, got: ${String(caught)}`);
  expect(caught).toBeInstanceOf(type);
  expect({ code: caught.code, message: caught.message }).toMatchObject({ code });
  return caught as E;
}
