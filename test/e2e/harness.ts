/**
 * The real program against a registry and an engine of the test's own, as a process without a terminal.
 *
 *     const stage = await openStage();             // once per file: registry on a port, engine on a socket
 *     const machine = stage.machine();             // a home folder of its own
 *     const run = await machine.run(['pull', ref]);
 *     await refused(machine, ['pull', ref], { code: 'TARGET_NOT_SIGNED' });
 *
 * `refused` holds every refusal to the same contract: status, code, nothing on stdout, nothing asked of the engine
 * but GET and HEAD, nothing changed on disk or in the registry, no secret in any output.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { expect } from 'vitest';
import { type Digest, digestOf } from '../../src/reference/digest.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import { createRegistrySource } from '../../src/trust/registry-source.ts';
import { type FakeEngine, type FakeImage, type Override, startFakeEngine } from '../helpers/fake-engine.ts';
import {
  createMemoryRegistry,
  type MemoryRegistry,
  type RegistrySwitches,
} from '../helpers/memory-registry.ts';
import type { ListenOptions } from '../helpers/memory-registry-server.ts';
import { contentOf } from '../helpers/temporary-folder.ts';
import { currentProgram, NODE } from './program.ts';

export const ROOT_PASSPHRASE = 'root-passphrase-of-a-test';
export const REPOSITORY_PASSPHRASE = 'repository-passphrase-of-a-test';
export const REGISTRY_PASSWORD = 'registry-password-of-a-test';

/** The longest that any call may take; a test that needs as long has failed. */
const LIMIT_MS = 25_000;

export interface Run {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly done: Promise<Run>;
}

export type Variables = Readonly<Record<string, string | undefined>>;

export interface StoredImage {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  /** Digest of the configuration, which is the image's ID on the classic store. */
  readonly id: string;
}

/** What the docker on PATH was called with. */
export interface DockerCall {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface StageOptions {
  readonly switches?: RegistrySwitches;
  readonly listen?: ListenOptions;
  /** Members of the engine's `/info`. */
  readonly info?: Readonly<Record<string, unknown>>;
}

export class Stage {
  readonly registry: MemoryRegistry;
  /** `127.0.0.1:41234` */
  readonly host: string;
  readonly engine: FakeEngine;
  readonly program: string;
  readonly folder: string;
  readonly #remote: Record<string, string>;
  readonly #pushed: Record<string, string>;
  readonly #hook: { override: Override | undefined };
  readonly #close: () => Promise<void>;
  #marked = 0;

  constructor(parts: StageParts) {
    this.registry = parts.registry;
    this.host = parts.host;
    this.engine = parts.engine;
    this.program = parts.program;
    this.folder = parts.folder;
    this.#remote = parts.remote;
    this.#pushed = parts.pushed;
    this.#hook = parts.hook;
    this.#close = parts.close;
    writeFakeDocker(this.binFolder);
  }

  get binFolder(): string {
    return path.join(this.folder, 'bin');
  }

  /** Canonical and familiar name of a repository here: loopback names are the same in both. */
  name(repository: string): string {
    return `${this.host}/${repository}`;
  }

  /** Puts an image into the registry, where the engine can fetch it too. */
  image(repository: string, tag: string, text?: string): StoredImage {
    const { digest, bytes, mediaType } = this.registry.putImage(repository, tag, text);
    const { config } = JSON.parse(Buffer.from(bytes).toString()) as { config: { digest: string } };
    this.#remote[`${this.name(repository)}@${digest}`] = config.digest;
    return { digest, bytes, mediaType, id: config.digest };
  }

  /** The engine can fetch what is in a repository by the registry's other name too. */
  alias(repository: string, host: string): void {
    const own = `${this.name(repository)}@`;
    for (const [name, id] of Object.entries(this.#remote)) {
      if (name.startsWith(own)) this.#remote[`${host}/${repository}@${name.slice(own.length)}`] = id;
    }
  }

  /** Puts an image into the engine under a tag, and says which digest the engine reports for its push. */
  local(repository: string, tag: string, image: StoredImage, reported: string = image.digest): void {
    const name = `${this.name(repository)}:${tag}`;
    const held: FakeImage = this.engine.images.get(image.id) ?? {
      Id: image.id,
      RepoTags: [],
      RepoDigests: [],
    };
    const holder = this.engine.images.get(name);
    if (holder !== undefined) holder.RepoTags.splice(holder.RepoTags.indexOf(name), 1);
    held.RepoTags.push(name);
    this.engine.images.set(image.id, held);
    this.engine.images.set(name, held);
    this.#pushed[name] = reported;
  }

  /** Puts these files under `_trust`, as a publisher would. */
  async publish(
    repository: string,
    files: ReadonlyMap<string, Uint8Array>,
    options: { readonly inline?: boolean } = {},
  ): Promise<Digest> {
    const source = createRegistrySource({
      client: createRegistryClient(this.registry.http),
      repository: parseRepository(this.name(repository)),
    });
    await source.uploadFiles(files);
    const digest = await source.putState(files, { inline: options.inline ?? true });
    this.registry.log.length = 0;
    return digest;
  }

  /** Back to an engine and a registry that do as they should, and empty logs; what is stored stays. */
  calm(): void {
    this.registry.faults.length = 0;
    this.registry.log.length = 0;
    delete this.registry.switches.before;
    delete this.registry.switches.after;
    delete this.registry.switches.immutable;
    this.#hook.override = undefined;
    this.engine.images.clear();
    this.engine.containers.length = 0;
    this.mark();
  }

  override(answer: Override): void {
    this.#hook.override = answer;
  }

  /** From here on `engineChanges` counts. */
  mark(): void {
    this.#marked = this.engine.requests.length;
  }

  /** `METHOD path` of what was asked of the engine besides GET and HEAD. */
  engineChanges(): readonly string[] {
    return this.engine.requests
      .slice(this.#marked)
      .filter(({ method }) => method !== 'GET' && method !== 'HEAD')
      .map((request) => `${request.method} ${request.path.replace(/\?.*/, '')}`);
  }

  machine(options: MachineOptions = {}): Machine {
    return new Machine(this, options);
  }

  close(): Promise<void> {
    return this.#close();
  }
}

interface StageParts {
  readonly registry: MemoryRegistry;
  readonly host: string;
  readonly engine: FakeEngine;
  readonly program: string;
  readonly folder: string;
  readonly remote: Record<string, string>;
  readonly pushed: Record<string, string>;
  readonly hook: { override: Override | undefined };
  readonly close: () => Promise<void>;
}

export async function openStage(options: StageOptions = {}): Promise<Stage> {
  const program = await currentProgram();
  const registry = createMemoryRegistry({ now: () => Date.now(), ...options.switches });
  const listening = await registry.listen(options.listen);
  const remote: Record<string, string> = {};
  const pushed: Record<string, string> = {};
  const hook: { override: Override | undefined } = { override: undefined };
  const engine = await startFakeEngine({
    remote,
    pushed,
    override: (request, response) => hook.override?.(request, response) ?? false,
    ...(options.info === undefined ? {} : { info: options.info }),
  });
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dtrust-e2e-'));
  const { host } = listening;
  const close = async () => {
    await engine.stop();
    await listening.close();
    fs.rmSync(folder, { recursive: true, force: true });
  };
  return new Stage({ registry, host, engine, program, folder, remote, pushed, hook, close });
}

export interface PinnedKeys {
  readonly keyIds: readonly string[];
  readonly threshold?: number;
}

export interface MachineOptions {
  /** Begins as a copy of this one's home. */
  readonly like?: Machine;
  /** What config.json holds; default: credentials for the registry. */
  readonly config?: object;
  /** Added to the environment of every call. */
  readonly env?: Variables;
}

/** One user: a home folder, its environment, and what must never be printed. */
export class Machine {
  readonly stage: Stage;
  readonly home: string;
  readonly env: Variables;

  constructor(stage: Stage, { like, config, env = {} }: MachineOptions) {
    this.stage = stage;
    this.home = fs.mkdtempSync(path.join(stage.folder, 'home-'));
    this.env = { ...like?.env, ...env };
    if (like !== undefined) {
      copyWithModes(like.home, this.home);
      return;
    }
    fs.mkdirSync(this.config, { mode: 0o700 });
    const auth = Buffer.from(`robot:${REGISTRY_PASSWORD}`).toString('base64');
    const content = config ?? { auths: { [stage.host]: { auth } } };
    fs.writeFileSync(path.join(this.config, 'config.json'), JSON.stringify(content), { mode: 0o600 });
  }

  /** DOCKER_CONFIG. */
  get config(): string {
    return path.join(this.home, '.docker');
  }

  get pinsFile(): string {
    return path.join(this.config, 'trust', 'dtrust', 'pins.json');
  }

  /** Pins a repository of the stage's registry to these root keys, as `trust pin add` would. */
  pin(repository: string, pin: PinnedKeys): this {
    return this.pinHost(this.stage.host, repository, pin);
  }

  /** The same for a registry of another name. */
  pinHost(host: string, repository: string, { keyIds, threshold = 1 }: PinnedKeys): this {
    fs.mkdirSync(path.dirname(this.pinsFile), { recursive: true, mode: 0o700 });
    const entry = {
      repository: `${host}/${repository}`,
      keys: keyIds,
      threshold,
      rootVersion: 1,
      timestampVersion: 1,
      dialect: 'tuf-1.0',
    };
    fs.writeFileSync(this.pinsFile, JSON.stringify({ format: 1, pins: [entry] }), { mode: 0o600 });
    return this;
  }

  /** Puts what is in a folder into the home, which may have become another file system since. */
  fill(folder: string): void {
    copyWithModes(folder, this.home);
  }

  /** Every entry of the home folder with mode and hash. */
  content(): readonly string[] {
    return contentOf(this.home);
  }

  /** Runs dtrust to its end. */
  run(args: readonly string[], env: Variables = {}): Promise<Run> {
    return this.start(args, env).done;
  }

  /** Runs dtrust, which must succeed. */
  async succeed(args: readonly string[], env: Variables = {}): Promise<Run> {
    const run = await this.run(args, env);
    expect(run, `${args.join(' ')}: ${run.stderr}`).toMatchObject({ status: 0 });
    return run;
  }

  /** Starts dtrust: a session of its own, so that there is no terminal whatever the tests run in. */
  start(args: readonly string[], env: Variables = {}): Running {
    return startProgram([NODE, this.stage.program, ...args], {
      env: this.environment(env),
      cwd: this.home,
    });
  }

  /** What a call gets as its environment. */
  environment(more: Variables = {}): Record<string, string> {
    const { stage } = this;
    const all: Variables = {
      PATH: `${stage.binFolder}:/usr/bin:/bin`,
      HOME: this.home,
      DOCKER_CONFIG: this.config,
      DOCKER_HOST: stage.engine.host,
      XDG_CACHE_HOME: path.join(stage.folder, 'cache'),
      DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: ROOT_PASSPHRASE,
      DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: REPOSITORY_PASSPHRASE,
      ...this.env,
      ...more,
    };
    return Object.fromEntries(
      Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
  }
}

/** `fs.cpSync` gives folders the modes of new ones. */
function copyWithModes(from: string, to: string): void {
  fs.cpSync(from, to, { recursive: true });
  for (const name of fs.readdirSync(from, { recursive: true, encoding: 'utf8' })) {
    fs.chmodSync(path.join(to, name), fs.statSync(path.join(from, name)).mode);
  }
}

/** Starts a program; its output is kept, and it is killed when it takes too long. */
export function startProgram(
  [program = '', ...args]: readonly string[],
  options: { readonly env: Record<string, string>; readonly cwd: string },
): Running {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const done = new Promise<Run>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => {
      clearTimeout(timer);
      const [stdout, stderr] = [out, err].map((chunks) => Buffer.concat(chunks).toString());
      resolve({ status, signal, stdout: stdout ?? '', stderr: stderr ?? '' });
    });
  });
  return { child, done };
}

export interface Refusal {
  readonly code: string;
  readonly status?: number;
  /** What may stand on stdout; default nothing. */
  readonly stdout?: RegExp;
  readonly env?: Variables;
  /** What the engine may have been asked besides GET and HEAD; default nothing. */
  readonly engine?: readonly string[];
  /** Paths below the home folder whose change is what the test is about. */
  readonly mayChange?: RegExp;
  /** Whether the registry may have been written to; default false. */
  readonly mayWrite?: boolean;
}

export interface RefusedRun extends Run {
  /** The JSON object on the last line of stderr. */
  readonly error: {
    readonly code: string;
    readonly class: string;
    readonly reference: string | null;
    readonly expected: string | null;
    readonly found: string | null;
    readonly hint: string | null;
  };
}

/** Runs dtrust and holds what comes of it to the contract of refusals. */
export async function refused(
  machine: Machine,
  args: readonly string[],
  { code, status = 1, stdout = /^$/, env = {}, engine = [], mayChange, mayWrite = false }: Refusal,
): Promise<RefusedRun> {
  const { stage } = machine;
  const kept = () => machine.content().filter((line) => mayChange?.test(line) !== true);
  const before = kept();
  stage.mark();
  const logged = stage.registry.log.length;
  const run = await machine.run(args, { DTRUST_ERRORS: 'json', DTRUST_DEBUG: '1', ...env });
  const said = `${args.join(' ')} ended with ${run.status}\n${run.stdout}${run.stderr}`;
  expect(run.stderr, said).toContain(`(${code})\n`);
  expect(run.status, said).toBe(status);
  const error = JSON.parse(run.stderr.trimEnd().split('\n').at(-1) ?? '') as RefusedRun['error'];
  expect(error.code, said).toBe(code);
  expect(run.stdout).toMatch(stdout);
  expect(stage.engineChanges()).toEqual(engine);
  const writes = stage.registry.log
    .slice(logged)
    .filter(({ method }) => method !== 'GET' && method !== 'HEAD');
  if (!mayWrite) expect(writes.map((each) => `${each.method} ${each.path}`)).toEqual([]);
  expect(kept()).toEqual(before);
  assertNoSecret(run);
  return { ...run, error };
}

/** Nothing that a user keeps to himself stands in the output. */
export function assertNoSecret({ stdout, stderr }: Run, ...more: readonly string[]): void {
  const basic = Buffer.from(`robot:${REGISTRY_PASSWORD}`).toString('base64');
  const secrets = [
    ROOT_PASSPHRASE,
    REPOSITORY_PASSPHRASE,
    REGISTRY_PASSWORD,
    basic.replace(/=+$/, ''),
    ...more,
  ];
  for (const secret of secrets) expect(`${stdout}${stderr}`).not.toContain(secret);
  expect(`${stdout}${stderr}`).not.toMatch(/PRIVATE KEY/);
}

/** A `docker` that writes down how it was called, says so on stdout, and exits as `FAKE_DOCKER_EXIT` says. */
function writeFakeDocker(folder: string): void {
  fs.mkdirSync(folder);
  const calls = path.join(folder, 'calls');
  fs.mkdirSync(calls);
  const script = [
    '#!/bin/sh',
    `call="${calls}/$$"`,
    'for each in "$@"; do printf \'%s\\0\' "$each"; done > "$call.argv"',
    'env > "$call.env"',
    'test -n "$FAKE_DOCKER_SAYS" || FAKE_DOCKER_SAYS="docker was called"',
    'echo "$FAKE_DOCKER_SAYS"',
    'exit $FAKE_DOCKER_EXIT',
    '',
  ].join('\n');
  fs.writeFileSync(path.join(folder, 'docker'), script, { mode: 0o755 });
}

/** The calls of the docker on PATH since the last time this was asked. */
export function dockerCalls(stage: Stage): readonly DockerCall[] {
  const folder = path.join(stage.binFolder, 'calls');
  const names = fs.readdirSync(folder).filter((name) => name.endsWith('.argv'));
  const calls = names.map((name) => {
    const args = fs.readFileSync(path.join(folder, name), 'utf8').split('\0').slice(0, -1);
    const lines = fs.readFileSync(path.join(folder, name.replace(/argv$/, 'env')), 'utf8').split('\n');
    const environment = Object.fromEntries(
      lines
        .filter((line) => line.includes('='))
        .map((line) => {
          const at = line.indexOf('=');
          return [line.slice(0, at), line.slice(at + 1)] as const;
        }),
    );
    return { args, environment };
  });
  for (const name of fs.readdirSync(folder)) fs.rmSync(path.join(folder, name));
  return calls;
}

/** sha256 digest of text, for names nobody has. */
export function digestOfText(text: string): Digest {
  return digestOf(Buffer.from(text));
}
