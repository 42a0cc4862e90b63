import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPassphrases, type PassphraseEnvironment } from '../../src/keys/passphrases.ts';
import type { Secret } from '../../src/keys/secret.ts';
import type { Terminal } from '../../src/keys/terminal.ts';
import { KeyError, LocalStateError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { noTerminal, refusal, scriptedTerminal, temporaryFolder } from './helpers.ts';

const ROOT = 'DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE';
const REPOSITORY = 'DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE';
const keyId = '0123456789abcdef'.repeat(4);
const root = { role: 'root', keyId };
const targets = { role: 'targets', repository: 'docker.io/acme/app', keyId };

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

const chain = (environment: PassphraseEnvironment, terminal: Terminal = noTerminal) =>
  createPassphrases({ environment, terminal, fs: realFileSystem });

/** An attempt that only this passphrase opens, and the passphrases it was tried with. */
function lock(right: string) {
  const tried: string[] = [];
  const attempt = async (passphrase: Secret): Promise<string> => {
    tried.push(passphrase.reveal());
    if (passphrase.reveal() === right) return 'open';
    throw new KeyError({ code: 'KEY_PASSPHRASE', message: 'wrong' });
  };
  return { tried, attempt };
}

function file(content: string): string {
  const path = join(folder.path, 'passphrase');
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

describe('contract (Keys): passphrases from the environment', () => {
  test('the root key has its own, every other key the repository one', async () => {
    const passphrases = chain({ rootPassphrase: 'for root', repositoryPassphrase: 'for others' });
    for (const [request, right] of [
      [root, 'for root'],
      [targets, 'for others'],
      [{ role: 'alice' }, 'for others'],
      [{}, 'for others'],
    ] as const) {
      expect(await passphrases.unlock(request, lock(right).attempt)).toBe('open');
    }
  });

  test('a wrong value is tried once and named, also where somebody could be asked', async () => {
    const { tried, attempt } = lock('right');
    const terminal = scriptedTerminal(['right']);
    const error = await refusal(KeyError, 'KEY_PASSPHRASE', () =>
      chain({ rootPassphrase: 'wrong one' }, terminal).unlock(root, attempt),
    );
    expect(tried).toEqual(['wrong one']);
    expect(terminal.log).toEqual([]);
    expect(error.message).toBe(`wrong passphrase for root key with ID 0123456 (${ROOT})`);
    expect(error.message + error.hints.join()).not.toContain('wrong one');
  });

  test.each([
    ['without a newline', 'from file'],
    ['with a newline', 'from file\n'],
    ['with a newline of Windows', 'from file\r\n'],
  ])('a file %s gives the passphrase', async (_, content) => {
    const passphrases = chain({ repositoryPassphraseFile: file(content) });
    expect(await passphrases.unlock(targets, lock('from file').attempt)).toBe('open');
  });

  test('only one newline is taken off', async () => {
    const passphrases = chain({ rootPassphraseFile: file('x\n\n') });
    expect(await passphrases.unlock(root, lock('x\n').attempt)).toBe('open');
  });

  test('a file is read once: it may be a pipe', async () => {
    let opened = 0;
    const openSync: typeof realFileSystem.openSync = (...args) => {
      opened += 1;
      return realFileSystem.openSync(...args);
    };
    const environment = { rootPassphraseFile: file('from a pipe\n') };
    const passphrases = createPassphrases({
      environment,
      terminal: noTerminal,
      fs: { ...realFileSystem, openSync },
    });
    await passphrases.unlock(root, lock('from a pipe').attempt);
    await passphrases.unlock(root, lock('from a pipe').attempt);
    expect(opened).toBe(1);
  });

  test.each([
    ['absent', () => join(folder.path, 'absent')],
    ['a folder', () => folder.path],
    ['empty', () => file('')],
    ['only a newline', () => file('\n')],
    ['too long', () => file('x'.repeat(70_000))],
  ])('a file that is %s is refused by the name of its variable', async (_, path) => {
    const error = await refusal(LocalStateError, 'FILE_UNREADABLE', () =>
      chain({ rootPassphraseFile: path() }).unlock(root, lock('x').attempt),
    );
    expect(error.message).toContain(`${ROOT}_FILE`);
  });

  test('a value and a file at once are refused', async () => {
    const environment = { rootPassphrase: 'value', rootPassphraseFile: file('other') };
    const error = await refusal(LocalStateError, 'CONFIG_INVALID', () => chain(environment).choose(root));
    expect(error.message).toBe(`${ROOT} and ${ROOT}_FILE are both set`);
  });

  test('an empty value counts as unset', async () => {
    await refusal(KeyError, 'KEY_PASSPHRASE_MISSING', () =>
      chain({ rootPassphrase: '', rootPassphraseFile: '' }).unlock(root, lock('').attempt),
    );
  });

  test('a value that is too short makes no new key, but opens an old one', async () => {
    const passphrases = chain({ repositoryPassphrase: 'short' });
    const error = await refusal(KeyError, 'KEY_PASSPHRASE_SHORT', () => passphrases.choose(targets));
    expect(error.message).toContain(REPOSITORY);
    expect(await passphrases.unlock(targets, lock('short').attempt)).toBe('open');
  });
});

describe('contract (Keys): no terminal and no passphrase', () => {
  test.each([
    ['unlock', () => chain({}).unlock(targets, lock('x').attempt)],
    ['choose', () => chain({}).choose(targets)],
    ['assertAvailable', () => chain({}).assertAvailable(targets)],
  ])('%s refuses and names both variables', async (_, action) => {
    const error = await refusal(KeyError, 'KEY_PASSPHRASE_MISSING', action);
    expect(error.message).toContain(ROOT);
    expect(error.message).toContain(REPOSITORY);
    expect(error.hints).toEqual([
      `Set ${REPOSITORY}, or ${REPOSITORY}_FILE to a file that holds it.`,
      'What the keychain of this system remembers is used on a terminal alone.',
    ]);
  });

  test('replace refuses, and names no variable: they hold the passphrase that is to go', async () => {
    const passphrases = chain({ repositoryPassphrase: 'the old one' });
    const error = await refusal(KeyError, 'KEY_PASSPHRASE_MISSING', () => passphrases.replace(targets));
    expect([error.message, ...error.hints].join('\n')).not.toMatch(/DOCKER_CONTENT_TRUST|the old one/);
    expect(error.hints).toEqual(['Run this on a terminal.']);
  });

  test('the root variable does not serve a repository key', async () => {
    const passphrases = chain({ rootPassphrase: 'for root' });
    await refusal(KeyError, 'KEY_PASSPHRASE_MISSING', () =>
      passphrases.unlock(targets, lock('for root').attempt),
    );
    expect(() => passphrases.assertAvailable(root)).not.toThrow();
  });
});

describe('contract (Keys): passphrases asked on the terminal', () => {
  test('the prompt names role, key ID and repository', async () => {
    const terminal = scriptedTerminal(['right', 'right']);
    const passphrases = chain({}, terminal);
    await passphrases.unlock(root, lock('right').attempt);
    await passphrases.unlock(targets, lock('right').attempt);
    expect(terminal.log).toEqual([
      'Enter passphrase for root key with ID 0123456: ',
      'Enter passphrase for repository key with ID 0123456 (docker.io/acme/app): ',
    ]);
  });

  test('a wrong one is asked for again, three times in all', async () => {
    const terminal = scriptedTerminal(['one', 'two', 'three', 'right']);
    const { tried, attempt } = lock('right');
    await refusal(KeyError, 'KEY_PASSPHRASE', () => chain({}, terminal).unlock(root, attempt));
    expect(tried).toEqual(['one', 'two', 'three']);
    expect(terminal.log.filter((line) => line === 'Passphrase incorrect. Please retry.')).toHaveLength(2);
  });

  test('a failure that is no wrong passphrase is not tried again', async () => {
    const terminal = scriptedTerminal(['one', 'two']);
    const attempt = () => Promise.reject(new KeyError({ code: 'KEY_FILE_INVALID', message: 'broken' }));
    await refusal(KeyError, 'KEY_FILE_INVALID', () => chain({}, terminal).unlock(root, attempt));
    expect(terminal.log).toHaveLength(1);
  });

  test('end of input declines', async () => {
    const terminal = scriptedTerminal([undefined]);
    await refusal(KeyError, 'PROMPT_DECLINED', () => chain({}, terminal).unlock(root, lock('x').attempt));
    await refusal(KeyError, 'PROMPT_DECLINED', () => chain({}, scriptedTerminal([undefined])).choose(root));
  });

  test('keys of one repository share what was typed once, the root key does not', async () => {
    const terminal = scriptedTerminal(['for the repository', 'for the root']);
    const passphrases = chain({}, terminal);
    const chosen = await passphrases.choose(targets);
    expect((await passphrases.choose({ ...targets, role: 'snapshot' })).equals(chosen)).toBe(true);
    expect(await passphrases.unlock(targets, lock('for the repository').attempt)).toBe('open');
    expect((await passphrases.choose(root)).reveal()).toBe('for the root');
    expect(terminal.log).toHaveLength(2);
  });

  test('one typed earlier that does not fit another key leads to a question, not to a refusal', async () => {
    const terminal = scriptedTerminal(['first key', 'second key']);
    const passphrases = chain({}, terminal);
    await passphrases.unlock(root, lock('first key').attempt);
    expect(await passphrases.unlock(root, lock('second key').attempt)).toBe('open');
  });

  test('a repository name from a file header cannot write on the terminal', async () => {
    const terminal = scriptedTerminal(['x']);
    await chain({}, terminal).unlock({ role: 'a\u001b[2J', repository: 'b\nroot key' }, lock('x').attempt);
    expect(terminal.log).toEqual(['Enter passphrase for a\\u001b[2J key (b\\u000aroot key): ']);
  });
});
