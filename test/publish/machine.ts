/**
 * A machine that publishes, in this process: the services of a call as they are, over a registry, a file system and a
 * clock of the test's. What a command does between its arguments and its last line happens here, with a home of its
 * own; only the engine is not there.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseDockerArgv } from '../../src/cli/argv.ts';
import type { Context } from '../../src/commands/context.ts';
import { openFor } from '../../src/commands/open-collection.ts';
import { createPublishTools } from '../../src/commands/publish-tools.ts';
import { Services } from '../../src/commands/services.ts';
import type { RegistryHttp } from '../../src/http/registry-http.ts';
import { createEd25519Key } from '../../src/keys/create.ts';
import { KeyStore } from '../../src/keys/key-store.ts';
import type { PrivateKey } from '../../src/keys/private-key.ts';
import type { Terminal } from '../../src/keys/terminal.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { type FileSystem, realFileSystem } from '../../src/lib/file-system.ts';
import { type PrepareRequest, type PublishTools, prepare } from '../../src/publish/prepare.ts';
import { publishEdits } from '../../src/publish/publish-edits.ts';
import { digestOf } from '../../src/reference/digest.ts';
import type { Repository } from '../../src/reference/reference.ts';
import { createRegistryClient, type RegistryClient } from '../../src/registry/client.ts';
import { readEnvironment } from '../../src/settings/environment.ts';
import type { VerifiedCollection } from '../../src/trust/collection.ts';
import type { Edit, TargetEntry } from '../../src/trust/core/editor.ts';
import type { PublicKey } from '../../src/trust/core/keys.ts';
import type { TopLevelRole } from '../../src/trust/core/metadata.ts';
import type { Pin } from '../../src/trust/core/pin.ts';
import { pinFor } from '../../src/trust/core/pin.ts';
import { addPin } from '../../src/trust/pins.ts';
import { FEW_ITERATIONS, noTerminal, PASSPHRASE, secret } from '../keys/helpers.ts';

/** What DOCKER_HOST says; nobody answers there. */
export const NO_ENGINE = 'unix:///run/no-engine.sock';

export interface MachineOptions {
  readonly repository: Repository;
  readonly http: RegistryHttp;
  readonly clock: Clock;
  /** A folder that is the home; default a new one, which `remove` takes away. */
  readonly home?: string;
  readonly fs?: FileSystem;
  readonly random?: () => number;
  readonly terminal?: Terminal;
}

export const targetOf = ({ canonical }: Repository, tag: string, text = tag): TargetEntry => ({
  path: `${canonical}:${tag}`,
  lengthBytes: 7 + text.length,
  sha256: digestOf(Buffer.from(text)),
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
});

/** Key files that open quickly, and no socket. */
class MachineServices extends Services {
  readonly #options: MachineOptions;
  readonly #client: RegistryClient;
  readonly #store: KeyStore;

  constructor(context: Context, options: MachineOptions, store: KeyStore) {
    super(context);
    this.#options = options;
    this.#client = createRegistryClient(options.http);
    this.#store = store;
  }

  override async registry(): Promise<RegistryClient> {
    return this.#client;
  }

  override async keys(): Promise<KeyStore> {
    return this.#store;
  }

  override async terminal(): Promise<Terminal> {
    return this.#options.terminal ?? noTerminal;
  }
}

export class PublishingMachine {
  readonly home: string;
  readonly said: string[] = [];
  readonly store: KeyStore;
  readonly #options: MachineOptions;

  constructor(options: MachineOptions) {
    this.#options = options;
    this.home = options.home ?? fs.mkdtempSync(path.join(os.tmpdir(), 'dtrust-publisher-'));
    this.store = new KeyStore({
      fs: this.#fs,
      dockerConfig: this.config,
      platform: 'linux',
      unsafeIterations: FEW_ITERATIONS,
    });
  }

  /** The same machine, a moment later or with other parts. */
  with(changes: Partial<MachineOptions>): PublishingMachine {
    return new PublishingMachine({ ...this.#options, home: this.home, ...changes });
  }

  remove(): void {
    fs.rmSync(this.home, { recursive: true, force: true });
  }

  get config(): string {
    return path.join(this.home, '.docker');
  }

  get trustDirectory(): string {
    return path.join(this.config, 'trust', 'dtrust');
  }

  get #fs(): FileSystem {
    return this.#options.fs ?? realFileSystem;
  }

  /** As a new call of the program would begin. */
  services(): Services {
    const { clock, random = () => 0.5 } = this.#options;
    const raw = {
      HOME: this.home,
      DOCKER_CONFIG: this.config,
      DOCKER_HOST: NO_ENGINE,
      DTRUST_INIT: '1',
      DTRUST_DEBUG: '1',
      DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: PASSPHRASE,
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: PASSPHRASE,
    };
    const context: Context = {
      parsed: parseDockerArgv(['trust', 'refresh']),
      env: readEnvironment(raw),
      rawEnvironment: raw,
      fs: this.#fs,
      clock,
      startTimeMs: clock.now(),
      platform: 'linux',
      pid: process.pid,
      nodeProgram: process.execPath,
      userHome: this.home,
      random,
      out: (text) => void this.said.push(text),
      err: (text) => void this.said.push(text),
      isTerminal: () => false,
      columns: () => 80,
      signal: new AbortController().signal,
    };
    return new MachineServices(context, this.#options, this.store);
  }

  tools(): Promise<PublishTools> {
    return createPublishTools(this.services(), this.#options.repository);
  }

  /** One publish with these edits, from the first look to the last. */
  async publish(edits: readonly Edit[], request: Partial<PrepareRequest> = {}): Promise<VerifiedCollection> {
    const tools = await this.tools();
    const paths = edits.flatMap((edit) => {
      if (edit.kind === 'putTarget') return [edit.target.path];
      return edit.kind === 'removeTarget' ? [edit.path] : [];
    });
    const whole = { targets: paths.length > 0, mayInitialise: true, paths, ...request };
    return await publishEdits(tools, await prepare(tools, whole), edits);
  }

  sign(tag: string, text = tag): Promise<VerifiedCollection> {
    return this.publish([{ kind: 'putTarget', target: targetOf(this.#options.repository, tag, text) }]);
  }

  refresh(): Promise<VerifiedCollection> {
    return this.publish([], { targets: false, mayInitialise: false });
  }

  addSigner(name: string, keys: readonly PublicKey[]): Promise<VerifiedCollection> {
    return this.administer([{ kind: 'addSigner', name, keys }]);
  }

  removeSigner(name: string): Promise<VerifiedCollection> {
    return this.administer([{ kind: 'removeSigner', name }]);
  }

  /** A change of keys, signed with the root key and the repository key. */
  administer(edits: readonly Edit[]): Promise<VerifiedCollection> {
    return this.publish(edits, {
      mayInitialise: false,
      administers: async () => ({ roles: ['root', 'targets'] }),
    });
  }

  /** One new key in place of all keys of a role. */
  async rotate(role: TopLevelRole, key: PrivateKey): Promise<VerifiedCollection> {
    const tools = await this.tools();
    const administers = async () => ({ roles: ['root', 'targets'] as const });
    const prepared = await prepare(tools, { targets: false, mayInitialise: false, administers });
    if (prepared.kind !== 'existing') throw new Error('there is something to rotate');
    const signers = [...prepared.signers, key];
    const edit = { kind: 'rotateKeys', role, keys: [key.publicKey] } as const;
    return await publishEdits(tools, { ...prepared, signers }, [edit]);
  }

  /** Makes a key of this machine's own, and returns its public half. */
  async makeKey(name: string): Promise<PublicKey> {
    const key = await createEd25519Key();
    await this.store.save(key, { role: name }, secret);
    return key.publicKey;
  }

  async pin(pin: Pin): Promise<void> {
    const { clock, repository } = this.#options;
    await addPin({ fs: this.#fs, clock, directory: this.trustDirectory }, repository.canonical, pin);
  }

  /** As every client sees it. */
  async read(): Promise<VerifiedCollection> {
    const services = this.services();
    const { repository } = this.#options;
    const tools = await createPublishTools(services, repository);
    return await openFor(services, repository, tools.source, { purpose: 'own', mayAsk: false });
  }

  /** How many attempts each publish from here took, in order. */
  attempts(): readonly number[] {
    return [...this.said.join('').matchAll(/published timestamp version \d+ in (\d+) attempts/g)].map(
      ([, count]) => Number(count),
    );
  }

  /** Tags and what they are signed for. */
  async tags(): Promise<Readonly<Record<string, string>>> {
    const collection = await this.read();
    const prefix = `${collection.repository.canonical}:`;
    const all = await collection.listTargets();
    return Object.fromEntries(all.map((target) => [target.path.slice(prefix.length), target.sha256]));
  }
}

/** The pin that the owner would export now. */
export function exportPin({ trusted }: VerifiedCollection): Pin {
  return pinFor(trusted.root, trusted.timestamp?.signed.version ?? 1);
}
