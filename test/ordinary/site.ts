/**
 * One run of all invocations: an engine, a registry and a home folder of its own, and a `docker` on PATH that is
 * the real one or dtrust. Every run begins with the same signed images in its registry.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {
  type BuiltImage,
  buildImage,
  busyboxBytes,
  cliPlugin,
  dockerCli,
  hostArchitecture,
  pushImage,
  type RunningEngine,
  type RunningRegistry,
  startEngine,
  startRegistry,
} from '../helpers/peers.ts';
import { type Machine, OWNER_ENV, type Workshop } from '../real/machines.ts';
import type { Invocation } from './invocations.ts';
import { maskLines, type Names } from './mask.ts';
import { writeWork } from './work-folder.ts';

export type Mode = 'docker' | 'trust off' | 'trust on';

export interface Said {
  readonly status: number | null;
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
}

const LIMIT_MS = 60_000;
/** Programs of busybox, as images of it have them. */
const APPLETS =
  'cat date echo env false grep head hostname id kill ls mkdir ps pwd rm sh sleep tail touch true wc'.split(
    ' ',
  );

export class Site {
  readonly #engine: RunningEngine;
  readonly #registry: RunningRegistry;
  readonly #mode: Mode;
  readonly #work: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #names: Names;

  private constructor(parts: {
    readonly engine: RunningEngine;
    readonly registry: RunningRegistry;
    readonly machine: Machine;
    readonly mode: Mode;
    readonly env: Readonly<Record<string, string>>;
    readonly digests: Readonly<Record<string, string>>;
  }) {
    this.#engine = parts.engine;
    this.#registry = parts.registry;
    this.#mode = parts.mode;
    this.#work = path.join(parts.machine.home, 'work');
    this.#env = parts.env;
    this.#names = [
      [`${parts.registry.host}/team`, '$R'],
      [parts.registry.host, '<registry>'],
      [path.dirname(parts.engine.socketPath), '<engine>'],
      [parts.machine.home, '<home>'],
      ...Object.entries(parts.digests).map(([name, digest]) => [digest, `<digest of ${name}>`] as const),
    ];
  }

  /** @throws PeerMissing */
  static async open(workshop: Workshop, mode: Mode): Promise<Site> {
    const [engine, registry] = await Promise.all([startEngine({ version: '26.1' }), startRegistry()]);
    const real = await dockerCli('26.1');
    const machine = workshop.machine({ engine: engine.host, env: OWNER_ENV });
    const digests = await fill(registry);
    // With trust data there would be a tag more for `pull --all-tags`.
    if (mode === 'trust on') await sign(machine, registry, digests);
    const bin = path.join(machine.home, 'bin');
    fs.mkdirSync(bin);
    if (mode === 'docker') fs.symlinkSync(real.path, path.join(bin, 'docker'));
    else
      fs.writeFileSync(path.join(bin, 'docker'), `#!/bin/sh\nexec ${machine.command} "$@"\n`, {
        mode: 0o755,
      });
    await addPlugins(machine);
    writeWork(path.join(machine.home, 'work'), `${registry.host}/team`);
    const env = {
      ...machine.env,
      ...real.env,
      PATH: `${bin}:/usr/bin:/bin`,
      R: `${registry.host}/team`,
      ARCH: hostArchitecture(),
      APP: digests['app:1.0'] ?? '',
      GREETING: 'from outside',
      ...(mode === 'docker' ? {} : { DTRUST_DOCKER: real.path }),
      ...(mode === 'trust off' ? { DOCKER_CONTENT_TRUST: '0' } : {}),
    };
    return new Site({ engine, registry, machine, mode, env, digests });
  }

  /** Runs one of them; undefined where it is left out. */
  async play({ line, offOnly }: Invocation): Promise<Said | undefined> {
    return offOnly && this.#mode === 'trust on' ? undefined : await this.#run(line);
  }

  async close(): Promise<void> {
    // A bridge of a network outlives its engine.
    await this.#engine.request('POST', '/containers/prune');
    await this.#engine.request('POST', '/networks/prune');
    await Promise.all([this.#engine.stop(), this.#registry.stop()]);
  }

  async #run(line: string): Promise<Said> {
    const child = spawn('sh', ['-c', line], {
      env: this.#env,
      cwd: this.#work,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: LIMIT_MS,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    const masked = (text: string) => maskLines(line, text, this.#names);
    return { status, stdout: masked(stdout), stderr: masked(stderr) };
  }
}

/** Images with a shell, the same bytes in every registry; their digests by name. */
async function fill(registry: RunningRegistry): Promise<Readonly<Record<string, string>>> {
  const busybox = await busyboxBytes();
  const none = new Uint8Array();
  let age = 0;
  const image = (message: string, command: readonly string[]): BuiltImage => {
    const built = buildImage({
      files: [
        { path: 'bin/', bytes: none, mode: 0o755, type: '5' },
        { path: 'bin/busybox', bytes: busybox, mode: 0o755 },
        ...APPLETS.map(
          (name) => ({ path: `bin/${name}`, bytes: none, mode: 0o777, type: '2', link: 'busybox' }) as const,
        ),
        { path: 'tmp/', bytes: none, mode: 0o1777, type: '5' },
        { path: 'etc/', bytes: none, mode: 0o755, type: '5' },
        { path: 'etc/passwd', bytes: Buffer.from('root:x:0:0:root:/:/bin/sh\n') },
        { path: 'etc/group', bytes: Buffer.from('root:x:0:\n') },
        { path: 'message', bytes: Buffer.from(`${message}\n`) },
      ],
      command,
    });
    // Engines list images by age, and in no order where they are of one.
    age += 1;
    const config = { ...JSON.parse(built.config.toString()), created: `2024-01-0${age}T00:00:00Z` };
    return { ...built, config: Buffer.from(JSON.stringify(config)) };
  };
  const images: Readonly<Record<string, BuiltImage>> = {
    'busybox:1.36': image('busybox 1.36', ['/bin/sh']),
    'busybox:latest': image('busybox', ['/bin/sh']),
    'app:1.0': image('app 1.0', ['cat', '/message']),
    'app:2.0': image('app 2.0', ['cat', '/message']),
    'app:latest': image('app 3.0', ['cat', '/message']),
  };
  const digests: Record<string, string> = {};
  for (const [name, built] of Object.entries(images)) {
    const [repository, tag] = name.split(':');
    digests[name] = (await pushImage(registry, `team/${repository}`, built, tag)).digest;
  }
  return digests;
}

/** The owner's keys and pins stay in the home folder that the run has. */
async function sign(
  owner: Machine,
  registry: RunningRegistry,
  digests: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [name, digest] of Object.entries(digests)) {
    const signed = await owner.run('trust', 'sign', `${registry.host}/team/${name}@${digest}`);
    if (signed.status !== 0) throw new Error(`${name}: ${signed.stdout}${signed.stderr}`);
  }
}

async function addPlugins(machine: Machine): Promise<void> {
  const folder = path.join(machine.config, 'cli-plugins');
  fs.mkdirSync(folder, { recursive: true });
  for (const name of ['buildx', 'compose'] as const) {
    fs.symlinkSync((await cliPlugin(name)).path, path.join(folder, `docker-${name}`));
  }
}
