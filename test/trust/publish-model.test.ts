/**
 * Protocol 4.2 as a model: publishers over one registry, in all orders of their requests, timers and of time
 * (publish-world.ts). The wrong protocols show that a loss would be found.
 *
 * Exhaustive, every order to its end, with as many attempts as it takes: two publishers; two that make the first state;
 * two of which either may be killed at any request while answers come late; three of which one has requests that take any
 * time, and the others ones that take less than a tick.
 * A world that comes back to where it was is not walked again, so no path is long enough to meet the limits of `takeTurn`
 * itself: nobody gives up in any of them.
 *
 * Bounded: three publishers whose requests all take any time, every order of their first attempts. What follows on those,
 * longer turns, ten and twenty publishers are drawn with a seed.
 *
 * In all of them time moves in ticks of a second, and a publisher waits no random time between attempts: how long it does
 * not act is a matter of the order.
 */
import { describe, expect, it } from 'vitest';
import { explore, follow, sample, TICK_MS } from './publish-world.ts';

const TWO = { publishers: 2, turnSeconds: 1 };

describe('two publishers, every order to its end', () => {
  it('protocol 4.2: none that was told "published" is lost, and both come through', async () => {
    const explored = await explore(TWO);
    expect(explored.lost).toBeUndefined();
    expect(explored.worlds).toBeGreaterThan(1_000);
    expect(explored.outcomes).toEqual(['published published']);
  }, 240_000);

  it('protocol 4.2: the same when both make the first state', async () => {
    const explored = await explore({ publishers: 2 });
    expect(explored.lost).toBeUndefined();
    expect(explored.worlds).toBeGreaterThan(1_000);
    expect(explored.outcomes).toEqual(['published published']);
  }, 240_000);

  it('protocol 4.2: none is lost when one is killed at any of its requests, or both are, or a write is heard of too late', async () => {
    const explored = await explore({ ...TWO, mayCrash: [0, 1], slowAnswers: true });
    expect(explored.lost).toBeUndefined();
    expect(explored.worlds).toBeGreaterThan(2_500);
    expect(explored.outcomes).toEqual(['crashed crashed', 'crashed published', 'published published']);
  }, 240_000);

  it('protocol 4.2: who has no attempt left says so, and is not told "published"', async () => {
    const explored = await explore({ ...TWO, maxAttempts: 2 });
    expect(explored.lost).toBeUndefined();
    expect(explored.outcomes).toEqual(['conflict conflict', 'conflict published', 'published published']);
  }, 240_000);

  it.each([
    ['with one attempt', { maxAttempts: 1 }],
    ['with two attempts', { maxAttempts: 2 }],
    ['with one attempt and deaths', { maxAttempts: 1, mayCrash: [0, 1], slowAnswers: true }],
  ])(
    '%s the worlds that are taken for one end as all worlds do that differ in anything ever written',
    async (_, bounds) => {
      const [all, counted] = [
        await explore({ ...TWO, ...bounds, key: 'everything' }),
        await explore({ ...TWO, ...bounds }),
      ];
      expect(all.worlds).toBeGreaterThan(1.5 * counted.worlds);
      expect(counted.outcomes).toEqual(all.outcomes);
      expect([counted.lost, all.lost]).toEqual([undefined, undefined]);
    },
    240_000,
  );

  it('a protocol with one read-back loses one', async () => {
    const { lost } = await explore({ ...TWO, maxAttempts: 2, mutant: 'one-read', marginMs: -TICK_MS });
    expect(lost?.lost).toHaveLength(1);
  }, 60_000);

  it('a protocol that waits exactly T loses one', async () => {
    const { lost } = await explore({ ...TWO, marginMs: 0 });
    expect(lost?.lost).toHaveLength(1);
  }, 120_000);
});

describe('three publishers, every order to its end', () => {
  it('protocol 4.2: none that was told "published" is lost, with requests that take less than a tick', async () => {
    const explored = await explore({ publishers: 3, turnSeconds: 1, slow: [] });
    expect(explored.lost).toBeUndefined();
    expect(explored.worlds).toBeGreaterThan(2_000);
    expect(explored.outcomes).toEqual(['published published published']);
  }, 240_000);

  it('protocol 4.2: none that was told "published" is lost, with one whose requests take any time', async () => {
    const explored = await explore({ publishers: 3, turnSeconds: 1, slow: [0] });
    expect(explored.lost).toBeUndefined();
    expect(explored.worlds).toBeGreaterThan(20_000);
    expect(explored.outcomes).toEqual(['published published published']);
  }, 400_000);
});

describe('three publishers, every order of their first attempts', () => {
  it('protocol 4.2: none that was told "published" is lost', async () => {
    const explored = await explore({ publishers: 3, turnSeconds: 1, maxAttempts: 1 });
    expect(explored.lost).toBeUndefined();
    expect(explored.worlds).toBeGreaterThan(5_000);
    expect(explored.outcomes).toContain('published published published');
  }, 400_000);
});

describe('three publishers, orders drawn with a seed', () => {
  it('protocol 4.2: none that was told "published" is lost', async () => {
    const sampled = await sample({ publishers: 3, turnSeconds: 1, maxAttempts: 4 }, 500, 20_261_122);
    expect(sampled.lost).toBeUndefined();
    expect(sampled.allPublished).toBeGreaterThan(250);
  }, 120_000);

  it('protocol 4.2: none is lost with a longer turn, nor when all make the first state', async () => {
    const longer = await sample({ publishers: 3, turnSeconds: 3, maxAttempts: 4 }, 200, 7);
    const fresh = await sample({ publishers: 3, maxAttempts: 4 }, 200, 11);
    expect([longer.lost, fresh.lost]).toEqual([undefined, undefined]);
    expect(Math.min(longer.allPublished, fresh.allPublished)).toBeGreaterThan(50);
  }, 120_000);

  it('a protocol with one read-back loses one', async () => {
    const options = {
      publishers: 3,
      turnSeconds: 1,
      maxAttempts: 4,
      mutant: 'one-read',
      marginMs: -TICK_MS,
    } as const;
    expect((await sample(options, 2_000, 3)).lost).toBeDefined();
  }, 120_000);
});

describe('ten and twenty publishers, orders drawn with a seed', () => {
  it.each([
    [10, 600],
    [20, 200],
  ])(
    'protocol 4.2: of %d at once none is lost',
    async (publishers, runs) => {
      const sampled = await sample({ publishers, turnSeconds: 1, maxAttempts: 64 }, runs, publishers);
      expect(sampled.lost).toBeUndefined();
      // In this world a write often takes longer than a turn; who meets that twelve times gives up, and says so.
      expect(sampled.allPublished).toBeGreaterThanOrEqual(runs - 2);
    },
    240_000,
  );
});

it('protocol 4.1: a turn that is raised while three publish loses one, so a turn once signed is kept', async () => {
  const raised = { publishers: 3, turnSeconds: 1, mutant: 'raise-turn', raisedSeconds: 3 } as const;
  // Publisher 0 signs a longer turn; 1 builds on that and may take 3 ticks; 2 knows nothing of it and waits 2.
  const script = [
    ...['0:GET', '0:HEAD', '2:GET', '2:HEAD', '0:PUT', '1:GET', '1:HEAD', '2:PUT', '2:HEAD'],
    ...['tick', 'tick', '2:timer', '2:HEAD', '1:PUT'],
  ];
  const outcome = await follow(raised, script);
  expect(outcome.results[2]).toBe('published');
  expect(outcome.lost).toContain(2);
});
