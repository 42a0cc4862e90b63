/**
 * What the commands work with, each part built when it is first asked for: Docker's configuration, the engine,
 * the registry, memory, pins and keys. One of each per call of dtrust.
 */
import { join } from 'node:path';
import type { FlagMap } from '../cli/argv.ts';
import { flagOn, flagValue } from '../cli/argv.ts';
import type { Engine } from '../engine/engine.ts';
import type { RegistryHttp } from '../http/registry-http.ts';
import type { ClosableTransport } from '../http/transport.ts';
import type { HeldKey } from '../keys/held-key.ts';
import type { KeyStore } from '../keys/key-store.ts';
import type { Keychain } from '../keys/keychain.ts';
import type { Passphrases } from '../keys/passphrases.ts';
import type { Terminal } from '../keys/terminal.ts';
import type { Repository } from '../reference/reference.ts';
import type { RegistryClient } from '../registry/client.ts';
import { loadServerCertificates, registryCertificateFolders } from '../settings/certs.ts';
import {
  contextName,
  type EngineEndpoint,
  type EngineFlags,
  resolveEngineEndpoint,
} from '../settings/contexts.ts';
import { createHelperRunner } from '../settings/credential-helper.ts';
import { type Credentials, credentialsFor, withAuthVariable } from '../settings/credentials.ts';
import { configDirectory, type DockerConfig, loadDockerConfig } from '../settings/docker-config.ts';
import { helperEnvironment } from '../settings/environment.ts';
import { insecureRegistries } from '../settings/insecure-registries.ts';
import { proxyFor } from '../settings/proxies.ts';
import { CurrentKeys } from '../trust/current-keys.ts';
import { type Memory, openMemory } from '../trust/memory.ts';
import { loadPins, type Pins } from '../trust/pins.ts';
import { type Context, note } from './context.ts';
import { USER_AGENT } from './version.ts';

export class Services {
  readonly context: Context;
  readonly directory: string;
  /** The repository in hand, for errors that do not know it themselves. */
  about: Repository | undefined;
  #config: DockerConfig | undefined;
  #endpoint: EngineEndpoint | undefined;
  #engine: Promise<Engine> | undefined;
  #transport: ClosableTransport | undefined;
  #registry: Promise<RegistryClient> | undefined;
  #pins: Pins | undefined;
  #memory: Memory | undefined;
  #keys: Promise<KeyStore> | undefined;
  #terminal: Promise<Terminal> | undefined;
  #keychain: Promise<Keychain> | undefined;
  #passphrases: Promise<Passphrases> | undefined;
  #credentials: ((host: string) => Promise<Credentials>) | undefined;

  constructor(context: Context) {
    this.context = context;
    const { env, parsed, userHome } = context;
    this.directory = configDirectory(env, flagValue(parsed.globals, 'config'), userHome);
  }

  /** @throws LocalStateError CONFIG_INVALID, FILE_UNREADABLE */
  get config(): DockerConfig {
    const { fs, env } = this.context;
    this.#config ??= withAuthVariable(loadDockerConfig(fs, this.directory), env.dockerAuthConfig);
    return this.#config;
  }

  /** Where dtrust's own files lie; docs/files.md names each. */
  get trustDirectory(): string {
    return join(this.directory, 'trust', 'dtrust');
  }

  /** @throws UsageError USAGE; LocalStateError CONTEXT_INVALID, FILE_UNREADABLE */
  get endpoint(): EngineEndpoint {
    const { env, fs, platform, parsed } = this.context;
    this.#endpoint ??= resolveEngineEndpoint({
      env,
      fs,
      platform,
      config: this.config,
      flags: engineFlags(parsed.globals),
    });
    return this.#endpoint;
  }

  /** Docker's context in force, 'default' included. @throws UsageError USAGE */
  get contextName(): string {
    const { env, parsed } = this.context;
    return contextName({ env, config: this.config, flags: engineFlags(parsed.globals) });
  }

  engine(): Promise<Engine> {
    this.#engine ??= this.#createEngine();
    return this.#engine;
  }

  async #createEngine(): Promise<Engine> {
    const { endpoint } = this;
    const { createEngine } = await import('../engine/engine-client.ts');
    const { rawEnvironment, env } = this.context;
    const environment = helperEnvironment(rawEnvironment);
    return createEngine(endpoint, { environment, apiVersion: env.dockerApiVersion });
  }

  registry(): Promise<RegistryClient> {
    this.#registry ??= this.#createRegistry();
    return this.#registry;
  }

  async #createRegistry(): Promise<RegistryClient> {
    const [http, { createRegistryClient }] = await Promise.all([
      this.#createHttp(),
      import('../registry/client.ts'),
    ]);
    return createRegistryClient(http);
  }

  async #createHttp(): Promise<RegistryHttp> {
    const [{ createTransport }, { timeoutsFrom }, { createRegistryTransport }, { createFileTokenMemory }] =
      await Promise.all([
        import('../http/create-transport.ts'),
        import('../http/timeouts.ts'),
        import('../http/registry-transport.ts'),
        import('../http/token-memory.ts'),
      ]);
    const { context, config } = this;
    const { env, clock, random, fs, platform } = context;
    const folders = registryCertificateFolders({ env, configDirectory: this.directory, platform });
    this.#transport = createTransport({
      tls: { certificatesFor: (host) => loadServerCertificates(fs, folders, host, platform), env, fs },
      proxyFor: (url) => proxyFor(url, env.proxy),
      clock,
      random,
      userAgent: USER_AGENT,
      timeouts: timeoutsFrom(env.timeout),
      ...(env.debug === undefined ? {} : { log: (line: string) => note(context, `debug: ${line}`) }),
    });
    return createRegistryTransport({
      send: this.#transport.send,
      clock,
      credentials: (host) => this.credentials(host),
      insecure: async (host) => insecureRegistries((await (await this.engine()).info()).raw)(host),
      notice: (line) => note(context, line),
      tokenMemory: createFileTokenMemory(fs, join(this.trustDirectory, 'registries.json')),
      headers: metaHeaders(config),
    });
  }

  /** The credentials that Docker keeps for a normalised registry host. */
  credentials(host: string): Promise<Credentials> {
    this.#credentials ??= this.#createCredentials();
    return this.#credentials(host);
  }

  #createCredentials(): (host: string) => Promise<Credentials> {
    const { fs, env, rawEnvironment, platform } = this.context;
    const environment = helperEnvironment(rawEnvironment);
    const runHelper = createHelperRunner({ fs, env, rawEnvironment: environment, platform });
    return (host) => credentialsFor(host, this.config, runHelper);
  }

  /** @throws LocalStateError PIN_INVALID */
  get pins(): Pins {
    this.#pins ??= loadPins(this.context.fs, this.trustDirectory);
    return this.#pins;
  }

  /** Which of this user's keys are in use, where several of a kind are here. */
  get currentKeys(): CurrentKeys {
    const { fs, clock } = this.context;
    return new CurrentKeys({ fs, clock, directory: this.trustDirectory });
  }

  get memory(): Memory {
    const { fs, clock } = this.context;
    this.#memory ??= openMemory({ fs, clock, directory: this.trustDirectory });
    return this.#memory;
  }

  /** @throws KeyError KEY_FILE_INVALID, KEY_UNSUPPORTED, KEY_ROOT_REFUSED, for what is in DTRUST_KEY */
  keys(): Promise<KeyStore> {
    this.#keys ??= this.#createKeys();
    return this.#keys;
  }

  /** The same with the key in DTRUST_KEY unlocked, for whoever signs. @throws as `keys` and `KeyStore.unlockHeld` */
  async signingKeys(): Promise<KeyStore> {
    const [keys, passphrases] = await Promise.all([this.keys(), this.passphrases()]);
    await keys.unlockHeld(passphrases);
    return keys;
  }

  async #createKeys(): Promise<KeyStore> {
    const { KeyStore } = await import('../keys/key-store.ts');
    const { fs, platform, env } = this.context;
    const held = await heldKey(env.signingKey);
    const heldIsEmpty = env.signingKey === '';
    return new KeyStore({ fs, platform, dockerConfig: this.directory, held, heldIsEmpty });
  }

  terminal(): Promise<Terminal> {
    this.#terminal ??= this.#createTerminal();
    return this.#terminal;
  }

  async #createTerminal(): Promise<Terminal> {
    const { createTerminal } = await import('../keys/tty-terminal.ts');
    const { fs, clock, env, platform, pid, isTerminal, signal } = this.context;
    return createTerminal({
      fs,
      clock,
      environment: env,
      lockPath: join(env.xdgRuntimeDir ?? this.directory, 'dtrust-prompt.lock'),
      platform,
      pid,
      isStderrTerminal: () => isTerminal(2),
      signal,
    });
  }

  passphrases(): Promise<Passphrases> {
    this.#passphrases ??= this.#createPassphrases();
    return this.#passphrases;
  }

  async #createPassphrases(): Promise<Passphrases> {
    const [{ createPassphrases }, terminal, keychain] = await Promise.all([
      import('../keys/passphrases.ts'),
      this.terminal(),
      this.keychain(),
    ]);
    return createPassphrases({ environment: this.context.env, terminal, keychain, fs: this.context.fs });
  }

  /** The keychain of the system; asked only by who has made sure that a question may be put. */
  keychain(): Promise<Keychain> {
    this.#keychain ??= this.#createKeychain();
    return this.#keychain;
  }

  async #createKeychain(): Promise<Keychain> {
    const { createKeychain } = await import('../keys/keychain.ts');
    const { env, rawEnvironment, platform, nodeProgram, signal } = this.context;
    return createKeychain({ env, rawEnvironment, platform, nodeProgram, signal });
  }

  /** Ends connections, so that none keeps the process waiting. */
  async close(): Promise<void> {
    (await this.#engine?.catch(() => undefined))?.close();
    await this.#transport?.close();
  }
}

/** The key in DTRUST_KEY; an empty variable holds none. */
async function heldKey(text: string | undefined): Promise<HeldKey | undefined> {
  if (text === undefined || text === '') return undefined;
  const { HeldKey } = await import('../keys/held-key.ts');
  return HeldKey.parse(text);
}

/** Docker's global flags that choose the engine; what was not given is left out. */
function engineFlags(globals: FlagMap): EngineFlags {
  const names = { context: 'context', tlsCaCert: 'tlscacert', tlsCert: 'tlscert', tlsKey: 'tlskey' } as const;
  const texts = Object.entries(names).flatMap(([member, flag]) => {
    const value = flagValue(globals, flag);
    return value === undefined ? [] : [[member, value] as const];
  });
  const switches = { tls: 'tls', tlsVerify: 'tlsverify' } as const;
  const booleans = Object.entries(switches).flatMap(([member, flag]) =>
    globals.has(flag) ? [[member, flagOn(globals, flag)] as const] : [],
  );
  return { hosts: globals.get('host') ?? [], ...Object.fromEntries(texts), ...Object.fromEntries(booleans) };
}

/** Of config.json's HttpHeaders, Docker hands those named X-Meta-... on to a registry. */
function metaHeaders({ httpHeaders }: DockerConfig): Readonly<Record<string, string>> {
  return Object.fromEntries([...httpHeaders].filter(([name]) => /^x-meta-/i.test(name)));
}
