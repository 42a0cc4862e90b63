/**
 * Docker's credential helpers as programs: `docker-credential-<name> get`, the server's name on stdin, one JSON
 * object `{ServerURL, Username, Secret}` on stdout.
 *
 * A helper is found on PATH, but never through an empty or relative entry: config.json may come with a checked
 * out repository (DOCKER_CONFIG), and a program beside it must not run. Nothing that a helper prints is shown.
 */
import path from 'node:path';
import { ChildError, type ChildOptions, type ChildResult, runChild } from '../lib/child.ts';
import { isSystemError } from '../lib/fs-error.ts';
import { type HelperAnswer, helperError, type RunHelper } from './credentials.ts';
import type { Environment, RawEnvironment } from './environment.ts';
import type { ReadableFiles } from './local-files.ts';

/** Long enough for a keychain that asks its user; a helper that hangs stops the command no longer than this. */
const DEFAULT_TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 256 * 1024;

/** What helpers say, on stdout and with exit status 1, when they hold nothing for this server. */
const NOT_FOUND = 'credentials not found in native keychain';

export interface HelperOptions {
  readonly fs: ReadableFiles;
  readonly env: Pick<Environment, 'path' | 'pathExtensions'>;
  /** Handed on to the program as it is. */
  readonly rawEnvironment: RawEnvironment;
  readonly platform: NodeJS.Platform;
  readonly timeoutMs?: number;
  readonly run?: (options: ChildOptions) => Promise<ChildResult>;
}

/** The RunHelper that starts real programs; one answer per helper and server is kept for the process's life. */
export function createHelperRunner(options: HelperOptions): RunHelper {
  const answers = new Map<string, Promise<HelperAnswer | undefined>>();
  return (name, server) => {
    const key = JSON.stringify([name, server]);
    const known = answers.get(key) ?? askHelper(name, server, options);
    answers.set(key, known);
    return known;
  };
}

async function askHelper(
  name: string,
  server: string,
  options: HelperOptions,
): Promise<HelperAnswer | undefined> {
  const file = findHelper(name, options);
  const result = await runHelper(file, name, server, options);
  const stdout = result.stdout.toString('utf8');
  if (result.status !== 0) {
    if (stdout.trim() === NOT_FOUND) return undefined;
    throw helperError(name, `failed with ${result.signal ?? `exit status ${result.status}`}`);
  }
  return parseAnswer(stdout, name);
}

async function runHelper(
  file: string,
  name: string,
  server: string,
  options: HelperOptions,
): Promise<ChildResult> {
  try {
    return await (options.run ?? runChild)({
      file,
      args: ['get'],
      stdin: server,
      env: options.rawEnvironment,
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      maxOutputBytes: MAX_OUTPUT_BYTES,
    });
  } catch (error) {
    if (!(error instanceof ChildError)) throw error;
    const why = {
      start: 'cannot be started',
      timeout: 'does not answer',
      output: 'printed too much',
      stopped: 'was stopped',
    };
    throw helperError(name, why[error.reason]);
  }
}

function parseAnswer(stdout: string, name: string): HelperAnswer {
  let value: unknown;
  try {
    value = JSON.parse(stdout);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // No cause: the parser's message quotes what was printed.
    throw helperError(name, 'printed something that is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw helperError(name, 'printed no JSON object');
  const username = textMember(value, 'Username');
  const secret = textMember(value, 'Secret');
  if (username === undefined || secret === undefined)
    throw helperError(name, 'printed no Username and Secret');
  return { username, secret };
}

function textMember(value: object, name: string): string | undefined {
  const member: unknown = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
  return typeof member === 'string' ? member : undefined;
}

// The name comes from config.json and becomes part of a program's name: no separators, no leading dot.
const HELPER_NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]*$/;

function findHelper(name: string, options: HelperOptions): string {
  if (!HELPER_NAME.test(name)) throw helperError(name, 'has a name that no program can have');
  const { fs, env, platform } = options;
  const windows = platform === 'win32';
  const system = windows ? path.win32 : path.posix;
  const endings = windows ? (env.pathExtensions ?? '.EXE').split(';') : [''];
  for (const folder of (env.path ?? '').split(system.delimiter)) {
    if (!system.isAbsolute(folder)) continue;
    for (const ending of endings) {
      const file = system.join(folder, `docker-credential-${name}${ending}`);
      if (isProgram(fs, file, windows)) return file;
    }
  }
  throw helperError(name, 'is not on PATH');
}

/** A folder of PATH that may not be looked into has no programs, as for a shell. */
function isProgram(fs: ReadableFiles, file: string, windows: boolean): boolean {
  try {
    const stats = fs.statSync(file, { throwIfNoEntry: false });
    return stats?.isFile() === true && (windows || (stats.mode & 0o111) !== 0);
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}
