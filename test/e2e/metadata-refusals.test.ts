/**
 * `dtrust pull` with each role of the trust data gone wrong in each way: on a machine that has only a pin, and on one
 * that remembers the state before.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/reference/digest.ts';
import { type Corruption, RepositorySimulator } from '../helpers/repository-simulator.ts';
import { type Machine, openStage, refused, type Stage } from './harness.ts';
import { openSlowRegistry } from './wire-faults.ts';

const REPO = 'acme/app';

let stage: Stage;
/** Has a pin and nothing else. */
let pinned: Machine;
/** Has pulled 1.0 from the first state. */
let warm: Machine;

/** A repository like every other in this file: thresholds of two, one state published. */
function simulator(): RepositorySimulator {
  const collection = stage.name(REPO);
  const sim = new RepositorySimulator({ collection, nowMs: Date.now(), threshold: 2 });
  sim.putTarget(`${collection}:1.0`, stage.image(REPO, '1.0'));
  sim.publish();
  return sim;
}

/** The next state: something new in every role, so that nothing of it is at hand. */
function next(sim: RepositorySimulator): RepositorySimulator {
  sim.putTarget(`${stage.name(REPO)}:2.0`, stage.image(REPO, '2.0')).publish('targets');
  return sim;
}

beforeAll(async () => {
  stage = await openStage();
  const sim = simulator();
  await stage.publish(REPO, sim.files());
  pinned = stage.machine().pin(REPO, sim.pin());
  warm = stage.machine({ like: pinned });
  await warm.succeed(['pull', '-q', `${stage.name(REPO)}:1.0`]);
});
afterAll(() => stage.close());
beforeEach(() => stage.calm());

const pull = (tag = '1.0') => ['pull', `${stage.name(REPO)}:${tag}`];

type Row = readonly [Corruption, string];

const tables: Readonly<Record<string, readonly Row[]>> = {
  root: [
    ['unsigned', 'ROOT_THRESHOLD'],
    ['wrong key', 'ROOT_THRESHOLD'],
    ['under threshold', 'ROOT_THRESHOLD'],
    ['expired', 'ROLE_EXPIRED'],
    ['fast-forwarded', 'ROOT_VERSION'],
    ['not JSON', 'METADATA_JSON'],
    ['wrong shape', 'METADATA_SHAPE'],
    ['oversized', 'METADATA_TOO_LARGE'],
    ['cut short', 'METADATA_JSON'],
    ['one byte changed', 'ROOT_THRESHOLD'],
  ],
  timestamp: [
    ['missing', 'ROLE_MISSING'],
    ['unsigned', 'TIMESTAMP_THRESHOLD'],
    ['wrong key', 'TIMESTAMP_THRESHOLD'],
    ['under threshold', 'TIMESTAMP_THRESHOLD'],
    ['expired', 'ROLE_EXPIRED'],
    ['not JSON', 'METADATA_JSON'],
    ['wrong shape', 'METADATA_SHAPE'],
    ['oversized', 'METADATA_TOO_LARGE'],
    ['cut short', 'METADATA_JSON'],
    ['one byte changed', 'TIMESTAMP_THRESHOLD'],
  ],
  snapshot: [
    ['missing', 'ROLE_MISSING'],
    ['unsigned', 'SNAPSHOT_THRESHOLD'],
    ['wrong key', 'SNAPSHOT_THRESHOLD'],
    ['under threshold', 'SNAPSHOT_THRESHOLD'],
    ['expired', 'ROLE_EXPIRED'],
    ['fast-forwarded', 'SNAPSHOT_VERSION'],
    ['mixed from two states', 'SNAPSHOT_HASH'],
    ['not JSON', 'METADATA_JSON'],
    ['wrong shape', 'METADATA_SHAPE'],
    ['oversized', 'METADATA_TOO_LARGE'],
    ['cut short', 'SNAPSHOT_HASH'],
    ['one byte changed', 'SNAPSHOT_HASH'],
  ],
  targets: [
    ['missing', 'ROLE_MISSING'],
    ['unsigned', 'TARGETS_THRESHOLD'],
    ['wrong key', 'TARGETS_THRESHOLD'],
    ['under threshold', 'TARGETS_THRESHOLD'],
    ['expired', 'ROLE_EXPIRED'],
    ['fast-forwarded', 'TARGETS_VERSION'],
    ['mixed from two states', 'TARGETS_HASH'],
    ['not JSON', 'METADATA_JSON'],
    ['wrong shape', 'METADATA_SHAPE'],
    ['cut short', 'TARGETS_HASH'],
    ['one byte changed', 'TARGETS_HASH'],
  ],
};

describe.each(Object.entries(tables))('the %s role', (role, rows) => {
  test.each(rows)('%s is refused as %s, with a pin alone and with a memory', async (corruption, code) => {
    const sim = next(simulator()).corrupt(role, corruption);
    await stage.publish(REPO, sim.files());
    const cold = await refused(pinned, pull(), { code });
    expect(cold.error.class).toBe('trust');
    expect(stage.registry.requests()).toEqual(['GET manifests/_trust']);
    stage.registry.log.length = 0;
    const known = await refused(warm, pull(), { code });
    expect(known.stderr).toMatch(/^dtrust: refused: /m);
    expect(stage.registry.requests()).toEqual(['HEAD manifests/_trust', 'GET manifests/_trust']);
  });
});

describe('files fetched by digest', () => {
  test.each(['root', 'timestamp', 'snapshot', 'targets'])(
    '%s that comes slowly without end is given up after DTRUST_TIMEOUT',
    async (role) => {
      const slow = await openSlowRegistry(stage);
      try {
        const collection = `${slow.host}/${REPO}`;
        const sim = new RepositorySimulator({ collection, nowMs: Date.now() }).putTarget(`${collection}:1.0`);
        const files = sim.publish();
        await stage.publish(REPO, files, { inline: false });
        const [, beginning = new Uint8Array()] =
          [...files].find(([name]) => name.endsWith(`${role}.json`)) ?? [];
        slow.endless = { path: `/v2/${REPO}/blobs/${digestOf(beginning)}`, beginning };
        const machine = stage.machine().pinHost(slow.host, REPO, sim.pin());
        const run = await refused(machine, ['pull', `${collection}:1.0`], {
          code: 'NETWORK_TIMEOUT',
          env: { DTRUST_TIMEOUT: '1' },
        });
        expect(run.error.class).toBe('network');
        expect(slow.writes()).toBeGreaterThan(1);
      } finally {
        await slow.close();
      }
    },
  );

  test('a body longer than its descriptor says is not read to its end', async () => {
    const sim = next(simulator());
    const files = new Map(sim.files());
    await stage.publish(REPO, files, { inline: false });
    stage.registry.faults.push({
      when: ({ kind, method }) => kind === 'blob' && method === 'GET',
      fault: { oversize: 40 * 1024 * 1024 },
    });
    await refused(pinned, pull(), { code: 'NETWORK_TOO_LARGE' });
  });
});

test('a targets role larger than any may be is METADATA_TOO_LARGE before it is fetched', async () => {
  const digest = await stage.publish(REPO, next(simulator()).files());
  const { bytes, mediaType } = stage.registry.repository(REPO).manifests.get(digest) ?? never();
  const manifest = JSON.parse(Buffer.from(bytes).toString()) as {
    layers: { size: number; data?: string; annotations: Record<string, string> }[];
  };
  for (const layer of manifest.layers) {
    if (!layer.annotations['tuf.io/filename']?.endsWith('.targets.json')) continue;
    layer.size = 2 ** 40;
    delete layer.data;
  }
  stage.registry.putManifest(REPO, '_trust', JSON.stringify(manifest), mediaType);
  await refused(pinned, pull(), { code: 'METADATA_TOO_LARGE' });
  expect(stage.registry.requests()).toEqual(['GET manifests/_trust']);
});

test('a timestamp of the state before with the rest of this one is ROLE_MISSING', async () => {
  const sim = next(simulator());
  const files = new Map(sim.files());
  files.set('timestamp.json', sim.states[0]?.get('timestamp.json') ?? never());
  await stage.publish(REPO, files);
  await refused(pinned, pull(), { code: 'ROLE_MISSING' });
});

function never(): never {
  throw new Error('what the test stored is there');
}

describe('the states before, served again', () => {
  test('TUF 5.4.3.1: the whole old state put back is TIMESTAMP_ROLLBACK', async () => {
    const sim = next(simulator());
    await stage.publish(REPO, sim.files());
    const machine = stage.machine({ like: pinned });
    await machine.succeed(['pull', '-q', `${stage.name(REPO)}:1.0`]);
    await stage.publish(REPO, sim.states[0] ?? new Map());
    const run = await refused(machine, pull(), { code: 'TIMESTAMP_ROLLBACK' });
    expect(run.stderr).toContain('guards against rollback');
  });

  const rollbacks: readonly (readonly [string, string, (sim: RepositorySimulator) => void])[] = [
    [
      'a snapshot',
      'SNAPSHOT_ROLLBACK',
      (sim) => {
        sim.top.timestamp.version += 1;
        sim.top.snapshot.version -= 1;
      },
    ],
    [
      'targets',
      'SNAPSHOT_ROLLBACK',
      (sim) => {
        sim.top.timestamp.version += 1;
        sim.top.snapshot.version += 1;
        sim.role('targets').version -= 1;
      },
    ],
  ];

  test.each(rollbacks)(
    'TUF 5.5.5: %s rolled back under a new timestamp is %s',
    async (_what, code, change) => {
      const sim = next(simulator());
      await stage.publish(REPO, sim.files());
      const machine = stage.machine({ like: pinned });
      await machine.succeed(['pull', '-q', `${stage.name(REPO)}:1.0`]);
      change(sim);
      await stage.publish(REPO, sim.files());
      await refused(machine, pull(), { code });
    },
  );

  test('TUF 5.3.5: a root chain cut off below the pin is refused', async () => {
    const sim = simulator();
    sim.rotate(() => undefined);
    sim.publish();
    const whole = sim.files();
    await stage.publish(REPO, whole);
    const machine = stage.machine({ like: pinned });
    await machine.succeed(['trust', 'pin', 'remove', stage.name(REPO)]);
    const { keyIds, threshold } = sim.pin();
    const version = ['--root-version', '2', '--threshold', `${threshold}`];
    await machine.succeed(['trust', 'pin', 'add', stage.name(REPO), keyIds.join(','), ...version]);
    const old = new Map(whole);
    old.delete('2.root.json');
    await stage.publish(REPO, old);
    await refused(machine, pull(), { code: 'ROOT_BELOW_PIN' });
  });

  test('TUF 5.3.3: a root that is listed without the one before it is ROOT_CHAIN', async () => {
    const sim = simulator();
    for (let n = 0; n < 2; n++) sim.rotate(() => undefined);
    sim.publish();
    const files = new Map(sim.files());
    files.delete('2.root.json');
    await stage.publish(REPO, files);
    await refused(pinned, pull(), { code: 'ROOT_CHAIN' });
    await refused(warm, pull(), { code: 'ROOT_CHAIN' });
  });

  test('a state without any root is ROLE_MISSING for a machine that knows none', async () => {
    const files = new Map(next(simulator()).files());
    files.delete('1.root.json');
    await stage.publish(REPO, files);
    await refused(pinned, pull(), { code: 'ROLE_MISSING' });
  });

  test('a root far above what is known, alone, is ROOT_CHAIN', async () => {
    const sim = next(simulator());
    const files = new Map(sim.files());
    files.set('9000.root.json', sim.rootBytes(1));
    await stage.publish(REPO, files);
    await refused(warm, pull(), { code: 'ROOT_CHAIN' });
  });
});

describe('a clock that is a year off', () => {
  const YEAR_MS = 366 * 86_400_000;

  test('contract (Network): the error about expiry says both clocks and the keys that mend it', async () => {
    const sim = new RepositorySimulator({
      collection: stage.name(REPO),
      nowMs: Date.now() - YEAR_MS,
      threshold: 2,
    });
    sim.putTarget(`${stage.name(REPO)}:1.0`, stage.image(REPO, '1.0')).publish();
    await stage.publish(REPO, sim.files());
    const { now } = stage.registry.switches;
    stage.registry.switches.now = () => Date.now() - YEAR_MS;
    try {
      const run = await refused(pinned, pull(), { code: 'ROLE_EXPIRED' });
      expect(run.stderr).toContain(new Date().toISOString().slice(0, 10));
      expect(run.stderr).toContain(new Date(Date.now() - YEAR_MS).toISOString().slice(0, 10));
      expect(run.stderr).toContain(sim.top.timestamp.keys[0]?.keyid);
      expect(run.stderr).toMatch(/hint: set the clock/);
    } finally {
      if (now !== undefined) stage.registry.switches.now = now;
    }
  });

  test('with clocks that agree the error speaks of one', async () => {
    const sim = simulator();
    sim.corrupt('timestamp', 'expired');
    sim.publish();
    await stage.publish(REPO, sim.files());
    const run = await refused(pinned, pull(), { code: 'ROLE_EXPIRED' });
    expect(run.stderr).not.toContain('clock');
  });
});
