/** Rotations and thresholds that take keys of two machines (protocol 2.8 and 4.6): staged on one, signed on the other. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tufKeyId } from '../../src/trust/core/keys.ts';
import { type Begun, type CommandWorld, openWorld } from './command-world.ts';

const INIT = { DTRUST_INIT: '1' };

let world: CommandWorld;
let owner: string;
let bob: string;
let begun: Begun;
let bobs: Awaited<ReturnType<CommandWorld['keyPair']>>;

beforeAll(async () => {
  world = await openWorld();
  [owner, bob] = [world.home(), world.home()];
  begun = await world.begin(owner, 'acme/app');
  bobs = await world.keyPair(bob, 'bob');
  for (const home of [owner, bob]) await world.open(begun, home);
});
afterAll(() => world.close());

const idIn = (out: string): string => /sha256:[0-9a-f]{64}/.exec(out)?.[0] ?? expect.unreachable(out);
const root = async () => (await world.open(begun)).trusted.root.signed;

/** The owner stages, bob signs, the owner publishes. */
async function together(...args: string[]): Promise<void> {
  const staged = await world.run(owner, ['trust', 'stage', ...args, begun.name], { env: INIT });
  expect(staged.error, staged.err).toBeUndefined();
  const before = (await root()).version;
  const id = idIn(staged.out);
  await world.succeed(bob, ['trust', 'cosign', '--digest', id, begun.name]);
  expect((await root()).version).toBe(before);
  const published = await world.succeed(owner, ['trust', 'cosign', '--digest', id, begun.name]);
  expect(published.out).toContain('Signed and published');
}

describe('protocol 2.8, 4.6: a root of two people', () => {
  test('takes two, is rotated by both, gets a new online key, and takes one again', async () => {
    await together('threshold', '--add-key', bobs.pub, 'root', '2');
    expect((await root()).roles.root).toEqual({
      keyids: [tufKeyId(begun.root.publicKey), tufKeyId(bobs.key.publicKey)],
      threshold: 2,
    });

    const alone = await world.run(owner, ['trust', 'rotate', 'root', begun.name], { env: INIT });
    expect(alone.error).toMatchObject({ code: 'KEY_ROOT_MISSING' });
    expect((alone.error as { hints: string[] }).hints.join('\n')).toContain(
      `dtrust trust stage rotate root ${begun.name}`,
    );
    expect(world.keyFiles(owner, 'root')).toHaveLength(1);

    await together('rotate', 'root');
    const { keyids, threshold } = (await root()).roles.root;
    expect(threshold).toBe(2);
    expect(keyids).toHaveLength(2);
    expect(keyids).not.toContain(tufKeyId(begun.root.publicKey));
    expect(keyids).toContain(tufKeyId(bobs.key.publicKey));
    const again = await world.succeed(owner, ['trust', 'rotate', 'root', begun.name], INIT);
    expect(again.out).toContain(`The root key of ${begun.name} is `);
    expect(world.keyFiles(owner, 'root')).toHaveLength(2);

    await together('rotate', 'online');
    expect((await root()).roles.timestamp.keyids).toHaveLength(1);
    expect((await root()).roles.timestamp.keyids).not.toContain(tufKeyId(begun.online.publicKey));

    await together('threshold', '--remove-key', tufKeyId(bobs.key.publicKey), 'root', '1');
    expect((await root()).roles.root.threshold).toBe(1);
    await world.succeed(owner, ['trust', 'rotate', 'targets', begun.name]);
  });
});
