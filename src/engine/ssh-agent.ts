/**
 * Connections to an engine behind `ssh://`: each is the user's own `ssh ... docker system dial-stdio`, whose
 * standard input and output are the engine's socket, as Docker CLI does it. So known_hosts, ~/.ssh/config, keys
 * and agents are the user's own, and an unknown host key is ssh's question to the user, never taken silently.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import http from 'node:http';
import { Duplex } from 'node:stream';
import { EngineError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';

const MAX_STDERR = 4_096;
const CONNECT_TIMEOUT_SECONDS = 30;

/**
 * The arguments for `ssh` (Docker CLI 28, connhelper/ssh).
 * @throws EngineError ENGINE_UNREACHABLE for a URL that names no host
 */
export function sshArguments(url: string): string[] {
  const refuse = (why: string): EngineError =>
    new EngineError({ code: 'ENGINE_UNREACHABLE', message: `invalid SSH URL ${escapeText(url)}: ${why}` });
  if (!URL.canParse(url)) throw refuse('it cannot be parsed');
  const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(url);
  if (protocol !== 'ssh:' || hostname === '') throw refuse('no host is named');
  if (password !== '') throw refuse('plain-text password is not supported');
  if (search !== '' || hash !== '') throw refuse('extra text after the host');
  const user = decodeURIComponent(username);
  const host = decodeURIComponent(hostname.replace(/^\[(.*)\]$/, '$1'));
  // A name that begins with a dash would be an option of ssh's; `--` stands before the host as well.
  if (user.startsWith('-') || host.startsWith('-')) throw refuse('a name begins with a dash');
  const socket = decodeURIComponent(pathname).replace(/\/+$/, '');
  return [
    '-o',
    `ConnectTimeout=${CONNECT_TIMEOUT_SECONDS}`,
    '-T',
    ...(user === '' ? [] : ['-l', user]),
    ...(port === '' ? [] : ['-p', port]),
    '--',
    host,
    'docker',
    // The far side's shell reads this, so it is quoted for it.
    ...(socket === '' ? [] : [quoteForShell(`--host=unix://${socket}`)]),
    'system',
    'dial-stdio',
  ];
}

function quoteForShell(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** An agent for node:http whose connections are ssh processes; destroying it ends them. */
export function createSshAgent(url: string, env: Readonly<Record<string, string | undefined>>): http.Agent {
  const args = sshArguments(url);
  const agent = new http.Agent({ keepAlive: true });
  agent.createConnection = () => {
    const child = spawn('ssh', args, { env: env as NodeJS.ProcessEnv, stdio: ['pipe', 'pipe', 'pipe'] });
    return new SshConnection(child);
  };
  return agent;
}

/** The pipes of one ssh process as the socket that node:http expects. */
class SshConnection extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams;
  #stderr = '';

  constructor(child: ChildProcessWithoutNullStreams) {
    super({ allowHalfOpen: false });
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-MAX_STDERR);
    });
    // A failed write shows in the exit that follows.
    child.stdin.on('error', () => undefined);
    child.on('error', (error) => this.destroy(sshFailed(`ssh cannot be started: ${error.message}`, error)));
    child.on('close', (status, signal) => this.#ended(status, signal));
  }

  #ended(status: number | null, signal: NodeJS.Signals | null): void {
    if (status === 0 || this.destroyed) {
      this.push(null);
      return;
    }
    const said = this.#stderr.trim() === '' ? '' : `: ${this.#stderr.trim()}`;
    this.destroy(sshFailed(`ssh ended with ${signal ?? `exit status ${status}`}${said}`));
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#child.stdin.write(chunk)) done();
    else this.#child.stdin.once('drain', () => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#child.stdin.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#child.kill();
    done(error);
  }

  // What node:http asks of a socket beyond a stream. An idle connection must not keep the process alive.
  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }

  ref(): this {
    for (const part of this.#parts()) part.ref?.();
    return this;
  }

  unref(): this {
    for (const part of this.#parts()) part.unref?.();
    return this;
  }

  #parts(): readonly { ref?: () => unknown; unref?: () => unknown }[] {
    return [this.#child, this.#child.stdin, this.#child.stdout, this.#child.stderr] as readonly {
      ref?: () => unknown;
      unref?: () => unknown;
    }[];
  }
}

function sshFailed(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code: 'SSH_FAILED' });
}
