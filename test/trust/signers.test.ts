/** Who may sign beside the owner, as the delegations say it; and which of their roles must be there. */
import { describe, expect, test } from 'vitest';
import { TrustError } from '../../src/lib/errors.ts';
import type { Edit } from '../../src/trust/core/editor.ts';
import { runSearch } from '../../src/trust/core/search.ts';
import { walkRoles } from '../../src/trust/role-walk.ts';
import { describeKeys, signedBy, signersOf } from '../../src/trust/signers.ts';
import { labelledSimKey, simSigner } from '../helpers/sim-keys.ts';
import { throwsCode } from '../helpers/throws-code.ts';
import {
  ALL_SIGNERS,
  APP,
  create,
  edit,
  entry,
  ONLINE_KEY,
  put,
  ROOT_KEY,
  TARGETS_KEY,
  verifyFiles,
} from './core/editor-world.ts';

const alice = labelledSimKey('alice');
const dev = labelledSimKey('dev');
const addAlice: Edit = { kind: 'addSigner', name: 'alice', keys: [alice.publicKey] };
const addDev: Edit = { kind: 'addSigner', name: 'dev', keys: [dev.publicKey], paths: [`${APP}:dev-*`] };
const options = { signers: ALL_SIGNERS };

async function team() {
  return await edit(await create({ targets: [entry('1.0')] }), [addAlice, addDev], options);
}

/** A client that has the files of the state, without those of these roles. */
function walk(state: Awaited<ReturnType<typeof team>>, missing: RegExp = /^$/): readonly string[] {
  const trusted = verifyFiles(state);
  return runSearch(walkRoles(trusted), ({ fileName }) =>
    missing.test(fileName) ? undefined : state.files.get(fileName),
  );
}

describe('signers of a collection', () => {
  test('each with his own keys alone, and what he is limited to', async () => {
    expect(signersOf((await team()).trusted)).toEqual([
      {
        name: 'dev',
        role: 'targets/dev',
        keys: [expect.objectContaining({ keyid: dev.keyid })],
        threshold: 1,
        paths: [`${APP}:dev-*`],
      },
      {
        name: 'alice',
        role: 'targets/alice',
        keys: [expect.objectContaining({ keyid: alice.keyid })],
        threshold: 1,
      },
    ]);
    expect(signersOf((await create()).trusted)).toEqual([]);
  });

  test('each key by whose it is', async () => {
    const { trusted } = await team();
    const stranger = labelledSimKey('stranger');
    const keys = [alice, dev, ROOT_KEY, TARGETS_KEY, ONLINE_KEY, stranger].map(({ publicKey }) => publicKey);
    expect(describeKeys(trusted, keys).map((each) => each.replace(/ \([0-9a-f]{64}\)$/, ''))).toEqual([
      ...['alice', 'dev', 'the root key', 'the repository key', 'the online key', 'a key'],
    ]);
  });

  test('protocol 2.2: who signed a released entry last is whose own role lists the same', async () => {
    const byAlice = await edit(await team(), [put('2.0')], { signers: [simSigner(alice)] });
    const trusted = byAlice.trusted;
    const target = (tag: string) => ({ ...entry(tag), role: 'targets/releases' }) as never;
    const [first, second] = signersOf(trusted);
    expect(signedBy(trusted, second ?? { role: '' as never }, [target('1.0'), target('2.0')])).toHaveLength(
      1,
    );
    expect(signedBy(trusted, first ?? { role: '' as never }, [target('2.0')])).toEqual([]);
    const other = await edit(byAlice, [put('2.0', 'by the owner')], options);
    const changed = { ...entry('2.0', 'by the owner'), role: 'targets/releases' } as never;
    expect(signedBy(other.trusted, second ?? { role: '' as never }, [changed])).toEqual([]);
  });
});

describe('a walk over all roles', () => {
  test('passes over a signer who has signed nothing yet', async () => {
    expect(walk(await team())).toEqual(['targets', 'targets/dev', 'targets/releases']);
  });

  test('passes over a role behind releases that is not to be had, and over no other', async () => {
    const byAlice = await edit(await team(), [put('2.0')], { signers: [simSigner(alice)] });
    expect(walk(byAlice)).toContain('targets/alice');
    expect(walk(byAlice, /alice/)).not.toContain('targets/alice');
    throwsCode(() => walk(byAlice, /dev/), TrustError, 'ROLE_MISSING');
    throwsCode(() => walk(byAlice, /releases/), TrustError, 'ROLE_MISSING');
  });
});
