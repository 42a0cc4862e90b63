/**
 * The engine and the registry of the story.
 *
 * An engine that answers is used as it is; only images below `127.0.0.1:<port>/quickstart/` are touched in it.
 * Otherwise engine and registry are Debian's packages, unpacked and not installed, on sockets and ports of their own.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder, PeerMissing } from '../peers/debian.ts';
import { startEngine } from '../peers/engine.ts';
import { type BuiltImage, imageArchive } from '../peers/images.ts';
import { type RawAnswer, rawRequest } from '../peers/raw-http.ts';
import { type RunningRegistry, startRegistry } from '../peers/registry.ts';
import type { Narrator } from './narrator.ts';

export interface StoryEngine {
  /** Value for DOCKER_HOST. */
  readonly host: string;
  /** One line for people: which engine this is. */
  readonly description: string;
  load(image: BuiltImage, name: string): Promise<void>;
  /** The image ID a name stands for here, or undefined. */
  imageId(name: string): Promise<string | undefined>;
  /** Removes every image whose name begins with `prefix`. */
  clear(prefix: string): Promise<void>;
  /** Ends the engine when the quickstart started it. */
  stop(): Promise<void>;
}

export interface Stage {
  readonly engine: StoryEngine;
  readonly registry: RunningRegistry;
  /** The repository of the story, `127.0.0.1:<port>/quickstart/app`. */
  readonly repository: string;
  /** Removes the story's images and ends what was started. */
  clearAway(): Promise<void>;
}

/** What a part of the stage needs and this machine does not have, as a text for people. */
export class StageMissing extends Error {
  override readonly name = 'StageMissing';
}

type Request = (method: string, target: string, body?: Uint8Array, type?: string) => Promise<RawAnswer>;

function engineOver(
  request: Request,
  host: string,
  description: string,
  stop: () => Promise<void>,
): StoryEngine {
  const inspect = async (name: string): Promise<string | undefined> => {
    const answer = await request('GET', `/images/${name}/json`);
    return answer.status === 200 ? (JSON.parse(answer.body) as { Id: string }).Id : undefined;
  };
  return {
    host,
    description,
    load: async (image, name) => {
      const archive = imageArchive(image, [name]);
      const answer = await request('POST', '/images/load?quiet=1', archive, 'application/x-tar');
      if (answer.status !== 200 || answer.body.includes('"error"')) {
        throw new Error(`the engine did not load ${name}: ${answer.body}`);
      }
    },
    imageId: inspect,
    clear: async (prefix) => {
      const listed = await request('GET', '/images/json?all=1');
      type Listed = Readonly<Record<'RepoTags' | 'RepoDigests', readonly string[] | null>>;
      const names = (JSON.parse(listed.body) as Listed[]).flatMap((image) => [
        ...(image.RepoTags ?? []),
        ...(image.RepoDigests ?? []),
      ]);
      for (const name of names.filter((each) => each.startsWith(prefix))) {
        await request('DELETE', `/images/${name}?force=1`);
      }
    },
    stop,
  };
}

/** The Unix sockets an engine may listen on, by Docker's own order of preference. */
function socketCandidates(): readonly string[] {
  const { DOCKER_HOST, XDG_RUNTIME_DIR } = process.env;
  if (DOCKER_HOST?.startsWith('unix://')) return [DOCKER_HOST.slice('unix://'.length)];
  const rootless = XDG_RUNTIME_DIR === undefined ? [] : [path.join(XDG_RUNTIME_DIR, 'docker.sock')];
  return ['/var/run/docker.sock', ...rootless];
}

async function reachableEngine(): Promise<StoryEngine | undefined> {
  for (const socketPath of socketCandidates()) {
    if (!existsSync(socketPath)) continue;
    const request: Request = (method, target, body, type) =>
      rawRequest(
        { socketPath },
        { method, path: target, body, headers: type ? { 'content-type': type } : {} },
      );
    const answer = await request('GET', '/version').catch((error: NodeJS.ErrnoException) => {
      if (error.code === undefined) throw error;
      return undefined;
    });
    if (answer?.status !== 200) continue;
    const { Version } = JSON.parse(answer.body) as { Version: string };
    const host = `unix://${socketPath}`;
    return engineOver(
      request,
      host,
      `the engine ${Version} that answers at ${socketPath}`,
      async () => undefined,
    );
  }
  return undefined;
}

async function throwAwayEngine(): Promise<StoryEngine> {
  const engine = await startEngine({ version: '26.1' });
  const request: Request = (method, target, body, type) =>
    engine.request(method, target, body, type ? { 'content-type': type } : {});
  return engineOver(request, engine.host, 'a throw-away engine 26.1', () => engine.stop());
}

/**
 * Keeps what has to be downloaded inside the story's own folder, to be removed with it; packages that the tests
 * have fetched before are used from where they are.
 */
function placeDownloads(folder: string, narrator: Narrator): void {
  if (existsSync(path.join(cacheFolder(), 'bookworm', 'docker-registry'))) return;
  process.env.XDG_CACHE_HOME = path.join(folder, 'packages');
  narrator.say('Engine and registry are fetched from Debian’s packages and unpacked; nothing is installed.');
}

const helpEngine = [
  'no Docker Engine answers, and a throw-away one cannot be started here:',
  '',
  '  - as root on Debian 12 or newer, or Ubuntu, nothing else is needed: sudo npm run quickstart',
  '  - or start an engine of your own: apt-get install docker.io, or https://docs.docker.com/engine/install/',
].join('\n');

const helpRegistry = [
  'no registry can be had here: it comes as a Debian package, fetched by apt-get and unpacked by dpkg-deb.',
  'Run the quickstart on Debian 12 or newer, or on Ubuntu (package debian-archive-keyring).',
].join('\n');

async function orExplain<T>(work: () => Promise<T>, help: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PeerMissing)) throw error;
    throw new StageMissing(`${help}\n\n(missing: ${error.message})`, { cause: error });
  }
}

/**
 * Finds or starts the engine and starts the registry.
 *
 * @throws StageMissing with what to install.
 */
export async function setStage(folder: string, narrator: Narrator): Promise<Stage> {
  const found = await reachableEngine();
  if (found === undefined && process.getuid?.() !== 0) throw new StageMissing(helpEngine);
  placeDownloads(folder, narrator);
  const engine = found ?? (await orExplain(throwAwayEngine, helpEngine));
  try {
    const registry = await orExplain(() => startRegistry(), helpRegistry);
    const prefix = `${registry.host}/quickstart/`;
    const clearAway = async (): Promise<void> => {
      await engine.clear(prefix);
      await registry.stop();
      await engine.stop();
    };
    return { engine, registry, repository: `${prefix}app`, clearAway };
  } catch (error) {
    await engine.stop();
    throw error;
  }
}
