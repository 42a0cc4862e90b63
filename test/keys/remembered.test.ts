/** The chain of passphrases with a keychain in it: its order, its offers, and what happens when there is none. */
import { describe, expect, test } from 'vitest';
import { createPassphrases, type PassphraseEnvironment } from '../../src/keys/passphrases.ts';
import { looksRandom } from '../../src/keys/remembered.ts';
import { Secret } from '../../src/keys/secret.ts';
import type { Terminal } from '../../src/keys/terminal.ts';
import { KeyError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { FakeKeychain } from './fake-keychain.ts';
import { noTerminal, refusal, scriptedTerminal } from './helpers.ts';

const keyId = '0123456789abcdef'.repeat(4);
const otherId = 'fedcba9876543210'.repeat(4);
const root = { role: 'root', keyId };
const targets = { role: 'targets', repository: 'docker.io/acme/app', keyId };
const online = { role: 'snapshot', repository: 'docker.io/acme/app', keyId: otherId };
const signer = { role: 'alice', keyId };

const OFFER = 'Remember this passphrase in the keychain of this system? [y/N] ';
const REPLACE = 'Replace the remembered passphrase by this one? [y/N] ';
const ASK_ROOT = 'Enter passphrase for root key with ID 0123456: ';

const chain = (keychain: FakeKeychain, terminal: Terminal, environment: PassphraseEnvironment = {}) =>
  createPassphrases({ environment, terminal, keychain, fs: realFileSystem });

/** Opens with this passphrase alone, and says which were tried. */
function lock(right: string) {
  const tried: string[] = [];
  const attempt = async (passphrase: Secret): Promise<string> => {
    tried.push(passphrase.reveal());
    if (passphrase.reveal() === right) return 'open';
    throw new KeyError({ code: 'KEY_PASSPHRASE', message: 'wrong' });
  };
  return { tried, attempt };
}

describe('contract (Keys): the keychain comes after the environment and before a question', () => {
  test('what the environment holds leaves the keychain alone, right or wrong', async () => {
    const keychain = new FakeKeychain({ [keyId]: 'right' });
    const terminal = scriptedTerminal([]);
    const passphrases = chain(keychain, terminal, { rootPassphrase: 'set' });
    expect(await passphrases.unlock(root, lock('set').attempt)).toBe('open');
    await refusal(KeyError, 'KEY_PASSPHRASE', () => passphrases.unlock(root, lock('right').attempt));
    await passphrases
      .choose(root)
      .catch((error: KeyError) => expect(error.code).toBe('KEY_PASSPHRASE_SHORT'));
    expect([keychain.asked, terminal.log]).toEqual([[], []]);
  });

  test('what is remembered opens the key without a question, and is asked for once', async () => {
    const keychain = new FakeKeychain({ [keyId]: 'right' });
    const terminal = scriptedTerminal([]);
    const passphrases = chain(keychain, terminal);
    expect(await passphrases.unlock(root, lock('right').attempt)).toBe('open');
    expect(await passphrases.unlock(root, lock('right').attempt)).toBe('open');
    expect([keychain.asked, terminal.log]).toEqual([[`get ${keyId}`], []]);
  });

  test('where nobody may be asked the keychain is not touched, and the refusal says so', async () => {
    const keychain = new FakeKeychain({ [keyId]: 'right' });
    const passphrases = chain(keychain, noTerminal);
    const error = await refusal(KeyError, 'KEY_PASSPHRASE_MISSING', () =>
      passphrases.unlock(root, lock('right').attempt),
    );
    expect(error.hints).toContain('What the keychain of this system remembers is used on a terminal alone.');
    await refusal(KeyError, 'KEY_PASSPHRASE_MISSING', () => passphrases.choose(targets));
    await passphrases.changed(root, Secret.fromText('another one'));
    expect(keychain.asked).toEqual([]);
  });

  test('a key in a variable, or in a file not yet read, is nothing to the keychain', async () => {
    const keychain = new FakeKeychain();
    const terminal = scriptedTerminal(['right', 'right']);
    await chain(keychain, terminal).unlock({ ...signer, variable: 'DTRUST_KEY' }, lock('right').attempt);
    await chain(keychain, terminal).unlock({}, lock('right').attempt);
    await chain(keychain, scriptedTerminal(['right'])).unlock({ keyId: '../x' }, lock('right').attempt);
    expect(keychain.asked).toEqual([]);
  });

  test('one key’s remembered passphrase opens the other keys of its repository too', async () => {
    const keychain = new FakeKeychain({ [keyId]: 'shared one' });
    const terminal = scriptedTerminal([]);
    const passphrases = chain(keychain, terminal);
    await passphrases.unlock(targets, lock('shared one').attempt);
    expect(await passphrases.unlock(online, lock('shared one').attempt)).toBe('open');
    expect(terminal.log).toEqual([]);
  });
});

describe('contract (Keys): after a good prompt it is offered to remember the passphrase', () => {
  test('yes: it is kept, read back, and nothing is asked the next time', async () => {
    const keychain = new FakeKeychain();
    const terminal = scriptedTerminal(['wrong one', 'right', 'y']);
    expect(await chain(keychain, terminal).unlock(root, lock('right').attempt)).toBe('open');
    expect(terminal.log).toEqual([ASK_ROOT, 'Passphrase incorrect. Please retry.', ASK_ROOT, OFFER]);
    expect([...keychain.kept]).toEqual([[keyId, 'right']]);
    expect(keychain.asked.slice(-2)).toEqual([`set ${keyId}`, `get ${keyId}`]);
    const silent = scriptedTerminal([]);
    expect(await chain(keychain, silent).unlock(root, lock('right').attempt)).toBe('open');
    expect(silent.log).toEqual([]);
  });

  test('no: nothing is kept, and it is not offered again in the same run', async () => {
    const keychain = new FakeKeychain();
    const terminal = scriptedTerminal(['shared one', 'n']);
    const passphrases = chain(keychain, terminal);
    await passphrases.unlock(targets, lock('shared one').attempt);
    await passphrases.unlock(online, lock('shared one').attempt);
    await passphrases.unlock(targets, lock('shared one').attempt);
    expect(terminal.log.filter((line) => line === OFFER)).toHaveLength(1);
    expect(keychain.kept.size).toBe(0);
  });

  test('one yes is for all keys that the passphrase opens in this run', async () => {
    const keychain = new FakeKeychain();
    const terminal = scriptedTerminal(['shared one', 'y']);
    const passphrases = chain(keychain, terminal);
    await passphrases.unlock(targets, lock('shared one').attempt);
    await passphrases.unlock(online, lock('shared one').attempt);
    expect([...keychain.kept.keys()].sort()).toEqual([keyId, otherId].sort());
  });

  test('a passphrase that opened nothing is never offered', async () => {
    const keychain = new FakeKeychain();
    const terminal = scriptedTerminal(['one', 'two', 'three']);
    await refusal(KeyError, 'KEY_PASSPHRASE', () =>
      chain(keychain, terminal).unlock(root, lock('right').attempt),
    );
    expect(terminal.log).not.toContain(OFFER);
    expect(keychain.kept.size).toBe(0);
  });

  test('the new passphrase of a root or signer key is offered as well', async () => {
    for (const request of [root, signer]) {
      const keychain = new FakeKeychain();
      const terminal = scriptedTerminal(['a new passphrase', 'y']);
      expect((await chain(keychain, terminal).choose(request)).reveal()).toBe('a new passphrase');
      expect([...keychain.kept]).toEqual([[keyId, 'a new passphrase']]);
    }
  });

  test('a keychain that does not give back what it was given is said to have kept nothing', async () => {
    const keychain = new FakeKeychain();
    keychain.instead = { value: 'something else' };
    const terminal = scriptedTerminal(['right', 'y']);
    expect(await chain(keychain, terminal).unlock(root, lock('right').attempt)).toBe('open');
    expect(terminal.log.at(-1)).toBe('The keychain of this system did not keep the passphrase.');
  });
});

describe('contract (Keys): a remembered passphrase that is wrong', () => {
  test('is said, falls through to a question, and is replaced only after a yes', async () => {
    for (const [answer, kept] of [
      ['n', 'old one'],
      ['y', 'right'],
    ] as const) {
      const keychain = new FakeKeychain({ [keyId]: 'old one' });
      const terminal = scriptedTerminal(['right', answer]);
      const { tried, attempt } = lock('right');
      expect(await chain(keychain, terminal).unlock(root, attempt)).toBe('open');
      expect(tried).toEqual(['old one', 'right']);
      expect(terminal.log).toEqual([
        'What the keychain of this system remembers for root key with ID 0123456 does not open it: the passphrase was changed elsewhere.',
        ASK_ROOT,
        REPLACE,
      ]);
      expect([...keychain.kept]).toEqual([[keyId, kept]]);
    }
  });

  test('is said and offered to be replaced once in a run', async () => {
    const keychain = new FakeKeychain({ [keyId]: 'old one' });
    const terminal = scriptedTerminal(['right', 'n']);
    const passphrases = chain(keychain, terminal);
    await passphrases.unlock(root, lock('right').attempt);
    const { tried, attempt } = lock('right');
    expect(await passphrases.unlock(root, attempt)).toBe('open');
    expect(tried).toEqual(['right']);
    expect(terminal.log).toHaveLength(3);
  });

  test('stays when the question is not answered', async () => {
    const keychain = new FakeKeychain({ [keyId]: 'old one' });
    await refusal(KeyError, 'PROMPT_DECLINED', () =>
      chain(keychain, scriptedTerminal([undefined])).unlock(root, lock('right').attempt),
    );
    expect([...keychain.kept]).toEqual([[keyId, 'old one']]);
  });
});

describe('contract (Keys): a keychain that fails is no keychain', () => {
  test('one line, then the question, no offer, and no second call', async () => {
    const keychain = new FakeKeychain({ [keyId]: 'right' });
    keychain.failure = 'it is locked';
    const terminal = scriptedTerminal(['typed root', 'typed others']);
    const passphrases = chain(keychain, terminal);
    await passphrases.unlock(root, lock('typed root').attempt);
    await passphrases.unlock(targets, lock('typed others').attempt);
    expect(terminal.log).toEqual([
      'The keychain of this system is not used: it is locked.',
      ASK_ROOT,
      'Enter passphrase for repository key with ID 0123456 (docker.io/acme/app): ',
    ]);
    expect(keychain.asked).toEqual([`get ${keyId}`]);
  });

  test('an error that is none of the keychain’s is not swallowed', async () => {
    const keychain = new FakeKeychain();
    keychain.get = () => Promise.reject(new TypeError('a bug'));
    await expect(chain(keychain, scriptedTerminal(['x'])).unlock(root, lock('x').attempt)).rejects.toThrow(
      'a bug',
    );
  });
});

describe('contract (Keys): repository and online keys get random passphrases that the keychain keeps', () => {
  test('of 32 bytes, one for each key, read back before they are used, without a question', async () => {
    const keychain = new FakeKeychain();
    const terminal = scriptedTerminal([]);
    const passphrases = chain(keychain, terminal);
    const first = await passphrases.choose(targets);
    const second = await passphrases.choose(online);
    expect(Buffer.from(first.reveal(), 'base64url')).toHaveLength(32);
    expect(looksRandom(first)).toBe(true);
    expect(first.equals(second)).toBe(false);
    expect(keychain.asked).toEqual([`set ${keyId}`, `get ${keyId}`, `set ${otherId}`, `get ${otherId}`]);
    expect(terminal.log).toEqual([
      'A random passphrase for new repository key with ID 0123456 (docker.io/acme/app) is in the keychain of this system.',
      'A random passphrase for new repository key with ID fedcba9 (docker.io/acme/app) is in the keychain of this system.',
    ]);
  });

  test.each([
    ['nothing', undefined],
    ['something else', 'something else'],
  ])('one that is given back as %s is never used: a passphrase is asked for', async (_, value) => {
    const keychain = new FakeKeychain();
    keychain.instead = { value };
    const terminal = scriptedTerminal(['a typed passphrase', 'n']);
    expect((await chain(keychain, terminal).choose(targets)).reveal()).toBe('a typed passphrase');
  });

  test('without a keychain both share one that is typed', async () => {
    const keychain = new FakeKeychain();
    keychain.failure = 'there is no session bus';
    const terminal = scriptedTerminal(['a typed passphrase']);
    const passphrases = chain(keychain, terminal);
    const first = await passphrases.choose(targets);
    expect((await passphrases.choose(online)).equals(first)).toBe(true);
    expect(terminal.log).toEqual([
      'The keychain of this system is not used: there is no session bus.',
      'Enter passphrase for new repository key with ID 0123456 (docker.io/acme/app): ',
    ]);
  });

  test('a root or signer key never gets one', async () => {
    for (const request of [root, signer]) {
      const terminal = scriptedTerminal(['a typed passphrase', 'n']);
      const chosen = await chain(new FakeKeychain(), terminal).choose(request);
      expect(chosen.reveal()).toBe('a typed passphrase');
    }
  });

  test('what a person would type is not taken for one', () => {
    expect(looksRandom(Secret.fromText('correct horse battery staple'))).toBe(false);
    expect(looksRandom(Secret.fromText('x'.repeat(42)))).toBe(false);
    expect(looksRandom(Secret.fromText(`${'x'.repeat(42)} `))).toBe(false);
  });
});

describe('contract (Keys): a changed passphrase', () => {
  test('replaces the remembered one', async () => {
    const keychain = new FakeKeychain({ [keyId]: 'old one' });
    const terminal = scriptedTerminal([]);
    await chain(keychain, terminal).changed(root, Secret.fromText('the new one'));
    expect([...keychain.kept]).toEqual([[keyId, 'the new one']]);
    expect(terminal.log).toEqual(['The keychain of this system remembers the new passphrase.']);
  });

  test('is offered where none is remembered', async () => {
    const keychain = new FakeKeychain();
    const terminal = scriptedTerminal(['n']);
    await chain(keychain, terminal).changed(root, Secret.fromText('the new one'));
    expect(terminal.log).toEqual([OFFER]);
    expect(keychain.kept.size).toBe(0);
  });

  test('that the keychain does not take is said', async () => {
    const keychain = new FakeKeychain({ [keyId]: 'old one' });
    keychain.instead = { value: undefined };
    const terminal = scriptedTerminal([]);
    await chain(keychain, terminal).changed(root, Secret.fromText('the new one'));
    expect(terminal.log).toEqual([
      'The keychain of this system still holds the old passphrase of root key with ID 0123456.',
    ]);
  });
});
