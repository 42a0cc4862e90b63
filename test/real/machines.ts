/**
 * Machines for tests on real peers: home folders of their own in which the real program runs as a child process.
 *
 * The program is built once per test file into a temporary folder, so that no other build changes it meanwhile.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { vi } from 'vitest';
import { build, projectRoot } from '../../scripts/build.ts';

// Each test runs the program many times, with waits that the protocol asks for.
vi.setConfig({ testTimeout: 120_000 });

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The code that dtrust's refusal or error on stderr ends with. */
  readonly code: string | undefined;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
}

export interface MachineSettings {
  /** Value for DOCKER_HOST. */
  readonly engine?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** What an owner's environment holds who signs without a terminal. */
export const OWNER_ENV = {
  DTRUST_INIT: '1',
  DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'a root passphrase for tests',
  DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'a repository passphrase for tests',
} as const;

/** One temporary folder with the built program and any number of machines; `remove` takes all of it away. */
export class Workshop {
  readonly folder: string;
  #machines = 0;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<Workshop> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dtrust-real-'));
    const workshop = new Workshop(folder);
    fs.mkdirSync(path.join(folder, 'program', 'bin'), { recursive: true });
    fs.copyFileSync(path.join(projectRoot, 'bin', 'dtrust.js'), workshop.bin);
    fs.writeFileSync(path.join(folder, 'program', 'package.json'), '{"type":"module"}');
    await build({ outdir: path.join(folder, 'program', 'dist') });
    return workshop;
  }

  /** bin/dtrust.js of this build. */
  get bin(): string {
    return path.join(this.folder, 'program', 'bin', 'dtrust.js');
  }

  machine(settings: MachineSettings = {}): Machine {
    this.#machines += 1;
    return new Machine(this.bin, path.join(this.folder, `machine-${this.#machines}`), settings);
  }

  /** A machine with the home of another one, but an environment of its own. */
  machineAt(home: string, settings: MachineSettings): Machine {
    return new Machine(this.bin, home, settings);
  }

  remove(): void {
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class Machine {
  readonly home: string;
  readonly config: string;
  /** Everything a command gets as its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** bin/dtrust.js of this build. */
  readonly bin: string;

  constructor(bin: string, home: string, { engine, env }: MachineSettings) {
    this.bin = bin;
    this.home = home;
    this.config = path.join(home, '.docker');
    fs.mkdirSync(this.config, { recursive: true, mode: 0o700 });
    this.env = {
      PATH: '/usr/bin:/bin',
      HOME: home,
      DOCKER_CONFIG: this.config,
      // Shared by the machines of a test file: compiled once.
      XDG_CACHE_HOME: path.join(home, '..', 'cache'),
      ...(engine === undefined ? {} : { DOCKER_HOST: engine }),
      ...env,
    };
  }

  /** The shell words that start dtrust here. */
  get command(): string {
    return `'${process.execPath}' '${this.bin}'`;
  }

  start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
    const child = spawn(process.execPath, [this.bin, ...args], {
      env: { ...this.env, ...env },
      cwd: this.home,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return { child, ended: outcomeOf(child) };
  }

  run(...args: readonly string[]): Promise<Outcome> {
    return this.start(args).ended;
  }

  runWith(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Outcome> {
    return this.start(args, env).ended;
  }

  writeConfig(config: object): void {
    fs.writeFileSync(path.join(this.config, 'config.json'), JSON.stringify(config), { mode: 0o600 });
  }

  /** Adds the pin that the owner's `trust pin export` prints. */
  async pinFrom(owner: Machine, repository: string): Promise<Outcome> {
    return await this.run('trust', 'pin', 'add', ...(await exportedPin(owner, repository)));
  }
}

/** The arguments behind `dtrust trust pin add` in what the owner exports. */
export async function exportedPin(owner: Machine, repository: string): Promise<readonly string[]> {
  const exported = await owner.run('trust', 'pin', 'export', repository);
  const line = exported.stdout.split('\n').find((each) => each.startsWith('dtrust trust pin add '));
  if (line === undefined) throw new Error(`no pin line: ${exported.stdout}${exported.stderr}`);
  return line.slice('dtrust trust pin add '.length).trim().split(/\s+/);
}

/** Runs another program to its end. */
export function runProgram(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  input?: string | Uint8Array,
): Promise<Outcome> {
  const child = spawn(program, args, {
    env,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(input);
  return outcomeOf(child);
}

async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      // An engine's own words may take several lines.
      const code = /^dtrust: (?:refused|error)[\s\S]*?\(([A-Z][A-Z_]+)\)$/m.exec(stderr)?.[1];
      resolve({ status, signal, stdout, stderr, code });
    });
  });
}
