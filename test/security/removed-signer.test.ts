/**
 * A signer who expects to be removed. While his key still counts for `targets/releases`, he writes a delegation into it,
 * to a role with a key that nobody has heard of. TUF searches there too, and the owner signs `targets/releases` anew.
 */
import { describe, expect, test } from 'vitest';
import { editCollection } from '../../src/trust/core/editor.ts';
import type { RoleName } from '../../src/trust/core/metadata.ts';
import { runSearch, searchTarget } from '../../src/trust/core/search.ts';
import { RepositorySimulator, SIM_NOW_MS } from '../helpers/repository-simulator.ts';
import { labelledSimKey, simSigner } from '../helpers/sim-keys.ts';
import { APP, rejectsTrust, V1 } from './world.ts';

const ALL_PATHS = [...'0123456789abcdef'];
const HIDDEN = `${APP}:2.0`;
const alice = labelledSimKey('alice');
const bob = labelledSimKey('bob');

/** Two signers; the first one has left himself a way in. */
function withBackDoor(): RepositorySimulator {
  const sim = new RepositorySimulator();
  const owner = sim.top.targets.keys;
  const keys = [...owner, alice, bob];
  sim.role('targets/releases').keys = keys;
  sim.delegate({ name: 'targets/releases', path_hash_prefixes: ALL_PATHS, terminating: true });
  for (const [name, key] of [
    ['targets/alice', alice],
    ['targets/bob', bob],
  ] as const) {
    sim.role(name).keys = [key];
    sim.delegate({ name, path_hash_prefixes: ALL_PATHS });
  }
  for (const online of [sim.top.snapshot, sim.top.timestamp]) online.keys = [...online.keys, alice, bob];
  sim.putTarget(V1, {}, 'targets/releases');
  sim.role('way in').keys = [labelledSimKey('nobody knows')];
  sim.delegate({ name: 'way in', path_hash_prefixes: ALL_PATHS }, 'targets/releases');
  sim.putTarget(HIDDEN, { bytes: Buffer.from('what alice wants') }, 'way in');
  sim.publishRoot();
  sim.publish();
  return sim;
}

function loaded(sim: RepositorySimulator) {
  const trusted = sim.verify();
  const file = (name: string) => sim.fetch(name) ?? expect.unreachable(name);
  const releases = 'targets/releases' as RoleName;
  trusted.updateDelegatedTargets(file('1.targets%2Freleases.json'), releases, 'targets' as RoleName);
  trusted.updateDelegatedTargets(file('1.way%20in.json'), 'way in' as RoleName, releases);
  return { trusted, files: sim.files() };
}

describe('protocol 2.6: what a removed signer left behind in the released role', () => {
  test('goes with him: a role that he delegated to says yes to nothing', async () => {
    const sim = withBackDoor();
    const state = loaded(sim);
    const before = runSearch(searchTarget(state.trusted, HIDDEN), (asked) => sim.fetch(asked.fileName));
    expect(before.kind).toBe('found');
    const { root, targets, snapshot, timestamp } = sim.top;
    const own = [root, targets, snapshot, timestamp].flatMap(({ keys }) => keys.slice(0, 1)).map(simSigner);
    const next = await editCollection(state, [{ kind: 'removeSigner', name: 'alice' }], {
      signers: own,
      nowMs: SIM_NOW_MS,
    });
    const find = (path: string) =>
      runSearch(searchTarget(next.trusted, path), (asked) => next.files.get(asked.fileName)).kind;
    expect([find(V1), find(HIDDEN)]).toEqual(['found', 'not-signed']);
    expect(next.warnings.join('\n')).toContain('way in');
  });
});

describe('protocol 2.2: revoking a tag that a role below the released one says yes to', () => {
  const LEFT = `${APP}:3.0`;
  const options = (sim: RepositorySimulator) => {
    const { targets, snapshot, timestamp } = sim.top;
    const signers = [targets, snapshot, timestamp].flatMap(({ keys }) => keys.slice(0, 1)).map(simSigner);
    return { signers, nowMs: SIM_NOW_MS };
  };

  test.each([
    ['it alone', HIDDEN],
    ['it and the released role', V1],
  ])('takes out the delegation that leads there, where %s lists the tag', async (_, path) => {
    const sim = withBackDoor();
    sim.putTarget(V1, { bytes: Buffer.from('what alice wants') }, 'way in');
    sim.role('harmless').keys = [labelledSimKey('harmless')];
    sim.delegate({ name: 'harmless', path_hash_prefixes: ALL_PATHS }, 'targets/releases');
    sim.putTarget(LEFT, {}, 'harmless');
    sim.publish();
    const state = loaded(sim);
    const releases = 'targets/releases' as RoleName;
    const harmless = sim.fetch('1.harmless.json') ?? expect.unreachable('harmless');
    state.trusted.updateDelegatedTargets(harmless, 'harmless' as RoleName, releases);
    const next = await editCollection(state, [{ kind: 'removeTarget', path }], options(sim));
    const find = (target: string) =>
      runSearch(searchTarget(next.trusted, target), (asked) => next.files.get(asked.fileName)).kind;
    expect([find(path), find(LEFT)]).toEqual(['not-signed', 'found']);
    expect(next.warnings).toEqual([expect.stringContaining('way in')]);
  });

  test('is refused by name where the keys here cannot do that', async () => {
    const sim = withBackDoor();
    const signers = [simSigner(labelledSimKey('nobody knows'))];
    const work = editCollection(loaded(sim), [{ kind: 'removeTarget', path: HIDDEN }], {
      signers,
      nowMs: SIM_NOW_MS,
    });
    await rejectsTrust(work, 'TAG_HELD_BY_ROLE');
  });
});
