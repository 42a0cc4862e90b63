/**
 * `dtrust trust signer add` killed, or out of disk, at each of its writes: the command as it is, in this process, over a
 * file system that fails. What is left is the old state or the new one, for the registry and for the machine.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseDockerArgv } from '../../src/cli/argv.ts';
import type { Context } from '../../src/commands/context.ts';
import { run as addSigner } from '../../src/commands/trust-signer-add.ts';
import { createEd25519Key, createRootKey } from '../../src/keys/create.ts';
import { KeyStore } from '../../src/keys/key-store.ts';
import { renderPublicHalf } from '../../src/keys/public-half.ts';
import { Secret } from '../../src/keys/secret.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { DtrustError } from '../../src/lib/errors.ts';
import type { FileSystem } from '../../src/lib/file-system.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import { readEnvironment } from '../../src/settings/environment.ts';
import { createCollection } from '../../src/trust/core/editor.ts';
import { pinFor } from '../../src/trust/core/pin.ts';
import { openMemory } from '../../src/trust/memory.ts';
import { createRegistrySource } from '../../src/trust/registry-source.ts';
import { signersOf } from '../../src/trust/signers.ts';
import { openCollection } from '../../src/trust/updater.ts';
import { type Fault, faultyFileSystem, ProcessDied } from '../helpers/faulty-file-system.ts';
import { createMemoryRegistry, type MemoryRegistry } from '../helpers/memory-registry.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const PASSPHRASE = 'passphrase-of-a-test';
const REPO = 'acme/app';
const WRITES = new Set([
  'writeSync',
  'mkdirSync',
  'renameSync',
  'linkSync',
  'unlinkSync',
  'rmdirSync',
  'chmodSync',
]);

let registry: MemoryRegistry;
let host: string;
let close: () => Promise<void>;
/** A machine with the owner's keys that has verified the repository; copied for each run. */
let home: string;
let begun: string;
let pin: ReturnType<typeof pinFor>;

beforeAll(async () => {
  registry = createMemoryRegistry({ now: () => Date.now() });
  const listening = await registry.listen();
  host = listening.host;
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'dtrust-add-'));
  close = async () => {
    await listening.close();
    fs.rmSync(home, { recursive: true, force: true });
  };
  await beginRepository();
  // Everything is remembered before: what is counted below are the writes of the publish itself.
  await newer(home).catch(() => expect.unreachable('the repository verifies'));
});
afterAll(() => close());

async function beginRepository(): Promise<void> {
  const store = new KeyStore({ fs, dockerConfig: home, platform: 'linux', unsafeIterations: 1000 });
  const passphrase = () => Secret.fromText(PASSPHRASE);
  const [rootKey, targetsKey, onlineKey, alice] = [
    await createRootKey(),
    await createEd25519Key(),
    await createEd25519Key(),
    await createEd25519Key(),
  ];
  const collection = `${host}/${REPO}`;
  await store.save(rootKey, { role: 'root' }, passphrase());
  await store.save(targetsKey, { role: 'targets', repository: collection }, passphrase());
  await store.save(onlineKey, { role: 'snapshot', repository: collection }, passphrase());
  fs.writeFileSync(path.join(home, 'alice.pub'), renderPublicHalf(alice.publicKey));
  const keys = { rootKeys: [rootKey], targetsKey, onlineKey };
  const state = await createCollection({ collection, ...keys, turnSeconds: 1, nowMs: Date.now() });
  const source = sourceOf();
  await source.uploadFiles(state.files);
  await source.putState(state.files, { inline: true });
  begun = registry.repository(REPO).tags.get('_trust') ?? '';
  pin = pinFor(state.trusted.root, 1);
}

const sourceOf = () =>
  createRegistrySource({
    client: createRegistryClient(registry.http),
    repository: parseRepository(`${host}/${REPO}`),
  });

/** What a machine with this home, or with no memory and the pin of the beginning, then finds: the signers by name. */
async function newer(folder: string | undefined): Promise<readonly string[]> {
  const directory = folder === undefined ? undefined : path.join(folder, 'trust', 'dtrust');
  const repository = parseRepository(`${host}/${REPO}`);
  const collection = await openCollection({
    repository,
    source: sourceOf(),
    memory: openMemory({ fs, directory, clock: systemClock }),
    pins: new Map([[repository.canonical, pin]]),
    memoryScope: 'unix:///nowhere/docker.sock',
    startTimeMs: Date.now(),
  });
  await collection.loadAll();
  return signersOf(collection.trusted).map(({ name }) => name);
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

interface Outcome {
  readonly error: unknown;
  readonly calls: readonly string[];
  readonly err: string;
}

async function add(folder: string, fault?: Fault): Promise<Outcome> {
  const faulty = faultyFileSystem(fault, withPid(fault === undefined ? undefined : 4_194_999));
  const { signal } = new AbortController();
  let err = '';
  const raw = {
    DOCKER_CONFIG: folder,
    DOCKER_HOST: 'unix:///nowhere/docker.sock',
    DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: PASSPHRASE,
    DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: PASSPHRASE,
  };
  const key = path.join(folder, 'alice.pub');
  const context: Context = {
    parsed: parseDockerArgv(['trust', 'signer', 'add', '--key', key, 'alice', `${host}/${REPO}`]),
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
    out: () => undefined,
    err: (text) => {
      err += text;
    },
    isTerminal: () => false,
    columns: () => 80,
    signal,
  };
  const error = await addSigner(context).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, calls: faulty.calls, err };
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

/** The home as it was, and the registry too. */
function afresh(): string {
  const folder = temporaryFolder();
  fs.cpSync(home, folder, { recursive: true });
  fs.chmodSync(path.join(folder, 'trust', 'private'), 0o700);
  registry.repository(REPO).tags.set('_trust' as never, begun as never);
  return folder;
}

/** Numbers of the calls that write, of a run that is left alone. */
async function writesOf(): Promise<readonly number[]> {
  const { error, calls } = await add(afresh());
  expect(error).toBeUndefined();
  return calls.flatMap((name, at) => (WRITES.has(name) ? [at + 1] : []));
}

describe('protocol 4.2: signer add that is interrupted', () => {
  test('killed at each of its writes leaves the old state or the new one, and can be run again', async () => {
    const writes = await writesOf();
    expect(writes.length).toBeGreaterThan(15);
    const seen = new Set<string>();
    for (const at of writes) {
      const folder = afresh();
      const { error } = await add(folder, { at, kind: 'die' });
      expect(error, `call ${at}`).toBeInstanceOf(ProcessDied);
      const found = await newer(undefined);
      expect(['', 'alice']).toContain(found.join());
      expect(await newer(folder), `call ${at}`).toEqual(found);
      seen.add(found.join());
      const again = await add(folder);
      if (found.length === 0) expect(again.error, `call ${at}`).toBeUndefined();
      else expect(again.error, `call ${at}`).toMatchObject({ code: 'KEY_EXISTS' });
      expect(await newer(folder)).toEqual(['alice']);
    }
    expect([...seen].sort()).toEqual(['', 'alice']);
  });

  test('with a disk that is full from any of its writes on says so by name, and works once there is room', async () => {
    const codes = new Set<string>();
    for (const at of await writesOf()) {
      const folder = afresh();
      const { error } = await add(folder, { at, kind: 'error', errno: 'ENOSPC', lasting: true });
      if (error !== undefined) {
        expect(error, `call ${at}`).toBeInstanceOf(DtrustError);
        codes.add((error as DtrustError).code);
      }
      const found = await newer(undefined);
      expect(['', 'alice']).toContain(found.join());
      if (error === undefined) expect(found).toEqual(['alice']);
      expect(await newer(folder)).toEqual(found);
      if (found.length === 0) expect((await add(folder)).error, `call ${at}`).toBeUndefined();
    }
    expect([...codes]).toEqual(['DISK_FULL']);
  });
});
