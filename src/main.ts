/**
 * The composition root, and the only file that touches `process`.
 *
 * It reads one command line and decides who does it (src/commands/route.ts): the real docker, untouched and in this
 * very process, or dtrust itself. What docker does costs no more than this file and what it imports statically;
 * dtrust's own commands are chunks that are loaded when they are needed (test/metafile.test.ts).
 */
import fs from 'node:fs';
import { userInfo } from 'node:os';
import tty from 'node:tty';
import { fileURLToPath } from 'node:url';
import { type ParsedArgv, parseDockerArgv, stripContentTrustFlag } from './cli/argv.ts';
import { contentTrustEnabled } from './cli/content-trust.ts';
import type { Context } from './commands/context.ts';
import { exitStatusOf } from './commands/exit-status.ts';
import { renderError } from './commands/report-error.ts';
import { route } from './commands/route.ts';
import { findDocker } from './engine/docker-binary.ts';
import { passOn } from './engine/passthrough.ts';
import { enforcedEnvironment } from './engine/run-docker.ts';
import { systemClock } from './lib/clock.ts';
import { UsageError } from './lib/errors.ts';
import { realFileSystem } from './lib/file-system.ts';
import { Interrupted, STOP_SIGNALS } from './lib/interrupted.ts';
import { writeAll } from './lib/write-all.ts';
import { configDirectory, loadDockerConfig } from './settings/docker-config.ts';
import { type Environment, type RawEnvironment, readEnvironment } from './settings/environment.ts';

const STDOUT = 1;
const STDERR = 2;

/** Runs the call this process was started for, and ends the process with its exit status. */
export async function main(): Promise<void> {
  const argv = process.argv.slice(2);
  const env = readEnvironment(process.env);
  let path: readonly string[] = [];
  let status: number;
  try {
    const parsed = parse(argv, env);
    path = parsed?.path ?? [];
    status = await dispatch(argv, parsed, env);
  } catch (error) {
    report(error, env);
    status = exitStatusOf(error, path);
  }
  // Not left to the event loop: a connection kept open must not keep the user waiting.
  process.exit(status);
}

/** The command line; undefined when it cannot be read and trust is off, which makes it docker's to refuse. */
function parse(argv: readonly string[], env: Environment): ParsedArgv | undefined {
  try {
    return parseDockerArgv(argv);
  } catch (error) {
    if (error instanceof UsageError && !contentTrustEnabled(env.contentTrust, undefined)) return undefined;
    throw error;
  }
}

async function dispatch(
  argv: readonly string[],
  parsed: ParsedArgv | undefined,
  env: Environment,
): Promise<number> {
  if (parsed === undefined) return await startDocker(argv, env, enforcedEnvironment(process.env));
  const chosen = route({
    parsed,
    contentTrust: env.contentTrust,
    aliases: () => loadDockerConfig(realFileSystem, configFolder(parsed, env)).aliases,
  });
  switch (chosen.kind) {
    case 'own': {
      const { commandNamed } = await import('./commands/command-modules.ts');
      const command = await commandNamed(chosen.command);
      return await command.run(createContext(parsed, env));
    }
    case 'warned':
      writeAll(STDERR, `dtrust: ${chosen.line}\n`);
      return await startDocker(argv, env, process.env);
    case 'untouched':
      return await startDocker(argv, env, process.env);
    case 'plain':
      return await startDocker(stripContentTrustFlag(argv, parsed), env, enforcedEnvironment(process.env));
  }
}

/** The real docker in place of this process; returns only where the system cannot do that. */
function startDocker(args: readonly string[], env: Environment, variables: RawEnvironment): Promise<number> {
  const { platform, arch } = process;
  const docker = findDocker({ env, ownFiles: ownFiles(), fs, machine: { platform, arch } });
  return passOn({ docker, args, env: variables, process, fs });
}

/** What dtrust was started through, so that it never takes itself for docker. */
function ownFiles(): string[] {
  return [process.argv[1] ?? '', fileURLToPath(import.meta.url)];
}

function createContext(parsed: ParsedArgv, env: Environment): Context {
  const clock = systemClock;
  return {
    parsed,
    env,
    rawEnvironment: process.env,
    fs: realFileSystem,
    clock,
    startTimeMs: clock.now(),
    platform: process.platform,
    pid: process.pid,
    userHome: homeOfUser(),
    random: Math.random,
    // A reader that has gone (`| head`) loses the rest; what was begun is still brought to its end.
    out: (text) => void writeAll(STDOUT, text),
    err: (text) => void writeAll(STDERR, text),
    isTerminal: (fd) => tty.isatty(fd),
    columns: terminalWidth(),
    signal: stopSignal(),
  };
}

/** Aborted by the first SIGINT, SIGTERM or SIGHUP; the second ends the process where it is. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of STOP_SIGNALS) {
    process.on(name, () => {
      const reason = new Interrupted(name);
      if (controller.signal.aborted) process.exit(reason.exitStatus);
      controller.abort(reason);
    });
  }
  return controller.signal;
}

/** Width of the terminal on stdout as it is now; docker takes 200 where it cannot be known. */
function terminalWidth(): () => number {
  let stream: tty.WriteStream | undefined;
  return () => {
    if (!tty.isatty(STDOUT)) return 200;
    stream ??= new tty.WriteStream(STDOUT);
    return stream.getWindowSize()[0];
  };
}

function configFolder(parsed: ParsedArgv, env: Environment): string {
  return configDirectory(env, parsed.globals.get('config')?.at(-1), homeOfUser());
}

function homeOfUser(): string | undefined {
  try {
    return userInfo().homedir;
  } catch (error) {
    // A user ID without an entry in the user database (ENOENT), as containers have.
    if ((error as NodeJS.ErrnoException).code === 'ERR_SYSTEM_ERROR') return undefined;
    throw error;
  }
}

function report(error: unknown, env: Environment): void {
  if (error instanceof Interrupted) return;
  writeAll(STDERR, renderError(error, { json: env.errors === 'json', debug: env.debug === '1' }));
}
