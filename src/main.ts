/**
 * The composition root, and the only file that touches `process`.
 *
 * It reads one command line and decides who does it (src/commands/route.ts): the real docker, untouched and in this
 * very process, or dtrust itself. What docker does costs no more than this file and what it imports statically;
 * dtrust's own commands are bundles that are loaded when they are needed (docs/adr/0001-chunks.md).
 */
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ParsedArgv, parseDockerArgv, stripContentTrustFlag } from './cli/argv.ts';
import { contentTrustEnabled } from './cli/content-trust.ts';
import type { Outcome } from './commands/context.ts';
import { exitStatusOf } from './commands/exit-status.ts';
import { homeOfUser } from './commands/home-of-user.ts';
import { renderError } from './commands/report-error.ts';
import { route } from './commands/route.ts';
import type { Call } from './commands/run-command.ts';
import { type Docker, findDocker } from './engine/docker-binary.ts';
import { passOn } from './engine/passthrough.ts';
import { enforcedEnvironment } from './engine/run-docker.ts';
import { UsageError } from './lib/errors.ts';
import { realFileSystem } from './lib/file-system.ts';
import { writeAll } from './lib/write-all.ts';
import { configDirectory, loadDockerConfig } from './settings/docker-config.ts';
import { type Environment, type RawEnvironment, readEnvironment } from './settings/environment.ts';

const STDERR = 2;

/** Commands that dtrust decides on and docker carries out. */
const ENDS_IN_DOCKER: ReadonlySet<string> = new Set([
  ...['run', 'create', 'start', 'restart', 'commit', 'build'],
  ...['buildx imagetools create', 'manifest push'],
]);

export interface StartOptions {
  /** Called once everything is loaded, when this process is about to become another program. */
  readonly beforeExecve?: () => void;
}

/** Runs the call this process was started for, and ends the process with its exit status. */
export async function main(options: StartOptions = {}): Promise<void> {
  const argv = process.argv.slice(2);
  const env = readEnvironment(process.env);
  let path: readonly string[] = [];
  let status: number;
  try {
    const parsed = parse(argv, env);
    path = parsed?.path ?? [];
    status = await dispatch(argv, parsed, env, options);
  } catch (error) {
    writeAll(STDERR, renderError(error, { json: env.errors === 'json', debug: env.debug === '1' }));
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
  options: StartOptions,
): Promise<number> {
  const start = (args: readonly string[], variables: RawEnvironment) =>
    startDocker(args, variables, env, options);
  if (parsed === undefined) return await start(argv, enforcedEnvironment(process.env));
  const chosen = route({
    parsed,
    contentTrust: env.contentTrust,
    aliases: () => loadDockerConfig(realFileSystem, configFolder(parsed, env)).aliases,
  });
  switch (chosen.kind) {
    case 'own': {
      // Where there is no docker to go on with, nothing is begun.
      const docker = ENDS_IN_DOCKER.has(chosen.command) ? locateDocker(env) : undefined;
      const outcome = await runOwn(chosen.command, { parsed, env, process, docker });
      if (typeof outcome === 'number') return outcome;
      return await start(
        [...argv.slice(0, parsed.restAt), ...outcome.rest],
        enforcedEnvironment(process.env),
      );
    }
    case 'warned':
      writeAll(STDERR, `dtrust: ${chosen.line}\n`);
      return await start(argv, process.env);
    case 'untouched':
      return await start(argv, process.env);
    case 'plain':
      return await start(stripContentTrustFlag(argv, parsed), enforcedEnvironment(process.env));
  }
}

/** A pull is what must start fast, so it is a bundle that holds nothing else. */
async function runOwn(name: string, call: Call): Promise<Outcome> {
  if (name === 'pull') {
    const { runPull } = await import('./commands/bundle-pull.ts');
    return await runPull(call);
  }
  const { runNamed } = await import('./commands/bundle-all.ts');
  return await runNamed(name, call);
}

/** The real docker in place of this process; returns only where the system cannot do that. */
function startDocker(
  args: readonly string[],
  variables: RawEnvironment,
  env: Environment,
  options: StartOptions,
): Promise<number> {
  return passOn({ docker: locateDocker(env), args, env: variables, process, fs, ...options });
}

/** @throws LocalStateError DOCKER_NOT_FOUND, DOCKER_LOOP */
function locateDocker(env: Environment): Docker {
  const { platform, arch } = process;
  return findDocker({ env, ownFiles: ownFiles(), fs, machine: { platform, arch } });
}

/** What dtrust was started through, so that it never takes itself for docker. */
function ownFiles(): string[] {
  return [process.argv[1] ?? '', fileURLToPath(import.meta.url)];
}

function configFolder(parsed: ParsedArgv, env: Environment): string {
  return configDirectory(env, parsed.globals.get('config')?.at(-1), homeOfUser());
}
