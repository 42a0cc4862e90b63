/**
 * The moment in which a repository is begun. The registry has said that there is nothing (404), keys are made and their
 * public halves uploaded; and then the registry shows a collection of its own after all. Whoever takes a first key on its
 * word (DTRUST_FIRST_USE=accept, or a person who says yes to anything) must not sign on top of it, nor hand its key on as
 * the owner's.
 */
import { describe, expect, test } from 'vitest';
import { createPublishTools } from '../../src/commands/publish-tools.ts';
import type { Services } from '../../src/commands/services.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import type { RegistryClient } from '../../src/registry/client.ts';
import { openForPublishing } from '../../src/trust/publisher.ts';
import { SIM_NOW_MS } from '../helpers/repository-simulator.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { memoryIn } from '../trust/updater-world.ts';
import { APP, makeWorld, rejectsTrust } from './world.ts';

const repository = parseRepository(APP);

describe('protocol 4.4 and 6.4: a collection that appears while a repository is begun', () => {
  test('is nothing to build upon: nobody is asked whether its key is the right one', async () => {
    const world = makeWorld({ pinned: false });
    let asked = 0;
    const reading = openForPublishing({
      repository,
      source: world.source,
      memory: memoryIn(world.directory),
      pins: new Map(),
      startTimeMs: SIM_NOW_MS,
      expiry: 'unsafe-ignored',
      ownRootKeys: () => [],
      firstUse: async () => {
        asked += 1;
        return true;
      },
    })();
    await rejectsTrust(reading, 'FIRST_USE_REFUSED');
    expect(asked).toBe(0);
  });

  test('is nothing to be taken for what was published, and its key is not printed as a pin', async () => {
    const directory = temporaryFolder();
    const services = {
      context: { startTimeMs: 0, signal: new AbortController().signal, env: { firstUse: 'accept' } },
      memory: memoryIn(directory),
      trustDirectory: directory,
      pins: new Map(),
      registry: async () => ({}) as RegistryClient,
      keys: async () => ({}),
      signingKeys: async () => ({}),
      passphrases: async () => ({}),
      terminal: async () => ({ canPrompt: () => true }),
    } as unknown as Services;
    const { clientOptions } = await createPublishTools(services, repository);
    expect(clientOptions.firstUse).toBeUndefined();
  });
});
