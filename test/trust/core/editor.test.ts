import { describe, expect, it } from 'vitest';
import { KeyError, TrustError } from '../../../src/lib/errors.ts';
import { parseStrictJson } from '../../../src/lib/strict-json.ts';
import { canonicalJson, serialiseJson } from '../../../src/trust/core/canonical-json.ts';
import type { Edit, NewState } from '../../../src/trust/core/editor.ts';
import { DAY_MS } from '../../../src/trust/core/limits.ts';
import { RepositorySimulator, sha256 } from '../../helpers/repository-simulator.ts';
import { labelledSimKey, simSigner } from '../../helpers/sim-keys.ts';
import { rejectsCode, throwsCode } from '../../helpers/throws-code.ts';
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

const names = (state: NewState): string[] => [...state.files.keys()].sort();

describe('a new collection', () => {
  it('is four files, each version 1, that a client trusts', async () => {
    const state = await create();
    expect(names(state)).toEqual(['1.root.json', '1.snapshot.json', '1.targets.json', 'timestamp.json']);
    expect([...state.versions]).toEqual([
      ['root', 1],
      ['targets', 1],
      ['snapshot', 1],
      ['timestamp', 1],
    ]);
    const trusted = verifyFiles(state);
    expect(trusted.root.signed.extension).toEqual({ collection: APP, names: [APP] });
    expect(trusted.root.signed.consistentSnapshot).toBe(true);
    expect(state.timestampSha256).toBe(sha256(state.files.get('timestamp.json') ?? Buffer.alloc(0)));
  });

  it('protocol 2.1: keeps the types of the keys it was given', async () => {
    const { keys, roles } = (await create()).trusted.root.signed;
    const typeOf = (role: keyof typeof roles) => roles[role].keyids.map((keyid) => keys.get(keyid)?.keytype);
    expect([typeOf('root'), typeOf('targets'), typeOf('snapshot'), typeOf('timestamp')]).toEqual([
      ['ecdsa'],
      ['ed25519'],
      ['ed25519'],
      ['ed25519'],
    ]);
    expect(roles.root.keyids).toEqual([ROOT_KEY.keyid]);
  });

  it('protocol 2.7: expires after three years and one year', async () => {
    const { root: newRoot, timestamp, snapshot, targets } = verifyedSigned(await create());
    expect([newRoot, targets].map((at) => (at - NOW) / DAY_MS)).toEqual([1095, 1095]);
    expect([snapshot, timestamp].map((at) => (at - NOW) / DAY_MS)).toEqual([365, 365]);
  });

  it('protocol 4.1: signs the turn, and an empty history', async () => {
    const state = await create({ turnSeconds: 4 });
    expect(state.trusted.snapshot?.signed.extension).toEqual({ turnSeconds: 4, history: [] });
  });

  it('holds its first targets at once', async () => {
    const state = await create({ targets: [entry('1.0'), entry('2.0')] });
    expect(found(state, '1.0')).toBe(shown('targets', 'manifest 1.0'));
    expect(state.trusted.targets()?.signed.targets.size).toBe(2);
  });

  it('protocol 4.4: begins above what was seen here before', async () => {
    const highestVersions = new Map([
      ['root', 3],
      ['timestamp', 41],
      ['snapshot', 40],
      ['targets', 9],
    ]);
    const state = await create({ highestVersions });
    expect(names(state)).toEqual(['10.targets.json', '4.root.json', '41.snapshot.json', 'timestamp.json']);
    expect(verifyFiles(state, { rootVersion: 4 }).timestamp?.signed.version).toBe(42);
  });

  it('protocol 7.4: names the Notary root it goes on from', async () => {
    const migratedFrom = { gun: APP, version: 2, sha256: 'd'.repeat(64) };
    expect((await create({ migratedFrom })).trusted.root.signed.extension?.migratedFrom).toEqual(
      migratedFrom,
    );
  });

  it('may need several root keys', async () => {
    const other = simSigner(labelledSimKey('second root'));
    const state = await create({ rootKeys: [root, other], rootThreshold: 2 });
    expect(state.trusted.root.signatures.size).toBe(2);
    await rejectsCode(create({ rootKeys: [root, root], rootThreshold: 2 }), KeyError, 'KEY_UNSUPPORTED');
  });

  it('protocol 1.2: refuses a target it may not speak for', async () => {
    const stray = { ...entry('1.0'), path: 'docker.io/acme/other:1.0' };
    const error = await rejectsCode(create({ targets: [stray] }), TrustError, 'COLLECTION_MISMATCH');
    expect(error.spec).toBe('protocol 1.2');
    const state = await create({ targets: [stray], names: ['docker.io/acme/*'] });
    expect(state.trusted.names).toEqual(['docker.io/acme/*']);
  });
});

function verifyedSigned(state: NewState) {
  const trusted = verifyFiles(state);
  const at = (signed: { expiresAtMs: number } | undefined): number => signed?.expiresAtMs ?? 0;
  return {
    root: at(trusted.root.signed),
    timestamp: at(trusted.timestamp?.signed),
    snapshot: at(trusted.snapshot?.signed),
    targets: at(trusted.targets()?.signed),
  };
}

describe('edits of targets', () => {
  it('adds, replaces and removes', async () => {
    const first = await edit(await create(), [put('1.0'), put('2.0')]);
    const second = await edit(first, [put('1.0', 'other bytes')]);
    const third = await edit(second, [{ kind: 'removeTarget', path: `${APP}:2.0` }]);
    expect(found(second, '1.0')).toBe(shown('targets', 'other bytes'));
    throwsCode(() => found(third, '2.0'), TrustError, 'TARGET_NOT_SIGNED');
    expect(third.written).toEqual(['4.targets.json', '4.snapshot.json', 'timestamp.json']);
    expect(names(third)).toEqual(['1.root.json', '4.snapshot.json', '4.targets.json', 'timestamp.json']);
    expect(verifyFiles(third, { prior: second }).timestamp?.signed.version).toBe(4);
  });

  it('of several edits of one tag the last one counts', async () => {
    const state = await edit(await create(), [
      put('1.0', 'a'),
      { kind: 'removeTarget', path: `${APP}:1.0` },
      put('1.0', 'b'),
    ]);
    expect(found(state, '1.0')).toBe(shown('targets', 'b'));
    const gone = await edit(state, [put('2.0'), { kind: 'removeTarget', path: `${APP}:2.0` }]);
    throwsCode(() => found(gone, '2.0'), TrustError, 'TARGET_NOT_SIGNED');
  });

  it('refuses to remove what is not there', async () => {
    const work = edit(await create(), [{ kind: 'removeTarget', path: `${APP}:1.0` }]);
    await rejectsCode(work, TrustError, 'TARGET_NOT_SIGNED');
  });

  it('writes the media type into custom, beside what else was given', async () => {
    const custom = new Map([
      ['note', 'x'],
      ['mediaType', 'overruled'],
    ]);
    const state = await edit(await create(), [{ kind: 'putTarget', target: { ...entry('1.0'), custom } }]);
    const written = state.trusted.targets()?.signed.targets.get(`${APP}:1.0`);
    expect([written?.mediaType, written?.custom?.get('note')]).toEqual([entry('1.0').mediaType, 'x']);
  });

  it.each<[string, Partial<ReturnType<typeof entry>>]>([
    ['a digest without algorithm', { sha256: 'a'.repeat(64) }],
    ['an empty media type', { mediaType: '' }],
    ['a length of 0', { lengthBytes: 0 }],
  ])('calls %s a bug', async (_, change) => {
    const target = { ...entry('1.0'), ...change };
    await expect(edit(await create(), [{ kind: 'putTarget', target }])).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_ASSERTION' }),
    );
  });

  it('leaves the state it started from as it was', async () => {
    const state = await create({ targets: [entry('1.0')] });
    const before = [...state.files];
    await edit(state, [put('2.0')]);
    expect([...state.files]).toEqual(before);
    expect(state.trusted.targets()?.signed.targets.size).toBe(1);
  });

  it('needs the keys of what changed, and names them', async () => {
    const state = await create();
    const error = await rejectsCode(
      edit(state, [put('1.0')], { signers: [online] }),
      KeyError,
      'KEY_MISSING',
    );
    expect(error.message).toContain(TARGETS_KEY.keyid);
    const other = await rejectsCode(
      edit(state, [put('1.0')], { signers: [repository] }),
      KeyError,
      'KEY_MISSING',
    );
    expect(other.message).toContain(ONLINE_KEY.keyid);
  });

  it('carries on what it does not understand, in every role', async () => {
    const made = new RepositorySimulator({ collection: APP });
    const unknown = { unknown: { a: [1, 'ä\n'] } };
    for (const role of Object.values(made.top)) role.extra = unknown;
    made.rootExtension = { collection: APP, names: [APP], future: true };
    made.snapshotExtension = { turn: 3, history: [], future: true };
    made.rotate(() => undefined);
    made.publish();
    const base = { trusted: made.verify(), files: made.files() };
    const signers = Object.values(made.top).flatMap((role) => role.keys.map(simSigner));
    const state = await edit(base as unknown as NewState, [put('1.0'), { kind: 'renew', roles: ['root'] }], {
      signers,
    });
    const json = (name: string) => JSON.parse(Buffer.from(state.files.get(name) ?? '').toString()).signed;
    for (const name of ['3.root.json', '2.targets.json', '2.snapshot.json', 'timestamp.json']) {
      expect(json(name)).toMatchObject(unknown);
    }
    expect(json('3.root.json')['x-dtrust'].future).toBe(true);
    expect(json('2.snapshot.json')['x-dtrust']).toMatchObject({ future: true, turn: 3 });
  });
});

describe('versions and history', () => {
  it('protocol 4.2: versions are one above the highest ever seen or written here', async () => {
    const state = await create();
    const highestVersions = new Map([
      ['timestamp', 17],
      ['snapshot', 3],
      ['targets', 1],
    ]);
    const next = await edit(state, [put('1.0')], { highestVersions });
    expect(Object.fromEntries(next.versions)).toEqual({ root: 1, timestamp: 18, snapshot: 4, targets: 2 });
  });

  it('protocol 4.2: the snapshot carries the hashes of the timestamps before it, 64 at most', async () => {
    let state = await create();
    const hashes: string[] = [];
    for (let count = 0; count < 70; count += 1) {
      hashes.push(state.timestampSha256);
      state = await edit(state, [], { signers: [online] });
    }
    expect(state.trusted.snapshot?.signed.extension?.history).toEqual(hashes.slice(-64));
  });

  it('keeps the turn, and changes it when told', async () => {
    const state = await edit(await create(), []);
    expect(state.trusted.snapshot?.signed.extension?.turnSeconds).toBe(2);
    const changed = await edit(state, [], { turnSeconds: 9 });
    expect(changed.trusted.snapshot?.signed.extension?.turnSeconds).toBe(9);
  });

  it.each(['timestamp', 'snapshot', 'targets'] as const)(
    'protocol 2.5: refuses to build on a %s that jumped by more than 1,000',
    async (role) => {
      const state = await create({ highestVersions: new Map([[role, 5_000]]) });
      const options = (seen: number) => ({ highestVersions: new Map([[role, seen]]) });
      const error = await rejectsCode(edit(state, [put('1.0')], options(4_000)), TrustError, 'VERSION_JUMP');
      expect(error).toMatchObject({ attack: 'fast-forward', spec: 'protocol 2.5', role });
      expect((await edit(state, [put('1.0')], options(4_001))).versions.get(role)).toBe(5_002);
    },
  );

  it('protocol 2.5: refuses to build on the largest version there is', async () => {
    const state = await create({ highestVersions: new Map([['timestamp', Number.MAX_SAFE_INTEGER - 1]]) });
    await rejectsCode(edit(state, []), TrustError, 'VERSION_JUMP');
  });
});

describe('renewal', () => {
  const later = NOW + 200 * DAY_MS;

  it('protocol 2.7: the online key alone renews snapshot and timestamp', async () => {
    const state = await edit(await create(), [], { signers: [online], nowMs: later });
    expect(state.written).toEqual(['2.snapshot.json', 'timestamp.json']);
    expect(verifyFiles(state).timestamp?.signed.expiresAtMs).toBe(later + 365 * DAY_MS);
  });

  it('protocol 2.7: each publish renews what its keys can, where that gains more than 30 days', async () => {
    const base = await create({ targets: [entry('1.0')] });
    const soon = await edit(base, [], { nowMs: NOW + 20 * DAY_MS });
    expect(soon.written).not.toContain('2.targets.json');
    const state = await edit(base, [], { nowMs: later, signers: ALL_SIGNERS });
    expect(state.written).toContain('2.targets.json');
    expect(state.written).not.toContain('2.root.json');
    const year = await edit(base, [], { nowMs: NOW + 364 * DAY_MS + 10 * DAY_MS, signers: ALL_SIGNERS });
    expect(year.written).toContain('2.root.json');
  });

  it('renews everything its keys can when asked to', async () => {
    const state = await edit(await create(), [{ kind: 'renew' }], { signers: ALL_SIGNERS });
    expect(state.written).toEqual(['2.root.json', '2.targets.json', '2.snapshot.json', 'timestamp.json']);
    const some = await edit(state, [{ kind: 'renew' }]);
    expect(some.written).toEqual(['3.targets.json', '3.snapshot.json', 'timestamp.json']);
    await rejectsCode(edit(some, [{ kind: 'renew', roles: ['root'] }]), KeyError, 'KEY_ROOT_MISSING');
  });

  it('protocol 2.7: revives what has expired altogether, root included', async () => {
    const base = await create({ targets: [entry('1.0')] });
    const nowMs = NOW + 4 * 365 * DAY_MS;
    const expired = verifyFiles(base, { startTimeMs: nowMs, expiry: 'unsafe-ignored' });
    const current = { ...base, trusted: expired };
    const error = await rejectsCode(edit(current, [], { nowMs }), TrustError, 'ROLE_EXPIRED');
    expect(error.role).toBe('root');
    const state = await edit(current, [], { nowMs, signers: ALL_SIGNERS });
    expect(verifyFiles(state, { startTimeMs: nowMs }).root.signed.version).toBe(2);
  });

  it('an expired delegating role that cannot be signed here is refused before anything is given away', async () => {
    const base = await create();
    const nowMs = NOW + 2 * 365 * DAY_MS;
    const refreshed = await edit(base, [{ kind: 'renew', roles: ['root'] }], { signers: ALL_SIGNERS });
    const trusted = verifyFiles(refreshed, { startTimeMs: nowMs, expiry: 'unsafe-ignored' });
    const state = await edit({ ...refreshed, trusted }, [], { nowMs, signers: [online] });
    expect(state.written).toEqual(['3.snapshot.json', 'timestamp.json']);
  });
});

describe('keys', () => {
  const newKey = labelledSimKey('new');
  const newSigner = simSigner(newKey);

  it('replaces the root key with both signing, and clients follow', async () => {
    const base = await create({ targets: [entry('1.0')] });
    const rotate: Edit = { kind: 'rotateKeys', role: 'root', keys: [newKey.publicKey] };
    await rejectsCode(edit(base, [rotate], { signers: ALL_SIGNERS }), KeyError, 'KEY_ROOT_MISSING');
    await rejectsCode(edit(base, [rotate], { signers: [newSigner, online] }), KeyError, 'KEY_ROOT_MISSING');
    const state = await edit(base, [rotate], { signers: [...ALL_SIGNERS, newSigner] });
    expect(names(state)).toContain('1.root.json');
    const trusted = verifyFiles(state, { prior: base });
    expect(trusted.root.signed.roles.root.keyids).toEqual([newKey.keyid]);
    expect(trusted.root.signed.keys.has(ROOT_KEY.keyid)).toBe(false);
    const next = await edit(state, [{ kind: 'renew', roles: ['root'] }], { signers: [newSigner, online] });
    expect(verifyFiles(next).root.signed.version).toBe(3);
  });

  it('replaces the repository key and signs targets with the new one', async () => {
    const base = await create({ targets: [entry('1.0')] });
    const rotate: Edit = { kind: 'rotateKeys', role: 'targets', keys: [newKey.publicKey] };
    const state = await edit(base, [rotate], { signers: [root, online, newSigner] });
    expect([...(verifyFiles(state, { prior: base }).targets()?.signatures.keys() ?? [])]).toEqual([
      newKey.keyid,
    ]);
    await rejectsCode(edit(state, [put('2.0')]), KeyError, 'KEY_MISSING');
    expect(found(state, '1.0')).toBe(shown('targets', 'manifest 1.0'));
  });

  it('protocol 2.5: a key added to timestamp and snapshot resets nobody; no floor is written', async () => {
    const base = await create();
    const edits = (['timestamp', 'snapshot'] as const).map(
      (role): Edit => ({ kind: 'addKey', role, key: newKey.publicKey }),
    );
    const state = await edit(base, edits, { signers: ALL_SIGNERS });
    expect(state.trusted.root.signed.extension?.floor).toBeUndefined();
    const rolledBack = new Map([
      ...state.files,
      ['timestamp.json', base.files.get('timestamp.json') ?? Buffer.alloc(0)],
    ]);
    throwsCode(() => verifyFiles({ files: rolledBack }, { prior: state }), TrustError, 'TIMESTAMP_ROLLBACK');
    expect(
      verifyFiles(await edit(state, [], { signers: [newSigner] }), { prior: state }).timestamp?.signed
        .version,
    ).toBe(3);
  });

  it('protocol 2.5: a key taken away leaves a floor, for machines that remember nothing too', async () => {
    const added = await edit(await create(), [{ kind: 'addKey', role: 'timestamp', key: newKey.publicKey }], {
      signers: ALL_SIGNERS,
    });
    const state = await edit(added, [{ kind: 'removeKey', role: 'timestamp', keyId: newKey.keyid }], {
      signers: ALL_SIGNERS,
    });
    expect(state.trusted.root.signed.extension?.floor).toEqual({ timestamp: 3, snapshot: 3 });
    const next = await edit(state, [{ kind: 'renew', roles: ['root'] }], { signers: ALL_SIGNERS });
    expect(next.trusted.root.signed.extension?.floor).toEqual({ timestamp: 3, snapshot: 3 });
    const error = await rejectsCode(
      edit(state, [{ kind: 'removeKey', role: 'timestamp', keyId: newKey.keyid }], { signers: ALL_SIGNERS }),
      KeyError,
      'KEY_NOT_LISTED',
    );
    expect(error.message).toContain(newKey.keyid);
  });

  it('protocol 2.5: recovery replaces all snapshot and timestamp keys and counts on from what was good', async () => {
    const good = await create({ targets: [entry('1.0')] });
    const stolen = await edit(good, [], {
      highestVersions: new Map([
        ['timestamp', 2 ** 40],
        ['snapshot', 2 ** 40],
      ]),
    });
    const highestVersions = new Map([
      ['timestamp', 1],
      ['snapshot', 1],
    ]);
    await rejectsCode(edit(stolen, [], { highestVersions }), TrustError, 'VERSION_JUMP');
    const edits = (['timestamp', 'snapshot'] as const).map(
      (role): Edit => ({ kind: 'rotateKeys', role, keys: [newKey.publicKey] }),
    );
    const half = edit(stolen, edits.slice(0, 1), { highestVersions, signers: [root, online, newSigner] });
    await rejectsCode(half, TrustError, 'VERSION_JUMP');
    const state = await edit(stolen, edits, { highestVersions, signers: [root, newSigner] });
    expect(Object.fromEntries(state.versions)).toMatchObject({ timestamp: 2, snapshot: 2, root: 2 });
    expect(state.trusted.root.signed.extension?.floor).toEqual({ timestamp: 2, snapshot: 2 });
    expect(verifyFiles(state, { prior: stolen }).timestamp?.signed.version).toBe(2);
    expect(verifyFiles(state, { prior: good }).timestamp?.signed.version).toBe(2);
  });

  it('refuses keys that could never reach the threshold', async () => {
    const unsupported = { ...newKey.publicKey, keytype: 'x', supported: false };
    const rotate = (keys: (typeof unsupported)[], threshold: number): Edit => ({
      kind: 'rotateKeys',
      role: 'root',
      keys,
      threshold,
    });
    const base = await create();
    for (const bad of [
      rotate([], 1),
      rotate([unsupported], 1),
      rotate([newKey.publicKey], 2),
      rotate([newKey.publicKey], 0),
    ]) {
      await rejectsCode(edit(base, [bad], { signers: ALL_SIGNERS }), KeyError, 'KEY_UNSUPPORTED');
    }
  });
});

describe('the bytes', () => {
  it('are canonical JSON but for the escapes JSON needs, and equal for equal input and deterministic keys', async () => {
    const state = await create({ targets: [entry('1.0')] });
    for (const [name, bytes] of state.files) {
      const parsed = parseStrictJson(bytes, name);
      expect(Buffer.from(serialiseJson(parsed)).equals(bytes)).toBe(true);
      expect(canonicalJson(parsed).length).toBeGreaterThan(100);
    }
    const [first, second] = [await edit(state, [put('2.0')]), await edit(state, [put('2.0')])];
    expect([...first.files]).toEqual([...second.files]);
  });
});
