/**
 * Work grows with the number of targets and no faster. Counts of steps would need hooks in the code, so processor time
 * is compared, within one run and with a wide margin; the exact figures are `npm run bench`'s.
 */
import { describe, expect, it } from 'vitest';
import { parseTargets } from '../../../src/trust/core/metadata.ts';
import { runSearch, searchTarget } from '../../../src/trust/core/search.ts';
import { RepositorySimulator } from '../../helpers/repository-simulator.ts';
import { APP, create, edit, entry, found, put, shown } from './editor-world.ts';

function repository(count: number): RepositorySimulator {
  const made = new RepositorySimulator();
  for (let index = 0; index < count; index += 1) made.putTarget(`${APP}:${index}`);
  made.publish();
  return made;
}

function millisecondsOf(work: () => unknown): number {
  const times = [1, 2, 3].map(() => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  });
  return Math.min(...times);
}

describe('many targets', () => {
  it('parsing 50,000 takes far less than 100 times what 5,000 take', () => {
    const small = repository(5_000).files().get('1.targets.json') ?? Buffer.alloc(0);
    const large = repository(50_000).files().get('1.targets.json') ?? Buffer.alloc(0);
    parseTargets(small);
    const [few, many] = [
      millisecondsOf(() => parseTargets(small)),
      millisecondsOf(() => parseTargets(large)),
    ];
    expect(many / few).toBeLessThan(40);
  }, 120_000);

  it('a state of 20,000 targets is verified, searched and edited', async () => {
    const targets = Array.from({ length: 20_000 }, (_, index) => entry(`v${index}`));
    const state = await create({ targets });
    expect(state.trusted.targets()?.signed.targets.size).toBe(20_000);
    const next = await edit(state, [put('v19999', 'moved')]);
    expect(found(next, 'v19999')).toBe(shown('targets', 'moved'));
    const search = searchTarget(next.trusted, `${APP}:v0`);
    expect(runSearch(search, () => undefined).kind).toBe('found');
  }, 120_000);
});
