/** Protocol 4.6: what a cosigner is shown is all that changes. */
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../src/lib/strict-json.ts';
import type { Edit } from '../../../src/trust/core/editor.ts';
import { parseSignedJson, type RoleName } from '../../../src/trust/core/metadata.ts';
import type { StagedRoleName, StagedState } from '../../../src/trust/core/staged.ts';
import { type StagedChange, stagedChanges } from '../../../src/trust/core/staged-changes.ts';
import { completeStaged, signStaged } from '../../../src/trust/core/staged-view.ts';
import { edit, NOW, online, put, ROOT_KEY, repository, root, TARGETS_KEY } from './editor-world.ts';
import {
  ALICE_KEY,
  addAlice,
  begun,
  changed,
  member,
  SECOND_KEY,
  STRANGER_KEY,
  second,
  staged,
  THIRD_KEY,
  view,
} from './staged-world.ts';

const RELEASES = 'targets/releases' as RoleName;
const ALL = [root, second, repository, online];

/** A state with a signer and a tag, and one staged on it that only has new expiries. */
async function renewed() {
  const state = await edit(await begun(), [addAlice, put('1.0')], { signers: ALL });
  const partly = await staged(state, [{ kind: 'renew' }], [root, repository]);
  return { state, partly };
}

async function changesOf(edits: readonly Edit[]): Promise<readonly StagedChange[]> {
  const state = await edit(await begun(), [addAlice, put('1.0')], { signers: ALL });
  return stagedChanges(await view(state, await staged(state, edits, [root, repository]))).filter(
    ({ kind }) => kind !== 'expires',
  );
}

describe('protocol 4.6: a list of changes', () => {
  it('names tags that are signed, moved to another digest, and revoked', async () => {
    const path = (tag: string) => `docker.io/acme/app:${tag}`;
    expect(await changesOf([put('2.0')])).toMatchObject([
      { kind: 'target', role: RELEASES, path: path('2.0'), after: expect.any(Map) },
    ]);
    const [moved] = await changesOf([put('1.0', 'another manifest')]);
    expect(moved).toMatchObject({ path: path('1.0'), before: expect.any(Map), after: expect.any(Map) });
    const [gone] = await changesOf([{ kind: 'removeTarget', path: path('1.0') }]);
    expect(gone).toMatchObject({ path: path('1.0'), before: expect.any(Map) });
    expect(gone).not.toHaveProperty('after');
  });

  it('names keys by what they are, with thresholds before and after', async () => {
    const keys = [ROOT_KEY, SECOND_KEY, STRANGER_KEY].map(({ publicKey }) => publicKey);
    const [change, ...rest] = await changesOf([{ kind: 'rotateKeys', role: 'root', keys, threshold: 1 }]);
    expect(rest).toEqual([]);
    expect(change).toMatchObject({ kind: 'keys', by: 'root', role: 'root' });
    const listed = (side: 'before' | 'after') =>
      change?.kind === 'keys'
        ? [change[side]?.threshold, ...(change[side]?.keys ?? []).map((k) => k.keyid)]
        : [];
    expect(listed('before')).toEqual([2, ROOT_KEY.keyid, SECOND_KEY.keyid, THIRD_KEY.keyid]);
    expect(listed('after')).toEqual([1, ROOT_KEY.keyid, SECOND_KEY.keyid, STRANGER_KEY.keyid]);
  });

  it('names a signer, the order of the search, and what he is limited to', async () => {
    const keys = [STRANGER_KEY.publicKey];
    const changes = await changesOf([
      { kind: 'addSigner', name: 'bob', keys, paths: ['docker.io/acme/app:dev-*'] },
    ]);
    expect(changes).toContainEqual({
      kind: 'order',
      role: 'targets',
      before: ['targets/releases', 'targets/alice'],
      after: ['targets/bob', 'targets/releases', 'targets/alice'],
    });
    expect(changes).toContainEqual(
      expect.objectContaining({
        kind: 'member',
        name: 'paths',
        of: { list: 'delegations.roles', role: 'targets/bob' },
      }),
    );
    const by = changes.flatMap((change) => (change.kind === 'keys' ? [`${change.by} ${change.role}`] : []));
    expect(by).toEqual(['root snapshot', 'root timestamp', 'targets targets/bob']);
  });

  it('lists nothing but expiries for a renewal', async () => {
    const { state, partly } = await renewed();
    const same = stagedChanges(await view(state, partly));
    expect(same).toEqual([]);
    const later = changed(partly, 'root', (json) => json.set('expires', '2040-01-01T00:00:00Z'));
    expect(stagedChanges(await view(state, later))).toMatchObject([{ kind: 'expires', role: 'root' }]);
  });

  async function targetsOf(tag: string): Promise<ReadonlyMap<string, JsonValue>> {
    const state = await edit(await begun(), [put(tag)], { signers: ALL });
    const bytes = state.trusted.targets()?.bytes ?? Buffer.alloc(0);
    return parseSignedJson(bytes, 'targets').get('targets') as ReadonlyMap<string, JsonValue>;
  }

  type Change = (json: Map<string, JsonValue>) => void;
  const hidden: readonly (readonly [string, StagedRoleName, Change])[] = [
    ['an unknown member of root', 'root', (json) => json.set('x-other', true)],
    ['another spec_version', 'root', (json) => json.set('spec_version', '1.0.9')],
    [
      'names that the collection speaks for',
      'root',
      (json) =>
        json.set(
          'x-dtrust',
          member(json, 'x-dtrust').set('names', ['docker.io/acme/app', 'docker.io/acme/*']),
        ),
    ],
    [
      'an unknown member of a root role',
      'root',
      (json) => {
        const roles = member(json, 'roles');
        json.set('roles', roles.set('targets', member(roles, 'targets').set('x', 1)));
      },
    ],
    [
      'a key that no role lists',
      'root',
      (json) => json.set('keys', member(json, 'keys').set('spare', ALICE_KEY.publicKey.json)),
    ],
    ['an unknown member of releases', RELEASES, (json) => json.set('x-other', 'a')],
    [
      'delegations below releases',
      RELEASES,
      (json) => {
        const role = new Map<string, JsonValue>([
          ['name', 'targets/releases/deep'],
          ['keyids', [ALICE_KEY.keyid]],
          ['threshold', 1],
          ['terminating', false],
          ['paths', ['docker.io/acme/app:*']],
        ]);
        const keys = new Map([[ALICE_KEY.keyid, ALICE_KEY.publicKey.json]]);
        json.set(
          'delegations',
          new Map<string, JsonValue>([
            ['keys', keys],
            ['roles', [role]],
          ]),
        );
      },
    ],
    [
      'another member of an entry',
      RELEASES,
      (json) => {
        const targets = member(json, 'targets');
        const [path = ''] = targets.keys();
        json.set('targets', targets.set(path, member(targets, path).set('x', 1)));
      },
    ],
    [
      'a role that no longer ends the search',
      'targets' as RoleName,
      (json) => {
        const delegations = member(json, 'delegations');
        const roles = (delegations.get('roles') as ReadonlyMap<string, JsonValue>[]).map((role) =>
          role.get('name') === RELEASES ? new Map([...role, ['terminating', false] as const]) : role,
        );
        json.set('delegations', delegations.set('roles', roles));
      },
    ],
    [
      'a lower threshold of a delegated role',
      'targets' as RoleName,
      (json) => {
        const delegations = member(json, 'delegations');
        const roles = (delegations.get('roles') as ReadonlyMap<string, JsonValue>[]).map((role) =>
          role.get('name') === 'targets/alice' ? new Map([...role, ['threshold', 2] as const]) : role,
        );
        json.set('delegations', delegations.set('roles', roles));
      },
    ],
    [
      'another key under the ID of one that is listed',
      'targets' as RoleName,
      (json) => {
        const delegations = member(json, 'delegations');
        const keys = member(delegations, 'keys').set(ALICE_KEY.keyid, STRANGER_KEY.publicKey.json);
        json.set('delegations', delegations.set('keys', keys));
      },
    ],
  ];

  it.each(hidden)('shows %s', async (_, role, change) => {
    const { state, partly } = await renewed();
    const changes = stagedChanges(await view(state, changed(partly, role, change)));
    expect(changes.length).toBeGreaterThan(0);
    const own = changes.filter(({ kind }) => kind !== 'unlisted');
    expect(own.length).toBeGreaterThan(0);
    expect(own.every((each) => each.role === role || (each.kind === 'keys' && each.by === role))).toBe(true);
  });

  it('says so where it cannot be told what is released', async () => {
    const { state, partly } = await renewed();
    const [, role, change] =
      hidden.find(([what]) => what === 'delegations below releases') ?? hidden[0] ?? [];
    if (role === undefined || change === undefined) throw new Error('it is among them');
    const changes = stagedChanges(await view(state, changed(partly, role, change)));
    expect(changes.at(-1)).toEqual({
      kind: 'unlisted',
      role: 'targets',
      why: 'the snapshot does not list the role targets/releases/deep',
    });
  });

  const BOB = 'targets/bob' as RoleName;
  const PATH = 'docker.io/acme/app:9.9';

  /** Bob, limited to dev-*, has written 9.9 into his own role, where no search comes for it. */
  async function lyingBob(before: readonly Edit[] = []) {
    const keys = [STRANGER_KEY.publicKey];
    const bob = { kind: 'addSigner', name: 'bob', keys, paths: ['docker.io/acme/app:dev-*'] } as const;
    const begunWith = await edit(await begun(), [...before, addAlice, bob], { signers: ALL });
    const target = [...(await targetsOf('9.9'))][0]?.[1] ?? null;
    const own = changed(
      await staged(begunWith, [{ kind: 'renew', roles: [BOB] }], [repository]),
      BOB,
      (json) => json.set('targets', new Map([[PATH, target]])),
    );
    const terms = { signers: [online, repository], nowMs: NOW };
    return await completeStaged(begunWith, await signStaged(await view(begunWith, own), [repository]), terms);
  }

  const widened = (json: Map<string, JsonValue>) => {
    const delegations = member(json, 'delegations');
    const roles = (delegations.get('roles') as ReadonlyMap<string, JsonValue>[]).map((role) =>
      role.get('name') === BOB ? new Map([...role, ['paths', ['docker.io/acme/app:*']] as const]) : role,
    );
    json.set('delegations', delegations.set('roles', roles));
  };

  it('shows a tag that a wider pattern releases, although its entry is years old', async () => {
    const lying = await lyingBob();
    const renewed = await staged(lying, [{ kind: 'renew', roles: ['targets' as RoleName] }], [repository]);
    const changes = stagedChanges(await view(lying, changed(renewed, 'targets' as RoleName, widened)));
    expect(changes).toContainEqual(
      expect.objectContaining({
        kind: 'released',
        path: PATH,
        after: expect.objectContaining({ role: BOB }),
      }),
    );
  });

  it('shows a tag that is revoked in one role and goes on being released by another', async () => {
    const lying = await lyingBob([put('9.9')]);
    const revoked = await staged(
      lying,
      [
        { kind: 'removeTarget', path: PATH },
        { kind: 'renew', roles: ['targets' as RoleName] },
      ],
      [repository],
    );
    const changes = stagedChanges(await view(lying, changed(revoked, 'targets' as RoleName, widened)));
    expect(changes).toContainEqual(
      expect.objectContaining({
        kind: 'released',
        path: PATH,
        before: expect.objectContaining({ role: RELEASES }),
        after: expect.objectContaining({ role: BOB }),
      }),
    );
  });

  it('shows the repository key under its own ID where only its name changes', async () => {
    const { state, partly } = await renewed();
    const renamed = changed(partly, 'root', (json) => {
      const keys = member(json, 'keys').set('other-name', TARGETS_KEY.publicKey.json);
      const roles = member(json, 'roles');
      const listed = member(roles, 'targets').set('keyids', ['other-name']);
      json.set('keys', keys).set('roles', roles.set('targets', listed));
    });
    const forTargets = changed(renamed, 'targets' as RoleName, () => {});
    const shown = await view(state, forTargets).catch((error: unknown) => error);
    expect(shown).not.toBeInstanceOf(Error);
    const state2 = forTargets satisfies StagedState;
    const changes = stagedChanges(await view(state, state2));
    expect(changes).toMatchObject([
      { kind: 'keys', role: 'targets', after: { keys: [{ keyid: 'other-name', key: expect.any(Object) }] } },
    ]);
  });
});
