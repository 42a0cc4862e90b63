/** Forgetting remembered passphrases: what goes, and that no key is lost by it. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createEd25519Key } from '../../src/keys/create.ts';
import { forgetPassphrase, rememberedAccounts } from '../../src/keys/forget.ts';
import type { KeyEntry, KeyStore } from '../../src/keys/key-store.ts';
import { Secret } from '../../src/keys/secret.ts';
import { KeyError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { FakeKeychain } from './fake-keychain.ts';
import {
  knownPassphrases,
  refusal,
  type ScriptedTerminal,
  scriptedTerminal,
  storeIn,
  temporaryFolder,
} from './helpers.ts';

/** As dtrust makes them: 32 bytes, base64url. */
const RANDOM = Buffer.alloc(32, 7).toString('base64url');
const QUESTION = 'Set a passphrase of your own for it first? [y/N] ';

let folder: ReturnType<typeof temporaryFolder>;
let keys: KeyStore;
beforeEach(() => {
  folder = temporaryFolder();
  keys = storeIn(folder.path);
});
afterEach(() => folder.remove());

async function key(passphrase: string, role = 'targets'): Promise<KeyEntry> {
  const made = await createEd25519Key();
  const labels = role === 'targets' ? { role, repository: 'docker.io/acme/app' } : { role };
  return await keys.save(made, labels, Secret.fromText(passphrase));
}

const toolsOf = (keychain: FakeKeychain, terminal: ScriptedTerminal, force = false) => ({
  keychain,
  terminal,
  keys,
  fs: realFileSystem,
  platform: 'linux',
  force,
});

const requestOf = (entry: KeyEntry) => ({ account: entry.notaryKeyId, entry });

describe('contract (Keys): trust key forget takes a passphrase out of the keychain', () => {
  test('that a person has typed: without a question, and the key stays', async () => {
    const entry = await key('a typed passphrase');
    const keychain = new FakeKeychain({ [entry.notaryKeyId]: 'a typed passphrase', other: 'stays' });
    const terminal = scriptedTerminal([]);
    expect(await forgetPassphrase(toolsOf(keychain, terminal), requestOf(entry))).toBe('forgotten');
    expect([...keychain.kept]).toEqual([['other', 'stays']]);
    expect(terminal.log).toEqual([]);
    await keys.load(entry, knownPassphrases('a typed passphrase'));
  });

  test('says when there was none', async () => {
    const entry = await key('a typed passphrase');
    const keychain = new FakeKeychain();
    expect(await forgetPassphrase(toolsOf(keychain, scriptedTerminal([])), requestOf(entry))).toBe('nothing');
    expect(keychain.asked).toEqual([`get ${entry.notaryKeyId}`]);
  });

  test('one that is still there afterwards is not said to be forgotten', async () => {
    const entry = await key('a typed passphrase');
    const keychain = new FakeKeychain({ [entry.notaryKeyId]: 'a typed passphrase' });
    keychain.remove = async () => true;
    await refusal(KeyError, 'KEYCHAIN_UNAVAILABLE', () =>
      forgetPassphrase(toolsOf(keychain, scriptedTerminal([])), requestOf(entry)),
    );
  });

  test('a keychain that fails is an error here, and says why', async () => {
    const entry = await key('a typed passphrase');
    const keychain = new FakeKeychain();
    keychain.failure = 'it is locked';
    const error = await refusal(KeyError, 'KEYCHAIN_UNAVAILABLE', () =>
      forgetPassphrase(toolsOf(keychain, scriptedTerminal([])), requestOf(entry)),
    );
    expect(error.message).toContain('it is locked');
    await refusal(KeyError, 'KEYCHAIN_UNAVAILABLE', () => rememberedAccounts(keychain));
  });

  test('what other programs keep under the same name is not listed', async () => {
    const id = 'ab'.repeat(32);
    expect(await rememberedAccounts(new FakeKeychain({ somebody: 'x', [id]: 'y' }))).toEqual([id]);
  });
});

describe('contract (Keys): forgetting never loses a key whose passphrase exists nowhere else', () => {
  test('no: all stays as it is', async () => {
    const entry = await key(RANDOM);
    const before = readFileSync(entry.file);
    const keychain = new FakeKeychain({ [entry.notaryKeyId]: RANDOM });
    const terminal = scriptedTerminal(['n']);
    expect(await forgetPassphrase(toolsOf(keychain, terminal), requestOf(entry))).toBe('kept');
    expect(terminal.log.at(-1)).toBe(QUESTION);
    expect([...keychain.kept]).toEqual([[entry.notaryKeyId, RANDOM]]);
    expect(readFileSync(entry.file)).toEqual(before);
  });

  test('yes: the key is under a passphrase of its owner’s before the other one goes', async () => {
    const entry = await key(RANDOM);
    const keychain = new FakeKeychain({ [entry.notaryKeyId]: RANDOM });
    const terminal = scriptedTerminal(['y', 'one of my own']);
    expect(await forgetPassphrase(toolsOf(keychain, terminal), requestOf(entry))).toBe('forgotten');
    expect(keychain.kept.size).toBe(0);
    await keys.load(entry, knownPassphrases('one of my own'));
  });

  test('a question that is not answered leaves the passphrase where it is', async () => {
    const entry = await key(RANDOM);
    const keychain = new FakeKeychain({ [entry.notaryKeyId]: RANDOM });
    await refusal(KeyError, 'PROMPT_DECLINED', () =>
      forgetPassphrase(toolsOf(keychain, scriptedTerminal(['y', undefined])), requestOf(entry)),
    );
    expect([...keychain.kept]).toEqual([[entry.notaryKeyId, RANDOM]]);
    await keys.load(entry, knownPassphrases(RANDOM));
  });

  test('one that does not open the key goes without a question', async () => {
    const entry = await key('set elsewhere since');
    const keychain = new FakeKeychain({ [entry.notaryKeyId]: RANDOM });
    const terminal = scriptedTerminal([]);
    expect(await forgetPassphrase(toolsOf(keychain, terminal), requestOf(entry))).toBe('forgotten');
    expect(terminal.log).toEqual([]);
  });

  test.each([
    ['is damaged', (file: string) => writeFileSync(file, 'half a file')],
    ['others may read', (file: string) => chmodSync(file, 0o644)],
  ])('a key file that %s may be mended: its passphrase stays', async (_, spoil) => {
    const entry = await key(RANDOM);
    spoil(entry.file);
    const [found] = keys.files();
    const keychain = new FakeKeychain({ [entry.notaryKeyId]: RANDOM });
    const terminal = scriptedTerminal([]);
    const request = { account: entry.notaryKeyId, entry: found };
    expect(await forgetPassphrase(toolsOf(keychain, terminal), request)).toBe('kept');
    expect(keychain.kept.size).toBe(1);
  });

  test('a passphrase of no key here stays, whoever made it; --force takes both kinds', async () => {
    const entry = await key(RANDOM);
    const account = 'cd'.repeat(32);
    const keychain = new FakeKeychain({ [account]: 'typed', [entry.notaryKeyId]: RANDOM });
    const orphan = { account, entry: undefined };
    expect(await forgetPassphrase(toolsOf(keychain, scriptedTerminal([])), orphan)).toBe('kept');
    const tools = toolsOf(keychain, scriptedTerminal([]), true);
    expect(await forgetPassphrase(tools, orphan)).toBe('forgotten');
    expect(await forgetPassphrase(tools, requestOf(entry))).toBe('forgotten');
    expect(keychain.kept.size).toBe(0);
    expect(existsSync(entry.file)).toBe(true);
  });
});
