import { describe, expect, test } from 'vitest';
import { SIM_NOW_MS } from '../helpers/repository-simulator.ts';
import { APP, makeWorld, V1, type World } from './updater-world.ts';

const DAY = 86_400_000;
/** The online roles of the simulator expire a year after it is made, the others after three. */
const YEAR = 365;

async function warningsAt(world: World, days: number, holds = false): Promise<readonly string[]> {
  const opened = await world.open({ startTimeMs: SIM_NOW_MS + days * DAY, holdsOnlineKey: () => holds });
  return opened.warnings;
}

describe('protocol 2.7: warnings', () => {
  test('none 31 days before the end, one for each role from 30 days on', async () => {
    expect(await warningsAt(makeWorld(), YEAR - 31)).toEqual([]);
    const warnings = await warningsAt(makeWorld(), YEAR - 30);
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toBe(
      `timestamp metadata of ${APP} expires in 30 days, at 2028-01-15T12:00:00Z; ` +
        `renew it with dtrust trust refresh ${APP}`,
    );
  });

  test('the last day has words of its own', async () => {
    expect((await warningsAt(makeWorld(), YEAR - 1))[0]).toContain('expires in 1 day,');
    expect((await warningsAt(makeWorld(), YEAR - 0.5))[0]).toContain('expires in less than a day,');
  });

  test('a machine that holds the online key is told 60 days before', async () => {
    expect(await warningsAt(makeWorld(), YEAR - 61, true)).toEqual([]);
    expect(await warningsAt(makeWorld(), YEAR - 60, false)).toEqual([]);
    const told = await warningsAt(makeWorld(), YEAR - 60, true);
    expect(told).toHaveLength(2);
    expect(told[0]).toContain('on this machine');
  });

  test('the same warm and cold', async () => {
    const world = makeWorld();
    const cold = await warningsAt(world, YEAR - 10);
    expect(await warningsAt(world, YEAR - 10)).toEqual(cold);
    expect(cold).toHaveLength(2);
  });

  test('root and targets too', async () => {
    const world = makeWorld();
    for (const role of [world.sim.top.timestamp, world.sim.top.snapshot]) role.expiresMs += 3 * YEAR * DAY;
    world.sim.publish();
    const warnings = await warningsAt(world, 3 * YEAR - 5);
    expect(warnings.map((line) => line.split(' ')[0])).toEqual(['root', 'targets']);
  });

  test('a delegated role once it is loaded', async () => {
    const world = makeWorld({
      source: { inline: false },
      prepare: (sim) => {
        sim.removeTarget(V1);
        sim.delegate({ name: 'targets/releases', path_hash_prefixes: [...'0123456789abcdef'] });
        sim.putTarget(V1, {}, 'targets/releases');
        sim.role('targets/releases').expiresMs = sim.nowMs + 10 * DAY;
      },
    });
    const opened = await world.open();
    expect(opened.warnings).toEqual([]);
    await opened.resolve(V1);
    expect(opened.warnings.join()).toContain('targets/releases metadata');
  });
});

describe('protocol 2.7: the age of the signed state', () => {
  const ageAt = async (world: World, days: number) =>
    (await world.open({ startTimeMs: SIM_NOW_MS + days * DAY })).signedAtAgeDays;

  test('counts from the first sight of this timestamp, and shows from 30 days on', async () => {
    const world = makeWorld();
    await world.open();
    expect(await ageAt(world, 29.9)).toBeUndefined();
    expect(await ageAt(world, 30)).toBe(30);
    expect(await ageAt(world, 100.5)).toBe(100);
    expect(await ageAt(world, -400)).toBeUndefined();
  });

  test('the same timestamp under another listing is as old as before, a new one is new', async () => {
    const world = makeWorld();
    await world.open();
    const files = new Map([...world.sim.files(), ['7.targets%2Funused.json', Buffer.from('{}')]]);
    world.source.files = () => files;
    expect(await ageAt(world, 40)).toBe(40);
    world.source.files = () => world.sim.files();
    world.sim.publish();
    await world.open();
    expect(await ageAt(world, 29)).toBeUndefined();
  });
});
