/**
 * One background program with a scratch folder of its own: started, waited for, stopped by its own process id,
 * and cleared away. Where the machine can, the kernel ends the program when its starter dies without stopping it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Program } from './programs.ts';

export interface Daemon {
  readonly pid: number;
  /** All it has written to its log so far. */
  log(): string;
  stop(): Promise<void>;
}

export interface DaemonOptions {
  readonly program: Program;
  readonly args: readonly string[];
  readonly logFile: string;
  /** Folders put before PATH. */
  readonly path?: readonly string[];
  /** Resolves to true once the daemon answers. */
  readonly ready: (log: string) => Promise<boolean> | boolean;
}

const START_MS = 60_000;
const STOP_MS = 20_000;

export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const output = fs.openSync(options.logFile, 'w');
  const child = spawnTied(options, output);
  fs.closeSync(output);
  const log = (): string => fs.readFileSync(options.logFile, 'utf8');
  const stop = (): Promise<void> => stopChild(child);
  const deadline = Date.now() + START_MS;
  for (let waitMs = 10; !(await options.ready(log())); waitMs = Math.min(waitMs * 1.3, 200)) {
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`${path.basename(options.program.path)} did not start:\n${log().slice(-4000)}`);
    }
    await delay(waitMs);
  }
  return { pid: child.pid ?? -1, log, stop };
}

function spawnTied(options: DaemonOptions, output: number): ChildProcess {
  const { program, args } = options;
  const env = {
    ...cleanEnvironment(),
    ...program.env,
    PATH: [...(options.path ?? []), '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':'),
  };
  const tie = '/usr/bin/setpriv';
  const argv = fs.existsSync(tie)
    ? [tie, '--pdeathsig', 'TERM', program.path, ...args]
    : [program.path, ...args];
  return spawn(argv[0] ?? '', argv.slice(1), { env, stdio: ['ignore', output, output] });
}

/** Nothing that would point a daemon elsewhere: no proxies, no Docker settings. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(docker_|containerd_|.*_proxy$)/i.test(name),
  );
  return Object.fromEntries(kept);
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exited;
  clearTimeout(timer);
}

/** A new private folder with a short name, since socket paths end at 107 bytes. */
export function makeScratch(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'dtp-'));
}

/** Unmounts whatever is still mounted below a scratch folder and removes it. */
export async function clearScratch(folder: string): Promise<void> {
  if (process.platform === 'linux') await unmountBelow(folder);
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function unmountBelow(folder: string): Promise<void> {
  const below = fs
    .readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((mount) => mount.startsWith(`${folder}/`))
    .reverse();
  for (const mount of below) {
    const child = spawn('umount', ['-l', mount], { stdio: 'ignore' });
    await once(child, 'exit');
  }
}
