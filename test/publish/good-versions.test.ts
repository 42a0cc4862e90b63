/** Protocol 2.5: from which versions a recovery goes on. */
import { describe, expect, test } from 'vitest';
import { goodVersions, type VersionsKnown } from '../../src/publish/good-versions.ts';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';

const END = Number.MAX_SAFE_INTEGER;

/** What is served has this version of timestamp and snapshot. */
function served(version: number) {
  const sim = new RepositorySimulator();
  sim.top.timestamp.version = version;
  sim.top.snapshot.version = version;
  sim.publish();
  return { trusted: sim.verify() };
}

const versions = (timestamp: number, snapshot = timestamp) =>
  new Map([
    ['timestamp', timestamp],
    ['snapshot', snapshot],
  ]);
const sight = (timestampVersion: number) => ({ state: 'sha256:x' as never, timestampVersion, atMs: 1 });

describe('protocol 2.5: a recovery goes on from', () => {
  test.each<
    [string, Partial<VersionsKnown>, number, [timestamp: number | undefined, snapshot: number | undefined]]
  >([
    ['what is remembered', { remembered: { highest: versions(7), sights: [] } }, END, [7, 7]],
    [
      'what was published from here, where that is more',
      { remembered: { highest: versions(7), sights: [] }, written: versions(9) },
      END,
      [9, 9],
    ],
    [
      'what was published, where the memory holds what a thief said',
      { remembered: { highest: versions(END), sights: [] }, written: versions(5) },
      END,
      [5, 5],
    ],
    [
      'an earlier sight, likewise',
      { remembered: { highest: versions(END), sights: [sight(6), sight(END)] } },
      END,
      [6, undefined],
    ],
    ['no less than the pin', { written: versions(3), pinnedTimestamp: 8 }, END, [8, 3]],
    ['what is served, where nothing is known and it can be believed', {}, 20, [20, 20]],
    ['the beginning, where nothing is known and it cannot', {}, END - 1, [undefined, undefined]],
  ])('%s', (_, known, version, expected) => {
    const base = { remembered: undefined, written: new Map<string, number>(), pinnedTimestamp: undefined };
    const good = goodVersions(served(version), { ...base, ...known });
    expect([good.get('timestamp'), good.get('snapshot')]).toEqual(expected);
  });
});
