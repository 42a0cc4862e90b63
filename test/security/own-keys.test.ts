/**
 * Protocol 4.5 lets an own *root* key stand for a pin. Machines that push hold other keys as well: a repository key that
 * a team shares, the online key of a CI job, a signer's key. Whoever else has one of those must not become somebody's
 * root with it.
 */
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openOptionsFor } from '../../src/commands/open-collection.ts';
import type { Services } from '../../src/commands/services.ts';
import { createEd25519Key } from '../../src/keys/create.ts';
import { KeyStore } from '../../src/keys/key-store.ts';
import { Secret } from '../../src/keys/secret.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import type { RegistrySource } from '../../src/trust/registry-source.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { APP, memoryIn } from '../trust/updater-world.ts';

async function countedAsOwnRoot(role: string, repository?: string): Promise<boolean> {
  const dockerConfig = temporaryFolder();
  const keys = new KeyStore({ fs, dockerConfig, platform: process.platform, unsafeIterations: 1 });
  const key = await createEd25519Key();
  const labels = { role, ...(repository === undefined ? {} : { repository }) };
  await keys.save(key, labels, Secret.fromText('a passphrase of a test'));
  const services = {
    context: { startTimeMs: 0, signal: new AbortController().signal, env: {} },
    memory: memoryIn(dockerConfig),
    pins: new Map(),
    keys: async () => keys,
  } as unknown as Services;
  const source = {} as RegistrySource;
  const { ownRootKeys } = await openOptionsFor(services, parseRepository(APP), source, { purpose: 'own' });
  return (ownRootKeys?.([key.publicKey]) ?? []).length === 1;
}

describe('protocol 4.5: which of the keys here count as a pin', () => {
  test('a root key does', async () => {
    expect(await countedAsOwnRoot('root')).toBe(true);
  });

  test.each([
    ['a repository key that a team shares', 'targets', APP],
    ['the online key of a CI job', 'snapshot', APP],
    ['the repository key of another repository', 'targets', 'docker.io/acme/else'],
    ["a signer's key", 'alice', undefined],
  ])('%s does not make a root of whoever holds it too', async (_, role, repository) => {
    expect(await countedAsOwnRoot(role, repository)).toBe(false);
  });
});
