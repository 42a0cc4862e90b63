/**
 * `trust restore` writes over what stands in the registry, because it is refused. Some refusals are about this machine
 * and not about what is served: then somebody else's valid publishes would be lost under it.
 */
import { describe, test } from 'vitest';
import type { PublishTools } from '../../src/publish/prepare.ts';
import { findRestorable } from '../../src/publish/restore.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { SIM_NOW_MS } from '../helpers/repository-simulator.ts';
import { memoryIn } from '../trust/updater-world.ts';
import { APP, makeWorld, rejectsTrust } from './world.ts';

describe('protocol 4.4: trust restore', () => {
  test('does not write over a valid state that is far ahead of what is known here', async () => {
    const world = makeWorld();
    await world.open();
    world.sim.top.timestamp.version += 2000;
    world.sim.publish();
    const repository = parseRepository(APP);
    const editOptions = {
      repository,
      source: world.source,
      memory: memoryIn(world.directory),
      pins: new Map(),
      startTimeMs: SIM_NOW_MS,
      expiry: 'unsafe-ignored' as const,
    };
    await rejectsTrust(
      findRestorable({ editOptions, repository } as unknown as PublishTools),
      'VERSION_JUMP',
    );
  });
});
