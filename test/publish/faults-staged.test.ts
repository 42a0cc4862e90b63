/** Staging and signing what is staged, ended at each write and at each request (protocol 4.6): see command-faults.ts. */
import { afterAll, beforeAll, describe, vi } from 'vitest';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import type { Edit } from '../../src/trust/core/edits.ts';
import { createStagedStore } from '../../src/trust/staged-store.ts';
import type { Scene } from './command-faults.ts';
import { type CommandWorld, openWorld } from './command-world.ts';
import { begunScene, type Prepare, testEveryRequest, testEveryWrite } from './fault-scenes.ts';

// Key files that open quickly: hundreds of them are made here.
vi.mock('../../src/keys/pbes2.ts', async (original) => ({
  ...(await original<object>()),
  KDF_ITERATIONS: 1000,
}));

let world: CommandWorld;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

/** How many have signed what is staged, by role. */
async function signaturesStaged(repository: string): Promise<unknown> {
  const store = createStagedStore({
    client: createRegistryClient(world.registry.http),
    repository: parseRepository(world.name(repository)),
  });
  const record = await store.read();
  if (record?.kind !== 'waiting') return record?.kind ?? 'nothing';
  return [...record.state.roles].map(([role, { bytes }]) => [
    role,
    JSON.parse(Buffer.from(bytes).toString()).signatures.length,
  ]);
}

/** A root of two people, on two machines; the change is a third person's key. */
async function together(repository: string) {
  const { begun, scene } = await begunScene(world, repository);
  const bobs = world.home();
  const bob = await world.keyPair(bobs, 'root');
  const edits: readonly Edit[] = [
    { kind: 'addKey', role: 'root', key: bob.key.publicKey },
    { kind: 'setThreshold', role: 'root', threshold: 2 },
  ];
  await world.edit(repository, begun, edits, [bob.key]);
  for (const each of [bobs, scene.home, scene.reader]) await world.open(begun, each);
  const carol = await world.keyPair(world.home(), 'carol');
  const also = () => signaturesStaged(repository);
  const stage = ['trust', 'stage', 'signer', 'add', '--key', carol.pub, 'carol', begun.name];
  return { begun, bobs, stage, scene: { ...scene, also } };
}

/** Staged by the owner, who has signed it. */
async function staged(repository: string) {
  const { stage, ...world_ } = await together(repository);
  const { out } = await world.succeed(world_.scene.home, stage);
  const id = /sha256:[0-9a-f]{64}/.exec(out)?.[0] ?? '';
  return { ...world_, cosign: () => ['trust', 'cosign', '--digest', id, world_.begun.name] };
}

const PUTS_BACK = 'cosign, that puts it back with one signature more';

const SCENES: readonly (readonly [string, Prepare])[] = [
  [
    'stage',
    async (repository): Promise<Scene> => {
      const { scene, stage } = await together(repository);
      // Another date makes another state: the first one is to be looked at, signed, or taken back.
      return { ...scene, args: () => stage, onceDone: ['STAGED_PENDING'] };
    },
  ],
  [
    PUTS_BACK,
    async (repository) => {
      const { scene, bobs, cosign } = await staged(repository);
      return { ...scene, home: bobs, args: cosign };
    },
  ],
  [
    'cosign, that publishes',
    async (repository) => {
      const { scene, bobs, cosign } = await staged(repository);
      await world.succeed(bobs, cosign());
      return { ...scene, args: cosign, onceDone: ['STAGED_ABSENT'] };
    },
  ],
];

describe.each(SCENES)('%s', (name, prepare) => {
  // What puts a signature back in the registry writes nothing on this machine.
  if (name !== PUTS_BACK) testEveryWrite(() => world, name, prepare);
  testEveryRequest(() => world, name, prepare);
});
