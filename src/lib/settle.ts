/** Promises that are awaited later than they may fail. */

export type Settled<T> = { readonly value: T } | { readonly reason: unknown };

/** A promise that never rejects, for work that is awaited later than it may fail. */
export function settle<T>(work: Promise<T>): Promise<Settled<T>> {
  return work.then(
    (value) => ({ value }),
    (reason: unknown) => ({ reason }),
  );
}

/** What a settled promise came to: its value, or its error thrown. */
export function unsettle<T>(outcome: Settled<T>): T {
  if ('value' in outcome) {
    return outcome.value;
  }
  throw outcome.reason;
}
