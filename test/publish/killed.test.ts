/**
 * A publisher who is killed, or whose disk is full, at every call of the file system and at every request of a whole
 * command: what others then see, and what the same machine does next.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RegistryHttp } from '../../src/http/registry-http.ts';
import { DtrustError } from '../../src/lib/errors.ts';
import type { FileSystem } from '../../src/lib/file-system.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { openJournal } from '../../src/trust/journal.ts';
import { type Fault, faultyFileSystem, ProcessDied } from '../helpers/faulty-file-system.ts';
import { createMemoryRegistry, type StoredRepository } from '../helpers/memory-registry.ts';
import { copyOf, putBack } from '../helpers/stored-repository.ts';
import { knownPassphrases } from '../keys/helpers.ts';
import { JumpingClock } from '../trust/publish-clock.ts';
import { exportPin, PublishingMachine, targetOf } from './machine.ts';

const repository = parseRepository('registry.test/acme/app');
const signed = (...tags: string[]) =>
  Object.fromEntries(tags.map((tag) => [tag, targetOf(repository, tag).sha256]));

/** The file system as a process with another PID sees it: one that is gone by the time anybody asks. */
const ofAnotherProcess: FileSystem = Object.assign(Object.create(fs), {
  readFileSync: (file: string, ...options: never[]) =>
    file === '/proc/self/stat'
      ? `4194305 (gone) S ${Array.from({ length: 30 }, () => 7).join(' ')}`
      : fs.readFileSync(file, ...options),
});

/** What ends a process in the middle: a call of the file system, or a request; each counted from 1. */
interface Death {
  readonly fault?: Fault;
  /** `heard`: the registry has done it, and its answer comes to nobody. */
  readonly request?: { readonly at: number; readonly heard: boolean };
}

interface Scene {
  readonly home: string;
  readonly stored: StoredRepository;
}

interface Operation {
  readonly name: string;
  readonly run: (machine: PublishingMachine) => Promise<unknown>;
  /** Tags before and after; undefined: there is no trust data yet. */
  readonly before: Readonly<Record<string, string>> | undefined;
  readonly after: Readonly<Record<string, string>>;
  readonly begunBy: 'nobody' | 'owner';
}

const OPERATIONS: readonly Operation[] = [
  {
    name: 'the first push of a repository',
    run: (machine) => machine.sign('1.0'),
    before: undefined,
    after: signed('1.0'),
    begunBy: 'nobody',
  },
  {
    name: 'a push',
    run: (machine) => machine.sign('2.0'),
    before: signed('1.0'),
    after: signed('1.0', '2.0'),
    begunBy: 'owner',
  },
  {
    name: 'signer add',
    run: (machine) => machine.addSigner('alice', [alice]),
    before: signed('1.0'),
    after: signed('1.0'),
    begunBy: 'owner',
  },
  {
    name: 'refresh',
    run: (machine) => machine.refresh(),
    before: signed('1.0'),
    after: signed('1.0'),
    begunBy: 'owner',
  },
];

const registry = createMemoryRegistry();
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dtrust-killed-'));
const scenes = new Map<Operation['begunBy'], Scene>();
let alice: Awaited<ReturnType<PublishingMachine['makeKey']>>;
/** Has the pin, and nothing else. */
let readerHome: string;

function newHome(from?: string): string {
  const home = fs.mkdtempSync(path.join(folder, 'home-'));
  if (from !== undefined) fs.cpSync(from, home, { recursive: true });
  return home;
}

function at(home: string, changes: { fs?: FileSystem; http?: RegistryHttp } = {}) {
  const clock = new JumpingClock();
  const machine = new PublishingMachine({ repository, http: registry.http, clock, home, ...changes });
  return { machine, clock, drive: <T>(work: Promise<T>) => clock.drive(work) };
}

beforeAll(async () => {
  scenes.set('nobody', { home: newHome(), stored: copyOf(registry.repository(repository.path)) });
  const owner = at(newHome());
  const begun = await owner.drive(owner.machine.sign('1.0'));
  await owner.drive(owner.machine.tags());
  alice = await at(newHome()).machine.makeKey('alice');
  scenes.set('owner', { home: owner.machine.home, stored: copyOf(registry.repository(repository.path)) });
  const reader = at(newHome());
  await reader.drive(reader.machine.pin(exportPin(begun)));
  readerHome = reader.machine.home;
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Runs the operation in a process that ends there; returns what it was refused with, if it was. */
async function endedBy(home: string, operation: Operation, { fault, request }: Death) {
  const faulty = faultyFileSystem(fault, ofAnotherProcess);
  let requests = 0;
  const gone = () =>
    (fault?.kind === 'die' && faulty.calls.length >= fault.at) ||
    (request !== undefined && requests > request.at);
  const http: RegistryHttp = {
    async request(address, asked) {
      requests += 1;
      if (gone() || (requests === request?.at && !request.heard)) {
        requests += 1;
        throw new ProcessDied('in a request');
      }
      const answer = await registry.http.request(address, asked);
      if (requests !== request?.at) return answer;
      requests += 1;
      throw new ProcessDied('before an answer');
    },
  };
  const dying = at(home, { fs: faulty.fs, http });
  const outcome: unknown = await dying.drive(operation.run(dying.machine)).then(
    () => 'done',
    (error: unknown) => error,
  );
  return { outcome, calls: faulty.calls, requests };
}

/** Whether that is how it ended, whatever it was wrapped in on the way. */
function diedOf(error: unknown): boolean {
  return error instanceof ProcessDied || (error instanceof Error && diedOf(error.cause));
}

/** After whatever happened: one of two states is served, and this machine goes on. */
async function verifyAftermath(home: string, operation: Operation, where: string): Promise<void> {
  const journal = {
    fs,
    directory: path.join(home, '.docker', 'trust', 'dtrust'),
    collection: repository.canonical,
    clock: new JumpingClock(),
  };
  expect(() => openJournal(journal).load(), where).not.toThrow();
  const there = registry.repository(repository.path).tags.has('_trust');
  if (!there) expect(operation.before, where).toBeUndefined();
  const reader = at(newHome(operation.begunBy === 'owner' ? readerHome : home));
  const served = there ? await reader.drive(reader.machine.tags()) : undefined;
  expect([operation.before, operation.after], where).toContainEqual(served);
  const again = at(home);
  await again.drive(again.machine.sign('next'));
  // No lock of the dead was waited for.
  expect(again.clock.monotonic(), where).toBeLessThan(5_000);
  expect(await again.drive(again.machine.tags()), where).toEqual({ ...served, ...signed('next') });
  const keys = again.machine.store.list();
  expect(keys.map(({ role }) => role).sort(), where).toEqual(['root', 'snapshot', 'targets']);
  for (const key of keys) await again.machine.store.load(key, knownPassphrases());
  const left = fs.readdirSync(path.join(home, '.docker', 'trust'), { recursive: true, encoding: 'utf8' });
  expect(
    left.filter((name) => name.endsWith('.lock')),
    where,
  ).toEqual([]);
}

function scene({ begunBy }: Operation): string {
  const { home, stored } = scenes.get(begunBy) ?? expect.unreachable(begunBy);
  putBack(registry, repository.path, stored);
  return newHome(home);
}

describe.each(OPERATIONS)('$name', (operation) => {
  test('protocol 4.2: killed at every call of the file system: the old or the new state is served, and the machine goes on', async () => {
    const { outcome, calls } = await endedBy(scene(operation), operation, {});
    expect(outcome).toBe('done');
    expect(calls.length).toBeGreaterThan(100);
    for (let call = 1; call <= calls.length; call++) {
      const home = scene(operation);
      const where = `killed at ${calls[call - 1]}, call ${call} of ${calls.length}`;
      const { outcome: ended } = await endedBy(home, operation, { fault: { at: call, kind: 'die' } });
      expect(diedOf(ended), where).toBe(true);
      await verifyAftermath(home, operation, where);
      fs.rmSync(home, { recursive: true });
    }
  }, 300_000);

  test('protocol 4.2: killed at every request, before it is done and before its answer is heard', async () => {
    const { requests } = await endedBy(scene(operation), operation, {});
    for (let nth = 1; nth <= requests; nth++) {
      for (const heard of [false, true]) {
        const home = scene(operation);
        const where = `killed ${heard ? 'after' : 'before'} request ${nth} of ${requests}`;
        const { outcome } = await endedBy(home, operation, { request: { at: nth, heard } });
        expect(diedOf(outcome), where).toBe(true);
        await verifyAftermath(home, operation, where);
        fs.rmSync(home, { recursive: true });
      }
    }
  }, 300_000);

  test('contract (Disk): a disk that is full from any write on: DISK_FULL, the old or the new state, and the machine goes on', async () => {
    const { calls } = await endedBy(scene(operation), operation, {});
    const writes = calls.flatMap((name, index) => (/write|mkdir|rename/.test(name) ? [index + 1] : []));
    for (const call of writes) {
      const home = scene(operation);
      const where = `full at ${calls[call - 1]}, call ${call}`;
      const fault = { at: call, kind: 'error', errno: 'ENOSPC', lasting: true } as const;
      const { outcome } = await endedBy(home, operation, { fault });
      if (outcome !== 'done') {
        expect(outcome, where).toBeInstanceOf(DtrustError);
        expect(outcome, where).toMatchObject({ code: 'DISK_FULL' });
      }
      await verifyAftermath(home, operation, where);
      fs.rmSync(home, { recursive: true });
    }
  }, 300_000);
});
