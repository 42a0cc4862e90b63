/** Whom a collection is trusted by: pins, own root keys, first use, and whose collection it is. */
import { describe, expect, test } from 'vitest';
import { TrustError } from '../../src/lib/errors.ts';
import type { pinOfOffer } from '../../src/trust/first-use.ts';
import { exportPin } from '../../src/trust/updater.ts';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { labelledSimKey } from '../helpers/sim-keys.ts';
import { rejectsCode } from '../helpers/throws-code.ts';
import { APP, makeWorld, memoryIn, refusedWithoutTrace, V1 } from './updater-world.ts';

describe('protocol 6.4: first use', () => {
  const unpinned = { pinned: false } as const;

  test('without anybody to ask it is refused, and the key received is nowhere in the error', async () => {
    const world = makeWorld(unpinned);
    const error = await refusedWithoutTrace(world, 'FIRST_USE_REFUSED');
    const text = JSON.stringify([error.message, error.hints, error]);
    expect(text).not.toContain(world.sim.top.root.keys[0]?.keyid);
    expect(error.hints).toContain(`dtrust trust pin add ${APP} <KEYID>`);
    expect(error.hints.join()).toContain(`dtrust trust pin export ${APP}`);
  });

  test('the whole state is verified before anybody is asked', async () => {
    const world = makeWorld(unpinned);
    world.sim.corrupt('targets', 'one byte changed');
    const asked: unknown[] = [];
    await refusedWithoutTrace(world, 'TARGETS_HASH', {
      firstUse: async (offer) => asked.push(offer) > 0,
    });
    expect(asked).toEqual([]);
  });

  test('a no leaves nothing behind', async () => {
    const world = makeWorld(unpinned);
    await refusedWithoutTrace(world, 'FIRST_USE_DECLINED', { firstUse: async () => false });
  });

  test('a yes is remembered, asked once, and holds from then on', async () => {
    const world = makeWorld(unpinned);
    const keyid = world.sim.top.root.keys[0]?.keyid;
    let asked = 0;
    const firstUse = async (offer: Parameters<typeof pinOfOffer>[0]) => {
      asked += 1;
      expect(offer).toMatchObject({ repository: APP, keyIds: [keyid], threshold: 1, rootVersion: 1 });
      return true;
    };
    expect(await world.open({ firstUse })).toMatchObject({ anchor: 'first-use', firstUse: true });
    expect(await world.open({ firstUse })).toMatchObject({ anchor: 'first-use', firstUse: false });
    expect(asked).toBe(1);
    const evil = new RepositorySimulator({ keyFor: (label) => labelledSimKey(`evil ${label}`) });
    evil.putTarget(V1).publish();
    evil.publish();
    world.source.files = () => evil.files();
    await refusedWithoutTrace(world, 'TIMESTAMP_THRESHOLD', { firstUse });
    expect(asked).toBe(1);
  });

  test('where it cannot be stored it is MEMORY_UNWRITABLE, and the offer says so before asking', async () => {
    const world = makeWorld(unpinned);
    const memory = memoryIn(undefined);
    await refusedWithoutTrace(world, 'MEMORY_UNWRITABLE', { memory, firstUse: async () => true });
    await refusedWithoutTrace(world, 'MEMORY_UNWRITABLE', {
      memory,
      firstUse: async (offer) => {
        offer.assertStorable();
        return true;
      },
    });
  });
});

describe('protocol 4.5: an own root key counts as the pin', () => {
  test('for the collection of this repository', async () => {
    const world = makeWorld({ pinned: false });
    const opened = await world.open({ ownRootKeys: (keys) => keys });
    expect(opened.anchor).toBe('own-key');
  });

  test('when it has signed the root, not when it is only listed', async () => {
    const mine = labelledSimKey('mine');
    const world = makeWorld({ pinned: false });
    world.sim.top.root.keys = [mine, labelledSimKey('evil')];
    world.sim.publishRoot([labelledSimKey('evil')]);
    await refusedWithoutTrace(world, 'FIRST_USE_REFUSED', {
      ownRootKeys: (keys) => keys.filter((key) => key.keyid === mine.keyid),
    });
  });

  test('not for another collection that a rule names', async () => {
    const world = makeWorld({
      pinned: false,
      simulator: { collection: 'docker.io/vendor/all', names: [APP] },
    });
    await refusedWithoutTrace(world, 'FIRST_USE_REFUSED', {
      collection: 'docker.io/vendor/all',
      ownRootKeys: (keys) => keys,
    });
  });
});

describe('protocol 6.1: pins', () => {
  test('a root that lists the pinned key and is signed by another is ROOT_PIN', async () => {
    const world = makeWorld();
    const pinned = world.sim.top.root.keys;
    world.sim.top.root.keys = [...pinned, labelledSimKey('evil')];
    world.sim.publishRoot([labelledSimKey('evil')]);
    await refusedWithoutTrace(world, 'ROOT_PIN');
  });

  test('the first root need not be version 1: a pin on the rotated key starts there', async () => {
    const world = makeWorld();
    world.sim.rotate((sim) => {
      sim.top.root.keys = [labelledSimKey('root of 2027')];
    });
    world.sim.publish();
    const opened = await world.open({ pins: new Map([[APP, world.sim.pin()]]) });
    expect(opened.trusted.roots).toHaveLength(1);
    expect(opened.trusted.root.signed.version).toBe(2);
  });

  test('a pin on the old key follows the chain', async () => {
    const world = makeWorld();
    world.sim.rotate((sim) => {
      sim.top.root.keys = [labelledSimKey('root of 2027')];
    });
    const opened = await world.open();
    expect(opened.trusted.root.signed.version).toBe(2);
  });

  test('a root or a timestamp older than the pin is ROOT_BELOW_PIN, cold and warm', async () => {
    const world = makeWorld();
    const pin = world.sim.pin();
    for (const higher of [
      { ...pin, rootVersion: 2 },
      { ...pin, timestampVersion: 2 },
    ]) {
      await refusedWithoutTrace(world, 'ROOT_BELOW_PIN', { pins: new Map([[APP, higher]]) });
    }
    await world.open();
    for (const higher of [
      { ...pin, rootVersion: 2 },
      { ...pin, timestampVersion: 2 },
    ]) {
      await refusedWithoutTrace(world, 'ROOT_BELOW_PIN', { pins: new Map([[APP, higher]]) });
    }
    world.sim.publish();
    expect(await world.open({ pins: new Map([[APP, { ...pin, timestampVersion: 2 }]]) })).toMatchObject({
      unchanged: false,
    });
  });

  test('a pin added later has to be met by a root of the remembered chain', async () => {
    const world = makeWorld();
    const first = world.sim.pin();
    await world.open();
    world.sim.rotate((sim) => {
      sim.top.root.keys = [labelledSimKey('root of 2027')];
    });
    world.sim.publish();
    await world.open();
    expect(await world.open({ pins: new Map([[APP, first]]) })).toMatchObject({ unchanged: true });
    expect(await world.open({ pins: new Map([[APP, world.sim.pin()]]) })).toMatchObject({ unchanged: true });
    const other = { ...first, keyIds: [labelledSimKey('other').keyid] };
    await refusedWithoutTrace(world, 'ROOT_PIN', { pins: new Map([[APP, other]]) });
  });

  test('what is exported holds another machine to what is known here', async () => {
    const world = makeWorld({ prepare: (sim) => void sim.publish() });
    const pin = exportPin(await world.open());
    expect(pin).toEqual({ ...world.sim.pin() });
    const other = makeWorld({ pinned: false });
    await refusedWithoutTrace(other, 'ROOT_BELOW_PIN', { pins: new Map([[APP, pin]]) });
  });
});

describe('protocol 1.2 and 6.2: whose collection it is', () => {
  test('a collection copied from another repository is COLLECTION_MISMATCH', async () => {
    const world = makeWorld({ simulator: { collection: 'docker.io/acme/other', names: [APP] } });
    await refusedWithoutTrace(world, 'COLLECTION_MISMATCH');
  });

  test("another collection's root chain under the same root key, grafted on, is COLLECTION_MISMATCH", async () => {
    const world = makeWorld();
    await world.open();
    const other = new RepositorySimulator({ collection: 'docker.io/acme/other', names: [APP] });
    other.putTarget(V1).publish();
    other.rotate(() => undefined);
    other.publish();
    const grafted = new Map([...other.files(), ['1.root.json', world.sim.rootBytes(1)]]);
    world.source.files = () => grafted;
    await refusedWithoutTrace(world, 'COLLECTION_MISMATCH');
  });

  test('a target outside the names does not exist', async () => {
    const world = makeWorld();
    world.sim.putTarget('docker.io/acme/else:1.0').publish('targets');
    const opened = await world.open();
    await rejectsCode(opened.resolve('docker.io/acme/else:1.0'), TrustError, 'TARGET_NOT_SIGNED');
  });

  test('only a rule that names source and pins moves a repository, which is said once', async () => {
    const world = makeWorld();
    await world.open();
    const vendor = new RepositorySimulator({ collection: 'docker.io/vendor/all', names: [APP] });
    vendor.putTarget(V1).publish();
    world.source.files = () => vendor.files();
    const rule = { collection: 'docker.io/vendor/all', pins: new Map([[APP, vendor.pin()]]) };
    await refusedWithoutTrace(world, 'COLLECTION_MISMATCH', rule);
    const moved = await world.open({ ...rule, mayMove: true });
    expect(moved.warnings.join()).toContain('docker.io/vendor/all');
    const again = await world.open({ ...rule, mayMove: true });
    expect(again.warnings).toEqual([]);
    // Without the rule it stays where it is, and a rule that does not may not take it back.
    expect((await world.open({ pins: rule.pins })).collection).toBe('docker.io/vendor/all');
    await refusedWithoutTrace(world, 'COLLECTION_MISMATCH', { collection: APP });
  });
});
