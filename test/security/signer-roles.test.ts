/**
 * By protocol 2.4 a signer signs snapshot and timestamp too, so his own role can hold anything he likes and be served.
 * None of that must keep the owner from publishing, least of all from removing him.
 */
import { describe, expect, test } from 'vitest';
import { NetworkError } from '../../src/lib/errors.ts';
import type { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { labelledSimKey } from '../helpers/sim-keys.ts';
import { rejectsCode } from '../helpers/throws-code.ts';
import { makeWorld, rejectsTrust, V1 } from './world.ts';

const ALL_PATHS = [...'0123456789abcdef'];

/** A released role, and behind it the role of a signer. */
function withSigner(sim: RepositorySimulator, name = 'targets/alice'): void {
  sim.removeTarget(V1);
  sim.delegate({ name: 'targets/releases', path_hash_prefixes: ALL_PATHS, terminating: true });
  sim.putTarget(V1, {}, 'targets/releases');
  sim.delegate({ name, path_hash_prefixes: ALL_PATHS });
}

/** A role is delegated to, and no file of it is in the snapshot. */
function delegateToNothing(sim: RepositorySimulator, name: string, from: string): void {
  sim.delegate({ name, path_hash_prefixes: ALL_PATHS }, from);
  sim.roles.delete(name);
}

describe('protocol 2.2: what is wrong with a role that releases nothing does not stop a publish', () => {
  const cases: readonly (readonly [string, (sim: RepositorySimulator) => void])[] = [
    ['a signer who has not signed anything yet', (sim) => delegateToNothing(sim, 'targets/bob', 'targets')],
    [
      'a signer who delegates to a role that is not there',
      (sim) => delegateToNothing(sim, 'evil', 'targets/alice'),
    ],
    [
      "a signer who delegates to another signer's role, with a key of his own",
      (sim) => {
        sim.delegate({ name: 'targets/bob', path_hash_prefixes: ALL_PATHS });
        const keys = [labelledSimKey('alice again')];
        sim.delegate({ name: 'targets/bob', keys, path_hash_prefixes: ALL_PATHS }, 'targets/alice');
      },
    ],
    [
      "a signer who delegates to 'targets/releases', with a key of his own",
      (sim) => {
        const keys = [labelledSimKey('alice again')];
        sim.delegate({ name: 'targets/releases', keys, path_hash_prefixes: ALL_PATHS }, 'targets/alice');
      },
    ],
    ['a signer whose role is not signed by him', (sim) => void sim.corrupt('targets/alice', 'wrong key')],
  ];

  test.each(cases)('%s', async (_, spoil) => {
    const world = makeWorld({
      prepare: (sim) => {
        withSigner(sim);
        spoil(sim);
      },
    });
    const opened = await world.open();
    const files = await opened.loadAll();
    expect([...files.keys()]).toContain('1.targets%2Freleases.json');
    expect((await opened.resolve(V1)).role).toBe('targets/releases');
  });

  test('but what is wrong with the released role does', async () => {
    const world = makeWorld({ prepare: (sim) => withSigner(sim) });
    world.sim.corrupt('targets/releases', 'wrong key');
    const opened = await world.open();
    await rejectsTrust(opened.loadAll(), 'TARGETS_THRESHOLD');
  });

  test("nor does a publish drop a signer's role because the registry could not be reached for it", async () => {
    const world = makeWorld({ source: { inline: false }, prepare: (sim) => withSigner(sim) });
    const opened = await world.open();
    expect((await opened.resolve(V1)).role).toBe('targets/releases');
    world.source.failure = new NetworkError({ code: 'NETWORK_TIMEOUT', message: 'nobody answers' });
    await rejectsCode(opened.loadAll(), NetworkError, 'NETWORK_TIMEOUT');
  });
});
