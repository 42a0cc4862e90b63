/** Rotations, thresholds and restoring, ended at each of their writes (protocol 2.5, 2.8, 4.4): see command-faults.ts. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, vi } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { CurrentKeys, type OwnKey } from '../../src/trust/current-keys.ts';
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

/** Whether a rotation of this key is done, and this machine knows. */
const isOver = (own: OwnKey) => (home: string) => {
  const directory = path.join(home, 'trust', 'dtrust');
  return new CurrentKeys({ fs, directory, clock: systemClock }).next(own) === undefined;
};

const SCENES: readonly (readonly [string, Prepare])[] = [
  ...(['root', 'targets', 'online'] as const).map(
    (verb) =>
      [
        `rotate ${verb}`,
        async (repository: string) => {
          const { begun, scene } = await begunScene(world, repository);
          const role = verb === 'online' ? 'snapshot' : verb;
          const own: OwnKey = role === 'root' ? { role } : { role, repository: begun.name };
          return {
            ...scene,
            args: () => ['trust', 'rotate', verb, begun.name],
            env: INIT,
            isOver: isOver(own),
            keys: { root: 1, targets: 1, snapshot: 1, [role]: 2 },
          };
        },
      ] as const,
  ),
  [
    'rotate --recover',
    async (repository) => {
      const { begun, scene } = await begunScene(world, repository);
      const next = await world.keyPair(scene.home, 'alice-2');
      return {
        ...scene,
        args: () => ['trust', 'rotate', '--recover', '--signer', `alice=${next.pub}`, begun.name],
        isOver: isOver({ role: 'snapshot', repository: begun.name }),
        onceDone: ['KEY_EXISTS'],
        keys: { snapshot: 2 },
      };
    },
  ],
  [
    'threshold',
    async (repository) => {
      const { begun, scene } = await begunScene(world, repository);
      const second = await world.keyPair(scene.home, 'second');
      return {
        ...scene,
        args: () => ['trust', 'threshold', '--add-key', second.pub, 'root', '2', begun.name],
        onceDone: ['KEY_EXISTS'],
      };
    },
  ],
  [
    'restore, of trust data that is gone',
    async (repository) => {
      const { begun, scene } = await begunScene(world, repository);
      world.registry.deleteTag(repository, '_trust');
      return {
        ...scene,
        args: () => ['trust', 'restore', '--yes', begun.name],
        onceDone: ['PUBLISH_CONFLICT'],
      };
    },
  ],
  [
    'restore, of trust data that is older than what is known here',
    async (repository) => {
      const { begun, scene } = await begunScene(world, repository);
      const old = world.tag(repository);
      await world.edit(repository, begun, [{ kind: 'putTarget', target: entry(begun.name, '2.0') }]);
      await world.open(begun, scene.home);
      world.setTag(repository, old);
      return {
        ...scene,
        args: () => ['trust', 'restore', '--yes', begun.name],
        onceDone: ['PUBLISH_CONFLICT'],
      };
    },
  ],
];

describe('protocol 2.8: a rotation that is interrupted', () => {
  describe.each(SCENES)('%s', (name, prepare) => testEveryWrite(() => world, name, prepare));
});
