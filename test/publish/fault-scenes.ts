/** What the tests of commands that end in the middle share: a repository to run them on, and the two ways to end. */
import { expect, test } from 'vitest';
import { FaultRun, type Scene } from './command-faults.ts';
import type { Begun, CommandWorld } from './command-world.ts';

export type Prepare = (repository: string) => Promise<Scene>;

/** A repository of an owner and alice, which the owner's machine and somebody outside remember. */
export async function begunScene(world: CommandWorld, repository: string) {
  const [home, reader, alices] = [world.home(), world.home(), world.home()];
  const alice = await world.keyPair(alices, 'alice');
  const begun: Begun = await world.begin(home, repository, [
    { kind: 'addSigner', name: 'alice', keys: [alice.key.publicKey] },
  ]);
  for (const each of [home, reader]) await world.open(begun, each);
  return { begun, scene: { home, reader, repository, pin: begun.pin } };
}

/** The tests of one command: at each call that writes. */
export function testEveryWrite(world: () => CommandWorld, name: string, prepare: Prepare): void {
  const path = name.replaceAll(/\W+/g, '-');

  test('protocol 4.2: killed at each write leaves the old state or the new one, and goes on', async () => {
    const run = new FaultRun(world(), await prepare(`killed/${path}`));
    const { writes } = await run.whole();
    expect(writes).toBeGreaterThan(2);
    expect(await run.killedEverywhere()).toBeGreaterThan(0);
  }, 240_000);

  test('contract (Disk): with a disk that is full from any write on says so, and works once there is room', async () => {
    const run = new FaultRun(world(), await prepare(`full/${path}`));
    await run.whole();
    expect(await run.fullFromEverywhere()).toEqual(['DISK_FULL']);
  }, 240_000);
}

/** At each request: before it is done, and before its answer is heard. */
export function testEveryRequest(world: () => CommandWorld, name: string, prepare: Prepare): void {
  test('protocol 4.6: gone at each request, before it is done and before its answer is heard, goes on', async () => {
    const run = new FaultRun(world(), await prepare(`gone/${name.replaceAll(/\W+/g, '-')}`));
    const { requests } = await run.whole();
    expect(requests).toBeGreaterThan(5);
    await run.goneAtEach(requests);
  }, 240_000);
}
