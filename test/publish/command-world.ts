/**
 * Commands as they are, in this process (command-run.ts): machines with homes of their own over one registry in memory.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Context } from '../../src/commands/context.ts';
import { createEd25519Key, createRootKey } from '../../src/keys/create.ts';
import { KeyStore } from '../../src/keys/key-store.ts';
import type { PrivateKey } from '../../src/keys/private-key.ts';
import { renderPublicHalf } from '../../src/keys/public-half.ts';
import { Secret } from '../../src/keys/secret.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import type { VerifiedCollection } from '../../src/trust/collection.ts';
import { TARGETS } from '../../src/trust/core/delegations.ts';
import { createCollection, type Edit, editCollection, type NewState } from '../../src/trust/core/editor.ts';
import { type KeyId, tufKeyId } from '../../src/trust/core/keys.ts';
import type { Pin } from '../../src/trust/core/pin.ts';
import { pinFor } from '../../src/trust/core/pin.ts';
import { openMemory } from '../../src/trust/memory.ts';
import { createRegistrySource } from '../../src/trust/registry-source.ts';
import { openCollection } from '../../src/trust/updater.ts';
import { createMemoryRegistry, type MemoryRegistry } from '../helpers/memory-registry.ts';
import { knownPassphrases } from '../keys/helpers.ts';
import { ENGINE, type Outcome, PASSPHRASE, type RunOptions, runCommand } from './command-run.ts';

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** The keys of a repository that was begun, and its state. */
export interface Begun {
  readonly name: string;
  readonly root: PrivateKey;
  readonly targets: PrivateKey;
  readonly online: PrivateKey;
  readonly state: NewState;
  readonly pin: Pin;
}

export class CommandWorld {
  readonly registry: MemoryRegistry;
  readonly host: string;
  readonly #folder: string;
  readonly #close: () => Promise<void>;
  readonly #names = new Map<KeyId, string>();

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

  /** Publishes a change of what was begun, signed with its keys and others. */
  async edit(
    repository: string,
    begun: Begun,
    edits: readonly Edit[],
    others: readonly PrivateKey[] = [],
  ): Promise<void> {
    const signers = [begun.root, begun.targets, begun.online, ...others];
    await this.publish(repository, await editCollection(begun.state, edits, { signers, nowMs: Date.now() }));
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
    this.#names.set(tufKeyId(key.publicKey), role);
    await store(home).save(key, labels, Secret.fromText(PASSPHRASE));
  }

  /** Of the key files in this home: whose they are, each. */
  roles(home: string): readonly string[] {
    return store(home)
      .files()
      .map(({ role = 'none' }) => role)
      .sort();
  }

  /** Key files of a role (of a repository) in this home. */
  keyFiles(home: string, role: string, repository?: string): readonly string[] {
    return store(home)
      .list()
      .filter((each) => each.role === role && (repository === undefined || each.repository === repository))
      .map(({ file }) => file);
  }

  /** Of the key files in this home, those that open with none of the passphrases. */
  async lockedKeys(home: string, passphrases: readonly string[] = [PASSPHRASE]): Promise<readonly string[]> {
    const locked: string[] = [];
    for (const entry of store(home).files()) {
      const tries = passphrases.map((each) =>
        store(home)
          .open(entry, knownPassphrases(each))
          .then(({ key }) => key.sign(new Uint8Array())),
      );
      await Promise.any(tries).catch((error: AggregateError) => locked.push(`${error.errors[0]}`));
    }
    return locked;
  }

  /** What whoever made the root key in this home would have others start from. */
  ownPin(home: string): Pin {
    const keyIds = store(home)
      .files()
      .flatMap(({ role, tufKeyId }) => (role === 'root' && tufKeyId !== undefined ? [tufKeyId] : []));
    return { keyIds, threshold: 1, rootVersion: 1, timestampVersion: 1, dialect: 'tuf-1.0' };
  }

  /** What is signed and who may sign, without versions and dates; a key that nobody here has named is "new". */
  describe(collection: VerifiedCollection): string {
    const { trusted } = collection;
    const nameOf = (id: KeyId) => this.#names.get(id) ?? 'new';
    const { roles } = trusted.root.signed;
    const top = Object.entries(roles).map(([name, { keyids, threshold }]) => [
      name,
      threshold,
      ...keyids.map(nameOf).sort(),
    ]);
    const targets = trusted.targets()?.signed;
    const delegations = [...(targets?.delegations?.roles.values() ?? [])].map(
      ({ name, threshold, keyids, paths }) => [name, threshold, ...keyids.map(nameOf).sort(), paths],
    );
    const signed = [TARGETS, ...(targets?.delegations?.roles.keys() ?? [])].map((role) => [
      role,
      ...[...(trusted.targets(role)?.signed.targets ?? [])]
        .map(([path, { sha256 }]) => `${path} ${sha256}`)
        .sort(),
    ]);
    return JSON.stringify({ top, delegations, signed });
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
  run(home: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return runCommand(this.registry, home, args, options);
  }

  /** Does something with what a command of this line would be given. */
  act(
    home: string,
    args: readonly string[],
    options: RunOptions,
    work: (context: Context) => Promise<void>,
  ): Promise<Outcome> {
    return runCommand(this.registry, home, args, options, work);
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
