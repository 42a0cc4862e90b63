import { describe, expect, it } from 'vitest';
import { KeyError, TrustError } from '../../../src/lib/errors.ts';
import type { Edit } from '../../../src/trust/core/editor.ts';
import type { RoleName } from '../../../src/trust/core/metadata.ts';
import { labelledSimKey, simSigner } from '../../helpers/sim-keys.ts';
import { rejectsCode, throwsCode } from '../../helpers/throws-code.ts';
import {
  ALL_SIGNERS,
  APP,
  create,
  edit,
  entry,
  found,
  online,
  put,
  root,
  shown,
  TARGETS_KEY,
  verifyFiles,
} from './editor-world.ts';

describe('signers', () => {
  const alice = labelledSimKey('alice');
  const bob = labelledSimKey('bob');
  const add = (name: string, key = alice, paths?: string[]): Edit => ({
    kind: 'addSigner',
    name,
    keys: [key.publicKey],
    ...(paths && { paths }),
  });
  const aliceSigner = simSigner(alice);
  const options = { signers: ALL_SIGNERS };

  it('protocol 2.3: the first one moves all entries to targets/releases in one publish', async () => {
    const base = await create({ targets: [entry('1.0'), entry('2.0')] });
    const state = await edit(base, [add('alice')], options);
    expect(state.written).toEqual([
      '2.root.json',
      '2.targets.json',
      '1.targets%2Freleases.json',
      '2.snapshot.json',
      'timestamp.json',
    ]);
    expect(found(state, '1.0')).toBe(shown('targets/releases', 'manifest 1.0'));
    expect(state.trusted.targets()?.signed.targets.size).toBe(0);
    expect(verifyFiles(state, { prior: base }).timestamp?.signed.version).toBe(2);
  });

  it('protocol 2.2: order is restricted signers, releases with all names and terminating, the others', async () => {
    const dev = [`${APP}:dev-*`];
    const state = await edit(
      await create(),
      [add('alice'), add('dev', bob, dev), add('carol', labelledSimKey('carol'))],
      options,
    );
    const roles = [...(state.trusted.targets()?.signed.delegations?.roles.values() ?? [])];
    expect(roles.map(({ name, terminating }) => [name, terminating])).toEqual([
      ['targets/dev', false],
      ['targets/releases', true],
      ['targets/alice', false],
      ['targets/carol', false],
    ]);
    expect(roles[0]?.paths).toEqual(dev);
    expect(roles[1]?.pathHashPrefixes).toEqual([...'0123456789abcdef']);
    expect(roles[0]?.keyids).toEqual([bob.keyid, TARGETS_KEY.keyid]);
    expect(roles[1]?.keyids).toEqual([TARGETS_KEY.keyid, alice.keyid, labelledSimKey('carol').keyid]);
    expect(state.files.has('1.targets%2Fdev.json')).toBe(true);
  });

  it('protocol 2.4: each signer can publish alone: releases, snapshot and timestamp', async () => {
    const base = await edit(await create({ targets: [entry('1.0')] }), [add('alice')], options);
    const state = await edit(base, [put('1.0', 'by alice')], { signers: [aliceSigner] });
    expect(found(state, '1.0')).toBe(shown('targets/releases', 'by alice'));
    expect(state.written).toEqual([
      '2.targets%2Freleases.json',
      '1.targets%2Falice.json',
      '3.snapshot.json',
      'timestamp.json',
    ]);
  });

  it('protocol 2.2: what a signer signs stands in his own role too, which says who signed it and decides nothing', async () => {
    const base = await edit(await create({ targets: [entry('1.0')] }), [add('alice')], options);
    const signed = await edit(base, [put('2.0')], { signers: [aliceSigner] });
    const listed = (state: typeof base) => [
      ...(state.trusted.targets('targets/alice' as RoleName)?.signed.targets.keys() ?? []),
    ];
    expect(listed(signed)).toEqual([`${APP}:2.0`]);
    const byOwner = await edit(signed, [put('3.0')]);
    expect(byOwner.written).toEqual(['3.targets%2Freleases.json', '4.snapshot.json', 'timestamp.json']);
    const revoked = await edit(signed, [{ kind: 'removeTarget', path: `${APP}:2.0` }], {
      signers: [aliceSigner],
    });
    expect(listed(revoked)).toEqual([]);
  });

  it('protocol 2.6: a signer who comes back under his name with another key begins his role anew', async () => {
    const base = await edit(
      await create({ targets: [entry('1.0')] }),
      [add('alice'), add('bob', bob)],
      options,
    );
    const signed = await edit(base, [put('2.0')], { signers: [aliceSigner] });
    const back = labelledSimKey('alice again');
    const state = await edit(signed, [{ kind: 'removeSigner', name: 'alice' }, add('alice', back)], options);
    const again = await edit(state, [put('3.0')], { signers: [simSigner(back)] });
    expect(again.versions.get('targets/alice')).toBe(2);
    expect(found(again, '3.0')).toBe(shown('targets/releases', 'manifest 3.0'));
  });

  it('a second key of a signer needs the first one named as well', async () => {
    const second = labelledSimKey('second of alice');
    const base = await edit(await create(), [add('alice')], options);
    const both: Edit = { kind: 'addSigner', name: 'alice', keys: [alice.publicKey, second.publicKey] };
    const state = await edit(base, [both], options);
    const roles = state.trusted.targets()?.signed.delegations?.roles;
    expect([...(roles?.values() ?? [])].map(({ keyids }) => keyids)).toEqual([
      [TARGETS_KEY.keyid, alice.keyid, second.keyid],
      [alice.keyid, second.keyid],
    ]);
    expect(found(await edit(state, [put('1.0')], { signers: [simSigner(second)] }), '1.0')).toBe(
      shown('targets/releases', 'manifest 1.0'),
    );
    await rejectsCode(edit(base, [add('alice', second)], options), KeyError, 'KEY_EXISTS');
    await rejectsCode(edit(base, [add('alice')], options), KeyError, 'KEY_EXISTS');
  });

  it('protocol 2.2: a signer restricted to dev-* publishes dev-1 in his role, and cannot publish 1.0', async () => {
    const base = await edit(
      await create({ targets: [entry('1.0')] }),
      [add('dev', bob, [`${APP}:dev-*`])],
      options,
    );
    const signers = [simSigner(bob)];
    expect(found(await edit(base, [put('dev-1')], { signers }), 'dev-1')).toBe(
      shown('targets/dev', 'manifest dev-1'),
    );
    await rejectsCode(edit(base, [put('2.0')], { signers }), KeyError, 'KEY_MISSING');
    await rejectsCode(edit(base, [put('1.0', 'x')], { signers }), KeyError, 'KEY_MISSING');
  });

  it('protocol 2.3: a tag held by one role is not pushed into another', async () => {
    const dev = [`${APP}:dev-*`];
    const signers = [simSigner(bob)];
    const base = await edit(await create(), [add('alice'), add('dev', bob, dev)], options);
    const held = await edit(base, [put('dev-1')], { signers });
    const error = await rejectsCode(
      edit(held, [put('dev-1', 'x')], { signers: [aliceSigner] }),
      TrustError,
      'TAG_HELD_BY_ROLE',
    );
    expect(error).toMatchObject({ role: 'targets/dev', spec: 'protocol 2.3' });
    const wanted = { ...put('dev-1', 'x'), role: 'targets/releases' } as Edit;
    await rejectsCode(edit(held, [wanted], options), TrustError, 'TAG_HELD_BY_ROLE');
    expect(found(await edit(held, [put('dev-1', 'x')]), 'dev-1')).toBe(shown('targets/dev', 'x'));
  });

  it('revoking takes the tag out of every role that could release it', async () => {
    const dev = [`${APP}:dev-*`];
    const base = await edit(await create({ targets: [entry('dev-1')] }), [add('dev', bob, dev)], options);
    expect(found(base, 'dev-1')).toBe(shown('targets/releases', 'manifest dev-1'));
    const state = await edit(base, [{ kind: 'removeTarget', path: `${APP}:dev-1` }]);
    throwsCode(() => found(state, 'dev-1'), TrustError, 'TARGET_NOT_SIGNED');
  });

  it('protocol 2.6: removing one takes his keys from releases, snapshot and timestamp, and leaves a floor', async () => {
    const two = await edit(
      await create({ targets: [entry('1.0')] }),
      [add('alice'), add('bob', bob)],
      options,
    );
    const byAlice = await edit(two, [put('1.0', 'by alice')], { signers: [aliceSigner] });
    const state = await edit(byAlice, [{ kind: 'removeSigner', name: 'alice' }], options);
    await rejectsCode(
      edit(state, [put('1.0', 'again')], { signers: [aliceSigner] }),
      KeyError,
      'KEY_MISSING',
    );
    expect(state.trusted.root.signed.keys.has(alice.keyid)).toBe(false);
    expect(state.trusted.root.signed.extension?.floor).toEqual({ timestamp: 4, snapshot: 4 });
    expect(found(state, '1.0')).toBe(shown('targets/releases', 'by alice'));
    const prior = verifyFiles(state, { prior: byAlice });
    expect(prior.timestamp?.signed.version).toBe(4);
    expect(state.warnings).toEqual([]);
  });

  it('protocol 2.6: a key shared with a restricted signer leaves releases, and keeps snapshot and timestamp', async () => {
    const shared = [add('alice'), add('dev', alice, [`${APP}:dev-*`]), add('bob', bob)];
    const base = await edit(await create({ targets: [entry('1.0')] }), shared, options);
    const state = await edit(base, [{ kind: 'removeSigner', name: 'alice' }], options);
    const work = edit(state, [put('1.0', 'again')], { signers: [aliceSigner] });
    await rejectsCode(work, KeyError, 'KEY_MISSING');
    const dev = await edit(state, [put('dev-1')], { signers: [aliceSigner] });
    expect(found(dev, 'dev-1')).toBe(shown('targets/dev', 'manifest dev-1'));
  });

  it('protocol 2.6: without the root key, targets and releases at once, with a warning', async () => {
    const two = await edit(await create(), [add('alice'), add('bob', bob)], options);
    const state = await edit(two, [{ kind: 'removeSigner', name: 'alice' }]);
    expect(state.warnings).toEqual([expect.stringContaining('alice can still sign snapshot and timestamp')]);
    await rejectsCode(edit(state, [put('1.0')], { signers: [aliceSigner] }), KeyError, 'KEY_MISSING');
    expect((await edit(state, [], { signers: [aliceSigner] })).versions.get('timestamp')).toBe(4);
  });

  it('protocol 2.3: removing the last one moves the entries back; the snapshot lists his role for ever', async () => {
    const one = await edit(
      await create({ targets: [entry('1.0')] }),
      [add('dev', bob, [`${APP}:dev-*`])],
      options,
    );
    const state = await edit(one, [{ kind: 'removeSigner', name: 'dev' }], options);
    expect(found(state, '1.0')).toBe(shown('targets', 'manifest 1.0'));
    expect(state.trusted.targets()?.signed.delegations).toBeUndefined();
    expect([...(state.trusted.snapshot?.signed.meta.keys() ?? [])].sort()).toEqual([
      'targets.json',
      'targets/dev.json',
      'targets/releases.json',
    ]);
    expect(verifyFiles(state, { prior: one }).timestamp?.signed.version).toBe(3);
    const again = await edit(state, [add('alice')], options);
    expect(found(again, '1.0')).toBe(shown('targets/releases', 'manifest 1.0'));
    expect(again.versions.get('targets/releases')).toBe(2);
  });

  it('protocol 2.3: a rotated repository key is rotated in releases and in every role before it', async () => {
    const fresh = labelledSimKey('fresh repository');
    const base = await edit(
      await create({ targets: [entry('1.0')] }),
      [add('alice'), add('dev', bob, [`${APP}:dev-*`])],
      options,
    );
    const rotate: Edit = { kind: 'rotateKeys', role: 'targets', keys: [fresh.publicKey] };
    const state = await edit(base, [rotate], { signers: [root, online, simSigner(fresh)] });
    const roles = [...(state.trusted.targets()?.signed.delegations?.roles.values() ?? [])];
    expect(roles.map(({ keyids }) => keyids)).toEqual([
      [bob.keyid, fresh.keyid],
      [alice.keyid, fresh.keyid],
      [alice.keyid],
    ]);
    expect(found(state, '1.0')).toBe(shown('targets/releases', 'manifest 1.0'));
  });

  it.each<[string, Edit, string]>([
    ['a name with capitals', add('Alice'), 'KEY_NAME'],
    ['the name releases', add('releases'), 'KEY_NAME'],
    ['a name with a slash', add('a/b'), 'KEY_NAME'],
    ['no key', { kind: 'addSigner', name: 'alice', keys: [] }, 'KEY_UNSUPPORTED'],
    ['a removal of nobody', { kind: 'removeSigner', name: 'nobody' }, 'KEY_NOT_LISTED'],
  ])('refuses %s', async (_, bad, code) => {
    await rejectsCode(edit(await create(), [bad], options), KeyError, code);
  });

  it('refuses a signer that is there already', async () => {
    await rejectsCode(
      edit(await create(), [add('alice'), add('alice', bob)], options),
      KeyError,
      'KEY_EXISTS',
    );
  });
});
