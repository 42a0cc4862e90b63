/** The classic builder's cache: when it is used, what a build left behind, and what it must not have taken. */
import { describe, expect, test } from 'vitest';
import {
  imagesBuilt,
  judgeCache,
  noteSteps,
  strangerBelow,
} from '../../../src/enforce/build/classic-cache.ts';
import type { Digest } from '../../../src/reference/digest.ts';

const id = (letter: string) => `sha256:${letter.repeat(64)}` as Digest;
const short = (letter: string) => letter.repeat(12);
const [BASE, OTHER, A, B, C] = ['0', '9', 'a', 'b', 'c'].map(id) as [Digest, Digest, Digest, Digest, Digest];
const FIXED = '26.1.5';

const judged = (
  parents: readonly (readonly [Digest, Digest | undefined])[],
  {
    built = [],
    fromScratch = false,
    serverVersion = FIXED,
  }: { built?: Digest[]; fromScratch?: boolean; serverVersion?: string } = {},
) =>
  judgeCache({
    parents: new Map(parents),
    bases: new Set([BASE]),
    fromScratch,
    serverVersion,
    isBuilt: (image) => built.includes(image),
  });

describe('the cache is used', () => {
  test('where nothing was built upon the base, or only here', () => {
    expect(judged([[BASE, undefined]])).toEqual({ use: true });
    expect(
      judged(
        [
          [BASE, undefined],
          [A, BASE],
          [B, A],
        ],
        { built: [A, B] },
      ),
    ).toEqual({ use: true });
  });

  test('where what others built is upon another image', () => {
    expect(
      judged([
        [BASE, undefined],
        [OTHER, undefined],
        [A, OTHER],
      ]),
    ).toEqual({ use: true });
  });
});

describe('the cache is not used', () => {
  test('where a child of the base, or a child of that, was not built here', () => {
    expect(
      judged([
        [BASE, undefined],
        [A, BASE],
      ]),
    ).toEqual({ use: false, why: 'images', images: [A] });
    expect(
      judged(
        [
          [BASE, undefined],
          [A, BASE],
          [B, A],
        ],
        { built: [A] },
      ),
    ).toEqual({ use: false, why: 'images', images: [B] });
  });

  test('upon scratch, where any child of anything was not built here', () => {
    expect(
      judged(
        [
          [OTHER, undefined],
          [A, OTHER],
        ],
        { fromScratch: true },
      ),
    ).toEqual({ use: false, why: 'images', images: [A] });
  });

  test.each(['20.10.24+dfsg1', '23.0.9', '24.0.8', '25.0.1', '', 'master'])(
    'upon scratch, by engine %j',
    (serverVersion) => {
      expect(judged([], { fromScratch: true, serverVersion })).toEqual({ use: false, why: 'engine' });
      expect(judged([], { serverVersion })).toEqual({ use: true });
    },
  );

  test.each(['24.0.9', '24.1.0', '25.0.2', '25.1.0', '26.1.5+dfsg1', '29.0.0'])(
    'but for that, by engine %j it is',
    (serverVersion) => {
      expect(judged([], { fromScratch: true, serverVersion })).toEqual({ use: true });
    },
  );

  test('a loop of parents ends', () => {
    expect(
      judged([
        [A, B],
        [B, A],
      ]),
    ).toEqual({ use: true });
  });
});

const traced = (more: Partial<Parameters<typeof imagesBuilt>[0]>) => ({
  before: new Map<Digest, Digest | undefined>([[BASE, undefined]]),
  after: new Map<Digest, Digest | undefined>([
    [BASE, undefined],
    [A, BASE],
    [B, A],
  ]),
  bases: new Set([BASE]),
  caches: new Set<Digest>(),
  stages: [B],
  printed: new Set<string>(),
  isBuilt: () => false,
  ...more,
});

describe('what a build made', () => {
  test('is the images of its stages and what they stand upon, but not the base', () => {
    expect([...imagesBuilt(traced({}))].sort()).toEqual([A, B]);
    expect(imagesBuilt(traced({ stages: [BASE] }))).toEqual([]);
  });

  test('of a build that failed, the steps that the engine named', () => {
    const printed = new Set([short('a'), short('b')]);
    expect([...imagesBuilt(traced({ stages: [], printed }))].sort()).toEqual([A, B]);
    expect(imagesBuilt(traced({ stages: [], printed: new Set([short('b')]) }))).toEqual([]);
  });

  test('a program in the build that prints such a line claims nothing that was there, or stands elsewhere', () => {
    const printed = new Set([short('a'), short('c')]);
    const before = new Map<Digest, Digest | undefined>([
      [BASE, undefined],
      [A, BASE],
    ]);
    const after = new Map<Digest, Digest | undefined>([...before, [C, OTHER]]);
    expect(imagesBuilt(traced({ before, after, stages: [], printed }))).toEqual([]);
  });

  test('only whole lines count as such', () => {
    const printed = new Set<string>();
    noteSteps(
      ` ---> ${short('a')}\n ---> Running in ${short('b')}\nx ---> ${short('c')}\n ---> ${short('d')}0\n`,
      printed,
    );
    expect([...printed]).toEqual([short('a')]);
  });
});

describe('protocol 8: an image that the cache took and nobody decided on', () => {
  test('is found below the image of a stage', () => {
    const before = new Map<Digest, Digest | undefined>([
      [BASE, undefined],
      [A, BASE],
    ]);
    expect(strangerBelow(traced({ before }))).toBe(A);
    expect(strangerBelow(traced({ before, isBuilt: (image) => image === A }))).toBeUndefined();
    expect(strangerBelow(traced({}))).toBeUndefined();
    expect(strangerBelow(traced({ stages: [BASE] }))).toBeUndefined();
  });

  test('is not one of --cache-from, which was decided on; what was built then is that image', () => {
    const before = new Map<Digest, Digest | undefined>([
      [BASE, undefined],
      [C, undefined],
    ]);
    const trace = traced({ before, after: before, stages: [C], caches: new Set([C]) });
    expect(strangerBelow(trace)).toBeUndefined();
    expect(imagesBuilt(trace)).toEqual([C]);
    expect(strangerBelow({ ...trace, caches: new Set<Digest>() })).toBe(C);
  });
});
