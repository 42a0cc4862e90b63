/** Keys put in the place of others, and thresholds: protocol 2.5 and 2.8 in the editor. */
import { describe, expect, it } from 'vitest';
import { KeyError, TrustError } from '../../../src/lib/errors.ts';
import type { Edit, NewState } from '../../../src/trust/core/editor.ts';
import type { RoleName } from '../../../src/trust/core/metadata.ts';
import { neededKeys } from '../../../src/trust/core/needed-keys.ts';
import { labelledSimKey, makeSimKey, type SimKey, simSigner } from '../../helpers/sim-keys.ts';
import { rejectsCode } from '../../helpers/throws-code.ts';
import {
  ALL_SIGNERS,
  APP,
  create,
  edit,
  entry,
  found,
  NOW,
  ONLINE_KEY,
  online,
  put,
  ROOT_KEY,
  repository,
  root,
  shown,
  TARGETS_KEY,
  verifyFiles,
} from './editor-world.ts';

const alice = labelledSimKey('alice');
const newAlice = labelledSimKey('alice, next');
const dev = labelledSimKey('dev');
const newDev = labelledSimKey('dev, next');
const newOnline = labelledSimKey('online, next');
const newRoot = makeSimKey('ecdsa-p256');
const everyone = [...ALL_SIGNERS, ...[alice, dev, newAlice, newDev, newOnline, newRoot].map(simSigner)];

/** One tag, alice for all tags, dev for some. */
async function withSigners(): Promise<NewState> {
  const signers: Edit[] = [
    { kind: 'addSigner', name: 'alice', keys: [alice.publicKey] },
    { kind: 'addSigner', name: 'dev', keys: [dev.publicKey], paths: [`${APP}:dev-*`] },
  ];
  const base = await edit(await create({ targets: [entry('1.0')] }), signers, { signers: ALL_SIGNERS });
  const pushed = await edit(base, [put('2.0')], { signers: [alice].map(simSigner) });
  return await edit(pushed, [put('dev-1')], { signers: [dev].map(simSigner) });
}

const replace = (
  role: 'root' | 'targets' | 'snapshot' | 'timestamp',
  gone: readonly SimKey[],
  keys: readonly SimKey[],
): Edit => ({
  kind: 'replaceKeys',
  role,
  gone: gone.map(({ publicKey }) => publicKey),
  keys: keys.map(({ publicKey }) => publicKey),
});

const delegated = (state: NewState, role: string): readonly string[] =>
  state.trusted.targets()?.signed.delegations?.roles.get(role as RoleName)?.keyids ?? [];

describe('protocol 2.8: a key that is replaced', () => {
  it('leaves the other keys of the role and the threshold as they are', async () => {
    const base = await withSigners();
    const edits = (['snapshot', 'timestamp'] as const).map((role) =>
      replace(role, [ONLINE_KEY], [newOnline]),
    );
    const state = await edit(base, edits, { signers: [root, simSigner(newOnline)] });
    for (const role of ['snapshot', 'timestamp'] as const) {
      expect(state.trusted.root.signed.roles[role]).toEqual({
        keyids: [alice.keyid, dev.keyid, newOnline.keyid],
        threshold: 1,
      });
    }
    expect(state.trusted.root.signed.extension?.floor).toEqual({ timestamp: 5, snapshot: 5 });
    expect(found(state, '2.0')).toBe(shown('targets/releases', 'manifest 2.0'));
  });

  it('must still be listed: of two people at once the second is told', async () => {
    const base = await create();
    const first = await edit(base, [replace('root', [ROOT_KEY], [newRoot])], { signers: everyone });
    const other = makeSimKey('ecdsa-p256');
    const second = [replace('root', [ROOT_KEY], [other])];
    const error = await rejectsCode(
      edit(first, second, { signers: [...everyone, simSigner(other)] }),
      KeyError,
      'KEY_NOT_LISTED',
    );
    expect(error.message).toContain('somebody else has changed the keys meanwhile');
    expect(error.expected).toBe(ROOT_KEY.keyid);
  });

  it('cannot go where the threshold would not be reached any more', async () => {
    const two = await create({ rootKeys: [root, simSigner(newRoot)], rootThreshold: 2 });
    const error = await rejectsCode(
      edit(two, [replace('root', [ROOT_KEY, newRoot], [makeSimKey('ecdsa-p256')])], { signers: everyone }),
      KeyError,
      'THRESHOLD_UNREACHABLE',
    );
    expect(error.message).toBe('root would need 2 keys, and 1 that can sign would be listed');
  });
});

describe("protocol 2.8: a signer's key", () => {
  const replaceSigner = (name: string, gone: SimKey, key: SimKey): Edit => ({
    kind: 'replaceSignerKeys',
    name,
    gone: [gone.publicKey],
    keys: [key.publicKey],
  });

  it('is replaced in his role, releases, snapshot and timestamp in one publish', async () => {
    const base = await withSigners();
    const state = await edit(base, [replaceSigner('alice', alice, newAlice)], { signers: ALL_SIGNERS });
    expect(state.written).toEqual([
      '3.root.json',
      '3.targets.json',
      '3.targets%2Freleases.json',
      '5.snapshot.json',
      'timestamp.json',
    ]);
    expect(delegated(state, 'targets/alice')).toEqual([newAlice.keyid]);
    expect(delegated(state, 'targets/releases')).toEqual([TARGETS_KEY.keyid, newAlice.keyid]);
    expect(state.trusted.root.signed.roles.timestamp.keyids).not.toContain(alice.keyid);
    await rejectsCode(edit(state, [put('3.0')], { signers: [simSigner(alice)] }), KeyError, 'KEY_MISSING');
    const next = await edit(state, [put('3.0')], { signers: [simSigner(newAlice)] });
    expect(found(next, '3.0')).toBe(shown('targets/releases', 'manifest 3.0'));
    expect(found(next, '2.0')).toBe(shown('targets/releases', 'manifest 2.0'));
  });

  it('of a signer limited to paths: his role is signed again by the repository key (2.3)', async () => {
    const base = await withSigners();
    const state = await edit(base, [replaceSigner('dev', dev, newDev)], { signers: ALL_SIGNERS });
    expect(state.written).toContain('3.targets%2Fdev.json');
    expect(delegated(state, 'targets/dev')).toEqual([TARGETS_KEY.keyid, newDev.keyid]);
    expect(delegated(state, 'targets/releases')).not.toContain(newDev.keyid);
    expect(found(state, 'dev-1')).toBe(shown('targets/dev', 'manifest dev-1'));
    await rejectsCode(edit(state, [put('dev-2')], { signers: [simSigner(dev)] }), KeyError, 'KEY_MISSING');
  });

  it('stays where another signer has it too', async () => {
    const shared: Edit = { kind: 'addSigner', name: 'carol', keys: [alice.publicKey] };
    const base = await edit(await withSigners(), [shared], { signers: ALL_SIGNERS });
    const state = await edit(base, [replaceSigner('alice', alice, newAlice)], { signers: ALL_SIGNERS });
    expect(delegated(state, 'targets/releases')).toEqual([TARGETS_KEY.keyid, alice.keyid, newAlice.keyid]);
    expect(state.trusted.root.signed.roles.snapshot.keyids).toContain(alice.keyid);
    expect(delegated(state, 'targets/alice')).toEqual([newAlice.keyid]);
  });

  it('is refused for nobody, and for a key that is not his', async () => {
    const base = await withSigners();
    for (const bad of [replaceSigner('nobody', alice, newAlice), replaceSigner('alice', dev, newAlice)]) {
      await rejectsCode(edit(base, [bad], { signers: ALL_SIGNERS }), KeyError, 'KEY_NOT_LISTED');
    }
  });
});

describe('protocol 2.5: a recovery', () => {
  const END = Number.MAX_SAFE_INTEGER;
  const gone = [ONLINE_KEY, alice, dev].map(({ publicKey }) => publicKey);
  const recovery = (good: NewState, more: Partial<Extract<Edit, { kind: 'recover' }>> = {}): Edit => ({
    kind: 'recover',
    gone,
    onlineKey: newOnline.publicKey,
    signers: [],
    goodVersions: good.versions,
    ...more,
  });
  /** The thief signs with the online key and says that versions have come to their end. */
  const stolen = (good: NewState): Promise<NewState> =>
    edit(good, [], {
      signers: [online],
      highestVersions: new Map([
        ['timestamp', END - 1],
        ['snapshot', END - 1],
      ]),
    });

  it('replaces every key at once, and versions go on from what was good', async () => {
    const good = await withSigners();
    const bad = await stolen(good);
    expect(bad.versions.get('timestamp')).toBe(END);
    await rejectsCode(edit(bad, [], { highestVersions: good.versions }), TrustError, 'VERSION_JUMP');
    const state = await edit(bad, [recovery(good)], { signers: [root, simSigner(newOnline)] });
    expect(Object.fromEntries(state.versions)).toMatchObject({ root: 3, timestamp: 5, snapshot: 5 });
    for (const role of ['snapshot', 'timestamp'] as const) {
      expect(state.trusted.root.signed.roles[role].keyids).toEqual([newOnline.keyid]);
    }
    expect(state.trusted.root.signed.extension?.floor).toEqual({ timestamp: 5, snapshot: 5 });
    for (const prior of [bad, good]) {
      expect(verifyFiles(state, { prior }).timestamp?.signed.version).toBe(5);
    }
    expect(found(state, '2.0')).toBe(shown('targets/releases', 'manifest 2.0'));
    const next = await edit(state, [put('3.0')], { signers: [repository, simSigner(newOnline)] });
    expect(next.versions.get('timestamp')).toBe(6);
  });

  it('gives new keys to the signers who have some; the others can still sign tags', async () => {
    const good = await withSigners();
    const signers = [{ name: 'alice', gone: [alice.publicKey], keys: [newAlice.publicKey] }];
    const state = await edit(await stolen(good), [recovery(good, { signers })], {
      signers: [...ALL_SIGNERS, simSigner(newOnline)],
    });
    expect(state.trusted.root.signed.roles.timestamp.keyids).toEqual([newOnline.keyid, newAlice.keyid]);
    expect(delegated(state, 'targets/dev')).toContain(dev.keyid);
    const byAlice = await edit(state, [put('3.0')], { signers: [simSigner(newAlice)] });
    expect(found(byAlice, '3.0')).toBe(shown('targets/releases', 'manifest 3.0'));
    const byDev = [simSigner(dev)];
    await rejectsCode(edit(state, [put('dev-2')], { signers: byDev }), KeyError, 'KEY_MISSING');
    const together = await edit(state, [put('dev-2')], { signers: [...byDev, simSigner(newOnline)] });
    expect(found(together, 'dev-2')).toBe(shown('targets/dev', 'manifest dev-2'));
  });

  it('signs a role again whose version ran away too, and lists those no more that decide nothing', async () => {
    const good = await withSigners();
    const bad = await edit(good, [put('3.0')], {
      signers: [simSigner(alice)],
      highestVersions: new Map(
        ['timestamp', 'snapshot', 'targets/releases', 'targets/alice'].map((role) => [role, END - 1]),
      ),
    });
    expect(bad.versions.get('targets/releases')).toBe(END);
    const signers = [...ALL_SIGNERS, simSigner(newOnline)];
    const state = await edit(bad, [recovery(good)], { signers });
    expect(Object.fromEntries(state.versions)).toMatchObject({ timestamp: 5, 'targets/releases': 3 });
    expect(state.versions.has('targets/alice')).toBe(false);
    expect(verifyFiles(state, { prior: bad }).snapshot?.signed.version).toBe(5);
    expect(found(state, '2.0')).toBe(shown('targets/releases', 'manifest 2.0'));
  });

  it('goes on from what is served where that has not run away', async () => {
    const good = await withSigners();
    const later = await edit(good, [put('3.0')]);
    const state = await edit(later, [recovery(good)], { signers: [...ALL_SIGNERS, simSigner(newOnline)] });
    expect(state.versions.get('timestamp')).toBe(6);
  });

  it('refuses a key that is listed already, and keys that are not listed any more', async () => {
    const good = await withSigners();
    const signers = { signers: everyone };
    const kept = [{ name: 'alice', gone: [], keys: [alice.publicKey] }];
    await rejectsCode(edit(good, [recovery(good, { signers: kept })], signers), KeyError, 'KEY_EXISTS');
    const same = recovery(good, { onlineKey: ONLINE_KEY.publicKey });
    await rejectsCode(edit(good, [same], signers), KeyError, 'KEY_EXISTS');
    const done = await edit(good, [recovery(good)], signers);
    const again = recovery(good, { onlineKey: newDev.publicKey });
    await rejectsCode(edit(done, [again], signers), KeyError, 'KEY_NOT_LISTED');
  });
});

describe('protocol 2.8: thresholds', () => {
  const threshold = (role: 'root' | 'targets/releases', n: number): Edit => ({
    kind: 'setThreshold',
    role: role as 'root',
    threshold: n,
  });

  it('of root: a key is added, two must sign, and one again', async () => {
    const base = await create();
    const add: Edit = { kind: 'addKey', role: 'root', key: newRoot.publicKey };
    const two = await edit(base, [add, threshold('root', 2)], { signers: everyone });
    expect(two.trusted.root.signed.roles.root.threshold).toBe(2);
    const renew: Edit = { kind: 'renew', roles: ['root'] };
    await rejectsCode(edit(two, [renew], { signers: ALL_SIGNERS }), KeyError, 'KEY_ROOT_MISSING');
    const remove: Edit = { kind: 'removeKey', role: 'root', keyId: ROOT_KEY.keyid };
    const lowered = await edit(two, [threshold('root', 1), remove], { signers: everyone });
    expect(lowered.trusted.root.signed.roles.root).toEqual({ keyids: [newRoot.keyid], threshold: 1 });
    expect(verifyFiles(lowered).root.signed.version).toBe(3);
  });

  it('of releases: N different keys', async () => {
    const base = await withSigners();
    const two = await edit(base, [threshold('targets/releases', 2)], { signers: everyone });
    expect(found(two, '2.0')).toBe(shown('targets/releases', 'manifest 2.0'));
    await rejectsCode(edit(two, [put('3.0')], { signers: [simSigner(alice)] }), KeyError, 'KEY_MISSING');
    const next = await edit(two, [put('3.0')], { signers: [simSigner(alice), repository] });
    expect(found(next, '3.0')).toBe(shown('targets/releases', 'manifest 3.0'));
    const one = await edit(next, [threshold('targets/releases', 1)], { signers: everyone });
    expect(found(await edit(one, [put('4.0')]), '4.0')).toBe(shown('targets/releases', 'manifest 4.0'));
  });

  it.each([0, -1, 1.5, 3, Number.NaN])('refuses %d with two keys', async (n) => {
    const base = await withSigners();
    for (const role of ['root', 'targets/releases'] as const) {
      await rejectsCode(
        edit(base, [threshold(role, n)], { signers: everyone }),
        KeyError,
        'THRESHOLD_UNREACHABLE',
      );
    }
  });

  it('refuses one for releases where there are no signers', async () => {
    const base = await create();
    const edits = [threshold('targets/releases', 1)];
    await rejectsCode(edit(base, edits, { signers: everyone }), KeyError, 'KEY_NOT_LISTED');
  });

  it('refuses to remove a signer without whom the threshold could not be reached', async () => {
    const base = await withSigners();
    const two = await edit(base, [threshold('targets/releases', 2)], { signers: everyone });
    const remove: Edit = { kind: 'removeSigner', name: 'alice' };
    await rejectsCode(edit(two, [remove], { signers: everyone }), KeyError, 'THRESHOLD_UNREACHABLE');
  });
});

describe('protocol 2.8: what a change of keys takes is known before any key is asked for', () => {
  const named = (state: NewState, edits: readonly Edit[]) =>
    neededKeys(state, edits, NOW).map(({ name, keys, threshold }) => [
      name,
      keys.map(({ keyid }) => keyid),
      threshold,
    ]);

  it('a new root key: the old one and the new one, then whoever keeps it fresh', async () => {
    const edits = [replace('root', [ROOT_KEY], [newRoot])];
    expect(named(await create(), edits)).toEqual([
      ['root', [ROOT_KEY.keyid], 1],
      ['root', [newRoot.keyid], 1],
      ['snapshot', [ONLINE_KEY.keyid], 1],
      ['timestamp', [ONLINE_KEY.keyid], 1],
    ]);
  });

  it('a new online key: not the old one', async () => {
    const edits = (['snapshot', 'timestamp'] as const).map((role) =>
      replace(role, [ONLINE_KEY], [newOnline]),
    );
    expect(named(await create(), edits)).toEqual([
      ['root', [ROOT_KEY.keyid], 1],
      ['root', [ROOT_KEY.keyid], 1],
      ['snapshot', [newOnline.keyid], 1],
      ['timestamp', [newOnline.keyid], 1],
    ]);
  });
});
