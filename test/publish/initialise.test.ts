import fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRootKey } from '../../src/keys/create.ts';
import { createPassphrases } from '../../src/keys/passphrases.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { KeyError } from '../../src/lib/errors.ts';
import { type NewKeysRequest, prepareCollectionKeys } from '../../src/publish/initialise.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { tufKeyId } from '../../src/trust/core/keys.ts';
import { CurrentKeys } from '../../src/trust/current-keys.ts';
import {
  knownPassphrases,
  PASSPHRASE,
  refusal,
  scriptedTerminal,
  secret,
  storeIn,
  temporaryFolder,
  typedPassphrases,
} from '../keys/helpers.ts';

const repository = parseRepository('ghcr.io/acme/app');
const ROOT = 'a passphrase for root';
const OTHERS = 'a passphrase for the others';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

function request(change: Partial<NewKeysRequest> = {}): NewKeysRequest {
  const keys = storeIn(folder.path);
  const nobody = { canPrompt: false, unattended: false, hasOtherRootKeys: false };
  const currentKeys = new CurrentKeys({ fs, directory: folder.path, clock: systemClock });
  return { repository, keys, currentKeys, passphrases: knownPassphrases(), ...nobody, ...change };
}

describe('contract (Keys): without a terminal no root key is made', () => {
  test('KEY_ROOT_MISSING names what to run once on a machine of a person, and nothing is written', async () => {
    const error = await refusal(KeyError, 'KEY_ROOT_MISSING', () => prepareCollectionKeys(request()));
    expect(error.hints[0]).toContain('dtrust trust init ghcr.io/acme/app');
    expect(error.hints[1]).toContain('DTRUST_INIT=1');
    expect(storeIn(folder.path).list()).toEqual([]);
  });

  test('a root key that is here is no reason to begin unasked either', async () => {
    await storeIn(folder.path).save(await createRootKey(), { role: 'root' }, secret);
    await refusal(KeyError, 'KEY_ROOT_MISSING', () => prepareCollectionKeys(request()));
  });

  test('DTRUST_INIT=1 is the exception, with the passphrases from the environment', async () => {
    const made = await prepareCollectionKeys(request({ unattended: true }));
    expect(made.newRootKeyId).toBe(tufKeyId(made.rootKey.publicKey));
    expect(storeIn(folder.path).list()).toEqual([]);
    await made.store();
    const listed = storeIn(folder.path).list();
    expect(listed.map(({ role, repository: of, protection }) => [role, of, protection])).toEqual([
      ['root', undefined, 'passphrase'],
      ['snapshot', 'ghcr.io/acme/app', 'passphrase'],
      ['targets', 'ghcr.io/acme/app', 'passphrase'],
    ]);
  });

  test('DTRUST_INIT=1 without a passphrase makes nothing', async () => {
    const silent = { ...scriptedTerminal([]), canPrompt: () => false };
    const passphrases = typedPassphrases(silent);
    await refusal(KeyError, 'KEY_PASSPHRASE_MISSING', () =>
      prepareCollectionKeys(request({ unattended: true, passphrases })),
    );
    expect(silent.log).toEqual([]);
  });
});

describe('contract (Keys): a new repository asks for two passphrases', () => {
  test('one for root, one that repository and online key share; root first', async () => {
    const terminal = scriptedTerminal([ROOT, OTHERS]);
    const typed = { canPrompt: true, passphrases: typedPassphrases(terminal) };
    const made = await prepareCollectionKeys(request(typed));
    expect(terminal.log).toHaveLength(3);
    expect(terminal.log[1]).toMatch(/new root key/);
    expect(terminal.log[2]).toMatch(/new .*ghcr\.io\/acme\/app|ghcr\.io\/acme\/app/);
    await made.store();
    const store = storeIn(folder.path);
    const opens = async (role: string, passphrase: string) => {
      const entry = store.list().find((each) => each.role === role);
      if (entry === undefined) expect.unreachable(`${role} is stored`);
      return await store.load(entry, knownPassphrases(passphrase));
    };
    expect((await opens('root', ROOT)).publicKey).toEqual(made.rootKey.publicKey);
    expect((await opens('targets', OTHERS)).publicKey).toEqual(made.targetsKey.publicKey);
    expect((await opens('snapshot', OTHERS)).publicKey).toEqual(made.onlineKey.publicKey);
  });

  test('protocol 2.1: says before the first question how to begin with two root keys, and only where one is asked', async () => {
    const line = /dtrust trust init --second-root-key root\.pub ghcr\.io\/acme\/app$/;
    const typed = (more: Partial<NewKeysRequest> = {}) => {
      const terminal = scriptedTerminal([ROOT, OTHERS]);
      const passphrases = typedPassphrases(terminal);
      return { terminal, request: request({ canPrompt: true, passphrases, ...more }) };
    };
    const first = typed();
    const made = await prepareCollectionKeys(first.request);
    expect(first.terminal.log[0]).toMatch(line);
    // With a second one there is nothing to offer; nor is there where the environment answers; nor once a root key is here.
    const withOther = typed({ hasOtherRootKeys: true });
    await prepareCollectionKeys(withOther.request);
    expect(withOther.terminal.log).toHaveLength(2);
    const answered = typed();
    const environment = { rootPassphrase: ROOT, repositoryPassphrase: OTHERS };
    const passphrases = createPassphrases({ environment, terminal: answered.terminal, fs });
    await prepareCollectionKeys({ ...answered.request, passphrases });
    expect(answered.terminal.log).toEqual([]);
    await made.store();
    const next = typed({ repository: parseRepository('ghcr.io/acme/other') });
    await prepareCollectionKeys(next.request);
    expect(next.terminal.log.filter((each) => line.test(each) || each.includes('second-root-key'))).toEqual(
      [],
    );
  });

  test('protocol 2.1: the root key is ECDSA P-256, the others are Ed25519; the next repository has the same root key', async () => {
    const first = await prepareCollectionKeys(request({ unattended: true }));
    await first.store();
    const keys = [first.rootKey, first.targetsKey, first.onlineKey];
    expect(keys.map(({ publicKey }) => publicKey.keytype)).toEqual(['ecdsa', 'ed25519', 'ed25519']);
    const other = parseRepository('ghcr.io/acme/other');
    const second = await prepareCollectionKeys(request({ unattended: true, repository: other }));
    expect(second.newRootKeyId).toBeUndefined();
    expect(second.rootKey.publicKey).toEqual(first.rootKey.publicKey);
    expect(second.targetsKey.publicKey).not.toEqual(first.targetsKey.publicKey);
  });

  test('keys of a publish that failed are found again, and no second set is made', async () => {
    const first = await prepareCollectionKeys(request({ unattended: true }));
    await first.store();
    const again = await prepareCollectionKeys(request({ unattended: true }));
    expect(again.targetsKey.publicKey).toEqual(first.targetsKey.publicKey);
    expect(again.onlineKey.publicKey).toEqual(first.onlineKey.publicKey);
    expect(await again.store()).toEqual([]);
    await refusal(KeyError, 'KEY_PASSPHRASE', () =>
      prepareCollectionKeys(request({ unattended: true, passphrases: knownPassphrases(`${PASSPHRASE}!`) })),
    );
  });
});

describe('protocol 2.8: of several keys of a kind', () => {
  test('the one in use begins a new repository, and never one whose rotation is not done', async () => {
    const keys = storeIn(folder.path);
    const currentKeys = new CurrentKeys({ fs, directory: folder.path, clock: systemClock });
    const three = [await createRootKey(), await createRootKey(), await createRootKey()];
    for (const key of three) await keys.save(key, { role: 'root' }, secret);
    for (const [at, key] of three.entries()) {
      await currentKeys.publishedIn({ role: 'root' }, key.notaryKeyId, 'x/one');
      const other = three[(at + 1) % 3]?.notaryKeyId ?? '';
      await currentKeys.begin({ role: 'root' }, { keyId: other, repositories: ['x/one'] });
      const made = await prepareCollectionKeys(request({ unattended: true, currentKeys }));
      expect(tufKeyId(made.rootKey.publicKey)).toBe(tufKeyId(key.publicKey));
      expect(made.newRootKeyId).toBeUndefined();
    }
  });
});
