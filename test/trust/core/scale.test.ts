/**
 * Many targets: all of them are read, verified and edited. How long that takes is `npm run bench`'s to say; work that grew
 * faster than the number of targets would not end within the time of a test.
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

describe('many targets', () => {
  it('100,000 are read, each of them', () => {
    const bytes = repository(100_000).files().get('1.targets.json') ?? Buffer.alloc(0);
    expect(parseTargets(bytes).signed.targets.size).toBe(100_000);
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
