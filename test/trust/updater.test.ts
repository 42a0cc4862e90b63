import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { LocalStateError, NetworkError, RegistryError, TrustError } from '../../src/lib/errors.ts';
import { digestOf } from '../../src/reference/digest.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { faultyFileSystem } from '../helpers/faulty-file-system.ts';
import { RepositorySimulator, SIM_NOW_MS } from '../helpers/repository-simulator.ts';
import { rejectsCode } from '../helpers/throws-code.ts';
import { APP, makeWorld, memoryIn, refusedWithoutTrace, V1 } from './updater-world.ts';

const DAY = 86_400_000;

describe('protocol 3.2: requests', () => {
  test('one GET cold; the answer is verified and remembered', async () => {
    const world = makeWorld();
    const opened = await world.open();
    expect(world.source.taken()).toEqual(['GET']);
    expect(opened).toMatchObject({ firstUse: true, unchanged: false, anchor: 'pin', collection: APP });
    expect(await opened.resolve(V1)).toMatchObject({ path: V1, role: 'targets' });
    expect(world.source.taken()).toEqual([]);
    expect(memoryIn(world.directory).load(APP)?.state).toBe(opened.state.digest);
  });

  test('one HEAD warm, also after a delegated role was loaded', async () => {
    const world = makeWorld({ prepare: withReleases });
    await (await world.open()).resolve(V1);
    world.source.taken();
    const opened = await world.open();
    expect(opened).toMatchObject({ firstUse: false, unchanged: true });
    expect(await opened.resolve(V1)).toMatchObject({ role: 'targets/releases' });
    expect(world.source.taken()).toEqual(['HEAD']);
  });

  test('HEAD and GET when the state changed, and only what is new is stored', async () => {
    const world = makeWorld();
    await world.open();
    world.source.taken();
    world.sim.putTarget(`${APP}:2.0`).publish('targets');
    const opened = await world.open();
    expect(opened.unchanged).toBe(false);
    expect(world.source.taken()).toEqual(['HEAD', 'GET']);
    expect(await opened.resolve(`${APP}:2.0`)).toMatchObject({ role: 'targets' });
    expect((await world.open()).unchanged).toBe(true);
  });

  test('a warm opening writes nothing but the time of the check', async () => {
    const world = makeWorld();
    await world.open();
    const before = world.disk();
    await world.open({ startTimeMs: SIM_NOW_MS + 5 });
    const changed = world.disk().filter((line) => !before.includes(line));
    expect(changed.map((line) => line.replace(/^.*\//, '').split(' ')[0])).toEqual(['last-check']);
  });

  test('files that do not ride in the listing are fetched side by side, each once', async () => {
    const world = makeWorld({ source: { inline: false } });
    let waiting = 0;
    let most = 0;
    world.source.onRequest = async (request) => {
      if (!request.startsWith('BLOB')) return;
      waiting += 1;
      most = Math.max(most, waiting);
      await new Promise((resolve) => setImmediate(resolve));
      waiting -= 1;
    };
    await world.open();
    const requests = world.source.taken();
    expect(requests[0]).toBe('GET');
    expect(requests).toHaveLength(5);
    expect(new Set(requests).size).toBe(5);
    expect(most).toBeGreaterThanOrEqual(3);
  });

  test('what is remembered is not fetched again', async () => {
    const world = makeWorld({ source: { inline: false } });
    await world.open();
    world.source.taken();
    world.sim.publish();
    await world.open();
    // Timestamp and snapshot; root and targets are known.
    expect(world.source.taken().map((request) => request.split(' ')[0])).toEqual([
      'HEAD',
      'GET',
      'BLOB',
      'BLOB',
    ]);
  });

  test('delegated roles come by the digest the snapshot names, and are remembered', async () => {
    const world = makeWorld({ prepare: withReleases, source: { inline: false } });
    const opened = await world.open();
    world.source.taken();
    const releases = world.sim.files().get('1.targets%2Freleases.json') ?? Buffer.alloc(0);
    await opened.resolve(V1);
    expect(world.source.taken()).toEqual([`BLOB ${digestOf(releases)}`]);
    await opened.resolve(V1);
    await (await world.open()).resolve(V1);
    expect(world.source.taken()).toEqual(['HEAD']);
  });

  test('a blob that is gone has the listing read once more', async () => {
    const world = makeWorld({ source: { inline: false } });
    const old = world.sim.files();
    const newer = (() => {
      world.sim.putTarget(`${APP}:2.0`).publish('targets');
      return world.sim.files();
    })();
    let served = old;
    world.source.files = () => served;
    world.source.onRequest = (request) => {
      if (request.startsWith('BLOB')) served = newer;
    };
    const opened = await world.open();
    expect(world.source.taken().filter((request) => request === 'GET')).toHaveLength(2);
    expect(await opened.resolve(`${APP}:2.0`)).toMatchObject({ path: `${APP}:2.0` });
  });

  test('a blob that stays gone is ROLE_MISSING', async () => {
    const world = makeWorld({ source: { inline: false } });
    const timestamp = world.sim.files().get('timestamp.json') ?? Buffer.alloc(0);
    world.source.gone.add(digestOf(timestamp));
    await refusedWithoutTrace(world, 'ROLE_MISSING');
    expect(world.source.taken().filter((request) => request === 'GET')).toHaveLength(2);
  });

  test('the same for a delegated role', async () => {
    const world = makeWorld({ prepare: withReleases, source: { inline: false } });
    const opened = await world.open();
    const releases = world.sim.files().get('1.targets%2Freleases.json') ?? Buffer.alloc(0);
    world.source.gone.add(digestOf(releases));
    await rejectsCode(opened.resolve(V1), TrustError, 'ROLE_MISSING');
  });
});

describe('protocol 3.3: absent, gone, unreachable', () => {
  test('nothing there and nothing known: NO_TRUST_DATA', async () => {
    const world = makeWorld({ pinned: false });
    world.source.files = () => undefined;
    await refusedWithoutTrace(world, 'NO_TRUST_DATA');
  });

  test('nothing there and a pin: TRUST_DATA_GONE', async () => {
    const world = makeWorld();
    world.source.files = () => undefined;
    await refusedWithoutTrace(world, 'TRUST_DATA_GONE');
  });

  test('nothing there any more: TRUST_DATA_GONE', async () => {
    const world = makeWorld();
    await world.open();
    world.source.files = () => undefined;
    await refusedWithoutTrace(world, 'TRUST_DATA_GONE');
    await refusedWithoutTrace(world, 'TRUST_DATA_GONE', { pins: new Map() });
  });

  const failures = [
    new NetworkError({ code: 'NETWORK_REFUSED', message: 'refused' }),
    new NetworkError({ code: 'NETWORK_TIMEOUT', message: 'hanging' }),
    new NetworkError({ code: 'NETWORK_TLS', message: 'another name' }),
    new RegistryError({ code: 'REGISTRY_UNAUTHORIZED', message: '401', status: 401 }),
    new RegistryError({ code: 'REGISTRY_DENIED', message: '403', status: 403 }),
    new RegistryError({ code: 'REGISTRY_NOT_FOUND', message: '404', status: 404 }),
    new RegistryError({ code: 'REGISTRY_RATE_LIMIT', message: '429', status: 429 }),
    new RegistryError({ code: 'REGISTRY_UNAVAILABLE', message: '500', status: 500 }),
  ];

  test.each(failures)('$code passes through as it is, cold and warm', async (failure) => {
    const world = makeWorld();
    world.source.failure = failure;
    expect(await refusedWithoutTrace(world, failure.code)).toBe(failure);
    world.source.failure = undefined;
    await world.open();
    world.source.failure = failure;
    expect(await refusedWithoutTrace(world, failure.code)).toBe(failure);
  });

  test('an outage between HEAD and GET passes through too', async () => {
    const world = makeWorld();
    await world.open();
    world.sim.publish();
    const failure = new RegistryError({ code: 'REGISTRY_UNAVAILABLE', message: '502', status: 502 });
    world.source.onRequest = (request) => {
      if (request === 'GET') world.source.failure = failure;
    };
    expect(await refusedWithoutTrace(world, 'REGISTRY_UNAVAILABLE')).toBe(failure);
  });
});

describe('contract (Disk): home read-only, missing, or full', () => {
  test('with a pin it goes on and says once that nothing is remembered', async () => {
    const world = makeWorld({ prepare: withReleases });
    const opened = await world.open({ memory: memoryIn(undefined) });
    await opened.resolve(V1);
    expect(opened.warnings).toHaveLength(1);
    expect(opened.warnings[0]).toContain('cannot be remembered');
    expect(world.disk()).toEqual([]);
  });

  test('read-only, with a pin: the same; with a memory that can be read: it counts', async () => {
    const world = makeWorld();
    const readOnly = memoryIn(
      world.directory,
      faultyFileSystem({ at: 1, kind: 'error', errno: 'EROFS', lasting: true }).fs as typeof fs,
    );
    expect((await world.open({ memory: readOnly })).warnings).toHaveLength(1);
    expect(world.disk()).toEqual([]);
    await world.open();
    world.sim.publish();
    expect((await world.open({ memory: readOnly, pins: new Map() })).warnings).toHaveLength(1);
    world.source.files = () => world.sim.states[0];
    world.sim.publish();
    await world.open({ memory: memoryIn(world.directory) }).catch(() => undefined);
    expect((await world.open({ memory: readOnly })).unchanged).toBe(true);
  });

  test('a full disk is DISK_FULL, pinned or not', async () => {
    const world = makeWorld();
    const full = memoryIn(
      world.directory,
      faultyFileSystem({ at: 1, kind: 'error', errno: 'ENOSPC', lasting: true }).fs as typeof fs,
    );
    await refusedWithoutTrace(world, 'DISK_FULL', { memory: full });
  });
});

describe('protocol 6.3: damaged memory', () => {
  test('is MEMORY_DAMAGED, asks the source nothing more, and is not first use', async () => {
    const world = makeWorld();
    await world.open();
    const memory = memoryIn(world.directory).load(APP);
    const index = `${memory?.folder}/memory.json`;
    const bytes = fs.readFileSync(index);
    fs.writeFileSync(index, bytes.subarray(0, 300));
    world.source.taken();
    await refusedWithoutTrace(world, 'MEMORY_DAMAGED', { firstUse: async () => true });
    expect(world.source.taken()).toEqual([]);
  });

  test.each(['timestamp.json', '1.root.json', '1.snapshot.json', '1.targets.json'])(
    'one bit of the remembered %s is MEMORY_DAMAGED, whether the state changed or not',
    async (name) => {
      const world = makeWorld();
      await world.open();
      const known = memoryIn(world.directory).load(APP);
      const file = `${known?.folder}/${known?.files.get(name)?.digest.slice(7)}.json`;
      const bytes = fs.readFileSync(file);
      const at = bytes.indexOf('"sig":"') + 9;
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      fs.writeFileSync(file, bytes);
      await refusedWithoutTrace(world, 'MEMORY_DAMAGED');
      world.sim.publish();
      await refusedWithoutTrace(world, 'MEMORY_DAMAGED');
    },
  );
});

describe('two processes at once', () => {
  test('both verify, the memory ends at the newer state', async () => {
    const world = makeWorld();
    await world.open();
    world.sim.publish();
    const middle = world.sim.files();
    world.sim.publish();
    const slow = makeWorld();
    slow.source.files = () => middle;
    let raced: Promise<unknown> | undefined;
    slow.source.onRequest = async (request) => {
      // While the slow one holds the middle state, the other remembers the newest.
      if (request === 'GET') raced ??= world.open();
      await raced;
    };
    const opened = await world
      .open({ source: slow.source })
      .catch((error: unknown) => (error as { code: string }).code);
    // Verified again on top of the newer memory, the middle state is a rollback.
    expect(opened).toBe('TIMESTAMP_ROLLBACK');
    expect(memoryIn(world.directory).load(APP)?.highest.get('timestamp')).toBe(3);
  });

  test('eight at once on the same change all succeed', async () => {
    const world = makeWorld();
    await world.open();
    world.sim.publish();
    const opened = await Promise.all(Array.from({ length: 8 }, () => world.open()));
    expect(opened.every(({ trusted }) => trusted.timestamp?.signed.version === 2)).toBe(true);
  });

  test('a memory that changes under every round ends in LOCK_TIMEOUT', async () => {
    const world = makeWorld();
    await world.open();
    world.sim.publish();
    const real = memoryIn(world.directory);
    const restless = { ...real, save: async () => 'conflict' as const };
    await rejectsCode(world.open({ memory: restless }), LocalStateError, 'LOCK_TIMEOUT');
  });
});

describe('what is written, and when', () => {
  const steps: readonly (readonly [string, string, string])[] = [
    ['TUF 5.3.8', '2.root.json', 'snapshot'],
    ['TUF 5.4.5', 'timestamp.json', 'snapshot'],
    ['TUF 5.5.7', '2.snapshot.json', 'targets'],
    ['TUF 5.6.6', '2.targets.json', 'targets'],
  ];

  test.each(steps)(
    '%s: %s is stored as it came, once the whole state is accepted',
    async (_step, name, later) => {
      const world = makeWorld();
      await world.open();
      world.sim.rotate(() => undefined);
      world.sim.putTarget(`${APP}:2.0`).publish('targets');
      world.sim.corrupt(later, 'one byte changed');
      await world.open().catch(() => undefined);
      expect(memoryIn(world.directory).load(APP)?.highest.get('timestamp')).toBe(1);
      world.sim.heal();
      const served = world.sim.files().get(name);
      await world.open();
      expect(memoryIn(world.directory).load(APP)?.read(name)).toEqual(Buffer.from(served ?? []));
    },
  );

  test('TUF 5.1: one start time decides, whatever the clock of the machine says', async () => {
    const world = makeWorld();
    await world.open({ startTimeMs: SIM_NOW_MS + 364 * DAY });
    await refusedWithoutTrace(world, 'ROLE_EXPIRED', { startTimeMs: SIM_NOW_MS + 365 * DAY });
    await refusedWithoutTrace(world, 'ROLE_EXPIRED', { startTimeMs: Number.NaN });
  });

  test('TUF 5.2: the remembered root is where it starts, not what the state lists', async () => {
    const world = makeWorld();
    await world.open();
    world.sim.publish();
    const other = new Map(world.sim.files());
    other.set('1.root.json', Buffer.from('garbage that is never looked at'));
    world.source.files = () => other;
    expect((await world.open()).trusted.root.bytes).toEqual(Buffer.from(world.sim.rootBytes(1)));
  });
});

describe('use', () => {
  test('a tag that is not signed, and one signed by a role that does not release', async () => {
    const world = makeWorld({ prepare: withReleases });
    world.sim.delegate({ name: 'targets/late', paths: [`${APP}:*`] });
    world.sim.putTarget(`${APP}:late`, {}, 'targets/late').publish('targets', 'targets/late');
    const opened = await world.open();
    await rejectsCode(opened.resolve(`${APP}:none`), TrustError, 'TARGET_NOT_SIGNED');
    await rejectsCode(opened.resolve(`${APP}:late`), TrustError, 'TARGET_NOT_RELEASED');
  });

  test('listTargets lists what resolve finds; loadAll has every file of the state', async () => {
    const world = makeWorld({ prepare: withReleases, source: { inline: false } });
    world.sim.delegate({ name: 'targets/late', paths: [`${APP}:*`] });
    world.sim.putTarget(`${APP}:late`, {}, 'targets/late').publish('targets', 'targets/late');
    world.sim.rotate(() => undefined);
    world.sim.publish();
    const pin = { ...world.sim.pin(), timestampVersion: 1 };
    const opened = await world.open({ pins: new Map([[APP, pin]]) });
    expect((await opened.listTargets()).map(({ path }) => path)).toEqual([V1]);
    const all = await opened.loadAll();
    expect([...all.keys()].sort()).toEqual([...world.sim.files().keys()].sort());
    for (const [name, bytes] of world.sim.files()) {
      expect(Buffer.compare(all.get(name) ?? Buffer.alloc(0), bytes)).toBe(0);
    }
    const files = [...opened.files.keys()];
    expect(files).toContain('2.root.json');
    expect(files).not.toContain('1.root.json');
  });

  test('protocol 4.2: the highest versions seen are handed to publishers', async () => {
    const world = makeWorld();
    world.sim.publish('targets');
    const opened = await world.open();
    expect(Object.fromEntries(opened.highest)).toEqual({ root: 1, timestamp: 2, snapshot: 2, targets: 2 });
  });

  test('protocol 1.3: a loopback repository is remembered for one engine', async () => {
    const sim = new RepositorySimulator({ collection: 'localhost:5000/app' });
    sim.putTarget('localhost:5000/app:1').publish();
    const world = makeWorld();
    world.source.files = () => sim.files();
    const local = { repository: parseRepository('localhost:5000/app'), firstUse: async () => true };
    await world.open({ ...local, memoryScope: 'engine one' });
    expect((await world.open({ ...local, memoryScope: 'engine two' })).firstUse).toBe(true);
    expect((await world.open({ ...local, memoryScope: 'engine one' })).firstUse).toBe(false);
  });

  test('what has expired can be opened to be renewed, never to be used', async () => {
    const world = makeWorld();
    await world.open();
    const late = SIM_NOW_MS + 400 * DAY;
    await refusedWithoutTrace(world, 'ROLE_EXPIRED', { startTimeMs: late });
    const opened = await world.open({ startTimeMs: late, expiry: 'unsafe-ignored' });
    expect(opened.trusted.expiryEnforced).toBe(false);
    expect(memoryIn(world.directory).load(APP)?.lastCheckMs()).toBe(SIM_NOW_MS);
  });
});

function withReleases(sim: RepositorySimulator): void {
  sim.removeTarget(V1);
  sim.delegate({
    name: 'targets/releases',
    terminating: true,
    path_hash_prefixes: '0123456789abcdef'.split(''),
  });
  sim.putTarget(V1, {}, 'targets/releases');
}
