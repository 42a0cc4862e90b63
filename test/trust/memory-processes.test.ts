/** Several real processes on one memory, one of them killed in the middle; and a disk that is really full. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { LocalStateError } from '../../src/lib/errors.ts';
import { type Memory, openMemory } from '../../src/trust/memory.ts';
import { needPeers } from '../helpers/peers.ts';
import { contentOf, temporaryFolder } from '../helpers/temporary-folder.ts';
import { rejectsCode, throwsCode } from '../helpers/throws-code.ts';
import { numberedState } from './fixtures/numbered-state.ts';

const APP = 'docker.io/acme/app';
const FIXTURE = path.join(import.meta.dirname, 'fixtures', 'remember-states.ts');

function memoryIn(directory: string): Memory {
  return openMemory({ fs, directory, clock: systemClock, waitMs: 10_000 });
}

interface Running {
  readonly child: ChildProcess;
  /** Resolves at the end with the numbers said. */
  readonly done: Promise<readonly number[]>;
  /** Resolves with the first number said. */
  readonly begun: Promise<void>;
}

function start(directory: string, ...range: readonly number[]): Running {
  const child = spawn(process.execPath, [FIXTURE, directory, ...range.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    begin();
  });
  const done = new Promise<readonly number[]>((resolve) => {
    child.on('close', () => {
      begin();
      resolve(said.split('\n').filter(Boolean).map(Number));
    });
  });
  return { child, done, begun };
}

/** The state remembered, checked file by file. */
function remembered(directory: string): number {
  const known = memoryIn(directory).load(APP);
  const n = known?.sights.at(-1)?.timestampVersion ?? 0;
  for (const [name, bytes] of numberedState(n).files)
    expect(known?.read(name).toString()).toBe(bytes.toString());
  return n;
}

test('three processes raise one memory: no floor falls, nothing is lost, nothing stays behind', async () => {
  const directory = temporaryFolder();
  const processes = [1, 2, 3].map((first) => start(directory, first, 30, 3));
  const said = await Promise.all(processes.map(({ done }) => done));
  expect(Math.max(...said.flat())).toBe(30);
  for (const numbers of said) expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  expect(remembered(directory)).toBe(30);
  expect(memoryIn(directory).load(APP)?.highest.get('timestamp')).toBe(30);
  expect(fs.readdirSync(path.join(directory, 'memory'))).toHaveLength(1);
});

test('a process killed with SIGKILL in the middle stops nobody, and what it said it stored is there', async () => {
  const directory = temporaryFolder();
  const victim = start(directory, 1, 100_000, 1);
  await victim.begun;
  victim.child.kill('SIGKILL');
  const said = Math.max(...(await victim.done));
  const found = remembered(directory);
  expect(found).toBeGreaterThanOrEqual(said);
  const next = start(directory, found + 1, found + 3, 1);
  expect(await next.done).toEqual([found + 1, found + 2, found + 3]);
});

const real = await needPeers('root');

describe.skipIf(real.skip)(real.title('contract (Disk): a disk of 1 MiB that is full'), () => {
  let mountpoint = '';

  beforeAll(() => {
    mountpoint = fs.mkdtempSync('/tmp/dtrust-full-');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', mountpoint]);
  });

  afterAll(() => {
    execFileSync('umount', [mountpoint]);
    fs.rmdirSync(mountpoint);
  });

  test('is DISK_FULL, the state before stays whole, and with space again it goes on', async () => {
    const directory = path.join(mountpoint, 'dtrust');
    const memory = memoryIn(directory);
    await memory.save(undefined, numberedState(1));
    const large = Buffer.alloc(600 * 1024, 'x');
    const filler = path.join(mountpoint, 'filler');
    fs.writeFileSync(filler, large);
    const before = contentOf(directory);
    const next = numberedState(2);
    const files = new Map([...next.files, ['2.targets.json', large]]);
    const refused = memory.save(memory.load(APP), { ...next, files });
    await rejectsCode(refused, LocalStateError, 'DISK_FULL');
    expect(contentOf(directory)).toEqual(before);
    expect(remembered(directory)).toBe(1);
    const first = memory.save(undefined, { ...next, files, collection: 'docker.io/acme/other' });
    await rejectsCode(first, LocalStateError, 'DISK_FULL');
    expect(contentOf(directory)).toEqual(before);
    fs.unlinkSync(filler);
    expect(await memory.save(memory.load(APP), { ...next, files })).toBe('saved');
  });

  test('a disk without a single free byte is DISK_FULL before anybody is asked to trust', () => {
    const directory = path.join(mountpoint, 'other');
    const filler = fs.openSync(path.join(mountpoint, 'rest'), 'w');
    const block = Buffer.alloc(4096);
    for (let full = false; !full; ) {
      try {
        full = fs.writeSync(filler, block) < block.length;
      } catch (error) {
        full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
        if (!full) throw error;
      }
    }
    fs.closeSync(filler);
    throwsCode(() => memoryIn(directory).assertWritable(), LocalStateError, 'DISK_FULL');
  });
});
