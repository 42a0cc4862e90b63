/**
 * A pin that names version N of the root says that what led up to N is over: keys that N no longer lists were taken
 * away, perhaps because they were stolen. The attacker holds such a key and the registry.
 */
import { describe, expect, test } from 'vitest';
import type { Pin } from '../../src/trust/core/pin.ts';
import type { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { labelledSimKey, type SimKey } from '../helpers/sim-keys.ts';
import { APP, makeWorld, refusedWithoutTrace, V1, type World } from '../trust/updater-world.ts';

const stolen = labelledSimKey('stolen root key');
const evil = labelledSimKey('evil');

/** Root 1 lists the owner's key and one that is stolen later; root 2 is the owner's alone. */
function makeRotated(options: { readonly pinned?: boolean } = {}): World & { readonly owner: SimKey } {
  const world = makeWorld({
    ...options,
    prepare: (sim) => {
      sim.top.root.keys = [...sim.top.root.keys, stolen];
      sim.publishRoot();
    },
  });
  const [owner] = world.sim.top.root.keys;
  if (owner === undefined) throw new Error('the simulator has a root key');
  return { ...world, owner };
}

/** Root 1 as it was, and a root 2 by the stolen key that hands everything to the attacker. */
function takeOver(sim: RepositorySimulator): void {
  sim.top.root.version = 2;
  sim.top.root.keys = [evil];
  sim.top.timestamp.keys = [evil];
  sim.top.snapshot.keys = [evil];
  sim.top.targets.keys = [evil];
  sim.publishRoot([stolen, evil]);
  sim.putTarget(V1, { bytes: Buffer.from('the manifest of the attacker') });
  sim.publish('targets');
}

const pinOn = (keys: readonly SimKey[], rootVersion: number): Pin => ({
  keyIds: keys.map(({ keyid }) => keyid),
  threshold: 1,
  rootVersion,
  timestampVersion: 1,
  dialect: 'tuf-1.0',
});

describe('protocol 6.1: a root key that was taken away before the pinned version', () => {
  test('cannot continue from a root older than the pin, on a machine without memory', async () => {
    const { owner, ...world } = makeRotated();
    takeOver(world.sim);
    const pins = new Map([[APP, pinOn([owner], 2)]]);
    await refusedWithoutTrace(world, 'ROOT_PIN', { pins });
  });

  test('cannot continue from a root older than the pin, however many roots it adds', async () => {
    const { owner, ...world } = makeRotated();
    takeOver(world.sim);
    for (let more = 0; more < 3; more++) world.sim.rotate(() => undefined);
    const pins = new Map([[APP, pinOn([owner], 2)]]);
    await refusedWithoutTrace(world, 'ROOT_PIN', { pins });
  });

  test('cannot continue from a remembered root older than a pin that was added since', async () => {
    const { owner, ...world } = makeRotated();
    const pins = new Map([[APP, pinOn([owner], 1)]]);
    await world.open({ pins });
    takeOver(world.sim);
    await refusedWithoutTrace(world, 'ROOT_PIN', { pins: new Map([[APP, pinOn([owner], 2)]]) });
  });

  test('is found out by a pin that is added after it has been followed', async () => {
    const { owner, ...world } = makeRotated();
    const pins = new Map([[APP, pinOn([owner], 1)]]);
    await world.open({ pins });
    takeOver(world.sim);
    await world.open({ pins });
    await refusedWithoutTrace(world, 'ROOT_PIN', { pins: new Map([[APP, pinOn([owner], 2)]]) });
  });
});

describe('protocol 6.1: what a pin on a later root must still allow', () => {
  test('its owner: the true root 2, cold, and warm from root 1', async () => {
    for (const warm of [false, true]) {
      const { owner, ...world } = makeRotated();
      if (warm) await world.open({ pins: new Map([[APP, pinOn([owner], 1)]]) });
      world.sim.rotate((sim) => {
        sim.top.root.keys = [owner];
      });
      world.sim.publish();
      const opened = await world.open({ pins: new Map([[APP, pinOn([owner], 2)]]) });
      expect(opened.trusted.root.signed.version).toBe(2);
    }
  });

  test('a machine that remembers only root 1 of another key is led to the pinned root, not locked out', async () => {
    const { owner, ...world } = makeRotated();
    await world.open({ pins: new Map([[APP, pinOn([owner], 1)]]) });
    const next = labelledSimKey('root of 2027');
    world.sim.rotate((sim) => {
      sim.top.root.keys = [next];
    });
    world.sim.publish();
    const opened = await world.open({ pins: new Map([[APP, world.sim.pin()]]) });
    expect(opened.trusted.root.signed.version).toBe(2);
    const again = await world.open({ pins: new Map([[APP, world.sim.pin()]]) });
    expect(again.unchanged).toBe(true);
  });

  test("an old state is called too old, and not somebody else's", async () => {
    const { owner, ...world } = makeRotated();
    await refusedWithoutTrace(world, 'ROOT_BELOW_PIN', { pins: new Map([[APP, pinOn([owner], 2)]]) });
  });
});
