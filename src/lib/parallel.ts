/** The same work for many things, a bounded number of them at a time. */

/** Results in the order of `items`, whichever is done first. Rejects with the first failure of `work`. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results = new Map<number, Result>();
  const waiting = items.entries();
  const worker = async () => {
    // One iterator for all workers: each takes what nobody has taken.
    for (const [at, item] of waiting) results.set(at, await work(item));
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return items.map((_, at) => results.get(at) as Result);
}
