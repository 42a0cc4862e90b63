/**
 * What a command is given: the parsed command line and the outside world, each part by name. `main.ts` takes it
 * from the process once; a test hands over its own. Nothing here has an opinion on trust.
 */
import type { ParsedArgv } from '../cli/argv.ts';
import type { ChildResult } from '../lib/child.ts';
import type { Clock } from '../lib/clock.ts';
import type { FileSystem } from '../lib/file-system.ts';
import type { Environment, RawEnvironment } from '../settings/environment.ts';

export type ExitStatus = number;

export interface Context {
  readonly parsed: ParsedArgv;
  readonly env: Environment;
  /** As it came, for children; dtrust itself reads `env`. */
  readonly rawEnvironment: RawEnvironment;
  readonly fs: FileSystem;
  readonly clock: Clock;
  /** TUF 5.1: the one moment that everything in this call is compared with. */
  readonly startTimeMs: number;
  readonly platform: NodeJS.Platform;
  readonly pid: number;
  /** The Node.js that runs this, for a child of its own kind. */
  readonly nodeProgram: string;
  /** Home folder of the user database, for when HOME is not set. */
  readonly userHome: string | undefined;
  readonly random: () => number;
  /** What comes on stdin; there for builds, read once and only where the command line says so. */
  readonly stdin?: () => AsyncIterable<Uint8Array>;
  /** The system's own, for what is gone when the call has ended; there for builds. */
  readonly temporaryFolder?: string;
  /** Results, whole lines; stdout. False when its reader has gone, which most commands need not know. */
  readonly out: (text: string) => unknown;
  /** Everything else; stderr. */
  readonly err: (text: string) => void;
  readonly isTerminal: (fd: 1 | 2) => boolean;
  readonly columns: () => number;
  /** Set by `dtrust trust stage`: what cannot be signed here is kept for others to sign. */
  readonly staging?: true;
  /** Aborted with an Interrupted when the process is told to stop. */
  readonly signal: AbortSignal;
  /**
   * Runs the real docker for this call, with this behind the command, and reads what it prints on stdout; there for
   * the commands that end in docker.
   */
  readonly observeDocker?: (rest: readonly string[]) => Promise<Observed>;
  /** The real docker for what is not this call's command line, there for the commands that end in docker. */
  readonly docker?: DockerCalls;
}

/** Each with docker's global flags of this call before the arguments, and content trust switched off. */
export interface DockerCalls {
  /** Runs it apart from the terminal, and reads what it prints; signals reach it only as the end of this process. */
  ask(args: readonly string[], options?: AskOptions): Promise<ChildResult>;
  /** Runs it on this process's streams, and hands signals on; the status to exit with. */
  run(args: readonly string[], options?: RunDockerOptions): Promise<ExitStatus>;
}

export interface AskOptions {
  /** Over the environment of this process; undefined takes a variable out. */
  readonly env?: RawEnvironment;
  readonly stdin?: Uint8Array;
  readonly timeoutMs?: number;
}

export interface RunDockerOptions {
  readonly env?: RawEnvironment;
  /** In place of this process's own. */
  readonly stdin?: AsyncIterable<Uint8Array> | undefined;
}

export interface Observed {
  readonly status: ExitStatus;
  readonly stdout: string;
}

/** One line for stderr, with dtrust's name before it. */
export function note(context: Pick<Context, 'err'>, line: string): void {
  context.err(`dtrust: ${line}\n`);
}

/** Decided: the rest is the real docker's, in place of this process. Plain data, for it passes between bundles. */
export interface HandOver {
  /** What stands behind the command now. */
  readonly rest: readonly string[];
}

export type Outcome = ExitStatus | HandOver;

/** A command's module. */
export interface Command {
  /** Runs the command; results on stdout, the exit status or what docker is to do as the value. Throws DtrustError, Interrupted. */
  run(context: Context): Promise<Outcome>;
}
