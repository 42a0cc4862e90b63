/**
 * A real Docker Engine for tests: own socket, data, containerd and configuration, no network of its own.
 *
 * Starts in about 0.4 s. Needs root and Linux.
 */
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { clearScratch, type Daemon, makeScratch, startDaemon } from './daemon.ts';
import { PeerMissing } from './debian.ts';
import { type EngineVersion, enginePrograms } from './programs.ts';
import { type RawAnswer, rawRequest } from './raw-http.ts';

export interface EngineOptions {
  readonly version: EngineVersion;
  /** The containerd image store (26.1 only) instead of the classic one. */
  readonly containerdStore?: boolean;
  readonly insecureRegistries?: readonly string[];
  /** Also listen on a free loopback port with TLS; client certificates are asked for when `ca` is given. */
  readonly tcp?: { readonly cert: string; readonly key: string; readonly ca?: string };
}

export interface RunningEngine {
  readonly socketPath: string;
  /** Value for DOCKER_HOST. */
  readonly host: string;
  /** Port of the TLS listener, when there is one. */
  readonly tcpPort: number | undefined;
  readonly version: EngineVersion;
  readonly containerdStore: boolean;
  readonly pid: number;
  log(): string;
  /** One plain API request, for arranging and looking at the engine without the code under test. */
  request(
    method: string,
    path: string,
    body?: Uint8Array | string,
    headers?: Record<string, string>,
  ): Promise<RawAnswer>;
  /** Loads an image archive as `docker load` does. */
  load(archive: Uint8Array): Promise<void>;
  /** Removes every image, tag by tag. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

const OVERLAYFS_MAGIC = 0x794c7630;

/** @throws PeerMissing where there is no root or no package. */
export async function startEngine(options: EngineOptions): Promise<RunningEngine> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) throw new PeerMissing('root on Linux');
  const programs = await enginePrograms(options.version);
  const scratch = makeScratch();
  const at = (name: string): string => path.join(scratch, name);
  let containerd: Daemon | undefined;
  try {
    fs.writeFileSync(at('containerd.toml'), containerdConfig(at));
    containerd = await startDaemon({
      program: programs.containerd,
      args: ['-c', at('containerd.toml')],
      logFile: at('containerd.log'),
      path: programs.path,
      ready: () => fs.existsSync(at('c.sock')),
    });
    const tcpPort = options.tcp === undefined ? undefined : await freePort();
    fs.writeFileSync(at('daemon.json'), JSON.stringify(daemonConfig(options, at, tcpPort)));
    const request: RunningEngine['request'] = (method, target, body, headers) =>
      rawRequest({ socketPath: at('d.sock') }, { method, path: target, body, headers });
    const dockerd = await startDaemon({
      program: programs.dockerd,
      args: ['--config-file', at('daemon.json')],
      logFile: at('dockerd.log'),
      path: programs.path,
      ready: async () => (await request('GET', '/_ping').catch(() => undefined))?.status === 200,
    });
    return running(options, { scratch, tcpPort, request, daemons: [dockerd, containerd] });
  } catch (error) {
    await containerd?.stop();
    await clearScratch(scratch);
    throw error;
  }
}

interface Parts {
  readonly scratch: string;
  readonly tcpPort: number | undefined;
  readonly request: RunningEngine['request'];
  readonly daemons: readonly [Daemon, Daemon];
}

function running(options: EngineOptions, parts: Parts): RunningEngine {
  const { request, daemons } = parts;
  const socketPath = path.join(parts.scratch, 'd.sock');
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    for (const daemon of daemons) await daemon.stop();
    await clearScratch(parts.scratch);
  };
  return {
    socketPath,
    host: `unix://${socketPath}`,
    tcpPort: parts.tcpPort,
    version: options.version,
    containerdStore: options.containerdStore === true,
    pid: daemons[0].pid,
    log: () => daemons[0].log(),
    request,
    load: async (archive) => {
      const answer = await request('POST', '/images/load?quiet=1', archive, {
        'content-type': 'application/x-tar',
      });
      if (answer.status !== 200 || answer.body.includes('"error"')) throw new Error(`load: ${answer.body}`);
    },
    clear: () => removeAllImages(request),
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

async function removeAllImages(request: RunningEngine['request']): Promise<void> {
  const listed = await request('GET', '/images/json?all=1');
  for (const image of JSON.parse(listed.body) as { Id: string }[]) {
    await request('DELETE', `/images/${encodeURIComponent(image.Id)}?force=1`);
  }
}

function containerdConfig(at: (name: string) => string): string {
  const off = [
    'io.containerd.grpc.v1.cri',
    'io.containerd.snapshotter.v1.aufs',
    'io.containerd.snapshotter.v1.btrfs',
    'io.containerd.snapshotter.v1.devmapper',
    'io.containerd.snapshotter.v1.zfs',
    'io.containerd.internal.v1.opt',
  ];
  return [
    'version = 2',
    `root = ${JSON.stringify(at('containerd'))}`,
    `state = ${JSON.stringify(at('cstate'))}`,
    `disabled_plugins = ${JSON.stringify(off)}`,
    '[grpc]',
    `address = ${JSON.stringify(at('c.sock'))}`,
    '',
  ].join('\n');
}

function daemonConfig(
  options: EngineOptions,
  at: (name: string) => string,
  tcpPort: number | undefined,
): object {
  const store = options.containerdStore === true;
  const overlaid = fs.statfsSync(at('.')).type === OVERLAYFS_MAGIC;
  return {
    hosts: [`unix://${at('d.sock')}`, ...(tcpPort === undefined ? [] : [`tcp://127.0.0.1:${tcpPort}`])],
    containerd: at('c.sock'),
    'data-root': at('data'),
    'exec-root': at('exec'),
    pidfile: at('pid'),
    bridge: 'none',
    iptables: false,
    ip6tables: false,
    'userland-proxy': false,
    'shutdown-timeout': 2,
    'insecure-registries': options.insecureRegistries ?? [],
    ...(overlaid ? { 'storage-driver': store ? 'native' : 'vfs' } : {}),
    ...(options.version === '20.10' ? {} : { features: { 'containerd-snapshotter': store } }),
    ...tlsConfig(options, at),
  };
}

function tlsConfig(options: EngineOptions, at: (name: string) => string): object {
  const { tcp } = options;
  if (tcp === undefined) return {};
  fs.writeFileSync(at('cert.pem'), tcp.cert);
  fs.writeFileSync(at('key.pem'), tcp.key, { mode: 0o600 });
  const files = { tlscert: at('cert.pem'), tlskey: at('key.pem') };
  if (tcp.ca === undefined) return { tls: true, ...files };
  fs.writeFileSync(at('ca.pem'), tcp.ca);
  return { tlsverify: true, tlscacert: at('ca.pem'), ...files };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = http.createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
