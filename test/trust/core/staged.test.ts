/** Protocol 4.6, pure: states staged by one, signed by others, and published when they have what they take. */
import { describe, expect, it } from 'vitest';
import { KeyError, TrustError } from '../../../src/lib/errors.ts';
import { tufKeyId } from '../../../src/trust/core/keys.ts';
import { DAY_MS } from '../../../src/trust/core/limits.ts';
import type { RoleName } from '../../../src/trust/core/metadata.ts';
import { stagedId } from '../../../src/trust/core/staged.ts';
import {
  completeStaged,
  holdsSignatures,
  mergeStaged,
  signStaged,
} from '../../../src/trust/core/staged-view.ts';
import { rejectsCode } from '../../helpers/throws-code.ts';
import {
  edit,
  entry,
  found,
  NOW,
  online,
  put,
  ROOT_KEY,
  repository,
  root,
  shown,
  verifyFiles,
} from './editor-world.ts';
import {
  ALICE_KEY,
  addAlice,
  alice,
  another,
  begun,
  changed,
  member,
  newOnline,
  ONLINE_KEY,
  SECOND_KEY,
  STRANGER_KEY,
  second,
  staged,
  THIRD_KEY,
  third,
  view,
  withRole,
  withSignature,
} from './staged-world.ts';

const RELEASES = 'targets/releases' as RoleName;
const TARGETS = 'targets' as RoleName;

const ids = (view: Awaited<ReturnType<typeof import('./staged-world.ts').view>>, role: string) =>
  view.roles
    .find((each) => each.role === role)
    ?.quorums.map(({ signed, role: { threshold } }) => [threshold, ...signed.map(tufKeyId)]);

describe('protocol 4.6: a change that one machine cannot sign', () => {
  it('is staged with the keys that are here, and says whose are missing', async () => {
    const state = await begun();
    await rejectsCode(
      edit(state, [addAlice], { signers: [root, repository, online] }),
      KeyError,
      'KEY_ROOT_MISSING',
    );
    const partly = await staged(state, [addAlice], [root, repository]);
    expect([...partly.roles.keys()]).toEqual(['root', 'targets', 'targets/releases']);
    const seen = await view(state, partly);
    expect(seen.complete).toBe(false);
    expect(ids(seen, 'root')).toEqual([
      [2, ROOT_KEY.keyid],
      [2, ROOT_KEY.keyid],
    ]);
    expect(ids(seen, 'targets')).toEqual([[1, tufKeyId(repository.publicKey)]]);
  });

  it('is published as it was staged once enough have signed, and every client takes it', async () => {
    const state = await begun();
    const partly = await staged(state, [put('1.0'), addAlice], [root, repository]);
    const signed = await signStaged(await view(state, partly), [third]);
    const terms = { signers: [online], nowMs: NOW };
    await rejectsCode(completeStaged(state, partly, terms), TrustError, 'ROOT_THRESHOLD');
    const done = await completeStaged(state, signed, terms);
    for (const [role, { bytes }] of signed.roles) {
      if (role !== 'root') expect(done.trusted.targets(role)?.bytes).toEqual(bytes);
    }
    const trusted = verifyFiles(done, { prior: state });
    expect(trusted.root.signed.version).toBe(2);
    expect(found(done, '1.0')).toBe(shown('targets/releases', 'manifest 1.0'));
    const after = await edit(done, [put('2.0')], { signers: [alice] }).catch((error: unknown) => error);
    expect(after).not.toBeInstanceOf(Error);
  });

  it('takes the online key of whoever publishes it, and names it', async () => {
    const state = await begun();
    const partly = await staged(state, [addAlice], [root, second, repository]);
    const error = await rejectsCode(
      completeStaged(state, partly, { signers: [], nowMs: NOW }),
      KeyError,
      'KEY_MISSING',
    );
    expect(error.expected).toBe([ONLINE_KEY, ALICE_KEY].map(({ keyid }) => keyid).join(', '));
  });

  it('keeps its ID while signatures are added, and has another one for other content', async () => {
    const state = await begun();
    const partly = await staged(state, [addAlice], [root, repository]);
    const signed = await signStaged(await view(state, partly), [second]);
    expect(stagedId(signed)).toBe(stagedId(partly));
    expect(stagedId(changed(partly, 'root', (json) => json.set('x', 1)))).not.toBe(stagedId(partly));
    expect(stagedId({ ...partly, collection: 'docker.io/acme/other' })).not.toBe(stagedId(partly));
  });

  it('merges what two have signed at once: no signature is lost, none stands there twice', async () => {
    const state = await begun(3);
    const partly = await staged(state, [addAlice], [root, repository]);
    const base = await view(state, partly);
    const bySecond = await view(state, await signStaged(base, [second]));
    const byThird = await view(state, await signStaged(base, [third]));
    expect(holdsSignatures(bySecond, byThird)).toBe(false);
    const both = await view(state, mergeStaged(bySecond, byThird));
    expect(holdsSignatures(both, bySecond) && holdsSignatures(both, byThird)).toBe(true);
    expect(both.complete).toBe(true);
    expect(ids(both, 'root')?.[0]).toEqual([3, ROOT_KEY.keyid, SECOND_KEY.keyid, THIRD_KEY.keyid]);
    expect(mergeStaged(both, bySecond)).toEqual(both.state);
    expect(await signStaged(both, [root, second])).toEqual(both.state);
  });

  it('does not depend on refreshes that come in between', async () => {
    const state = await begun();
    const partly = await staged(state, [addAlice], [root, second, repository]);
    const later = await another(await another(state));
    const done = await completeStaged(later, partly, { signers: [online], nowMs: NOW });
    expect(done.versions.get('timestamp')).toBe(4);
    verifyFiles(done, { prior: later });
  });

  it('protocol 2.6: a signer is taken away by two, one of several as well as the last one', async () => {
    const state = await begun();
    const signers = [root, second, repository, online];
    const keys = [STRANGER_KEY.publicKey];
    const dev = 'docker.io/acme/app:dev-*';
    const bob = { kind: 'addSigner', name: 'bob', keys, paths: [dev] } as const;
    const both = await edit(state, [put('1.0'), addAlice, bob], { signers });
    const terms = { signers: [online], nowMs: NOW };
    for (const [name, before] of [
      ['bob', both],
      ['alice', await edit(both, [{ kind: 'removeSigner', name: 'bob' }], { signers })],
    ] as const) {
      const partly = await staged(before, [{ kind: 'removeSigner', name }], [root, repository]);
      const done = await completeStaged(before, await signStaged(await view(before, partly), [third]), terms);
      expect(done.trusted.root.signed.version).toBe(before.trusted.root.signed.version + 1);
      const listed = done.trusted.targets()?.signed.delegations?.roles.has(`targets/${name}` as RoleName);
      expect(listed ?? false).toBe(false);
      const role = name === 'alice' ? 'targets' : RELEASES;
      expect(found(done, '1.0')).toBe(shown(role, 'manifest 1.0'));
      verifyFiles(done, { prior: before });
    }
  });

  it('a released role that takes two signers: one stages a tag, the other one signs it', async () => {
    const state = await begun(1);
    const withTwo = await edit(state, [addAlice], { signers: [root, repository, online] });
    const raised = changed(
      await staged(withTwo, [{ kind: 'renew', roles: [TARGETS, RELEASES] }], [repository]),
      TARGETS,
      (json) => {
        const delegations = member(json, 'delegations');
        const roles = (delegations.get('roles') as ReadonlyMap<string, never>[]).map((role) =>
          role.get('name') === (RELEASES as never) ? new Map([...role, ['threshold', 2 as never]]) : role,
        );
        json.set('delegations', delegations.set('roles', roles));
      },
    );
    const both = await signStaged(await view(withTwo, raised), [repository, alice]);
    const two = await completeStaged(withTwo, both, { signers: [online], nowMs: NOW });
    await rejectsCode(edit(two, [put('1.0')], { signers: [repository, online] }), KeyError, 'KEY_MISSING');
    const partly = await staged(two, [put('1.0')], [repository]);
    const seen = await view(two, partly);
    expect(ids(seen, RELEASES)).toEqual([[2, tufKeyId(repository.publicKey)]]);
    const done = await completeStaged(two, await signStaged(seen, [alice]), {
      signers: [online],
      nowMs: NOW,
    });
    expect(found(done, '1.0')).toBe(shown('targets/releases', 'manifest 1.0'));
  });
});

describe('protocol 2.5: a staged root that takes an online key away', () => {
  it('leaves room for publishes that come first, and none of them counts below its floor', async () => {
    const state = await begun();
    const partly = await staged(state, newOnline, [root, second, repository]);
    const one = { kind: 'addKey', role: 'timestamp', key: ALICE_KEY.publicKey } as const;
    const before = await edit(state, [one], { signers: [root, second, repository, online] });
    const taking = await staged(
      before,
      [{ kind: 'removeKey', role: 'timestamp', keyId: ALICE_KEY.keyid }],
      [root, second],
    );
    const floor = { timestamp: 53, snapshot: 53 };
    expect((await view(before, taking)).wouldBe.root.signed.extension?.floor).toEqual(floor);
    const done = await completeStaged(await another(before), taking, { signers: [online], nowMs: NOW });
    expect(done.versions.get('timestamp')).toBe(53);
    verifyFiles(done, { prior: before });
    // All keys replaced: what was published before counts for nothing anyway.
    const recovered = await completeStaged(state, partly, { signers: [repository], nowMs: NOW });
    verifyFiles(recovered, { prior: state });
  });

  it('a recovery is signed in turn, unless versions were used up: then other machines refuse what it is built on', async () => {
    const state = await begun();
    const recovery = (timestamp: number) =>
      ({
        kind: 'recover',
        onlineKey: ALICE_KEY.publicKey,
        gone: [ONLINE_KEY.publicKey],
        signers: [],
        goodVersions: new Map([
          ['timestamp', timestamp],
          ['snapshot', timestamp],
          ['targets', 1],
        ]),
      }) as const;
    const partly = await staged(state, [recovery(1)], [root, repository]);
    const done = await completeStaged(state, await signStaged(await view(state, partly), [second]), {
      signers: [alice],
      nowMs: NOW,
    });
    verifyFiles(done, { prior: state });
    const far = await edit(state, [], { highestVersions: new Map([['timestamp', 5000]]) });
    await rejectsCode(staged(far, [recovery(1)], [root, repository]), TrustError, 'VERSION_JUMP');
  });

  it('is outdated when the room is used up', async () => {
    const one = { kind: 'addKey', role: 'timestamp', key: ALICE_KEY.publicKey } as const;
    let state = await edit(await begun(), [one], { signers: [root, second, repository, online] });
    const remove = { kind: 'removeKey', role: 'timestamp', keyId: ALICE_KEY.keyid } as const;
    const partly = await staged(state, [remove], [root, second]);
    for (let publish = 0; publish < 50; publish++) state = await another(state);
    await view(state, partly);
    state = await another(state);
    await rejectsCode(view(state, partly), TrustError, 'STAGED_OUTDATED');
  });
});

describe('protocol 4.6: what anybody may have put there', () => {
  const cases: readonly (readonly [
    string,
    string,
    (state: Awaited<ReturnType<typeof staged>>) => Awaited<ReturnType<typeof staged>>,
  ])[] = [
    [
      'of another collection',
      'COLLECTION_MISMATCH',
      (state) => ({ ...state, collection: 'docker.io/evil/app' }),
    ],
    [
      'a root of another collection',
      'COLLECTION_MISMATCH',
      (state) =>
        changed(state, 'root', (json) =>
          json.set('x-dtrust', member(json, 'x-dtrust').set('collection', 'docker.io/evil/app')),
        ),
    ],
    ['no role at all', 'STAGED_INVALID', (state) => ({ ...state, roles: new Map() })],
    [
      'a root two versions on',
      'STAGED_INVALID',
      (state) => changed(state, 'root', (j) => j.set('version', 3)),
    ],
    [
      'the current version again',
      'STAGED_INVALID',
      (state) => changed(state, TARGETS, (j) => j.set('version', 1)),
    ],
    [
      'a version to use all versions up',
      'STAGED_INVALID',
      (state) => changed(state, TARGETS, (j) => j.set('version', 2 ** 53 - 1)),
    ],
    [
      'built on another file',
      'STAGED_OUTDATED',
      (state) => {
        const role = state.roles.get(TARGETS);
        const replaces = { version: 1, sha256: '0'.repeat(64) };
        return withRole(state, TARGETS, role && { ...role, replaces });
      },
    ],
    ['a file of the wrong type', 'METADATA_SHAPE', (s) => changed(s, TARGETS, (j) => j.set('_type', 'root'))],
    [
      'expired',
      'ROLE_EXPIRED',
      (state) => changed(state, TARGETS, (json) => json.set('expires', '2020-01-01T00:00:00Z')),
    ],
    [
      'a role that nothing delegates to',
      'STAGED_INVALID',
      (state) => {
        const role = state.roles.get(RELEASES);
        return withRole(state, 'targets/nobody' as RoleName, role);
      },
    ],
    [
      'a snapshot',
      'STAGED_INVALID',
      (state) => withRole(state, 'snapshot' as RoleName, state.roles.get(RELEASES)),
    ],
    [
      'a delegation to a role that is left out',
      'ROLE_MISSING',
      (state) => withRole(state, RELEASES, undefined),
    ],
    [
      'entries in targets beside the released role',
      'COLLECTION_AMBIGUOUS',
      (state) => changed(state, TARGETS, (json) => json.set('targets', entries('3.0'))),
    ],
    [
      'a tag of another repository',
      'COLLECTION_MISMATCH',
      (state) =>
        changed(state, RELEASES, (json) =>
          json.set(
            'targets',
            new Map([['docker.io/acme/other:1.0', [...entries('1.0').values()][0] ?? null]]),
          ),
        ),
    ],
    [
      'an entry without a media type',
      'TARGET_MEDIA_TYPE',
      (state) =>
        changed(state, RELEASES, (json) => {
          const [[path, target] = ['', null]] = entries('3.0');
          json.set(
            'targets',
            new Map([[path, new Map([...(target as never as Map<string, never>)].slice(0, 2))]]),
          );
        }),
    ],
    [
      'a signature of a key that no role lists',
      'STAGED_INVALID',
      (state) => withSignature(state, 'root', STRANGER_KEY.keyid, '00'.repeat(64)),
    ],
    [
      'a signature that is not of these bytes',
      'STAGED_INVALID',
      (state) => withSignature(state, 'root', SECOND_KEY.keyid, SECOND_KEY.signHex(Buffer.from('other'))),
    ],
    [
      'a key that signs twice',
      'METADATA_SHAPE',
      (state) => withSignature(withSignature(state, 'root', 'a', '00'), 'root', 'a', '00'),
    ],
    [
      'a floor to use all versions up',
      'STAGED_INVALID',
      (state) =>
        changed(state, 'root', (json) => {
          const floor = new Map([
            ['timestamp', 2 ** 53 - 1],
            ['snapshot', 2],
          ]);
          json.set('x-dtrust', member(json, 'x-dtrust').set('floor', floor));
        }),
    ],
    [
      'new keys for targets, which nobody has signed with',
      'TARGETS_THRESHOLD',
      (state) =>
        withRole(
          withRole(
            changed(state, 'root', (json) => {
              const table = member(json, 'keys').set(STRANGER_KEY.keyid, STRANGER_KEY.publicKey.json);
              const listed = new Map<string, never>([
                ['keyids', [STRANGER_KEY.keyid] as never],
                ['threshold', 1 as never],
              ]);
              json.set('keys', table).set('roles', member(json, 'roles').set('targets', listed));
            }),
            TARGETS,
            undefined,
          ),
          RELEASES,
          undefined,
        ),
    ],
  ];

  function entries(tag: string): Map<string, never> {
    const { path, lengthBytes, sha256, mediaType } = entry(tag);
    const target = new Map<string, unknown>([
      ['length', lengthBytes],
      ['hashes', new Map([['sha256', sha256.slice(7)]])],
      ['custom', new Map([['mediaType', mediaType]])],
    ]);
    return new Map([[path, target as never]]);
  }

  it.each(cases)('refuses %s: %s', async (_, code, corrupt) => {
    const state = await begun();
    const partly = await staged(state, [addAlice], [root, repository]);
    await view(state, partly);
    await rejectsCode(view(state, corrupt(partly)), TrustError, code);
  });

  it('protocol 2.3: refuses a role that takes over a tag which another one holds: TAG_HELD_BY_ROLE', async () => {
    const state = await edit(await begun(), [addAlice, put('dev-1')], {
      signers: [root, second, repository, online],
    });
    const keys = [STRANGER_KEY.publicKey];
    const bob = { kind: 'addSigner', name: 'bob', keys, paths: ['docker.io/acme/app:dev-*'] } as const;
    const partly = await staged(state, [bob], [root, repository]);
    await view(state, partly);
    const taking = changed(partly, 'targets/bob' as RoleName, (json) =>
      json.set('targets', entries('dev-1')),
    );
    const error = await rejectsCode(view(state, taking), TrustError, 'TAG_HELD_BY_ROLE');
    expect(error.role).toBe(RELEASES);
  });

  it('is outdated once another publish has changed a role that it changes', async () => {
    const state = await begun();
    const partly = await staged(state, [addAlice], [root, repository]);
    const later = await another(state, [put('9.9')]);
    await rejectsCode(view(later, partly), TrustError, 'STAGED_OUTDATED');
    const done = await completeStaged(state, await signStaged(await view(state, partly), [second]), {
      signers: [online],
      nowMs: NOW + DAY_MS,
    });
    await rejectsCode(view(done, partly), TrustError, 'STAGED_OUTDATED');
  });

  it('drops what stands around the signed part', async () => {
    const state = await begun();
    const partly = await staged(state, [addAlice], [root, repository]);
    const targets = partly.roles.get(TARGETS);
    const file = JSON.parse(Buffer.from(targets?.bytes ?? []).toString()) as object;
    const bytes = Buffer.from(JSON.stringify({ note: 'by nobody', ...file }, null, 2));
    const seen = await view(state, withRole(partly, TARGETS, targets && { ...targets, bytes }));
    expect(seen.state).toEqual(partly);
  });
});
