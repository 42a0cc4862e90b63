/** What a signer who is to be removed (protocol 2.6) writes while the owner decides on his tags. */
import fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PrivateKey } from '../../src/keys/private-key.ts';
import { TrustError } from '../../src/lib/errors.ts';
import type { JsonValue } from '../../src/lib/strict-json.ts';
import { leavingSigner, verifyStillSigned } from '../../src/publish/leaving-signer.ts';
import { RELEASES } from '../../src/trust/core/delegations.ts';
import { Draft } from '../../src/trust/core/draft.ts';
import { type Edit, editCollection } from '../../src/trust/core/editor.ts';
import type { CurrentState } from '../../src/trust/core/edits.ts';
import type { RoleName } from '../../src/trust/core/metadata.ts';
import { writeChanged, writeState } from '../../src/trust/core/write-state.ts';
import { signersOf } from '../../src/trust/signers.ts';
import { type Begun, type CommandWorld, entry, openWorld } from './command-world.ts';

let world: CommandWorld;
let count = 0;

beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

/** A repository with tag 1.0 of the owner's, in which alice and bob may sign. */
async function scene() {
  count += 1;
  const repository = `acme/leaving-${count}`;
  const home = world.home();
  const [alice, bob] = [await world.keyPair(home, 'alice'), await world.keyPair(home, 'bob')];
  const begun = await world.begin(home, repository, [
    { kind: 'addSigner', name: 'alice', keys: [alice.key.publicKey] },
    { kind: 'addSigner', name: 'bob', keys: [bob.key.publicKey] },
  ]);
  return { repository, home, begun, alice: alice.key, bob: bob.key };
}

/** An entry in the released role and nowhere else: what no dtrust writes for a signer, and his key can sign. */
async function inReleasesAlone(
  begun: Begun,
  key: PrivateKey,
  tag: string,
  sha256: string,
  { online }: Partial<Begun> = {},
) {
  const collection = await world.open(begun);
  const current: CurrentState = { trusted: collection.trusted, files: await collection.loadAll() };
  const draft = new Draft(current);
  const { path, lengthBytes, mediaType } = entry(begun.name, tag);
  draft.putEntry(
    RELEASES,
    path,
    new Map<string, JsonValue>([
      ['length', lengthBytes],
      ['hashes', new Map([['sha256', sha256]])],
      ['custom', new Map([['mediaType', mediaType]])],
    ]),
  );
  const options = { signers: online === undefined ? [key] : [key, online], nowMs: Date.now() };
  return await writeState(draft, options, await writeChanged(draft, options));
}

async function signedBy(begun: Begun, key: PrivateKey, edit: Edit) {
  const collection = await world.open(begun);
  const current = { trusted: collection.trusted, files: await collection.loadAll() };
  return await editCollection(current, [edit], { signers: [key], nowMs: Date.now() });
}

const EVIL = 'e1'.repeat(32);

/** The same with bob, and dave who may sign dev-* alone. */
async function limitedScene() {
  count += 1;
  const repository = `acme/leaving-${count}`;
  const home = world.home();
  const [dave, bob] = [await world.keyPair(home, 'dave'), await world.keyPair(home, 'bob')];
  const begun = await world.begin(home, repository, [
    { kind: 'addSigner', name: 'bob', keys: [bob.key.publicKey] },
    {
      kind: 'addSigner',
      name: 'dave',
      keys: [dave.key.publicKey],
      paths: [`${world.name(repository)}:dev-*`],
    },
  ]);
  return { repository, home, begun, dave: dave.key };
}

/** `targets/releases` with a delegation to a role that is not there; nothing that is signed is found through it. */
async function withMissingRoleBelow(begun: Begun, key: PrivateKey) {
  const collection = await world.open(begun);
  const draft = new Draft({ trusted: collection.trusted, files: await collection.loadAll() });
  const { keyid, json } = key.publicKey;
  const role = new Map<string, JsonValue>([
    ['name', `${RELEASES}/deep`],
    ['keyids', [keyid]],
    ['threshold', 1],
    ['terminating', false],
    ['paths', [`${begun.name}:nothing-*`]],
  ]);
  const delegations = new Map<string, JsonValue>([
    ['keys', new Map([[keyid, json]])],
    ['roles', [role]],
  ]);
  draft.role(RELEASES).json.set('delegations', delegations);
  draft.changed.add(RELEASES);
  const options = { signers: [key], nowMs: Date.now() };
  return await writeState(draft, options, await writeChanged(draft, options));
}

describe('protocol 2.6: a signer who leaves a delegation to a role that is not there', () => {
  test.each([
    ['his removal', ['signer', 'remove', '--force', 'alice'], ''],
    ['a refresh', ['refresh'], ''],
    ['that a tag is revoked', ['revoke'], ':1.0'],
  ])('does not prevent %s', async (_, args, tag) => {
    const { repository, begun, alice, home } = await scene();
    await world.publish(repository, await withMissingRoleBelow(begun, alice));
    const before = world.tag(repository);
    await world.succeed(home, ['trust', ...args, `${begun.name}${tag}`]);
    expect(world.tag(repository)).not.toBe(before);
    const seen = await world.open(begun);
    const isRemoved = args[0] === 'signer';
    expect(signersOf(seen.trusted).map(({ name }) => name)).toEqual(isRemoved ? ['bob'] : ['alice', 'bob']);
    const found = (await seen.listTargets('passed-over')).map(({ path }) => path);
    expect(found).toEqual(tag === '' ? [`${begun.name}:1.0`] : []);
    // Whoever uses it is told as before.
    const listing = seen.listTargets();
    if (isRemoved) expect((await listing).map(({ path }) => path)).toEqual(found);
    else await expect(listing).rejects.toMatchObject({ code: 'ROLE_MISSING' });
  });
});

describe('protocol 2.6: a signer limited to some tags whose own role is garbage', () => {
  test.each([
    ['known', Buffer.from('{}')],
    ['known', undefined],
    ['not known', Buffer.from('{}')],
    ['not known', undefined],
  ])('is removed on a machine where the repository is %s (%#)', async (known, garbage) => {
    const { repository, home, begun, dave } = await limitedScene();
    if (known === 'known') await world.open(begun, home);
    const collection = await world.open(begun);
    const draft = new Draft({ trusted: collection.trusted, files: await collection.loadAll() });
    const options = { signers: [dave], nowMs: Date.now() };
    const bytes = garbage ?? Buffer.from('never uploaded');
    const changed = new Map([['targets/dave' as RoleName, { version: 2, bytes }]]);
    const state = await writeState(draft, options, changed);
    const files = [...state.files].filter(([name]) => garbage !== undefined || !name.includes('dave'));
    await world.publish(repository, { files: new Map(files) });
    const stopped = await world.run(home, ['trust', 'refresh', begun.name]);
    expect(stopped.error).toBeInstanceOf(TrustError);
    const run = await world.succeed(home, ['trust', 'signer', 'remove', '--force', 'dave', begun.name]);
    expect(run.err).toMatch(/warning: the role of dave cannot be read \(\w+\); what is signed in it alone /);
    const seen = await world.open(begun);
    expect(signersOf(seen.trusted).map(({ name }) => name)).toEqual(['bob']);
    expect((await seen.listTargets()).map(({ path }) => path)).toEqual([`${begun.name}:1.0`]);
    await world.succeed(home, ['trust', 'refresh', begun.name]);
  });
});

describe('protocol 2.6, 4.6: a signer whose own role is garbage, where the root takes two keys', () => {
  test('is removed by two people', async () => {
    const { repository, home, begun, dave } = await limitedScene();
    const other = await world.keyPair(home, 'root');
    await world.succeed(home, ['trust', 'threshold', '--add-key', other.pub, 'root', '2', begun.name]);
    const second = world.home();
    await world.save(second, other.key, 'root');
    for (const file of world.keyFiles(home, 'root')) {
      if (file.includes(other.key.notaryKeyId)) fs.rmSync(file);
    }
    for (const each of [home, second]) await world.open(begun, each);
    const collection = await world.open(begun);
    const draft = new Draft({ trusted: collection.trusted, files: await collection.loadAll() });
    const options = { signers: [dave], nowMs: Date.now() };
    const garbage = new Map([['targets/dave' as RoleName, { version: 2, bytes: Buffer.from('{}') }]]);
    await world.publish(repository, await writeState(draft, options, garbage));
    const staged = await world.succeed(home, [
      ...['trust', 'stage', 'signer', 'remove', '--force', 'dave', begun.name],
    ]);
    const [id = ''] = /sha256:[0-9a-f]{64}/.exec(staged.out) ?? [];
    const signed = await world.succeed(second, ['trust', 'cosign', '--digest', id, begun.name]);
    expect(signed.err).toMatch(/warning: the role of dave cannot be read/);
    await world.succeed(home, ['trust', 'cosign', '--digest', id, begun.name]);
    const seen = await world.open(begun);
    expect(signersOf(seen.trusted).map(({ name }) => name)).toEqual(['bob']);
  });
});

describe('protocol 2.6: what changes while the owner decides', () => {
  test.each(['1.0', '9.9'])(
    'an entry for %s that he writes into targets/releases, and hides from his own role, is not signed anew',
    async (tag) => {
      const { repository, begun, alice } = await scene();
      const shown = await leavingSigner(await world.open(begun), 'alice');
      await world.publish(repository, await inReleasesAlone(begun, alice, tag, EVIL));
      const base = await world.open(begun);
      const found = (await base.listTargets()).find(({ path }) => path === `${begun.name}:${tag}`);
      expect(found?.sha256).toBe(`sha256:${EVIL}`);
      await expect(verifyStillSigned(base, shown)).rejects.toMatchObject({
        code: 'PUBLISH_CONFLICT',
        message: expect.stringContaining(`${begun.name}:${tag}`),
      });
    },
  );

  test('nor what another signer once listed in his own role, and is released no more', async () => {
    const { repository, begun, alice, bob } = await scene();
    const first = { ...entry(begun.name, '2.0'), sha256: `sha256:${'b0'.repeat(32)}` };
    await world.publish(repository, await signedBy(begun, bob, { kind: 'putTarget', target: first }));
    await world.publish(
      repository,
      await inReleasesAlone(begun, begun.targets, '2.0', 'b1'.repeat(32), begun),
    );
    const shown = await leavingSigner(await world.open(begun), 'alice');
    await world.publish(repository, await inReleasesAlone(begun, alice, '2.0', 'b0'.repeat(32)));
    await expect(verifyStillSigned(await world.open(begun), shown)).rejects.toMatchObject({
      code: 'PUBLISH_CONFLICT',
    });
  });

  test('what another signer signs in his own name meanwhile is that signer’s, and stays', async () => {
    const { repository, begun, bob } = await scene();
    const shown = await leavingSigner(await world.open(begun), 'alice');
    const target = { ...entry(begun.name, '2.0'), sha256: `sha256:${'b0'.repeat(32)}` };
    await world.publish(repository, await signedBy(begun, bob, { kind: 'putTarget', target }));
    const base = await world.open(begun);
    expect((await base.listTargets()).map(({ path }) => path)).toContain(target.path);
    await expect(verifyStillSigned(base, shown)).resolves.toBeUndefined();
  });
});
