/**
 * Real peers in tests: the engine, the registry and the command lines that dtrust meets outside.
 *
 *     const real = await needPeers('engine 26.1', 'registry');
 *     describe.skipIf(real.skip)(real.title('pulls by digest'), () => {
 *       beforeAll(async () => { engine = await startEngine({ version: '26.1' }) });
 *       afterAll(() => engine.stop());
 *
 * A peer that this machine cannot have skips the block, whose title then says `skipped: needs X`; with
 * DTRUST_REQUIRE_PEERS=1 (as in CI) it fails instead. Engines start in under a second: one per test file.
 */
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { PeerMissing } from '../../scripts/peers/debian.ts';
import {
  busyboxBytes,
  cliPlugin,
  dockerCli,
  enginePrograms,
  notaryProgram,
  registryProgram,
  secretServicePrograms,
} from '../../scripts/peers/programs.ts';
import { keytarLibraries } from '../../scripts/peers/secret-service.ts';

export { type Authority, type Certificate, makeAuthority } from '../../scripts/peers/certificates.ts';
export { type RunningEngine, startEngine } from '../../scripts/peers/engine.ts';
export * from '../../scripts/peers/images.ts';
export {
  busyboxBytes,
  cliPlugin,
  dockerCli,
  notaryProgram,
  type Program,
} from '../../scripts/peers/programs.ts';
export { KNOWN_USER, type RunningRegistry, startRegistry } from '../../scripts/peers/registry.ts';
export { type SecretService, startSecretService } from '../../scripts/peers/secret-service.ts';

function needRoot(): void {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) throw new PeerMissing('root on Linux');
}

function needProgram(name: string, ...args: string[]): void {
  try {
    execFileSync(name, args, { stdio: 'ignore' });
  } catch (error) {
    throw new PeerMissing(name, { cause: error });
  }
}

/** An IPv4 address of this machine that is not loopback: registries there are not exempt from TLS. */
export function outerAddress(): string {
  const all = Object.values(os.networkInterfaces()).flatMap((each) => each ?? []);
  const found = all.find(({ family, internal }) => family === 'IPv4' && !internal);
  if (found === undefined) throw new PeerMissing('a network address that is not loopback');
  return found.address;
}

/** How each peer is made sure of; throws PeerMissing where it cannot be had. */
const PEERS = {
  root: async () => needRoot(),
  'engine 20.10': async () => {
    needRoot();
    await enginePrograms('20.10');
  },
  'engine 26.1': async () => {
    needRoot();
    await enginePrograms('26.1');
  },
  registry: registryProgram,
  'docker 20.10': () => dockerCli('20.10'),
  'docker 26.1': () => dockerCli('26.1'),
  'docker 28': () => dockerCli('28'),
  buildx: () => cliPlugin('buildx'),
  compose: () => cliPlugin('compose'),
  notary: () => notaryProgram('notary'),
  'notary-server': () => notaryProgram('notary-server'),
  busybox: busyboxBytes,
  'secret-service': async () => {
    await secretServicePrograms();
    await keytarLibraries();
  },
  openssl: async () => needProgram('openssl', 'version'),
  /** Of util-linux: a program on a pseudo-terminal. */
  script: async () => needProgram('script', '-qec', 'true', '/dev/null'),
  'network address': async () => void outerAddress(),
} satisfies Record<string, () => Promise<unknown>>;

export type Peer = keyof typeof PEERS;

export interface Needed {
  /** Whether the block has to be skipped. */
  readonly skip: boolean;
  /** The block's title, with the reason when it is skipped. */
  title(text: string): string;
}

/**
 * Makes sure of peers before the tests that need them are collected.
 *
 * @throws PeerMissing when one is missing and DTRUST_REQUIRE_PEERS is 1.
 */
export async function needPeers(...peers: readonly Peer[]): Promise<Needed> {
  const missing: string[] = [];
  for (const peer of peers) {
    try {
      await PEERS[peer]();
    } catch (error) {
      if (!(error instanceof PeerMissing)) throw error;
      if (process.env.DTRUST_REQUIRE_PEERS === '1') throw error;
      missing.push(`${peer} (${error.message})`);
    }
  }
  const skip = missing.length > 0;
  return { skip, title: (text) => (skip ? `${text} [skipped: needs ${missing.join(', ')}]` : text) };
}
