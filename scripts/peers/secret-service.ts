/**
 * A login session's bus and Secret Service, as a desktop has them, in a folder of their own: unlocked, locked, silent.
 *
 * No session of the machine is touched: the bus listens on a socket in the folder, and the keyring's files lie there.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { clearScratch, type Daemon, makeScratch, startDaemon } from './daemon.ts';
import { PeerMissing } from './debian.ts';
import { librariesFor, type Program, type SecretServicePrograms, secretServicePrograms } from './programs.ts';

const run = promisify(execFile);

/** `silent`: something has taken its name and never answers. `none`: the bus is there and no service on it. */
export type SecretServiceState = 'unlocked' | 'locked' | 'silent' | 'none';

const SERVICE = 'org.freedesktop.secrets';
/** Where the keyring asks for its dialogs to be shown. */
const PROMPTER = 'org.gnome.keyring.SystemPrompter';

export interface SecretService {
  /** What a program on this bus has in its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Ends what stands behind the bus and starts another; what is kept stays, as over a logout. */
  become(state: SecretServiceState): Promise<void>;
  /** What is kept under a service, by account, read by keytar itself. Only while it is unlocked. */
  kept(service: string): Promise<ReadonlyMap<string, string>>;
  stop(): Promise<void>;
}

/** What keytar needs beside it, where the machine does not have libsecret. @throws PeerMissing */
export async function keytarLibraries(): Promise<Readonly<Record<string, string>>> {
  if (process.platform !== 'linux') throw new PeerMissing('Linux');
  return await librariesFor(keytarModule());
}

function keytarModule(): string {
  let found: string;
  try {
    found = path.dirname(createRequire(import.meta.url).resolve('keytar/package.json'));
  } catch (error) {
    throw new PeerMissing('the optional package keytar', { cause: error });
  }
  return path.join(found, 'prebuilds', `linux-${process.arch}`, 'keytar.node');
}

/** @throws PeerMissing */
export async function startSecretService(state: SecretServiceState): Promise<SecretService> {
  const programs = await secretServicePrograms();
  const libraries = await keytarLibraries();
  const folder = makeScratch();
  const socket = path.join(folder, 'bus');
  const env = {
    HOME: path.join(folder, 'home'),
    XDG_DATA_HOME: path.join(folder, 'home'),
    XDG_RUNTIME_DIR: path.join(folder, 'run'),
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${socket}`,
  };
  fs.mkdirSync(env.HOME, { mode: 0o700 });
  fs.mkdirSync(env.XDG_RUNTIME_DIR, { mode: 0o700 });
  const bus = await startBus(programs.busDaemon, folder, socket);
  const session = new Session(programs, folder, env, libraries, bus);
  await session.become(state);
  return session;
}

async function startBus(program: Program, folder: string, socket: string): Promise<Daemon> {
  const config = path.join(folder, 'bus.conf');
  fs.writeFileSync(
    config,
    `<busconfig><type>session</type><listen>unix:path=${socket}</listen><auth>EXTERNAL</auth>` +
      '<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/>' +
      '<allow user="*"/></policy></busconfig>\n',
  );
  return await startDaemon({
    program,
    args: [`--config-file=${config}`, '--nofork', '--nosyslog'],
    logFile: path.join(folder, 'bus.log'),
    ready: () => fs.existsSync(socket),
  });
}

class Session implements SecretService {
  readonly env: Readonly<Record<string, string>>;
  readonly #programs: SecretServicePrograms;
  readonly #folder: string;
  readonly #inside: Readonly<Record<string, string>>;
  readonly #bus: Daemon;
  #behind: Daemon[] = [];

  constructor(
    programs: SecretServicePrograms,
    folder: string,
    inside: Readonly<Record<string, string>>,
    libraries: Readonly<Record<string, string>>,
    bus: Daemon,
  ) {
    this.#programs = programs;
    this.#folder = folder;
    this.#inside = inside;
    this.#bus = bus;
    const { DBUS_SESSION_BUS_ADDRESS = '', XDG_RUNTIME_DIR = '' } = inside;
    this.env = { DBUS_SESSION_BUS_ADDRESS, XDG_RUNTIME_DIR, ...libraries };
  }

  async become(state: SecretServiceState): Promise<void> {
    await this.#end();
    if (state === 'none') return;
    if (state === 'silent') return await this.#takeName(SERVICE);
    // Locked, it asks for a dialog, which nobody ever answers.
    if (state === 'locked') await this.#takeName(PROMPTER);
    await this.#startKeyring(state === 'unlocked');
  }

  async kept(service: string): Promise<ReadonlyMap<string, string>> {
    const script =
      `require(${JSON.stringify(createRequire(import.meta.url).resolve('keytar'))})` +
      `.findCredentials(${JSON.stringify(service)}).then((all) => console.log(JSON.stringify(all)))`;
    const { stdout } = await run(process.execPath, ['-e', script], { env: { ...this.env } });
    const all = JSON.parse(stdout) as readonly { account: string; password: string }[];
    return new Map(all.map(({ account, password }) => [account, password]));
  }

  async stop(): Promise<void> {
    await this.#end();
    await this.#bus.stop();
    await clearScratch(this.#folder);
  }

  async #end(): Promise<void> {
    for (const daemon of this.#behind.splice(0)) await daemon.stop();
  }

  async #takeName(name: string): Promise<void> {
    await this.#start(this.#programs.blackHole, ['black-hole', '--session', `--name=${name}`], name);
  }

  /** Its passphrase comes by stdin, which makes the login keyring at the first time and unlocks it later. */
  async #startKeyring(unlock: boolean): Promise<void> {
    const { path: file, env } = this.#programs.keyring;
    const passphrase = path.join(this.#folder, 'login');
    fs.writeFileSync(passphrase, 'passphrase of the login', { mode: 0o600 });
    const flags = `--foreground --components=secrets ${unlock ? '--unlock' : ''}`;
    const shell = { path: '/bin/sh', env };
    await this.#start(shell, ['-c', `exec '${file}' ${flags} < '${passphrase}'`], SERVICE);
  }

  async #start(program: Program, args: readonly string[], name: string): Promise<void> {
    this.#behind.push(
      await startDaemon({
        program: { ...program, env: { ...program.env, ...this.#inside } },
        args,
        logFile: path.join(this.#folder, `${name}.log`),
        ready: () => this.#isTaken(name),
      }),
    );
  }

  async #isTaken(name: string): Promise<boolean> {
    const bus = 'org.freedesktop.DBus';
    const args = ['--session', '--print-reply=literal', `--dest=${bus}`, '/', `${bus}.NameHasOwner`];
    const { busSend } = this.#programs;
    const { stdout } = await run(busSend.path, [...args, `string:${name}`], {
      env: { ...busSend.env, ...this.#inside },
    });
    return stdout.includes('true');
  }
}
