/** A key file that somebody else has sent, loaded on a machine that has keys of its own. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRootKey } from '../../src/keys/create.ts';
import type { PrivateKey } from '../../src/keys/private-key.ts';
import { tufKeyId } from '../../src/trust/core/keys.ts';
import { type CommandWorld, openWorld } from './command-world.ts';

let world: CommandWorld;

beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

/** Whoever makes the key chooses how its file is named, and so where it stands among others. */
async function rootKeyBefore({ notaryKeyId }: PrivateKey): Promise<PrivateKey> {
  for (;;) {
    const key = await createRootKey();
    if (key.notaryKeyId < notaryKeyId) return key;
  }
}

describe('protocol 4.5: a file that says of itself that it is a root key', () => {
  test('takes the place of no root key that is here, and is said to be one', async () => {
    const [home, sender] = [world.home(), world.home()];
    const own = (await world.keyPair(home, 'root')).key;
    const sent = await rootKeyBefore(own);
    await world.save(sender, sent, 'root');
    const [file = ''] = world.keyFiles(sender, 'root');
    const loaded = await world.succeed(home, ['trust', 'key', 'load', file]);
    expect(loaded.err).toContain(
      'dtrust: warning: the file says that this is a root key, and it counts as one of yours from now on: ' +
        'whoever sent it to you has it as well. Under a name of a signer it does not: --name NAME\n',
    );
    const begun = await world.succeed(home, ['trust', 'init', world.name('acme/new')], { DTRUST_INIT: '1' });
    expect(begun.err).toContain(`Root key ${tufKeyId(own.publicKey)} now vouches for`);
    expect(begun.err).not.toContain(tufKeyId(sent.publicKey));
  });

  test('is a signer’s where its owner says so', async () => {
    const [home, sender] = [world.home(), world.home()];
    await world.keyPair(sender, 'root');
    const [file = ''] = world.keyFiles(sender, 'root');
    const loaded = await world.succeed(home, ['trust', 'key', 'load', '--name', 'bob', file]);
    expect(loaded.err).not.toContain('root key');
    expect(world.keyFiles(home, 'root')).toEqual([]);
    expect(world.keyFiles(home, 'bob')).toHaveLength(1);
  });
});
