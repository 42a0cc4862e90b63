/** The real program on a terminal, beside a real Secret Service: unlocked, locked, silent, absent, not installed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { needPeers, type SecretService, startSecretService } from '../helpers/peers.ts';
import { PtyRun } from '../keys/pty.ts';
import { type Machine, openStage, refused, type Stage } from './harness.ts';
import { NODE } from './program.ts';

const needed = await needPeers('secret-service', 'script');

const NO_PASSPHRASES = {
  DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: undefined,
  DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: undefined,
};
/** Many commands, each with key derivations, on a machine that other tests keep busy. */
const LONG_MS = 120_000;
const OFFER = 'Remember this passphrase in the keychain of this system? [y/N] ';
const TIMED_OUT = 'The keychain of this system is not used: it did not answer within 3 seconds';

let stage: Stage;
let session: SecretService;
let machine: Machine;

describe.skipIf(needed.skip)(needed.title('contract (Keys): the keychain of a Linux session'), () => {
  beforeAll(async () => {
    [stage, session] = await Promise.all([openStage(), startSecretService('unlocked')]);
  });
  afterAll(async () => {
    await session?.stop();
    await stage?.close();
  });
  beforeEach(() => {
    machine = stage.machine({ env: NO_PASSPHRASES });
  });

  /** The only key here of that role; its ID as the file has it. */
  function keyId(role: string): string {
    const folder = path.join(machine.config, 'trust', 'private');
    const found = fs
      .readdirSync(folder)
      .filter((name) => fs.readFileSync(path.join(folder, name), 'utf8').includes(`role: ${role}\n`));
    expect(found).toHaveLength(1);
    return path.basename(found[0] ?? '', '.key');
  }

  const keptFor = async (role: string) => (await session.kept('dtrust')).get(keyId(role));

  it('asks once for a signer’s passphrase, remembers it, and follows a change of it', async () => {
    await makeSigner('first passphrase', 'y');
    expect(await keptFor('alice')).toBe('first passphrase');

    const change = dialogue(['trust', 'key', 'passwd', 'alice'], session.env);
    await change.answer('Enter passphrase for new alice key', 'second passphrase');
    await change.answer('Repeat passphrase for new alice key', 'second passphrase');
    expect(await change.end()).not.toContain('Enter passphrase for alice key');
    expect(await keptFor('alice')).toBe('second passphrase');
  });

  it('a no is kept to: nothing is in the keychain, and the next command asks', async () => {
    await makeSigner('first passphrase', 'n');
    expect(await keptFor('alice')).toBeUndefined();
    const change = dialogue(['trust', 'key', 'passwd', 'alice'], session.env);
    await change.answer('Enter passphrase for alice key', 'first passphrase');
    await change.stop('Remember this passphrase');
  });

  it('one that was changed by somebody else is said, asked for, and replaced after a yes', {
    timeout: LONG_MS,
  }, async () => {
    await makeSigner('first passphrase', 'y');
    const elsewhere = dialogue(['trust', 'key', 'passwd', 'alice'], {});
    await elsewhere.answer('Enter passphrase for alice key', 'first passphrase');
    await elsewhere.answer('Enter passphrase for new alice key', 'from elsewhere');
    await elsewhere.answer('Repeat passphrase for new alice key', 'from elsewhere');
    expect(await elsewhere.end()).toContain('is not used: there is no session bus.');

    for (const [answer, kept] of [
      ['n', 'first passphrase'],
      ['y', 'from elsewhere'],
    ] as const) {
      const opening = dialogue(['trust', 'key', 'passwd', 'alice'], session.env);
      await opening.seen('does not open it: the passphrase was changed elsewhere.');
      await opening.answer('Enter passphrase for alice key', 'from elsewhere');
      await opening.answer('Replace the remembered passphrase by this one? [y/N] ', answer);
      await opening.stop('Enter passphrase for new alice key');
      expect(await keptFor('alice')).toBe(kept);
    }
  });

  it('a first push asks for one new passphrase; the other keys get random ones, and later pushes ask nothing', {
    timeout: LONG_MS,
  }, async () => {
    const image = stage.image('kept', '1.0');
    stage.local('kept', '1.0', image);
    const push = dialogue(['push', `${stage.name('kept')}:1.0`], session.env);
    await push.answer('Enter passphrase for new root key', 'root of a person');
    await push.answer('Repeat passphrase for new root key', 'root of a person');
    await push.answer(OFFER, 'y');
    const shown = await push.end();
    expect(shown).toContain(`Successfully signed ${stage.name('kept')}:1.0`);
    expect(shown).not.toMatch(/Enter passphrase for new repository key/);
    const [root, repository, online] = [
      await keptFor('root'),
      await keptFor('targets'),
      await keptFor('snapshot'),
    ];
    expect(root).toBe('root of a person');
    for (const random of [repository, online]) {
      expect(Buffer.from(random ?? '', 'base64url')).toHaveLength(32);
      expect(shown).not.toContain(random);
    }
    expect(repository).not.toBe(online);

    stage.local('kept', '2.0', stage.image('kept', '2.0'));
    const again = dialogue(['push', `${stage.name('kept')}:2.0`], session.env);
    expect(await again.end()).not.toContain('passphrase');

    // A backup needs only a passphrase of its own, and opens where there is no keychain.
    const file = path.join(machine.home, 'keys.backup');
    const backup = dialogue(['trust', 'key', 'backup', file], session.env);
    await backup.answer('Enter new passphrase for the backup', 'one for the backup');
    await backup.answer('Repeat passphrase for the backup', 'one for the backup');
    expect(await backup.end()).not.toContain('Enter passphrase for');
    const targets = keyId('targets');
    machine = stage.machine({ env: NO_PASSPHRASES });
    const restore = dialogue(['trust', 'key', 'restore', file], {});
    await restore.answer('Enter passphrase for the backup', 'one for the backup');
    await restore.end();
    expect(keyId('targets')).toBe(targets);
  });

  it('forgets what was typed, and no random passphrase without its owner’s own in its place', {
    timeout: LONG_MS,
  }, async () => {
    const image = stage.image('forgotten', '1.0');
    stage.local('forgotten', '1.0', image);
    const push = dialogue(['push', `${stage.name('forgotten')}:1.0`], session.env);
    await push.answer('Enter passphrase for new root key', 'root of a person');
    await push.answer('Repeat passphrase for new root key', 'root of a person');
    await push.answer(OFFER, 'y');
    await push.end();

    const refusedTo = dialogue(['trust', 'key', 'forget', 'root', 'targets'], session.env);
    await refusedTo.answer('Set a passphrase of your own for it first? [y/N] ', 'n');
    const shown = await refusedTo.end(1);
    expect(shown).toMatch(/Forgot the passphrase of root key [0-9a-f]{64}/);
    expect(shown).toContain('(KEYCHAIN_ONLY_COPY)');
    expect(shown).toContain(`dtrust trust key passwd ${keyId('targets')}`);
    expect(await keptFor('root')).toBeUndefined();
    expect(await keptFor('targets')).toBeDefined();

    const own = dialogue(['trust', 'key', 'forget', 'targets'], session.env);
    await own.answer('Set a passphrase of your own for it first? [y/N] ', 'y');
    await own.answer('Enter passphrase for new repository key', 'one of my own');
    await own.answer('Repeat passphrase for new repository key', 'one of my own');
    expect(await own.end()).toContain('Forgot the passphrase of repository key');
    expect(await keptFor('targets')).toBeUndefined();

    // It opens the key on a machine that has no keychain.
    const elsewhere = dialogue(['trust', 'key', 'passwd', 'targets'], {});
    await elsewhere.answer('Enter passphrase for repository key', 'one of my own');
    await elsewhere.stop('Enter passphrase for new repository key');
  });

  it('without a terminal nothing is asked of it, remembered or not', async () => {
    await makeSigner('first passphrase', 'y');
    const passwd = await refused(machine, ['trust', 'key', 'passwd', 'alice'], {
      code: 'KEY_PASSPHRASE_MISSING',
      env: session.env,
    });
    expect(passwd.stderr).toContain(
      'What the keychain of this system remembers is used on a terminal alone.',
    );
    await refused(machine, ['trust', 'key', 'forget', 'alice'], {
      code: 'KEYCHAIN_UNAVAILABLE',
      env: session.env,
    });
    expect(await keptFor('alice')).toBe('first passphrase');
  });

  describe('where it cannot be used, the next source is asked, and no process is left', () => {
    beforeEach(async () => {
      await makeSigner('first passphrase', 'y');
    });

    it.each([
      ['locked, with a dialog that nobody answers', 'locked', TIMED_OUT],
      ['silent', 'silent', TIMED_OUT],
      ['not there', 'none', 'org.freedesktop.secrets was not provided'],
    ] as const)('it is %s', async (_, state, line) => {
      await session.become(state);
      try {
        await opensByTyping(line, session.env, { hangs: line === TIMED_OUT });
      } finally {
        await session.become('unlocked');
      }
      expect(await keptFor('alice')).toBe('first passphrase');
    });

    it('the bus is gone', async () => {
      const bus = `unix:path=${path.join(machine.home, 'no-bus')}`;
      await opensByTyping('The keychain of this system is not used', {
        ...session.env,
        DBUS_SESSION_BUS_ADDRESS: bus,
      });
    });

    it('its native module is not installed', async () => {
      const copy = path.join(machine.home, 'installed');
      const place = path.dirname(path.dirname(stage.program));
      for (const part of ['bin', 'dist']) {
        fs.cpSync(path.join(place, part), path.join(copy, part), { recursive: true });
      }
      fs.writeFileSync(path.join(copy, 'package.json'), '{"type":"module"}');
      const program = path.join(copy, 'bin', 'dtrust.js');
      await opensByTyping('is not used: the module for it cannot be loaded.', session.env, { program });
    });

    it('whoever waits for it was killed: the child that asks ends itself', async () => {
      await session.become('silent');
      try {
        const file = path.join(path.dirname(path.dirname(stage.program)), 'dist', 'keychain-child.js');
        const child = spawn(NODE, [file], { env: session.env, stdio: ['pipe', 'ignore', 'inherit'] });
        child.stdin?.end(JSON.stringify({ operation: 'get', account: keyId('alice') }));
        expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
      } finally {
        await session.become('unlocked');
      }
    });

    it('forget says so, and nothing is said to be gone', async () => {
      await session.become('silent');
      try {
        const forget = dialogue(['trust', 'key', 'forget', '--all'], session.env);
        expect(await forget.end(1)).toContain('(KEYCHAIN_UNAVAILABLE)');
      } finally {
        await session.become('unlocked');
      }
      expect(await keptFor('alice')).toBe('first passphrase');
    });
  });

  async function makeSigner(passphrase: string, remember: 'y' | 'n'): Promise<void> {
    const made = dialogue(['trust', 'key', 'generate', 'alice', '--dir', machine.home], session.env);
    await made.answer('Enter passphrase for new alice key', passphrase);
    await made.answer('Repeat passphrase for new alice key', passphrase);
    await made.answer(OFFER, remember);
    await made.end();
  }

  /** One line, then the question, the key opens, nothing more is offered, and no child of the program lives on. */
  async function opensByTyping(
    line: string,
    env: Readonly<Record<string, string>>,
    { program = stage.program, hangs = false }: { readonly program?: string; readonly hangs?: boolean } = {},
  ): Promise<void> {
    const opening = dialogue(['trust', 'key', 'passwd', 'alice'], env, program);
    while (hangs && childrenOf(program).length === 0) await setImmediate();
    await opening.seen(line);
    await opening.answer('Enter passphrase for alice key', 'first passphrase');
    await opening.answer('Enter passphrase for new alice key', 'first passphrase');
    await opening.answer('Repeat passphrase for new alice key', 'first passphrase');
    const shown = await opening.end();
    expect(shown.split('The keychain of this system is not used')).toHaveLength(2);
    expect(shown).not.toContain('Remember this passphrase');
    expect(childrenOf(program)).toEqual([]);
  }

  function dialogue(
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    program = stage.program,
  ): Dialogue {
    return new Dialogue(`${NODE} ${program} ${args.join(' ')}; echo status=$?`, {
      HOME: machine.home,
      DOCKER_CONFIG: machine.config,
      DOCKER_HOST: stage.engine.host,
      XDG_CACHE_HOME: path.join(stage.folder, 'cache'),
      ...env,
    });
  }
});

/** A person at a terminal, who answers what he is asked. */
class Dialogue {
  readonly #run: PtyRun;

  constructor(command: string, env: Record<string, string>) {
    this.#run = new PtyRun(command, env);
  }

  async answer(question: string, text: string): Promise<void> {
    await this.#run.waitFor(question);
    if (!question.endsWith(' ')) await this.#run.waitFor(': ');
    this.#run.type(`${text}\r`);
  }

  seen(text: string): Promise<void> {
    return this.#run.waitFor(text);
  }

  /** Ctrl-C at a question. */
  async stop(question: string): Promise<void> {
    await this.#run.waitFor(question);
    this.#run.type('\x03');
    expect(await this.#run.shown()).toContain('status=130');
  }

  async end(status = 0): Promise<string> {
    const shown = await this.#run.shown();
    expect(shown).toContain(`status=${status}`);
    return shown;
  }
}

/** Processes that ask a keychain for this build of dtrust. */
function childrenOf(program: string): readonly string[] {
  const child = path.join(path.dirname(path.dirname(program)), 'dist', 'keychain-child.js');
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch (error) {
        // Ended meanwhile.
        if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
        throw error;
      }
    })
    .filter((line) => line.includes(child));
}
