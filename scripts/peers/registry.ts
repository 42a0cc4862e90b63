/**
 * A real registry (distribution 2.8) on a free loopback port.
 */
import fs from 'node:fs';
import path from 'node:path';
import { clearScratch, makeScratch, startDaemon } from './daemon.ts';
import { registryProgram } from './programs.ts';
import { type RawAnswer, rawRequest } from './raw-http.ts';

export interface RegistryOptions {
  /** PEM texts; without them the registry speaks plain http. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Content of an htpasswd file (bcrypt only), for example KNOWN_USER.htpasswd. */
  readonly auth?: string;
  /** Allow deletes; default true. */
  readonly delete?: boolean;
  /** Listen on this port instead of a free one. */
  readonly port?: number;
}

export interface RunningRegistry {
  /** `127.0.0.1:<port>`, the host part of references. */
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** The folder all its data is in, for tests that damage it. */
  readonly dataFolder: string;
  log(): string;
  /** One plain request (as KNOWN_USER where the registry asks for one), without the code under test. */
  request(
    method: string,
    path: string,
    body?: Uint8Array | string,
    headers?: Record<string, string>,
  ): Promise<RawAnswer>;
  stop(): Promise<void>;
}

/** A user whose password the registry knows when started with `auth: KNOWN_USER.htpasswd`. */
export const KNOWN_USER = {
  username: 'dtrust',
  password: 'correct horse',
  htpasswd: 'dtrust:$2y$05$dtrusttestsaltdtrusttePdQYnx.N1KQShNL.7nhfHK53OE5eD9.\n',
} as const;

/** @throws PeerMissing where the package cannot be had. */
export async function startRegistry(options: RegistryOptions = {}): Promise<RunningRegistry> {
  const program = await registryProgram();
  const scratch = makeScratch();
  try {
    const configFile = path.join(scratch, 'config.yml');
    fs.writeFileSync(configFile, JSON.stringify(registryConfig(options, scratch)));
    const daemon = await startDaemon({
      program,
      args: ['serve', configFile],
      logFile: path.join(scratch, 'log'),
      ready: (log) => listeningPort(log) !== undefined,
    });
    const port = listeningPort(daemon.log()) ?? 0;
    const host = `127.0.0.1:${port}`;
    return {
      host,
      port,
      url: `${options.tls === undefined ? 'http' : 'https'}://${host}`,
      pid: daemon.pid,
      dataFolder: path.join(scratch, 'data'),
      log: () => daemon.log(),
      request: (method, target, body, headers = {}) =>
        rawRequest(
          { port, tls: options.tls !== undefined },
          { method, path: target, body, headers: { ...authorization(options), ...headers } },
        ),
      stop: async () => {
        await daemon.stop();
        await clearScratch(scratch);
      },
    };
  } catch (error) {
    await clearScratch(scratch);
    throw error;
  }
}

function authorization(options: RegistryOptions): Record<string, string> {
  if (options.auth === undefined) return {};
  const pair = `${KNOWN_USER.username}:${KNOWN_USER.password}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

function listeningPort(log: string): number | undefined {
  const match = /listening on 127\.0\.0\.1:(\d+)/.exec(log);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** JSON is YAML. */
function registryConfig(options: RegistryOptions, scratch: string): object {
  const write = (name: string, text: string): string => {
    fs.writeFileSync(path.join(scratch, name), text, { mode: 0o600 });
    return path.join(scratch, name);
  };
  return {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: false } },
    storage: {
      filesystem: { rootdirectory: path.join(scratch, 'data') },
      delete: { enabled: options.delete ?? true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: {
      addr: `127.0.0.1:${options.port ?? 0}`,
      secret: 'for-tests-only',
      ...(options.tls === undefined
        ? {}
        : {
            tls: { certificate: write('cert.pem', options.tls.cert), key: write('key.pem', options.tls.key) },
          }),
    },
    ...(options.auth === undefined
      ? {}
      : { auth: { htpasswd: { realm: 'dtrust tests', path: write('htpasswd', options.auth) } } }),
  };
}
