/**
 * One of dtrust's own commands, from the call to its exit status: it gets what it works with, and what it throws is
 * said on stderr.
 *
 * The start (main.ts) and the commands are bundles of their own, each with its own copy of the classes of errors. So
 * no error and no instance passes from one to the other, only the parsed command line, which is plain data.
 */
import assert from 'node:assert';
import os from 'node:os';
import tty from 'node:tty';
import type { ParsedArgv } from '../cli/argv.ts';
import type { Docker } from '../engine/docker-binary.ts';
import { systemClock } from '../lib/clock.ts';
import { realFileSystem } from '../lib/file-system.ts';
import { Interrupted, STOP_SIGNALS } from '../lib/interrupted.ts';
import { writeAll } from '../lib/write-all.ts';
import type { Environment, RawEnvironment } from '../settings/environment.ts';
import type { Command, Context, DockerCalls, Observed, Outcome } from './context.ts';
import { exitStatusOf } from './exit-status.ts';
import { homeOfUser } from './home-of-user.ts';
import { renderError } from './report-error.ts';

const STDOUT = 1;
const STDERR = 2;

export interface Call {
  readonly parsed: ParsedArgv;
  readonly env: Environment;
  readonly process: NodeJS.Process;
  /** The real docker, for commands that end in it. */
  readonly docker?: Docker | undefined;
}

/** Runs the command to its end, or to where docker goes on; nothing is thrown. */
export async function runCommand(command: Command, call: Call): Promise<Outcome> {
  try {
    return await command.run(createContext(call));
  } catch (error) {
    report(error, call.env);
    return exitStatusOf(error, call.parsed.path);
  }
}

/** One line for what went wrong; nothing for a call that was stopped by its user. */
function report(error: unknown, env: Environment): void {
  if (error instanceof Interrupted) return;
  writeAll(STDERR, renderError(error, { json: env.errors === 'json', debug: env.debug === '1' }));
}

function createContext(call: Call): Context {
  const { parsed, env, process } = call;
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
    nodeProgram: process.execPath,
    userHome: homeOfUser(),
    random: Math.random,
    stdin: () => process.stdin,
    temporaryFolder: os.tmpdir(),
    // A reader that has gone (`| head`) loses the rest; what was begun is still brought to its end.
    out: (text) => writeAll(STDOUT, text),
    err: (text) => void writeAll(STDERR, text),
    isTerminal: (fd) => tty.isatty(fd),
    columns: terminalWidth(),
    signal: stopSignal(process),
    observeDocker: (rest) => observe(call, rest),
    ...(call.docker === undefined ? {} : { docker: dockerCalls(call, call.docker) }),
  };
}

const ANSWER_MS = 120_000;

/** Docker with other arguments than this call's, for the same engine. */
function dockerCalls({ parsed, process }: Call, docker: Docker): DockerCalls {
  const globals = process.argv.slice(2, 2 + parsed.commandAt);
  const environment = (env: RawEnvironment = {}) => ({
    ...process.env,
    ...env,
    ...docker.addedEnvironment,
    DOCKER_CONTENT_TRUST: '0',
  });
  return {
    ask: async (args, { env, stdin, timeoutMs = ANSWER_MS } = {}) => {
      const { askDocker } = await import('../engine/ask-docker.ts');
      return await askDocker(docker, {
        args: [...globals, ...args],
        env: environment(env),
        timeoutMs,
        ...(stdin === undefined ? {} : { stdin }),
      });
    },
    run: async (args, { env, stdin } = {}) => {
      const { runDocker } = await import('../engine/run-docker.ts');
      const start = { docker, args: [...globals, ...args], env: environment(env), process };
      return await runDocker(start, { stdin });
    },
  };
}

async function observe({ docker, parsed, process }: Call, rest: readonly string[]): Promise<Observed> {
  assert(docker !== undefined, 'docker is found before a command that ends in it');
  const { enforcedEnvironment, observeDocker } = await import('../engine/run-docker.ts');
  const args = [...process.argv.slice(2, 2 + parsed.restAt), ...rest];
  return await observeDocker({ docker, args, env: enforcedEnvironment(process.env), process });
}

/** Aborted by the first SIGINT, SIGTERM or SIGHUP; the second ends the process where it is. */
function stopSignal(process: NodeJS.Process): AbortSignal {
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
