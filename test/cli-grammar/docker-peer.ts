/**
 * A real docker client in front of an engine that only writes down what it is asked.
 *
 * Every request that could bring an image in is answered with an error, so nothing happens, and what docker would
 * have done is known from the request itself rather than from its help text.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Program } from '../helpers/peers.ts';

export interface Observed {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** `POST /images/create?fromImage=...`, without the API version; no GET and no HEAD. */
  readonly asked: readonly string[];
}

export interface ObservedDocker {
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Observed>;
  stop(): Promise<void>;
}

/**
 * Starts the engine; each `run` is one call of docker with a config folder of its own, in a folder where `ctx` and
 * `ctx2` can be built.
 */
export async function observeDocker(
  docker: Program,
  plugins: Readonly<Record<string, Program>> = {},
): Promise<ObservedDocker> {
  const folder = await mkdtemp(path.join(tmpdir(), 'dtrust-docker-'));
  const socket = path.join(folder, 'engine.sock');
  let asked: string[] = [];
  const server = createServer((request, response) => answer(request, response, asked));
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  await mkdir(path.join(folder, 'config', 'cli-plugins'), { recursive: true });
  for (const context of ['ctx', 'ctx2']) {
    await mkdir(path.join(folder, context));
    await writeFile(path.join(folder, context, 'Dockerfile'), 'FROM scratch\n');
  }
  for (const [name, plugin] of Object.entries(plugins)) {
    await symlink(plugin.path, path.join(folder, 'config', 'cli-plugins', `docker-${name}`));
  }
  const base = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    DOCKER_CONFIG: path.join(folder, 'config'),
    DOCKER_HOST: `unix://${socket}`,
    DOCKER_CONTENT_TRUST: '0',
    DOCKER_CLI_HINTS: 'false',
    ...docker.env,
  };
  return {
    async run(args, env = {}) {
      asked = [];
      const ended = await call(docker.path, args, { ...base, ...env }, folder);
      return { ...ended, asked };
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function call(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
  cwd: string,
): Promise<Pick<Observed, 'status' | 'stdout' | 'stderr'>> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { env, cwd, timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code ?? 255), stdout, stderr });
    });
    child.stdin?.end();
  });
}

function answer(request: IncomingMessage, response: ServerResponse, asked: string[]): void {
  const url = (request.url ?? '').replace(/^\/v[0-9.]+/, '');
  request.resume();
  response.setHeader('API-Version', '1.41');
  response.setHeader('OSType', 'linux');
  response.setHeader('Content-Type', 'application/json');
  if (request.method === 'GET' || request.method === 'HEAD') {
    // No container is there, so whoever needs one has to ask for it.
    if (url.startsWith('/containers/')) response.statusCode = 404;
    response.end(url.startsWith('/_ping') ? 'OK' : '{}');
    return;
  }
  asked.push(`${request.method} ${url}`);
  response.statusCode = 500;
  response.end('{"message":"only looking"}');
}
