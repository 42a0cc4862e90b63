import { describe, expect, test } from 'vitest';
import { NetworkError, RegistryError, TrustError } from '../../src/lib/errors.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import type { OpenOptions } from '../../src/trust/collection.ts';
import { isUnreachable, isWithinGrace, openRemembered } from '../../src/trust/offline.ts';
import { SIM_NOW_MS } from '../helpers/repository-simulator.ts';
import { rejectsCode, throwsCode } from '../helpers/throws-code.ts';
import { APP, makeWorld, memoryIn, V1, type World } from './updater-world.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;

function optionsFor(world: World, more: Partial<OpenOptions> = {}): OpenOptions {
  return {
    repository: parseRepository(APP),
    source: world.source,
    memory: memoryIn(world.directory),
    pins: new Map(),
    startTimeMs: SIM_NOW_MS,
    ...more,
  };
}

describe('protocol 7.3: unreachable', () => {
  test.each(['NETWORK_DNS', 'NETWORK_REFUSED', 'NETWORK_BROKEN', 'NETWORK_TIMEOUT', 'NETWORK_TLS'] as const)(
    '%s is',
    (code) => {
      expect(isUnreachable(new NetworkError({ code, message: '' }))).toBe(true);
    },
  );

  test.each(['REGISTRY_UNAVAILABLE', 'REGISTRY_RATE_LIMIT'] as const)('%s is', (code) => {
    expect(isUnreachable(new RegistryError({ code, message: '' }))).toBe(true);
  });

  test.each([
    'REGISTRY_UNAUTHORIZED',
    'REGISTRY_DENIED',
    'REGISTRY_NOT_FOUND',
    'REGISTRY_RESPONSE',
    'REGISTRY_DIGEST',
    'REGISTRY_REDIRECT',
  ] as const)('%s never is', (code) => {
    expect(isUnreachable(new RegistryError({ code, message: '' }))).toBe(false);
  });

  test('refused data, an endless body and a bug never are', () => {
    expect(isUnreachable(new TrustError({ code: 'SNAPSHOT_HASH', message: '' }))).toBe(false);
    expect(isUnreachable(new NetworkError({ code: 'NETWORK_TOO_LARGE', message: '' }))).toBe(false);
    expect(isUnreachable(new Error('bug'))).toBe(false);
  });
});

describe('protocol 7.3: the grace', () => {
  test.each([
    ['a check just now', 0, true],
    ['a check 24 h ago less a moment', 24 * HOUR - 1, true],
    ['a check 24 h ago', 24 * HOUR, false],
    ['a check in the future', -1, false],
  ] as const)('%s', (_what, ageMs, within) => {
    expect(isWithinGrace(SIM_NOW_MS - ageMs, SIM_NOW_MS, 24 * HOUR)).toBe(within);
  });

  test('no check known, or a grace of 0, is none', () => {
    expect(isWithinGrace(undefined, SIM_NOW_MS, 24 * HOUR)).toBe(false);
    expect(isWithinGrace(SIM_NOW_MS, SIM_NOW_MS, 0)).toBe(false);
  });
});

describe('openRemembered', () => {
  test('gives the remembered state, verified again, and asks nobody', async () => {
    const world = makeWorld();
    await world.open();
    world.source.taken();
    const opened = openRemembered(optionsFor(world, { startTimeMs: SIM_NOW_MS + HOUR }));
    expect(opened?.lastCheckMs).toBe(SIM_NOW_MS);
    expect(await opened?.resolve(V1)).toMatchObject({ path: V1 });
    expect(world.source.taken()).toEqual([]);
  });

  test('the last check is the last one that a source answered', async () => {
    const world = makeWorld();
    await world.open();
    await world.open({ startTimeMs: SIM_NOW_MS + 5 * HOUR });
    expect(openRemembered(optionsFor(world))?.lastCheckMs).toBe(SIM_NOW_MS + 5 * HOUR);
  });

  test('nothing remembered is undefined', () => {
    expect(openRemembered(optionsFor(makeWorld()))).toBeUndefined();
  });

  test('an expired state is ROLE_EXPIRED, a pin above it ROOT_BELOW_PIN', async () => {
    const world = makeWorld();
    await world.open();
    const late = optionsFor(world, { startTimeMs: SIM_NOW_MS + 366 * DAY });
    throwsCode(() => openRemembered(late), TrustError, 'ROLE_EXPIRED');
    const pins = new Map([[APP, { ...world.sim.pin(), timestampVersion: 2 }]]);
    throwsCode(() => openRemembered(optionsFor(world, { pins })), TrustError, 'ROOT_BELOW_PIN');
  });

  test('a role that is not remembered is ROLE_MISSING', async () => {
    const world = makeWorld({
      source: { inline: false },
      prepare: (sim) => {
        sim.removeTarget(V1);
        sim.delegate({ name: 'targets/releases', path_hash_prefixes: [...'0123456789abcdef'] });
        sim.putTarget(V1, {}, 'targets/releases');
      },
    });
    const online = await world.open();
    const offline = openRemembered(optionsFor(world));
    await rejectsCode(offline?.resolve(V1) ?? Promise.resolve(), TrustError, 'ROLE_MISSING');
    await online.resolve(V1);
    expect(await openRemembered(optionsFor(world))?.resolve(V1)).toMatchObject({ path: V1 });
  });
});
