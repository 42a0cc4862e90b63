/**
 * A git repository as a build context, fetched with the user's own `git` as docker's command line does it: one commit,
 * its submodules, a folder of it. Beyond docker, which takes any transport of git's for what a submodule names, only the
 * protocols that docker takes for the repository itself are allowed, and nothing on this machine's disk.
 */
import fs from 'node:fs';
import path from 'node:path';
import { ChildError, type ChildResult, runChild } from '../../../lib/child.ts';
import { UsageError } from '../../../lib/errors.ts';
import { escapeShort, escapeText } from '../../../lib/escape.ts';
import { writeFailure } from '../../../lib/fs-error.ts';

export interface GitOptions {
  readonly temporaryFolder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** GIT_ALLOW_PROTOCOL, as the user has it. */
  readonly allowedProtocols?: string | undefined;
  readonly signal: AbortSignal;
}

export interface GitCheckout {
  /** The folder that is the context. */
  readonly folder: string;
  close(): void;
}

export interface GitAddress {
  readonly remote: string;
  readonly ref: string;
  readonly folder: string;
}

/** Long enough for a large repository; a person stops it sooner. */
const TIMEOUT_MS = 30 * 60 * 1000;
const MOST_OUTPUT_BYTES = 16 * 1024 * 1024;
const MOST_SHOWN = 500;
/** Of git's transports, those that docker takes. */
const PROTOCOLS = ['git', 'http', 'https', 'ssh'];

/** Whether docker takes this for a git repository, when there is no such path. */
export function isGitAddress(text: string): boolean {
  if (/^https?:\/\//.test(text) && /.git(?:#.+)?$/.test(text)) return true;
  return /^(?:git:\/\/|github\.com\/|git@)/.test(text);
}

/**
 * `REPOSITORY[#REF[:FOLDER]]`
 * @throws UsageError BUILD_CONTEXT_INVALID
 */
export function parseGitAddress(text: string): GitAddress {
  const hasTransport = /^(?:git@|(?:git|https?|ssh):\/\/)/.test(text);
  const whole = hasTransport ? text : `https://${text}`;
  const at = whole.indexOf('#');
  const remote = at < 0 ? whole : whole.slice(0, at);
  const fragment = at < 0 ? '' : whole.slice(at + 1);
  const colon = fragment.indexOf(':');
  const ref = (colon < 0 ? fragment : fragment.slice(0, colon)) || 'master';
  const folder = colon < 0 ? '' : fragment.slice(colon + 1);
  // What begins with a hyphen would be an option of git's, or of the ssh that git runs.
  if (ref.startsWith('-')) throw invalid(`invalid refspec: ${escapeShort(ref)}`);
  if (/^(?:git@|[a-z]+:\/\/(?:[^/@]*@)?)-/.test(remote))
    throw invalid(`invalid repository: ${escapeShort(remote)}`);
  if (/[\0-\x20\x7f]/.test(whole)) throw invalid(`invalid repository: ${escapeShort(whole)}`);
  return { remote, ref, folder };
}

/**
 * Fetches the commit into a temporary folder.
 * @throws UsageError BUILD_CONTEXT_INVALID; LocalStateError DISK_FULL, FILE_UNWRITABLE; what the signal was aborted with
 */
export async function fetchGit(address: GitAddress, options: GitOptions): Promise<GitCheckout> {
  const { remote, ref, folder } = address;
  const root = makeFolder(options.temporaryFolder);
  const close = (): void => fs.rmSync(root, { recursive: true, force: true });
  try {
    const git = (...args: string[]) => runGit(root, args, options);
    await must(git('init', '--quiet'), 'failed to init repo');
    await must(git('remote', 'add', '--', 'origin', remote), 'failed add origin repo');
    const shallow = await git('fetch', '--depth', '1', 'origin', '--', ref);
    // Some plain http servers cannot give a part of the history.
    if (shallow.status !== 0) await must(git('fetch', 'origin', '--', ref), 'error fetching');
    await must(
      git('checkout', '--quiet', '--detach', 'FETCH_HEAD'),
      `error checking out ${escapeShort(ref)}`,
    );
    await must(
      git('submodule', 'update', '--init', '--recursive', '--depth=1'),
      'error initializing submodules',
    );
    return { folder: folderIn(root, folder), close };
  } catch (error) {
    close();
    throw error;
  }
}

function makeFolder(temporaryFolder: string): string {
  try {
    return fs.realpathSync(fs.mkdtempSync(path.join(temporaryFolder, 'dtrust-git-')));
  } catch (error) {
    throw writeFailure(error, temporaryFolder);
  }
}

async function runGit(root: string, args: readonly string[], options: GitOptions): Promise<ChildResult> {
  const { environment, signal } = options;
  try {
    return await runChild({
      file: 'git',
      args: ['-c', 'protocol.file.allow=never', '-c', 'protocol.ext.allow=never', ...args],
      cwd: root,
      env: { ...environment, GIT_PROTOCOL_FROM_USER: '0', GIT_ALLOW_PROTOCOL: protocolsFor(options) },
      timeoutMs: TIMEOUT_MS,
      maxOutputBytes: MOST_OUTPUT_BYTES,
      signal,
    });
  } catch (error) {
    if (!(error instanceof ChildError)) throw error;
    if (error.reason === 'stopped') throw signal.reason;
    const why = error.reason === 'start' ? "unable to find 'git'" : `git did not end well (${error.reason})`;
    throw invalid(`unable to prepare context: ${why}`, error);
  }
}

/** Those that the user has forbidden to git stay forbidden. */
function protocolsFor({ allowedProtocols }: GitOptions): string {
  const own = allowedProtocols?.split(':') ?? PROTOCOLS;
  return PROTOCOLS.filter((each) => own.includes(each)).join(':');
}

async function must(running: Promise<ChildResult>, doing: string): Promise<void> {
  const { status, stderr } = await running;
  if (status === 0) return;
  const said = stderr.toString('utf8').trim().slice(-MOST_SHOWN).split('\n').map(escapeText).join('; ');
  throw invalid(
    `unable to prepare context: unable to 'git clone' to temporary context directory: ${doing}: ${said}`,
  );
}

/** A folder of the repository; a link in it does not lead out. */
function folderIn(root: string, folder: string): string {
  if (folder === '') return root;
  const real = realPath(path.join(root, path.posix.join('/', folder)));
  const inside = real !== undefined && (real === root || real.startsWith(root + path.sep));
  if (inside && fs.statSync(real).isDirectory()) return real;
  throw invalid(`error setting git context, not a directory of the repository: ${escapeShort(folder)}`);
}

function realPath(file: string): string | undefined {
  try {
    return fs.realpathSync(file);
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) return undefined;
    throw error;
  }
}

function invalid(message: string, cause?: unknown): UsageError {
  return new UsageError({ code: 'BUILD_CONTEXT_INVALID', message, cause });
}
