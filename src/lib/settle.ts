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

/** What all of them came to, once none is under way any more; else the error of the first, in their order, that failed. */
export async function sideBySide<T>(works: readonly Promise<T>[]): Promise<readonly T[]> {
  return (await Promise.all(works.map(settle))).map(unsettle);
}
