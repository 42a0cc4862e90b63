/** The corpus itself: that there is enough of it, and that its judge sees what it has to. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { makeTar } from '../../scripts/peers/tar.ts';
import { BUILDERS, type BuilderName } from './builders.ts';
import { valueFor } from './case.ts';
import { CASES } from './cases.ts';
import { holds } from './judge.ts';
import { ORDINARY } from './ordinary.ts';

const NAMES = Object.keys(BUILDERS) as readonly BuilderName[];
const isFor = (name: BuilderName) => (each: { readonly builders?: readonly BuilderName[] }) =>
  each.builders?.includes(name) ?? true;

describe('the corpus of builds', () => {
  it('tries more than sixty ways in, and more than thirty ordinary builds', () => {
    expect(CASES.length).toBeGreaterThan(60);
    expect(ORDINARY.length).toBeGreaterThan(30);
  });

  it.each(NAMES)('has more than fifty cases that work with trust off with %s', (name) => {
    const working = CASES.filter(isFor(name)).filter(
      ({ cannot }) => valueFor(cannot ?? {}, name) === undefined,
    );
    expect(working.length).toBeGreaterThan(50);
  });

  it('says for each of its builders what a case gets', () => {
    for (const { name, builders = NAMES, gets } of CASES) {
      for (const builder of builders) {
        expect(typeof gets === 'string' ? gets : valueFor(gets, builder), `${name}, ${builder}`).toMatch(/./);
      }
    }
  });

  it('has no two cases of one name', () => {
    for (const names of [CASES, ORDINARY].map((list) => list.map(({ name }) => name))) {
      expect(names).toEqual([...new Set(names)]);
    }
  });
});

describe('the judge', () => {
  const text = 'a marker among other bytes';
  const layer = makeTar([{ path: 'file', bytes: Buffer.from(text) }]);
  const archive = makeTar([
    { path: 'some', bytes: Buffer.from([0x1f, 0x8b, 0x08, 1, 2, 3]) },
    { path: 'blobs/sha256/x', bytes: gzipSync(layer) },
  ]);

  it.each([
    ['as they are', Buffer.from(text)],
    ['in an archive', layer],
    ['compressed', gzipSync(layer)],
    ['compressed in an archive, behind what only looks compressed', archive],
  ])('finds bytes %s', (_, bytes) => {
    expect(holds(bytes, text)).toBe(true);
    expect(holds(bytes, 'another marker')).toBe(false);
  });
});
