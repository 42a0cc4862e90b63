/** Running programs with a stop-watch, in turns, so that a busy moment of the machine meets all of them alike. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface Outcome {
  readonly milliseconds: number;
  readonly status: number;
  readonly output: string;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Runs one command to its end. */
export async function run(command: Command): Promise<Outcome> {
  const started = performance.now();
  const child = spawn(command.file, command.args, { env: command.env, stdio: ['ignore', 'pipe', 'pipe'] });
  const pieces: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  child.stderr.on('data', (piece: Buffer) => pieces.push(piece));
  const [status] = (await once(child, 'close')) as [number | null];
  const milliseconds = performance.now() - started;
  return { milliseconds, status: status ?? -1, output: Buffer.concat(pieces).toString('utf8') };
}

/** @throws Error with the output when the command does not end with status 0. */
export async function runWell(command: Command): Promise<Outcome> {
  const outcome = await run(command);
  if (outcome.status === 0) return outcome;
  const shown = [path.basename(command.file), ...command.args].join(' ');
  throw new Error(`${shown} ended with ${outcome.status}:\n${outcome.output}`);
}

export interface Contender {
  readonly command: Command;
  /** Puts things back before each run, outside the measured time. */
  readonly prepare?: () => Promise<void> | void;
}

/** Medians in milliseconds, by name, of `rounds` runs each, after `warmups` that do not count. */
export async function race<Name extends string>(
  contenders: Readonly<Record<Name, Contender>>,
  options: { readonly rounds: number; readonly warmups?: number },
): Promise<Record<Name, number>> {
  const names = Object.keys(contenders) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  const warmups = options.warmups ?? 2;
  for (let round = -warmups; round < options.rounds; round += 1) {
    // Whoever is first in a round is second in the next.
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      await contenders[name].prepare?.();
      const { milliseconds } = await runWell(contenders[name].command);
      if (round >= 0) times[name].push(milliseconds);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(times[name])])) as Record<Name, number>;
}

/** Largest resident size of one run in MiB; undefined where GNU time is not installed. */
export async function peakMemory(command: Command): Promise<number | undefined> {
  const time = '/usr/bin/time';
  if (!existsSync(time)) return undefined;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'dtrust-bench-'));
  try {
    const report = path.join(folder, 'time');
    const args = ['-f', '%M', '-o', report, command.file, ...command.args];
    await runWell({ ...command, file: time, args });
    return Number(readFileSync(report, 'utf8').trim().split('\n').at(-1)) / 1024;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
