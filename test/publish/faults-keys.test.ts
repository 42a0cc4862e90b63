/** Key commands and a list of signers, ended at each of their writes (contract, Keys and Disk): see command-faults.ts. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, vi } from 'vitest';
import { scriptedTerminal } from '../keys/helpers.ts';
import { PASSPHRASE } from './command-run.ts';
import { type CommandWorld, openWorld } from './command-world.ts';
import { begunScene, type Prepare, testEveryWrite } from './fault-scenes.ts';

const NEW_PASSPHRASE = 'another passphrase of a test';

// Key files that open quickly: hundreds of them are made here.
vi.mock('../../src/keys/pbes2.ts', async (original) => ({
  ...(await original<object>()),
  KDF_ITERATIONS: 1000,
}));
// A person who always types the new passphrase; nothing else is asked here.
vi.mock('../../src/keys/tty-terminal.ts', () => ({
  createTerminal: () => ({
    ...scriptedTerminal([]),
    askNewSecret: () => scriptedTerminal([NEW_PASSPHRASE]).askNewSecret({ first: '', repeat: '' }),
  }),
}));

let world: CommandWorld;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const keyRoles = (home: string) => world.roles(home);

const SCENES: readonly (readonly [string, Prepare])[] = [
  [
    'key generate',
    async () => ({
      home: world.home(),
      args: (home) => ['trust', 'key', 'generate', '--dir', home, 'alice'],
      // One that was made and not handed on stays: it opens, and stands in nobody's way.
      also: (home) => ({ isMade: keyRoles(home).length > 0 && fs.existsSync(path.join(home, 'alice.pub')) }),
      onceDone: ['KEY_EXISTS'],
    }),
  ],
  [
    'key generate root',
    async () => ({
      home: world.home(),
      args: (home) => ['trust', 'key', 'generate', '--dir', home, 'root'],
      also: keyRoles,
      onceDone: ['KEY_EXISTS'],
      keys: { root: 1 },
    }),
  ],
  [
    'key load',
    async () => {
      const from = world.home();
      await world.keyPair(from, 'alice');
      const [file = ''] = world.keyFiles(from, 'alice');
      return {
        home: world.home(),
        args: () => ['trust', 'key', 'load', file],
        also: keyRoles,
        onceDone: ['KEY_EXISTS'],
        keys: { alice: 1 },
      };
    },
  ],
  [
    'key passwd',
    async () => {
      const home = world.home();
      await world.keyPair(home, 'alice');
      return {
        home,
        args: () => ['trust', 'key', 'passwd', 'alice'],
        env: {},
        also: async (each) => ({ hasOld: (await world.lockedKeys(each, [NEW_PASSPHRASE])).length > 0 }),
        passphrases: [PASSPHRASE, NEW_PASSPHRASE],
        onceDone: ['KEY_PASSPHRASE'],
        keys: { alice: 1 },
      };
    },
  ],
  [
    'signer list',
    async (repository) => {
      const { begun, scene } = await begunScene(world, repository);
      await world.edit(repository, begun, [{ kind: 'removeSigner', name: 'alice' }]);
      return { ...scene, args: () => ['trust', 'signer', 'list', begun.name] };
    },
  ],
];

describe.each(SCENES)('%s', (name, prepare) => testEveryWrite(() => world, name, prepare));
