/** The keychain's child process: what it is given, and each way in which it can fail to answer. */
import { existsSync, readFileSync, watch } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createKeychain, type KeychainOptions } from '../../src/keys/keychain.ts';
import { createPassphrases } from '../../src/keys/passphrases.ts';
import { Secret } from '../../src/keys/secret.ts';
import type { Terminal } from '../../src/keys/terminal.ts';
import { createTerminal } from '../../src/keys/tty-terminal.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { KeyError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { Interrupted } from '../../src/lib/interrupted.ts';
import { refusal, scriptedTerminal, temporaryFolder } from './helpers.ts';
import { misbehaving } from './keychain-programs.ts';

const account = '0123456789abcdef'.repeat(4);
const BUS = 'unix:path=/nonexistent/bus';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

const keychainOf = (name: Parameters<typeof misbehaving>[1], more: Partial<KeychainOptions> = {}) =>
  createKeychain({
    env: { sessionBus: BUS, xdgRuntimeDir: undefined },
    rawEnvironment: {},
    platform: 'linux',
    nodeProgram: process.execPath,
    childProgram: misbehaving(folder.path, name).program,
    timeoutMs: 20_000,
    ...more,
  });

/** Resolves once the file is there with something in it. */
async function written(file: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const isThere = () => existsSync(file) && readFileSync(file, 'utf8') !== '';
  const watcher = watch(path.dirname(file), () => isThere() && resolve());
  if (isThere()) resolve();
  await promise;
  watcher.close();
  return readFileSync(file, 'utf8');
}

/** Whether a process runs; one that ended and whose parent has not asked yet does not. */
function isRunning(pid: string): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
}

async function endOf(pid: string): Promise<void> {
  while (isRunning(pid)) await new Promise((resolve) => setImmediate(resolve));
}

describe('contract (Keys): keychain calls run in a child process, and whatever goes wrong there is no keychain', () => {
  test('one that does not answer in time is ended', async () => {
    const { pid } = misbehaving(folder.path, 'hanging');
    const answer = keychainOf('hanging', { timeoutMs: 3000 }).get(account);
    const refused = expect(answer).rejects.toMatchObject({
      name: 'KeychainError',
      message: 'it did not answer within 3 seconds; it may be locked',
    });
    const child = await written(pid);
    await refused;
    await endOf(child);
  });

  test('a call that is stopped ends its child, and says why', async () => {
    const stop = new AbortController();
    const { pid } = misbehaving(folder.path, 'hanging');
    const answer = keychainOf('hanging', { signal: stop.signal }).get(account);
    const refused = expect(answer).rejects.toBeInstanceOf(Interrupted);
    const child = await written(pid);
    stop.abort(new Interrupted('SIGTERM'));
    await refused;
    await endOf(child);
  });

  test.each([
    ['crashing', 'the process that asked it crashed'],
    ['silent', 'it gave no answer'],
    ['garbled', 'it gave no answer'],
    ['mistaken', 'it gave no answer'],
    ['endless', 'it answered with more than any passphrase'],
  ] as const)('one that is %s', async (name, message) => {
    await expect(keychainOf(name).get(account)).rejects.toMatchObject({ name: 'KeychainError', message });
  });

  test('no Node.js to run it with', async () => {
    await expect(
      keychainOf('silent', { nodeProgram: '/nonexistent/node' }).get(account),
    ).rejects.toMatchObject({
      message: 'the process that asks it cannot be started',
    });
  });

  test('a session without a bus is known before anything is started', async () => {
    const env = { sessionBus: undefined, xdgRuntimeDir: undefined };
    const { pid } = misbehaving(folder.path, 'hanging');
    await expect(keychainOf('hanging', { env }).get(account)).rejects.toMatchObject({
      name: 'KeychainError',
      message: 'there is no session bus',
    });
    expect(existsSync(pid)).toBe(false);
  });
});

describe('contract (Keys): what the child is given', () => {
  interface Told {
    readonly given: string;
    readonly argv: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly cwd: string;
  }

  async function told(more: Partial<KeychainOptions> = {}): Promise<Told> {
    const secret = await keychainOf('telling', more).get(account);
    return JSON.parse(secret?.reveal() ?? '') as Told;
  }

  test('the request by its stdin, no argument, and a folder that nobody checks out', async () => {
    const { given, argv, cwd } = await told();
    expect(JSON.parse(given)).toEqual({ operation: 'get', account });
    expect(argv).toEqual([]);
    expect(cwd).toBe('/');
  });

  test('of the environment only what finds the keychain: no passphrase, no way to load other code', async () => {
    const { env } = await told({
      rawEnvironment: {
        HOME: '/home/user',
        LD_LIBRARY_PATH: '/opt/lib',
        XDG_RUNTIME_DIR: '/run/user/1000',
        PATH: '.:/home/user/bin',
        NODE_OPTIONS: '--import=/tmp/evil.mjs',
        NODE_PATH: '/tmp',
        LD_PRELOAD: '/tmp/evil.so',
        DISPLAY: ':0',
        DTRUST_KEY: 'a key',
        DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'a passphrase',
      },
    });
    expect(env).toEqual({
      HOME: '/home/user',
      LD_LIBRARY_PATH: '/opt/lib',
      XDG_RUNTIME_DIR: '/run/user/1000',
      DBUS_SESSION_BUS_ADDRESS: BUS,
      PATH: '/usr/bin:/bin',
    });
  });

  test('the bus of the login session where no variable names another', async () => {
    const env = { sessionBus: undefined, xdgRuntimeDir: '/run/user/a;b,c é' };
    expect((await told({ env })).env.DBUS_SESSION_BUS_ADDRESS).toBe(
      'unix:path=/run/user/a%3bb%2cc%20%c3%a9/bus',
    );
  });

  test('a passphrase by stdin alone', async () => {
    const { pid } = misbehaving(folder.path, 'recording');
    await keychainOf('recording').set(account, Secret.fromText('a secret'));
    const { given, ...rest } = JSON.parse(readFileSync(pid, 'utf8')) as Told;
    expect(JSON.parse(given)).toEqual({ operation: 'set', account, passphrase: 'a secret' });
    expect(JSON.stringify(rest)).not.toContain('a secret');
  });
});

/** Neither system is here: the platform is injected, and a program stands in for the child that would load keytar. */
describe.each(['darwin', 'win32'] as const)(
  'contract (Keys): the keychain of %s goes the same way',
  (platform) => {
    const root = { role: 'root', keyId: account };
    const noBus = { sessionBus: undefined, xdgRuntimeDir: undefined };
    const variables = {
      HOME: '/Users/user',
      USER: 'user',
      LOGNAME: 'user',
      SystemRoot: 'C:\\Windows',
      UserProfile: 'C:\\Users\\user',
      AppData: 'C:\\Users\\user\\AppData\\Roaming',
      LocalAppData: 'C:\\Users\\user\\AppData\\Local',
    };
    const others = {
      Path: 'C:\\evil',
      NODE_OPTIONS: '--import=/tmp/evil.mjs',
      DYLD_INSERT_LIBRARIES: '/tmp/evil.dylib',
      DBUS_SESSION_BUS_ADDRESS: BUS,
      DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'a passphrase',
    };
    const options = { platform, env: noBus, rawEnvironment: { ...variables, ...others } };
    const chain = (name: Parameters<typeof misbehaving>[1], terminal: Terminal) =>
      createPassphrases({
        environment: {},
        terminal,
        fs: realFileSystem,
        keychain: keychainOf(name, options),
      });

    test('the child gets the request by stdin, and of the environment only what finds the keychain; no bus is needed', async () => {
      const secret = await keychainOf('telling', options).get(account);
      const { given, argv, env, cwd } = JSON.parse(secret?.reveal() ?? '');
      expect(JSON.parse(given)).toEqual({ operation: 'get', account });
      expect({ argv, env, cwd }).toEqual({ argv: [], env: variables, cwd: '/' });
    });

    test('what it keeps opens a key where a question may be put', async () => {
      const terminal = scriptedTerminal([]);
      const tried: string[] = [];
      await chain('telling', terminal).unlock(root, async (secret) => void tried.push(secret.reveal()));
      expect(tried).toHaveLength(1);
      expect(JSON.parse(JSON.parse(tried[0] ?? '').given)).toEqual({ operation: 'get', account });
      expect(terminal.log).toEqual([]);
    });

    test('a child that crashes is no keychain: one line, and the question', async () => {
      const terminal = scriptedTerminal(['typed']);
      const tried: string[] = [];
      await chain('crashing', terminal).unlock(root, async (secret) => void tried.push(secret.reveal()));
      expect(tried).toEqual(['typed']);
      expect(terminal.log[0]).toBe(
        'The keychain of this system is not used: the process that asked it crashed.',
      );
    });

    test('what it keeps is not read where no question may be put', async () => {
      // On Windows that is everywhere (ADR 6); here no process has a terminal in the foreground.
      const terminal = createTerminal({
        fs: { ...realFileSystem, openSync: () => realFileSystem.openSync('/dev/null', 'r') },
        clock: systemClock,
        environment: { ci: undefined, prompt: undefined },
        lockPath: path.join(folder.path, 'lock'),
        platform,
        pid: platform === 'win32' ? process.pid : 0,
        isStderrTerminal: () => true,
      });
      const { pid } = misbehaving(folder.path, 'recording');
      const passphrases = chain('recording', terminal);
      await refusal(KeyError, 'KEY_PASSPHRASE_MISSING', () =>
        passphrases.unlock(root, () => Promise.reject(new Error('nothing to try'))),
      );
      await refusal(KeyError, 'KEY_PASSPHRASE_MISSING', () => passphrases.choose(root));
      expect(existsSync(pid)).toBe(false);
    });
  },
);
