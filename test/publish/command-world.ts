/**
 * Commands as they are, in this process: machines with homes of their own over one registry in memory. A turn passes at
 * once, and a file system can fail at any call.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseDockerArgv } from '../../src/cli/argv.ts';
import { commandNamed } from '../../src/commands/command-modules.ts';
import type { Context } from '../../src/commands/context.ts';
import { createEd25519Key, createRootKey } from '../../src/keys/create.ts';
import { KeyStore } from '../../src/keys/key-store.ts';
import type { PrivateKey } from '../../src/keys/private-key.ts';
import { renderPublicHalf } from '../../src/keys/public-half.ts';
import { Secret } from '../../src/keys/secret.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import type { FileSystem } from '../../src/lib/file-system.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import { readEnvironment } from '../../src/settings/environment.ts';
import type { VerifiedCollection } from '../../src/trust/collection.ts';
import { createCollection, type Edit, editCollection, type NewState } from '../../src/trust/core/editor.ts';
import type { Pin } from '../../src/trust/core/pin.ts';
import { pinFor } from '../../src/trust/core/pin.ts';
import { openMemory } from '../../src/trust/memory.ts';
import { createRegistrySource } from '../../src/trust/registry-source.ts';
import { openCollection } from '../../src/trust/updater.ts';
import { type Fault, faultyFileSystem } from '../helpers/faulty-file-system.ts';
import { createMemoryRegistry, type MemoryRegistry } from '../helpers/memory-registry.ts';

const PASSPHRASE = 'passphrase-of-a-test';
/** Loopback names are remembered for one engine (protocol 1.3). */
const ENGINE = 'unix:///nowhere/docker.sock';
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

const WRITES = new Set([
  'writeSync',
  'mkdirSync',
  'renameSync',
  'linkSync',
  'unlinkSync',
  'rmdirSync',
  'chmodSync',
]);

export interface Outcome {
  readonly error: unknown;
  /** Names of the file system calls made. */
  readonly calls: readonly string[];
  readonly out: string;
  readonly err: string;
}

/** The keys of a repository that was begun, and its state. */
export interface Begun {
  readonly name: string;
  readonly root: PrivateKey;
  readonly targets: PrivateKey;
  readonly online: PrivateKey;
  readonly state: NewState;
  readonly pin: Pin;
}

export interface RunOptions {
  readonly fault?: Fault;
  readonly env?: Readonly<Record<string, string>>;
}

export class CommandWorld {
  readonly registry: MemoryRegistry;
  readonly host: string;
  readonly #folder: string;
  readonly #close: () => Promise<void>;

  constructor(registry: MemoryRegistry, host: string, folder: string, close: () => Promise<void>) {
    this.registry = registry;
    this.host = host;
    this.#folder = folder;
    this.#close = close;
  }

  /** A home without anything, or as another one is now. */
  home(like?: string): string {
    const home = fs.mkdtempSync(path.join(this.#folder, 'home-'));
    if (like === undefined) return home;
    fs.cpSync(like, home, { recursive: true });
    for (const name of fs.readdirSync(home, { recursive: true, encoding: 'utf8' })) {
      fs.chmodSync(path.join(home, name), fs.statSync(path.join(like, name)).mode);
    }
    return home;
  }

  name(repository: string): string {
    return `${this.host}/${repository}`;
  }

  /** A repository with tag 1.0, and its keys in this home; with a root key of another repository if one is given. */
  async begin(
    home: string,
    repository: string,
    edits: readonly Edit[] = [],
    rootKey?: PrivateKey,
  ): Promise<Begun> {
    const name = this.name(repository);
    const root = rootKey ?? (await createRootKey());
    const [targets, online] = [await createEd25519Key(), await createEd25519Key()];
    if (rootKey === undefined) await this.save(home, root, 'root');
    await this.save(home, targets, 'targets', name);
    await this.save(home, online, 'snapshot', name);
    const created = await createCollection({
      collection: name,
      rootKeys: [root],
      targetsKey: targets,
      onlineKey: online,
      turnSeconds: 1,
      nowMs: Date.now(),
      targets: [entry(name, '1.0')],
    });
    const signers = [root, targets, online];
    const state =
      edits.length === 0 ? created : await editCollection(created, edits, { signers, nowMs: Date.now() });
    await this.publish(repository, state);
    return { name, root, targets, online, state, pin: pinFor(created.trusted.root, 1) };
  }

  /** A key pair: the private half in this home; returns it, with the path of its public half. */
  async keyPair(home: string, role: string): Promise<{ readonly key: PrivateKey; readonly pub: string }> {
    const key = role === 'root' ? await createRootKey() : await createEd25519Key();
    await this.save(home, key, role);
    return { key, pub: this.publicHalf(home, key, role) };
  }

  publicHalf(home: string, key: PrivateKey, name: string): string {
    const pub = path.join(home, `${name}-${key.notaryKeyId.slice(0, 8)}.pub`);
    fs.writeFileSync(pub, renderPublicHalf(key.publicKey));
    return pub;
  }

  async save(home: string, key: PrivateKey, role: string, repository?: string): Promise<void> {
    const labels = repository === undefined ? { role } : { role, repository };
    await store(home).save(key, labels, Secret.fromText(PASSPHRASE));
  }

  /** Key files of a role (of a repository) in this home. */
  keyFiles(home: string, role: string, repository?: string): readonly string[] {
    return store(home)
      .list()
      .filter((each) => each.role === role && (repository === undefined || each.repository === repository))
      .map(({ file }) => file);
  }

  /** Puts a state there, as whoever can write to the registry. */
  async publish(
    repository: string,
    state: { readonly files: ReadonlyMap<string, Uint8Array> },
  ): Promise<void> {
    const source = this.#source(this.name(repository));
    await source.uploadFiles(state.files);
    await source.putState(state.files, { inline: true });
  }

  /** What the tag of the trust data points at. */
  tag(repository: string): string | undefined {
    return this.registry.repository(repository).tags.get('_trust' as never);
  }

  setTag(repository: string, digest: string | undefined): void {
    this.registry.repository(repository).tags.set('_trust' as never, digest as never);
  }

  /** What a machine finds: with this home's memory, or without one. */
  async open(begun: Pick<Begun, 'name' | 'pin'>, home?: string): Promise<VerifiedCollection> {
    const repository = parseRepository(begun.name);
    const directory = home === undefined ? undefined : path.join(home, 'trust', 'dtrust');
    const collection = await openCollection({
      repository,
      source: this.#source(begun.name),
      memory: openMemory({ fs, directory, clock: systemClock }),
      pins: new Map([[repository.canonical, begun.pin]]),
      memoryScope: ENGINE,
      startTimeMs: Date.now(),
    });
    await collection.loadAll();
    return collection;
  }

  /** Runs `dtrust ARGS` on the machine with this home. */
  async run(home: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return await this.act(home, args, options, async (context) => {
      const command = await commandNamed(context.parsed.path.join(' '));
      await command.run(context);
    });
  }

  /** Does something with what a command of this line would be given. */
  async act(
    home: string,
    args: readonly string[],
    { fault, env = {} }: RunOptions,
    work: (context: Context) => Promise<void>,
  ): Promise<Outcome> {
    const faulty = faultyFileSystem(fault, withPid(fault === undefined ? undefined : 4_194_999));
    const { signal } = new AbortController();
    const said = { out: '', err: '' };
    const raw = {
      DOCKER_CONFIG: home,
      DOCKER_HOST: ENGINE,
      DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: PASSPHRASE,
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: PASSPHRASE,
      ...env,
    };
    const context: Context = {
      parsed: parseDockerArgv(args),
      env: readEnvironment(raw),
      rawEnvironment: raw,
      fs: faulty.fs,
      clock: hurriedClock(signal),
      startTimeMs: Date.now(),
      platform: 'linux',
      pid: process.pid,
      nodeProgram: process.execPath,
      userHome: undefined,
      random: () => 0.5,
      out: (text) => {
        said.out += text;
      },
      err: (text) => {
        said.err += text;
      },
      isTerminal: () => false,
      columns: () => 80,
      signal,
    };
    const error = await work(context).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return { error, calls: faulty.calls, ...said };
  }

  /** Runs it, and it must succeed. */
  async succeed(
    home: string,
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<Outcome> {
    const outcome = await this.run(home, args, env === undefined ? {} : { env });
    if (outcome.error !== undefined) {
      throw new Error(`${args.join(' ')}: ${outcome.err}`, { cause: outcome.error });
    }
    return outcome;
  }

  #source(name: string) {
    return createRegistrySource({
      client: createRegistryClient(this.registry.http),
      repository: parseRepository(name),
    });
  }

  close(): Promise<void> {
    return this.#close();
  }
}

export async function openWorld(): Promise<CommandWorld> {
  const registry = createMemoryRegistry({ now: () => Date.now() });
  const listening = await registry.listen();
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dtrust-world-'));
  return new CommandWorld(registry, listening.host, folder, async () => {
    await listening.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });
}

/** Numbers of the calls that write. */
export function writesAmong(calls: readonly string[]): readonly number[] {
  return calls.flatMap((name, at) => (WRITES.has(name) ? [at + 1] : []));
}

/** What is signed for a tag that nothing is pushed for. */
export function entry(repository: string, tag: string) {
  return {
    path: `${repository}:${tag}`,
    lengthBytes: 7,
    sha256: `sha256:${'ab'.repeat(32)}`,
    mediaType: OCI_MANIFEST,
  };
}

function store(home: string): KeyStore {
  return new KeyStore({ fs, dockerConfig: home, platform: 'linux', unsafeIterations: 1000 });
}

/** A turn passes at once; the time limits of requests are as long as they are. */
function hurriedClock(signal: AbortSignal): Clock {
  let ahead = 0;
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() + ahead,
    sleep: async (ms, given) => {
      if (given !== signal) return await systemClock.sleep(ms, given);
      ahead += ms;
    },
  };
}

/** The real file system, in which this process has another number: one that nobody has once it is dead. */
function withPid(pid: number | undefined): FileSystem {
  if (pid === undefined) return fs;
  const readFileSync = (...args: Parameters<typeof fs.readFileSync>) => {
    const read = fs.readFileSync(...args);
    return args[0] === '/proc/self/stat' ? String(read).replace(/^\d+/, `${pid}`) : read;
  };
  return { ...fs, readFileSync: readFileSync as typeof fs.readFileSync };
}
