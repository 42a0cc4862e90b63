/**
 * The bases of a build, decided on in this process: a home of its own, a registry in memory that serves every host, an
 * engine on a socket. What was asked of both is there to be counted.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseDockerArgv } from '../../src/cli/argv.ts';
import {
  type AdmittedBase,
  admitBases,
  type BaseWanted,
  type BuilderFacts,
} from '../../src/commands/admit-bases.ts';
import type { Context } from '../../src/commands/context.ts';
import { Services } from '../../src/commands/services.ts';
import { addException } from '../../src/enforce/exceptions.ts';
import { type LedgerReason, recordImage } from '../../src/enforce/ledger.ts';
import type { Terminal } from '../../src/keys/terminal.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Digest } from '../../src/reference/digest.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient, type RegistryClient } from '../../src/registry/client.ts';
import { readEnvironment } from '../../src/settings/environment.ts';
import { addPin } from '../../src/trust/pins.ts';
import { createRegistrySource } from '../../src/trust/registry-source.ts';
import { type FakeEngine, type FakeImage, startFakeEngine } from '../helpers/fake-engine.ts';
import { createMemoryRegistry, describe, type MemoryRegistry } from '../helpers/memory-registry.ts';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { noTerminal } from '../keys/helpers.ts';

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DAY_MS = 86_400_000;

export const FACTS: BuilderFacts = {
  grammar: 'buildkit',
  engineIsBuilder: true,
  pull: false,
  quiet: false,
  platform: 'linux/amd64',
};

export interface Published {
  /** Canonical. */
  readonly name: string;
  readonly path: string;
  readonly sim: RepositorySimulator;
}

export interface PutImage {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

class WorldServices extends Services {
  readonly #client: RegistryClient;
  readonly #terminal: Terminal;

  constructor(context: Context, client: RegistryClient, terminal: Terminal) {
    super(context);
    this.#client = client;
    this.#terminal = terminal;
  }

  override async registry(): Promise<RegistryClient> {
    return this.#client;
  }

  override async terminal(): Promise<Terminal> {
    return this.#terminal;
  }
}

export class BaseWorld {
  registry: MemoryRegistry = createMemoryRegistry({ now: () => Date.now() });
  readonly engine: FakeEngine;
  readonly folder: string;
  terminal: Terminal = noTerminal;
  readonly env: Record<string, string> = {};
  said = '';
  #home: string;
  readonly #open: Services[] = [];
  #marked = 0;

  constructor(engine: FakeEngine) {
    this.engine = engine;
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dtrust-bases-'));
    this.#home = this.folder;
  }

  /** A new home, an empty registry and an empty engine. */
  reset(): void {
    this.#home = fs.mkdtempSync(path.join(this.folder, 'home-'));
    this.registry = createMemoryRegistry({ now: () => Date.now() });
    this.engine.images.clear();
    this.#marked = this.engine.requests.length;
    this.terminal = noTerminal;
    for (const name of Object.keys(this.env)) delete this.env[name];
    this.said = '';
  }

  get trustDirectory(): string {
    return path.join(this.#home, 'trust', 'dtrust');
  }

  get #store() {
    return { fs, clock: systemClock, directory: this.trustDirectory };
  }

  /** An image with this ONBUILD; its tag is not signed by that. */
  image(repository: string, tag: string, onBuild: readonly string[] = [], config?: string): PutImage {
    const { path: at } = parseRepository(repository);
    const text =
      config ??
      JSON.stringify({ architecture: 'amd64', os: 'linux', config: { OnBuild: onBuild, Tag: tag } });
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: describe('application/vnd.oci.image.config.v1+json', Buffer.from(text)),
        layers: [],
      }),
    );
    this.registry.putBlob(at, text);
    return {
      digest: this.registry.putManifest(at, tag, bytes, OCI_MANIFEST),
      bytes,
      mediaType: OCI_MANIFEST,
    };
  }

  /** An index of images by platform (`linux/arm64/v8`; '' names none). */
  index(repository: string, tag: string, images: Readonly<Record<string, PutImage>>): PutImage {
    const manifests = Object.entries(images).map(([platform, { bytes, mediaType }]) => {
      const [system, architecture, variant] = platform.split('/');
      return {
        ...describe(mediaType, bytes),
        ...(platform === '' ? {} : { platform: { os: system, architecture, ...(variant && { variant }) } }),
      };
    });
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
    const digest = this.registry.putManifest(parseRepository(repository).path, tag, bytes, OCI_INDEX);
    return { digest, bytes, mediaType: OCI_INDEX };
  }

  /** Signs tags of a repository, which this home has a pin for unless `pinned` is false. */
  async sign(
    repository: string,
    tags: Readonly<Record<string, PutImage>>,
    { pinned = true } = {},
  ): Promise<Published> {
    const { canonical, path: at } = parseRepository(repository);
    const sim = new RepositorySimulator({ collection: canonical, nowMs: Date.now() });
    for (const [tag, { bytes, mediaType }] of Object.entries(tags)) {
      sim.putTarget(`${canonical}:${tag}`, { bytes, mediaType });
    }
    sim.publish();
    const source = createRegistrySource({
      client: createRegistryClient(this.registry.http),
      repository: parseRepository(repository),
    });
    const files = sim.files();
    await source.uploadFiles(files);
    await source.putState(files, { inline: true });
    if (pinned) await addPin(this.#store, canonical, sim.pin());
    this.registry.log.length = 0;
    return { name: canonical, path: at, sim };
  }

  /** One signed tag, with this ONBUILD. */
  async signed(reference: string, onBuild: readonly string[] = [], pinned = true): Promise<PutImage> {
    const [repository = '', tag = 'latest'] = reference.split(/:(?=[^:/]*$)/);
    const image = this.image(repository, tag, onBuild);
    await this.sign(repository, { [tag]: image }, { pinned });
    return image;
  }

  async allow(repository: string, digest: Digest): Promise<string> {
    const until = new Date(Date.now() + 30 * DAY_MS).toISOString().slice(0, 10);
    const reason = 'nobody signs it';
    await addException(this.#store, {
      repository: parseRepository(repository).canonical,
      digest,
      reason,
      until,
    });
    return until;
  }

  /** An image that the engine has under these names; in the ledger where `why` is given. */
  async held(
    id: string,
    names: readonly string[],
    why?: LedgerReason,
    {
      engine = 'FAKE:ENGINE',
      ...more
    }: { readonly engine?: string; readonly Config?: object; readonly RepoDigests?: readonly string[] } = {},
  ): Promise<Digest> {
    const image = { Id: id, RepoTags: [...names], RepoDigests: [], ...more } as FakeImage;
    for (const name of [id, ...names]) this.engine.images.set(name, image);
    const entry = { engine, image: id as Digest, reference: names[0] ?? id };
    if (why !== undefined) await recordImage(this.#store, { ...entry, why });
    return id as Digest;
  }

  services(): Services {
    const raw = { HOME: this.#home, DOCKER_CONFIG: this.#home, DOCKER_HOST: this.engine.host, ...this.env };
    const context: Context = {
      parsed: parseDockerArgv(['build', '.']),
      env: readEnvironment(raw),
      rawEnvironment: raw,
      fs,
      clock: systemClock,
      startTimeMs: Date.now(),
      platform: 'linux',
      pid: process.pid,
      nodeProgram: process.execPath,
      userHome: this.#home,
      random: () => 0.5,
      out: (text) => {
        this.said += text;
      },
      err: (text) => {
        this.said += text;
      },
      isTerminal: () => false,
      columns: () => 80,
      signal: new AbortController().signal,
    };
    const services = new WorldServices(context, createRegistryClient(this.registry.http), this.terminal);
    this.#open.push(services);
    return services;
  }

  /** Decides on what a build names, as a new call would. */
  async admit(
    uses: readonly (string | Partial<BaseWanted>)[],
    facts: Partial<BuilderFacts> = {},
  ): Promise<readonly AdmittedBase[]> {
    const wanted = uses.map((use, i): BaseWanted => {
      const line = { where: `Dockerfile:${i + 1}`, by: 'FROM', text: '' };
      return typeof use === 'string' ? { ...line, text: use } : { ...line, ...use };
    });
    return await admitBases(this.services(), wanted, { ...FACTS, ...facts });
  }

  /** Requests since the last time this was asked: `HEAD library/nginx manifests/_trust`. */
  requests(): string[] {
    const all = this.registry.log.map(
      ({ method, repository, path: target }) =>
        `${method} ${repository} ${target.slice(`/v2/${repository}/`.length)}`,
    );
    this.registry.log.length = 0;
    return all;
  }

  /** `METHOD path` of what the engine was asked in this test. */
  engineAsked(): readonly string[] {
    return this.engine.requests.slice(this.#marked).map(({ method, path: target }) => `${method} ${target}`);
  }

  async close(): Promise<void> {
    for (const services of this.#open) await services.close();
    await this.engine.stop();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

export async function openBaseWorld(): Promise<BaseWorld> {
  return new BaseWorld(await startFakeEngine());
}
