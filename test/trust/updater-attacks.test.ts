/**
 * Each role gone wrong in each way, on a machine that remembers the state before and on one that only has a pin:
 * the code, nothing changed on disk, no more requests than a good answer takes.
 */
import { describe, expect, test } from 'vitest';
import { TrustError } from '../../src/lib/errors.ts';
import { digestOf } from '../../src/reference/digest.ts';
import type { SourceState } from '../../src/trust/source.ts';
import { type Corruption, type RepositorySimulator, SIM_NOW_MS } from '../helpers/repository-simulator.ts';
import { labelledSimKey } from '../helpers/sim-keys.ts';
import { rejectsCode } from '../helpers/throws-code.ts';
import { APP, makeWorld, refusedWithoutTrace, V1, type World } from './updater-world.ts';

const DAY = 86_400_000;

/** What goes wrong, and the code it is refused with. */
type Row = readonly [Corruption, string];

const tables: readonly (readonly [string, readonly Row[]])[] = [
  [
    'root',
    [
      ['unsigned', 'ROOT_THRESHOLD'],
      ['wrong key', 'ROOT_THRESHOLD'],
      ['unlisted key', 'ROOT_THRESHOLD'],
      ['under threshold', 'ROOT_THRESHOLD'],
      ['same key twice', 'ROOT_THRESHOLD'],
      ['expired', 'ROLE_EXPIRED'],
      ['fast-forwarded', 'ROOT_VERSION'],
      ['not JSON', 'METADATA_JSON'],
      ['wrong shape', 'METADATA_SHAPE'],
      ['wrong type', 'METADATA_SHAPE'],
      ['repeated member', 'METADATA_JSON'],
      ['oversized', 'METADATA_TOO_LARGE'],
      ['cut short', 'METADATA_JSON'],
      ['one byte changed', 'ROOT_THRESHOLD'],
    ],
  ],
  [
    'timestamp',
    [
      ['missing', 'ROLE_MISSING'],
      ['unsigned', 'TIMESTAMP_THRESHOLD'],
      ['wrong key', 'TIMESTAMP_THRESHOLD'],
      ['unlisted key', 'TIMESTAMP_THRESHOLD'],
      ['under threshold', 'TIMESTAMP_THRESHOLD'],
      ['same key twice', 'TIMESTAMP_THRESHOLD'],
      ['expired', 'ROLE_EXPIRED'],
      ['not JSON', 'METADATA_JSON'],
      ['wrong shape', 'METADATA_SHAPE'],
      ['wrong type', 'METADATA_SHAPE'],
      ['repeated member', 'METADATA_JSON'],
      ['oversized', 'METADATA_TOO_LARGE'],
      ['cut short', 'METADATA_JSON'],
      ['one byte changed', 'TIMESTAMP_THRESHOLD'],
    ],
  ],
  [
    'snapshot',
    [
      ['missing', 'ROLE_MISSING'],
      ['unsigned', 'SNAPSHOT_THRESHOLD'],
      ['wrong key', 'SNAPSHOT_THRESHOLD'],
      ['unlisted key', 'SNAPSHOT_THRESHOLD'],
      ['under threshold', 'SNAPSHOT_THRESHOLD'],
      ['same key twice', 'SNAPSHOT_THRESHOLD'],
      ['expired', 'ROLE_EXPIRED'],
      ['fast-forwarded', 'SNAPSHOT_VERSION'],
      ['not JSON', 'METADATA_JSON'],
      ['wrong shape', 'METADATA_SHAPE'],
      ['wrong type', 'METADATA_SHAPE'],
      ['repeated member', 'METADATA_JSON'],
      ['mixed from two states', 'SNAPSHOT_HASH'],
      ['oversized', 'METADATA_TOO_LARGE'],
      ['cut short', 'SNAPSHOT_HASH'],
      ['one byte changed', 'SNAPSHOT_HASH'],
      ['white space added', 'SNAPSHOT_HASH'],
    ],
  ],
  [
    'targets',
    [
      ['missing', 'ROLE_MISSING'],
      ['unsigned', 'TARGETS_THRESHOLD'],
      ['wrong key', 'TARGETS_THRESHOLD'],
      ['unlisted key', 'TARGETS_THRESHOLD'],
      ['under threshold', 'TARGETS_THRESHOLD'],
      ['same key twice', 'TARGETS_THRESHOLD'],
      ['expired', 'ROLE_EXPIRED'],
      ['fast-forwarded', 'TARGETS_VERSION'],
      ['not JSON', 'METADATA_JSON'],
      ['wrong shape', 'METADATA_SHAPE'],
      ['wrong type', 'METADATA_SHAPE'],
      ['repeated member', 'METADATA_JSON'],
      ['mixed from two states', 'TARGETS_HASH'],
      ['cut short', 'TARGETS_HASH'],
      ['one byte changed', 'TARGETS_HASH'],
      ['white space added', 'TARGETS_HASH'],
    ],
  ],
];

/** Thresholds of two, so that one signature can be missing; the state before has been published. */
function prepared(): World {
  return makeWorld({ simulator: { threshold: 2 } });
}

/** Something new in every role, so that nothing is at hand. */
function next(world: World): void {
  world.sim.putTarget(`${APP}:2.0`).publish('targets');
}

describe.each(tables)('%s', (role, rows) => {
  test.each(rows)('%s: %s, remembered or not', async (corruption, code) => {
    const cold = prepared();
    next(cold);
    cold.sim.corrupt(role, corruption);
    const error = await refusedWithoutTrace(cold, code);
    expect(error).toBeInstanceOf(TrustError);
    expect(cold.source.taken()).toEqual(['GET']);

    const warm = prepared();
    await warm.open();
    warm.source.taken();
    next(warm);
    warm.sim.corrupt(role, corruption);
    await refusedWithoutTrace(warm, code);
    expect(warm.source.taken()).toEqual(['HEAD', 'GET']);
    // Nothing of it sticks: the good state is accepted afterwards.
    warm.sim.heal();
    expect((await warm.open()).trusted.timestamp?.signed.version).toBe(2);
  });

  test.each(rows.filter(([corruption]) => corruption !== 'missing'))(
    '%s: the same when files do not ride in the listing',
    async (corruption, code) => {
      const world = makeWorld({ simulator: { threshold: 2 }, source: { inline: false } });
      next(world);
      world.sim.corrupt(role, corruption);
      await refusedWithoutTrace(world, code);
    },
  );
});

describe('the states before, served again', () => {
  const versions: readonly (readonly [string, string, (sim: RepositorySimulator) => void])[] = [
    [
      'TUF 5.4.3.1',
      'TIMESTAMP_ROLLBACK',
      (sim) => {
        sim.top.timestamp.version -= 1;
      },
    ],
    [
      'TUF 5.4.3.2',
      'SNAPSHOT_ROLLBACK',
      (sim) => {
        sim.top.timestamp.version += 1;
        sim.top.snapshot.version -= 1;
      },
    ],
    [
      'TUF 5.5.5',
      'SNAPSHOT_ROLLBACK',
      (sim) => {
        sim.top.timestamp.version += 1;
        sim.top.snapshot.version += 1;
        sim.role('targets').version -= 1;
      },
    ],
  ];

  test.each(versions)('%s: %s', async (_step, code, change) => {
    const world = prepared();
    next(world);
    await world.open();
    change(world.sim);
    await refusedWithoutTrace(world, code);
  });

  test('TUF 5.5.5: a role that is gone from the snapshot is SNAPSHOT_ROLE_REMOVED', async () => {
    const world = makeWorld({
      prepare: (sim) => void sim.delegate({ name: 'targets/alice', paths: [`${APP}:dev-?`] }),
    });
    const before = world.sim.files();
    await world.open();
    const without = makeWorld();
    without.sim.publish();
    without.sim.publish();
    expect(before.has('1.targets%2Falice.json')).toBe(true);
    world.source.files = () => without.sim.files();
    await refusedWithoutTrace(world, 'SNAPSHOT_ROLE_REMOVED');
  });

  test('the whole old state put back is TIMESTAMP_ROLLBACK', async () => {
    const world = prepared();
    next(world);
    await world.open();
    world.source.files = () => world.sim.states[0];
    await refusedWithoutTrace(world, 'TIMESTAMP_ROLLBACK');
  });

  test('TUF 5.4.3.1: another timestamp of the version known is discarded, and the known one counts', async () => {
    const world = prepared();
    await world.open();
    world.sim.top.timestamp.expiresMs += DAY;
    const opened = await world.open();
    expect(opened.trusted.timestamp?.signed.expiresAtMs).toBe(SIM_NOW_MS + 365 * DAY);
  });

  test('protocol 2.5: after a recovery from fast-forward lower versions count, above the floor only', async () => {
    const world = makeWorld();
    world.sim.top.timestamp.version = 9_000_000;
    world.sim.top.snapshot.version = 9_000_000;
    await world.open();
    const online = labelledSimKey('online of 2027');
    world.sim.rotate((sim) => {
      sim.top.timestamp.keys = [online];
      sim.top.snapshot.keys = [online];
      sim.top.timestamp.version = 4;
      sim.top.snapshot.version = 4;
      sim.rootExtension = { ...sim.rootExtension, floor: { timestamp: 5, snapshot: 5 } };
    });
    await refusedWithoutTrace(world, 'TIMESTAMP_ROLLBACK');
    world.sim.publish();
    const opened = await world.open();
    expect(opened.trusted.timestamp?.signed.version).toBe(5);
    // The root has dropped what was seen: publishers go on from here, or nobody could publish after versions had run out.
    expect(opened.highest.get('timestamp')).toBe(5);
    expect((await world.open()).unchanged).toBe(true);
  });

  test('protocol 2.5: after such a recovery the floor says which versions a publisher goes on from', async () => {
    const recovered = async (version: number): Promise<World> => {
      const world = makeWorld();
      world.sim.top.timestamp.version = 9_000_000;
      world.sim.top.snapshot.version = 9_000_000;
      await world.open();
      world.sim.rotate((sim) => {
        for (const role of [sim.top.timestamp, sim.top.snapshot])
          role.keys = [labelledSimKey('online of 2027')];
        sim.top.timestamp.version = version;
        sim.top.snapshot.version = version;
        sim.rootExtension = { ...sim.rootExtension, floor: { timestamp: 5, snapshot: 5 } };
      });
      return world;
    };
    const near = await (await recovered(1005)).open({ expiry: 'unsafe-ignored' });
    expect(near.trusted.timestamp?.signed.version).toBe(1005);
    const far = await recovered(1006);
    await refusedWithoutTrace(far, 'VERSION_JUMP', { expiry: 'unsafe-ignored' });
    expect((await far.open()).trusted.timestamp?.signed.version).toBe(1006);
  });
});

describe('the chain of roots', () => {
  const rotated = (times: number): World => {
    const world = makeWorld();
    for (let n = 0; n < times; n++) {
      world.sim.rotate((sim) => {
        sim.top.root.keys = [labelledSimKey(`rotated ${n}`)];
      });
    }
    return world;
  };

  test('TUF 5.3.9: every root is walked, from a pin on the first and from a remembered one', async () => {
    const world = rotated(3);
    expect((await world.open()).trusted.roots).toHaveLength(4);
    world.sim.rotate(() => undefined);
    world.sim.publish();
    const opened = await world.open();
    expect(opened.trusted.roots).toHaveLength(2);
    expect(opened.trusted.root.signed.version).toBe(5);
    const all = await opened.loadAll();
    expect([...all.keys()].filter((name) => name.includes('root'))).toHaveLength(5);
  });

  test('TUF 5.3.3: a root that is listed without the one before it is ROOT_CHAIN, cold and warm', async () => {
    const world = rotated(3);
    const gap = new Map(world.sim.files());
    gap.delete('3.root.json');
    const whole = world.source.files;
    world.source.files = () => gap;
    await refusedWithoutTrace(world, 'ROOT_CHAIN');
    world.source.files = whole;
    const fresh = makeWorld();
    await fresh.open();
    fresh.source.files = () => gap;
    await refusedWithoutTrace(fresh, 'ROOT_CHAIN');
  });

  test('TUF 5.3.4: a next root that the known keys did not sign is ROOT_THRESHOLD', async () => {
    const world = makeWorld();
    await world.open();
    world.sim.top.root.version += 1;
    world.sim.top.root.keys = [labelledSimKey('evil')];
    world.sim.publishRoot();
    world.sim.publish();
    await refusedWithoutTrace(world, 'ROOT_THRESHOLD');
  });

  test('TUF 5.3.3: more than 256 new roots are ROOT_CHAIN', async () => {
    const world = makeWorld();
    for (let n = 0; n < 257; n++) world.sim.rotate(() => undefined);
    await refusedWithoutTrace(world, 'ROOT_CHAIN');
  });

  test('a state that lists no root is ROLE_MISSING for who knows none', async () => {
    const world = makeWorld();
    const files = new Map(world.sim.files());
    files.delete('1.root.json');
    await world.open();
    world.sim.publish();
    const rootless = new Map(world.sim.files());
    rootless.delete('1.root.json');
    world.source.files = () => rootless;
    expect((await world.open()).unchanged).toBe(false);
    const fresh = makeWorld();
    fresh.source.files = () => files;
    await refusedWithoutTrace(fresh, 'ROLE_MISSING');
  });
});

describe('protocol 3.2: what rides in the listing', () => {
  const tampered = (change: (state: SourceState) => SourceState) => {
    const world = makeWorld();
    world.source.tamper = change;
    return world;
  };

  test('other bytes than the descriptor names are TRUST_DATA_INVALID', async () => {
    const world = tampered((state) => {
      const files = new Map(state.files);
      const file = files.get('timestamp.json');
      if (file !== undefined) files.set(file.name, { ...file, inline: Buffer.from('{}') });
      return { ...state, files };
    });
    await refusedWithoutTrace(world, 'TRUST_DATA_INVALID');
  });

  test('a descriptor that promises more than is read is METADATA_TOO_LARGE before anything is fetched', async () => {
    const world = tampered((state) => {
      const files = new Map(
        [...state.files].map(([name, { inline: _, ...file }]) => [name, { ...file, lengthBytes: 2 ** 40 }]),
      );
      return { ...state, files };
    });
    await refusedWithoutTrace(world, 'METADATA_TOO_LARGE');
    expect(world.source.taken()).toEqual(['GET']);
  });

  test('a delegated role whose bytes were swapped in the listing is fetched by the digest the snapshot names', async () => {
    const world = makeWorld({
      prepare: (sim) => {
        sim.removeTarget(V1);
        sim.delegate({ name: 'targets/releases', path_hash_prefixes: [...'0123456789abcdef'] });
        sim.putTarget(V1, {}, 'targets/releases');
      },
    });
    const evil = Buffer.from('evil');
    world.source.tamper = (state) => {
      const files = new Map(state.files);
      const name = '1.targets%2Freleases.json';
      files.set(name, { name, digest: digestOf(evil), lengthBytes: 4, inline: evil });
      return { ...state, files };
    };
    const opened = await world.open();
    expect(await opened.resolve(V1)).toMatchObject({ role: 'targets/releases' });
  });
});

describe('a delegated role', () => {
  const rows: readonly Row[] = [
    ['unsigned', 'TARGETS_THRESHOLD'],
    ['wrong key', 'TARGETS_THRESHOLD'],
    ['expired', 'ROLE_EXPIRED'],
    ['fast-forwarded', 'TARGETS_VERSION'],
    ['not JSON', 'METADATA_JSON'],
    ['wrong shape', 'METADATA_SHAPE'],
    ['missing', 'ROLE_MISSING'],
  ];

  test.each(rows)(
    '%s: %s when a search needs it, and nobody is hurt who does not',
    async (corruption, code) => {
      const world = makeWorld({
        prepare: (sim) => {
          sim.removeTarget(V1);
          sim.delegate({ name: 'targets/dev', paths: [`${APP}:dev-?`] });
          sim.delegate({ name: 'targets/releases', path_hash_prefixes: [...'0123456789abcdef'] });
          sim.putTarget(V1, {}, 'targets/releases');
        },
      });
      world.sim.corrupt('targets/dev', corruption);
      const opened = await world.open();
      expect(await opened.resolve(V1)).toMatchObject({ role: 'targets/releases' });
      await rejectsCode(opened.resolve(`${APP}:dev-1`), TrustError, code);
    },
  );
});

describe('a clock that is a year off', () => {
  test('ahead: ROLE_EXPIRED says what the clock and the server say, and which keys mend it', async () => {
    const world = makeWorld({ source: { dateMs: SIM_NOW_MS } });
    const late = { startTimeMs: SIM_NOW_MS + 366 * DAY };
    const cold = await refusedWithoutTrace(world, 'ROLE_EXPIRED', late);
    expect(cold.message).toContain('2028-01-16T12:00:00Z');
    expect(cold.message).toContain('2027-01-15T12:00:00Z');
    expect(cold.hints.join()).toContain(world.sim.top.timestamp.keys[0]?.keyid);
    await world.open();
    const warm = await refusedWithoutTrace(world, 'ROLE_EXPIRED', late);
    expect(warm.message).toContain('2028-01-16T12:00:00Z');
    expect(warm.message).toContain('2027-01-15T12:00:00Z');
  });

  test("the server's date is left out when the clocks agree, or when it sends none", async () => {
    const late = { startTimeMs: SIM_NOW_MS + 366 * DAY };
    const agreeing = makeWorld({ source: { dateMs: SIM_NOW_MS + 366 * DAY - DAY / 2 } });
    expect((await refusedWithoutTrace(agreeing, 'ROLE_EXPIRED', late)).message).not.toContain('clock');
    const silent = makeWorld();
    expect((await refusedWithoutTrace(silent, 'ROLE_EXPIRED', late)).message).not.toContain('clock');
  });

  test('an expired state that the source confirms stays expired when its date cannot be had', async () => {
    const world = makeWorld();
    await world.open();
    world.source.onRequest = (request) => {
      if (request === 'GET') throw new Error('no date');
    };
    await refusedWithoutTrace(world, 'ROLE_EXPIRED', { startTimeMs: SIM_NOW_MS + 366 * DAY });
  });

  test('behind: nothing has expired, and floors hold all the same', async () => {
    const world = makeWorld();
    world.sim.publish();
    const early = { startTimeMs: SIM_NOW_MS - 366 * DAY };
    expect((await world.open(early)).signedAtAgeDays).toBeUndefined();
    world.source.files = () => world.sim.states[0];
    await refusedWithoutTrace(world, 'TIMESTAMP_ROLLBACK', early);
  });

  test('TUF 5.3.10: an expired root names the root keys', async () => {
    const world = makeWorld();
    const error = await refusedWithoutTrace(world, 'ROLE_EXPIRED', { startTimeMs: SIM_NOW_MS + 1096 * DAY });
    expect(error).toMatchObject({ role: 'root', spec: '5.3.10' });
    expect(error.hints.join()).toContain(world.sim.top.root.keys[0]?.keyid);
  });

  test('a newer state heals an expired one', async () => {
    const world = makeWorld();
    await world.open();
    const late = { startTimeMs: SIM_NOW_MS + 366 * DAY };
    await refusedWithoutTrace(world, 'ROLE_EXPIRED', late);
    world.sim.top.timestamp.expiresMs += 365 * DAY;
    world.sim.top.snapshot.expiresMs += 365 * DAY;
    world.sim.publish();
    expect((await world.open(late)).unchanged).toBe(false);
  });
});
