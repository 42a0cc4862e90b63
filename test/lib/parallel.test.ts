import { expect, test } from 'vitest';
import { inParallel } from '../../src/lib/parallel.ts';

test('never more at once than it may, and results in the order of what was given', async () => {
  let running = 0;
  let most = 0;
  const waiting: (() => void)[] = [];
  const work = inParallel(['a', 'b', 'c', 'd', 'e'], 2, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise<void>((resolve) => waiting.push(resolve));
    running -= 1;
    return item.toUpperCase();
  });
  // The one that began last is done first.
  for (let done = 0; done < 5; done += 1) {
    await Promise.resolve();
    while (waiting.length === 0) await Promise.resolve();
    waiting.pop()?.();
  }
  expect(await work).toEqual(['A', 'B', 'C', 'D', 'E']);
  expect(most).toBe(2);
});

test('one that fails is the failure of all, and nothing is asked of an empty list', async () => {
  const failing = inParallel([1, 2], 8, async (item) => {
    if (item === 2) throw new RangeError('two');
    return item;
  });
  await expect(failing).rejects.toThrow('two');
  expect(await inParallel([], 8, async () => expect.unreachable())).toEqual([]);
});
