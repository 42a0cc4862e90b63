/**
 * What the measurements run on: one engine, one registry and, where the machine has them, a Notary server and a
 * Docker CLI that still has content trust. All TLS, all on loopback; the same relay stands before either source of
 * trust data, and only before it.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeAuthority } from '../peers/certificates.ts';
import { type Daemon, startDaemon } from '../peers/daemon.ts';
import { PeerMissing } from '../peers/debian.ts';
import { type RunningEngine, startEngine } from '../peers/engine.ts';
import { buildImage, imageArchive } from '../peers/images.ts';
import { busyboxBytes, dockerCli, notaryProgram, type Program } from '../peers/programs.ts';
import { rawRequest } from '../peers/raw-http.ts';
import { type RunningRegistry, startRegistry } from '../peers/registry.ts';
import type { Command } from './measure.ts';
import { type Relay, startRelay } from './relay.ts';

const dtrustFile = fileURLToPath(new URL('../../bin/dtrust.js', import.meta.url));

/** Docker Content Trust as it was: a CLI up to 28 and a Notary server behind a relay. */
export interface ContentTrust {
  readonly cli: Program;
  readonly relay: Relay;
  /** Home of its user. */
  readonly home: string;
}

export interface Setting {
  readonly engine: RunningEngine;
  readonly registry: RunningRegistry;
  /** Before the registry, for dtrust's trust data alone. */
  readonly relay: Relay;
  /** The real docker that dtrust passes commands on to, and that it is compared with. */
  readonly docker: Program;
  /** Undefined with `whyNoContentTrust` where the machine has no such CLI. */
  readonly contentTrust: ContentTrust | undefined;
  readonly whyNoContentTrust: string;
  readonly home: string;
  readonly folder: string;
  dtrust(...args: readonly string[]): Command;
  plain(...args: readonly string[]): Command;
  /** Docker with content trust on. */
  trusting(...args: readonly string[]): Command;
  load(name: string, text: string): Promise<void>;
  /** The same for an image that can be run, and does nothing. */
  loadRunnable(name: string): Promise<void>;
  close(): Promise<void>;
}

const passphrases = {
  DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: 'a passphrase for the bench',
  DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'another passphrase for the bench',
};

async function orUndefined<T>(
  work: () => Promise<T>,
  onMissing: (why: string) => void,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PeerMissing)) throw error;
    onMissing(error.message);
    return undefined;
  }
}

interface NotaryOptions {
  readonly folder: string;
  readonly port: number;
  readonly certificate: { readonly key: string; readonly cert: string };
}

async function startNotary({ folder, port, certificate }: NotaryOptions): Promise<Daemon> {
  const program = await notaryProgram('notary-server');
  const at = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text, { mode: 0o600 });
    return path.join(folder, name);
  };
  const config = {
    server: {
      http_addr: `127.0.0.1:${port}`,
      tls_cert_file: at('notary.crt', certificate.cert),
      tls_key_file: at('notary.key', certificate.key),
    },
    trust_service: { type: 'local', key_algorithm: 'ecdsa' },
    storage: { backend: 'memory' },
    logging: { level: 'error' },
  };
  return await startDaemon({
    program,
    args: [`-config=${at('notary.json', JSON.stringify(config))}`],
    logFile: path.join(folder, 'notary.log'),
    ready: async () => {
      const answer = await rawRequest(
        { port, tls: true },
        { method: 'GET', path: '/_notary_server/health' },
      ).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED') return undefined;
        throw error;
      });
      return answer?.status === 200;
    },
  });
}

async function freePort(): Promise<number> {
  const relay = await startRelay(1);
  await relay.close();
  return relay.port;
}

function makeHome(folder: string, name: string): string {
  const home = path.join(folder, name);
  mkdirSync(path.join(home, '.docker'), { recursive: true, mode: 0o700 });
  return home;
}

/** @throws PeerMissing where there is no engine or registry to be had. */
export async function makeSetting(): Promise<Setting> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'dtrust-bench-'));
  const closers: (() => Promise<void> | void)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const authority = makeAuthority();
    writeFileSync(path.join(folder, 'ca.pem'), authority.ca);
    const certificate = authority.issue(['127.0.0.1', 'localhost']);
    const engine = await startEngine({ version: '26.1' });
    closers.push(() => engine.stop());
    const registry = await startRegistry({ tls: certificate });
    closers.push(() => registry.stop());
    const relay = await startRelay(registry.port);
    closers.push(() => relay.close());

    let whyNoContentTrust = '';
    const contentTrust = await orUndefined(
      async (): Promise<ContentTrust> => {
        const cli = await dockerCli('28');
        const port = await freePort();
        const notary = await startNotary({ folder, port, certificate });
        closers.push(() => notary.stop());
        const notaryRelay = await startRelay(port);
        closers.push(() => notaryRelay.close());
        return { cli, relay: notaryRelay, home: makeHome(folder, 'dct') };
      },
      (why) => {
        whyNoContentTrust = why;
      },
    );
    const docker = contentTrust?.cli ?? (await dockerCli('26.1'));
    const home = makeHome(folder, 'dtrust');
    const base = { PATH: process.env.PATH ?? '', DOCKER_HOST: engine.host };
    const environmentOf = (owner: string): Record<string, string> => ({
      ...base,
      HOME: owner,
      DOCKER_CONFIG: path.join(owner, '.docker'),
    });
    return {
      engine,
      registry,
      relay,
      docker,
      contentTrust,
      whyNoContentTrust,
      home,
      folder,
      dtrust: (...args) => ({
        file: process.execPath,
        args: [dtrustFile, ...args],
        env: {
          ...environmentOf(home),
          ...passphrases,
          DTRUST_INIT: '1',
          DTRUST_DOCKER: docker.path,
          DTRUST_TRUST_REPOSITORY: `127.0.0.1:${relay.port}/bench/dtrust`,
          SSL_CERT_FILE: path.join(folder, 'ca.pem'),
        },
      }),
      plain: (...args) => ({
        file: docker.path,
        args,
        env: { ...environmentOf(home), ...docker.env, DOCKER_CONTENT_TRUST: '0' },
      }),
      trusting: (...args) => {
        if (contentTrust === undefined) throw new Error('there is no Docker CLI with content trust');
        const server = `https://127.0.0.1:${contentTrust.relay.port}`;
        const trust = { DOCKER_CONTENT_TRUST: '1', DOCKER_CONTENT_TRUST_SERVER: server };
        const env = {
          ...environmentOf(contentTrust.home),
          ...contentTrust.cli.env,
          ...passphrases,
          ...trust,
        };
        return { file: contentTrust.cli.path, args, env };
      },
      loadRunnable: async (name) => {
        const bytes = await busyboxBytes();
        const files = [{ path: 'bin/busybox', bytes, mode: 0o755 }];
        await engine.load(imageArchive(buildImage({ files, command: ['/bin/busybox', 'true'] }), [name]));
      },
      load: async (name, text) => {
        const image = buildImage({ files: [{ path: 'message', bytes: Buffer.from(text) }] });
        await engine.load(imageArchive(image, [name]));
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Removes what a machine remembers of trust data, and keeps keys and pins. */
export function forget(home: string): void {
  const trust = path.join(home, '.docker', 'trust');
  for (const name of ['tuf', path.join('dtrust', 'memory')]) {
    const target = path.join(trust, name);
    if (existsSync(target)) rmSync(target, { recursive: true });
  }
}
