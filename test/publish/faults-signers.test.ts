/** Signers, tags and the beginning, ended at each of their writes (protocol 2.2, 2.6, 4.4, 5.4): see command-faults.ts. */
import { afterAll, beforeAll, describe, vi } from 'vitest';
import { type CommandWorld, entry, openWorld } from './command-world.ts';
import { begunScene, type Prepare, testEveryWrite } from './fault-scenes.ts';

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

const INIT = { DTRUST_INIT: '1' };

const SCENES: readonly (readonly [string, Prepare])[] = [
  [
    'signer add',
    async (repository) => {
      const { begun, scene } = await begunScene(world, repository);
      const bob = await world.keyPair(scene.home, 'bob');
      return {
        ...scene,
        args: () => ['trust', 'signer', 'add', '--key', bob.pub, 'bob', begun.name],
        onceDone: ['KEY_EXISTS'],
      };
    },
  ],
  [
    'signer remove',
    async (repository) => {
      const { begun, scene } = await begunScene(world, repository);
      return {
        ...scene,
        args: () => ['trust', 'signer', 'remove', '--force', 'alice', begun.name],
        onceDone: ['KEY_NOT_LISTED'],
      };
    },
  ],
  [
    'rotate signer',
    async (repository) => {
      const { begun, scene } = await begunScene(world, repository);
      const next = await world.keyPair(world.home(), 'alice-2');
      return {
        ...scene,
        args: () => ['trust', 'rotate', 'signer', '--key', next.pub, 'alice', begun.name],
        onceDone: ['KEY_EXISTS'],
      };
    },
  ],
  [
    'revoke of a tag',
    async (repository) => {
      const { begun, scene } = await begunScene(world, repository);
      return {
        ...scene,
        args: () => ['trust', 'revoke', `${begun.name}:1.0`],
        onceDone: ['TARGET_NOT_SIGNED'],
      };
    },
  ],
  [
    'revoke of all tags',
    async (repository) => {
      const { begun, scene } = await begunScene(world, repository);
      await world.edit(repository, begun, [{ kind: 'putTarget', target: entry(begun.name, '2.0') }]);
      return {
        ...scene,
        args: () => ['trust', 'revoke', '--yes', begun.name],
        onceDone: ['TARGET_NOT_SIGNED'],
      };
    },
  ],
  [
    'init, which makes all keys',
    async (repository) => ({
      home: world.home(),
      repository,
      args: () => ['trust', 'init', world.name(repository)],
      env: INIT,
      onceDone: ['PUBLISH_CONFLICT'],
      keys: { root: 1, targets: 1, snapshot: 1 },
    }),
  ],
  [
    'init, with a root key that is there and a second one',
    async (repository) => {
      const home = world.home();
      await world.keyPair(home, 'root');
      const second = await world.keyPair(world.home(), 'root');
      return {
        home,
        repository,
        args: () => ['trust', 'init', '--second-root-key', second.pub, world.name(repository)],
        env: INIT,
        onceDone: ['PUBLISH_CONFLICT'],
        keys: { root: 1, targets: 1, snapshot: 1 },
      };
    },
  ],
];

describe.each(SCENES)('%s', (name, prepare) => testEveryWrite(() => world, name, prepare));
