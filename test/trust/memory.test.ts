import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { LocalStateError } from '../../src/lib/errors.ts';
import type { LockOwner } from '../../src/lib/lock-owner.ts';
import { digestOf } from '../../src/reference/digest.ts';
import { type Memory, openMemory } from '../../src/trust/memory.ts';
import { faultyFileSystem, ProcessDied } from '../helpers/faulty-file-system.ts';
import { contentOf, temporaryFolder } from '../helpers/temporary-folder.ts';
import { rejectsCode, throwsCode } from '../helpers/throws-code.ts';
import { numberedState } from './fixtures/numbered-state.ts';

const APP = 'docker.io/acme/app';
const DEAD: LockOwner = { name: '1-1-0badcafe-1', isAlive: () => false };
const LIVING: LockOwner = { name: '2-1-0badcafe-1', isAlive: (pid) => pid === 2 };

function memoryIn(
  directory: string | undefined,
  fileSystem: typeof fs | undefined = fs,
  owner = LIVING,
): Memory {
  return openMemory({ fs: fileSystem, directory, clock: systemClock, owner, waitMs: 2000 });
}

/** The number of the state remembered, checked file by file; 0 for none. */
function remembered(directory: string): number {
  const known = memoryIn(directory).load(APP);
  if (known === undefined) return 0;
  const n = known.sights.at(-1)?.timestampVersion ?? -1;
  for (const [name, bytes] of numberedState(n).files)
    expect(known.read(name).toString()).toBe(bytes.toString());
  expect(known.state).toBe(numberedState(n).state);
  expect(known.highest.get('timestamp')).toBeGreaterThanOrEqual(n);
  return n;
}

function folderOf(directory: string): string {
  const [name] = fs
    .readdirSync(path.join(directory, 'memory'))
    .filter((entry) => /^[0-9a-f]{64}$/.test(entry));
  return path.join(directory, 'memory', name ?? 'none');
}

test('protocol 6.2: what was verified is remembered, byte for byte', async () => {
  const directory = temporaryFolder();
  expect(memoryIn(directory).load(APP)).toBeUndefined();
  expect(await memoryIn(directory).save(undefined, numberedState(1))).toBe('saved');
  const known = memoryIn(directory).load(APP);
  expect(known?.rootVersion).toBe(1);
  expect(known?.anchor).toBe('pin');
  expect(remembered(directory)).toBe(1);
});

test('loading what is not there writes nothing', () => {
  const directory = temporaryFolder();
  expect(memoryIn(directory).load(APP)).toBeUndefined();
  expect(memoryIn(directory).collectionOf(APP)).toBeUndefined();
  expect(contentOf(directory)).toEqual([]);
});

test('contract (Disk): folders are 0700 and files 0600', async () => {
  const directory = path.join(temporaryFolder(), 'trust', 'dtrust');
  const memory = memoryIn(directory);
  await memory.save(undefined, numberedState(1));
  await memory.save(memory.load(APP), numberedState(2));
  memory.noteCheck({ collection: APP, scope: '', state: numberedState(2).state }, 7);
  await memory.bind('docker.io/acme/other', APP);
  for (const line of contentOf(directory)) {
    const [, mode, kind] = line.split(' ');
    expect(`${kind === 'folder' ? 'folder' : 'file'} ${mode}`).toMatch(/^(folder 700|file 600)$/);
  }
  expect(fs.statSync(directory).mode & 0o777).toBe(0o700);
});

test('a new state replaces the old one; roots stay, what is not named any more goes', async () => {
  const directory = temporaryFolder();
  const memory = memoryIn(directory);
  await memory.save(undefined, numberedState(9));
  const next = numberedState(10, { keep: ['1.root.json', 'not there'] });
  const files = new Map(next.files);
  files.delete('1.root.json');
  await memory.save(memory.load(APP), { ...next, files });
  expect(remembered(directory)).toBe(10);
  expect(memory.load(APP)?.rootVersion).toBe(2);
  expect(memory.load(APP)?.read('1.root.json').toString()).toBe('root 1');
  // 2 roots, timestamp, snapshot, targets, and the index.
  expect(fs.readdirSync(folderOf(directory))).toHaveLength(6);
});

test('protocol 4.2: the highest version seen never falls, also when a state is lower', async () => {
  const memory = memoryIn(temporaryFolder());
  await memory.save(undefined, numberedState(41));
  await memory.save(memory.load(APP), numberedState(5));
  expect(memory.load(APP)?.highest.get('timestamp')).toBe(41);
  await memory.save(memory.load(APP), numberedState(42));
  expect(memory.load(APP)?.highest.get('timestamp')).toBe(42);
});

test('first sights are kept, the first of each state, the last sixteen', async () => {
  const memory = memoryIn(temporaryFolder());
  for (let n = 1; n <= 20; n++) await memory.save(memory.load(APP), numberedState(n));
  await memory.save(memory.load(APP), numberedState(20));
  const sights = memory.load(APP)?.sights.map(({ timestampVersion }) => timestampVersion);
  expect(sights).toEqual(Array.from({ length: 16 }, (_, index) => index + 5));
});

test('a file name chosen by others is no path', async () => {
  const directory = temporaryFolder();
  const files = new Map([
    ...numberedState(1).files,
    ['../../../evil', Buffer.from('x')],
    ['a/b%00', Buffer.from('y')],
  ]);
  await memoryIn(directory).save(undefined, numberedState(1, { files }));
  expect(memoryIn(directory).load(APP)?.read('../../../evil').toString()).toBe('x');
  expect(fs.readdirSync(path.dirname(directory)).includes('evil')).toBe(false);
});

describe('the last check', () => {
  test('counts for the state it was made of', async () => {
    const memory = memoryIn(temporaryFolder());
    await memory.save(undefined, numberedState(1));
    expect(memory.load(APP)?.lastCheckMs()).toBeUndefined();
    memory.noteCheck({ collection: APP, scope: '', state: numberedState(1).state }, 1234);
    expect(memory.load(APP)?.lastCheckMs()).toBe(1234);
    await memory.save(memory.load(APP), numberedState(2));
    expect(memory.load(APP)?.lastCheckMs()).toBeUndefined();
  });

  test.each([
    ...['', 'x', '12', `99999999999999999 ${numberedState(1).state}\n`, `12 ${numberedState(1).state}`],
    `{"format":1,"atMs":99999999999999999,"state":"${numberedState(1).state}"}\n`,
    `{"format":1,"atMs":12,"state":"${numberedState(2).state}"}\n`,
    `{"format":1,"atMs":12,"state":"${numberedState(1).state}"`,
    `{"format":0,"atMs":12,"state":"${numberedState(1).state}"}\n`,
  ])('protocol 7.3: %j in its file is "not known", never a check', async (text) => {
    const directory = temporaryFolder();
    const memory = memoryIn(directory);
    await memory.save(undefined, numberedState(1));
    fs.writeFileSync(path.join(folderOf(directory), 'last-check'), text);
    expect(memory.load(APP)?.lastCheckMs()).toBeUndefined();
  });

  test('that cannot be noted is no failure', async () => {
    const directory = temporaryFolder();
    await memoryIn(directory).save(undefined, numberedState(1));
    const { fs: failing } = faultyFileSystem({ at: 1, kind: 'error', errno: 'EROFS', lasting: true });
    memoryIn(directory, failing as typeof fs).noteCheck(
      { collection: APP, scope: '', state: numberedState(1).state },
      1,
    );
    expect(memoryIn(directory).load(APP)?.lastCheckMs()).toBeUndefined();
  });
});

describe('two processes', () => {
  test('the one that verified against an older memory is told, and nothing changes', async () => {
    const directory = temporaryFolder();
    const [one, two] = [memoryIn(directory), memoryIn(directory)];
    await one.save(undefined, numberedState(1));
    const before = one.load(APP);
    expect(await two.save(two.load(APP), numberedState(3))).toBe('saved');
    const content = contentOf(directory);
    expect(await one.save(before, numberedState(2))).toBe('conflict');
    expect(await one.save(undefined, numberedState(2))).toBe('conflict');
    expect(contentOf(directory)).toEqual(content);
    expect(remembered(directory)).toBe(3);
  });

  test('that verified the same state agree', async () => {
    const directory = temporaryFolder();
    const [one, two] = [memoryIn(directory), memoryIn(directory)];
    expect(await one.save(undefined, numberedState(1))).toBe('saved');
    expect(await two.save(undefined, numberedState(1))).toBe('saved');
  });

  test('many at once: the last state is one of theirs, whole, and none is lower than the one before', async () => {
    const directory = temporaryFolder();
    const raise = async (n: number) => {
      const memory = memoryIn(directory);
      for (;;) {
        const known = memory.load(APP);
        if ((known?.highest.get('timestamp') ?? 0) >= n) return;
        if ((await memory.save(known, numberedState(n))) === 'saved') return;
      }
    };
    await Promise.all(Array.from({ length: 12 }, (_, index) => raise(((index * 7) % 12) + 1)));
    expect(remembered(directory)).toBe(12);
    expect(fs.readdirSync(path.join(directory, 'memory'))).toHaveLength(1);
  });
});

describe('protocol 6.3: memory that cannot be read is MEMORY_DAMAGED, never first use', () => {
  const damages: readonly [string, (folder: string) => void][] = [
    ['the index is empty', (folder) => fs.writeFileSync(path.join(folder, 'memory.json'), '')],
    ['the index is cut', (folder) => fs.truncateSync(path.join(folder, 'memory.json'), 100)],
    [
      'the index lost its last byte',
      (folder) => {
        const file = path.join(folder, 'memory.json');
        fs.truncateSync(file, fs.statSync(file).size - 2);
      },
    ],
    ['the index is gone', (folder) => fs.unlinkSync(path.join(folder, 'memory.json'))],
    [
      'the index is a folder',
      (folder) => {
        fs.unlinkSync(path.join(folder, 'memory.json'));
        fs.mkdirSync(path.join(folder, 'memory.json'));
      },
    ],
    [
      'a digit of a version is another',
      (folder) => {
        const file = path.join(folder, 'memory.json');
        fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('"version":7}', '"version":1}'));
      },
    ],
    [
      'the folder is a file',
      (folder) => {
        fs.rmSync(folder, { recursive: true });
        fs.writeFileSync(folder, '');
      },
    ],
    [
      'the index is not JSON under a right checksum',
      (folder) => {
        const file = path.join(folder, 'memory.json');
        const hash = digestOf(Buffer.from('{x}')).slice(7);
        fs.writeFileSync(file, `{"format":1,"sha256":"${hash}","body":{x}}\n`);
      },
    ],
    [
      'the index lacks a member',
      (folder) => {
        const file = path.join(folder, 'memory.json');
        const hash = digestOf(Buffer.from('{}')).slice(7);
        fs.writeFileSync(file, `{"format":1,"sha256":"${hash}","body":{}}\n`);
      },
    ],
    [
      'zeros, as after a power cut',
      (folder) => fs.writeFileSync(path.join(folder, 'memory.json'), Buffer.alloc(400)),
    ],
  ];

  test.each(damages)('%s', async (_what, damage) => {
    const directory = temporaryFolder();
    await memoryIn(directory).save(undefined, numberedState(7));
    const folder = folderOf(directory);
    damage(folder);
    const content = contentOf(directory);
    const error = throwsCode(() => memoryIn(directory).load(APP), LocalStateError, 'MEMORY_DAMAGED');
    expect(error.hints.join()).toContain('pin');
    await rejectsCode(
      memoryIn(directory).save(undefined, numberedState(8)),
      LocalStateError,
      'MEMORY_DAMAGED',
    );
    expect(contentOf(directory)).toEqual(content);
  });

  test('a remembered file is gone, shorter, or has other bytes', async () => {
    const directory = temporaryFolder();
    const memory = memoryIn(directory);
    await memory.save(undefined, numberedState(7));
    const known = memory.load(APP);
    const file = path.join(folderOf(directory), `${digestOf(Buffer.from('timestamp 7')).slice(7)}.json`);
    fs.writeFileSync(file, 'timestamp 8');
    throwsCode(() => known?.read('timestamp.json'), LocalStateError, 'MEMORY_DAMAGED');
    fs.writeFileSync(file, 'timestamp');
    throwsCode(() => known?.readUnhashed('timestamp.json'), LocalStateError, 'MEMORY_DAMAGED');
    fs.unlinkSync(file);
    throwsCode(() => known?.read('timestamp.json'), LocalStateError, 'MEMORY_DAMAGED');
    throwsCode(() => known?.read('never there'), LocalStateError, 'MEMORY_DAMAGED');
  });

  test("another collection's folder in its place", async () => {
    const directory = temporaryFolder();
    await memoryIn(directory).save(undefined, numberedState(7, { collection: 'docker.io/acme/other' }));
    const other = folderOf(directory);
    await memoryIn(directory).save(undefined, numberedState(7));
    const [mine] = fs
      .readdirSync(path.join(directory, 'memory'))
      .filter((name) => name !== path.basename(other));
    fs.copyFileSync(
      path.join(other, 'memory.json'),
      path.join(directory, 'memory', mine ?? '', 'memory.json'),
    );
    throwsCode(() => memoryIn(directory).load(APP), LocalStateError, 'MEMORY_DAMAGED');
  });

  test('permission denied and a failing disk', async () => {
    const directory = temporaryFolder();
    await memoryIn(directory).save(undefined, numberedState(7));
    for (const errno of ['EACCES', 'EIO', 'ENOTDIR', 'ELOOP']) {
      const { fs: failing } = faultyFileSystem({ at: 1, kind: 'error', errno });
      throwsCode(
        () => memoryIn(directory, failing as typeof fs).load(APP),
        LocalStateError,
        'MEMORY_DAMAGED',
      );
    }
  });
});

test('a memory of a newer format is MEMORY_NEWER, and left untouched', async () => {
  const directory = temporaryFolder();
  await memoryIn(directory).save(undefined, numberedState(7));
  const file = path.join(folderOf(directory), 'memory.json');
  fs.writeFileSync(file, '{"format":2,"anything":"else"}');
  const content = contentOf(directory);
  throwsCode(() => memoryIn(directory).load(APP), LocalStateError, 'MEMORY_NEWER');
  await rejectsCode(memoryIn(directory).save(undefined, numberedState(8)), LocalStateError, 'MEMORY_NEWER');
  expect(contentOf(directory)).toEqual(content);
});

describe('a process that is killed', () => {
  const cases: readonly [string, number][] = [
    ['while it remembers a first state', 0],
    ['while it replaces a state', 9],
  ];

  test.each(cases)(
    '%s, at any file-system call: the old state or the new one, whole',
    async (_what, before) => {
      const prepare = async () => {
        const directory = temporaryFolder();
        if (before > 0) await memoryIn(directory).save(undefined, numberedState(before));
        return directory;
      };
      const save = async (directory: string, fileSystem: typeof fs) => {
        const memory = memoryIn(directory, fileSystem, DEAD);
        return memory.save(memory.load(APP), numberedState(before + 1, { keep: ['1.root.json'] }));
      };
      const counted = faultyFileSystem();
      await save(await prepare(), counted.fs as typeof fs);
      expect(counted.calls.length).toBeGreaterThan(20);
      const outcomes = new Set<number>();
      for (let at = 1; at <= counted.calls.length; at++) {
        const directory = await prepare();
        await expect(save(directory, faultyFileSystem({ at, kind: 'die' }).fs as typeof fs)).rejects.toThrow(
          ProcessDied,
        );
        const found = remembered(directory);
        expect([before, before + 1]).toContain(found);
        outcomes.add(found);
        // The next process goes on from there and clears what was left.
        const memory = memoryIn(directory);
        expect(
          await memory.save(memory.load(APP), numberedState(before + 2, { keep: ['1.root.json'] })),
        ).toBe('saved');
        expect(remembered(directory)).toBe(before + 2);
        expect(fs.readdirSync(folderOf(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      }
      expect([...outcomes].sort()).toEqual([before, before + 1].sort());
    },
  );

  test.each(cases)(
    '%s, with any one call failing: an error of ours or none, and a whole state',
    async (_what, before) => {
      for (let at = 1; ; at++) {
        const directory = temporaryFolder();
        if (before > 0) await memoryIn(directory).save(undefined, numberedState(before));
        const faulty = faultyFileSystem({ at, kind: 'error', errno: 'EIO' });
        const memory = memoryIn(directory, faulty.fs as typeof fs);
        const outcome = await Promise.resolve()
          .then(() => memory.save(memory.load(APP), numberedState(before + 1, { keep: ['1.root.json'] })))
          .catch((error: unknown) => error);
        if (faulty.calls.length < at) break;
        if (outcome !== 'saved') {
          expect(outcome).toBeInstanceOf(LocalStateError);
          expect(['MEMORY_UNWRITABLE', 'MEMORY_DAMAGED']).toContain((outcome as LocalStateError).code);
        }
        expect([before, before + 1]).toContain(remembered(directory));
      }
    },
  );
});

describe('a disk that refuses', () => {
  test.each([
    ['ENOSPC', 'DISK_FULL'],
    ['EROFS', 'MEMORY_UNWRITABLE'],
  ] as const)('%s from any call on is %s, and the memory stays as it was', async (errno, code) => {
    const counted = faultyFileSystem();
    const first = temporaryFolder();
    await memoryIn(first).save(undefined, numberedState(1));
    const counting = memoryIn(first, counted.fs as typeof fs);
    await counting.save(counting.load(APP), numberedState(2));
    let refused = 0;
    for (let at = 1; at <= counted.calls.length; at++) {
      const directory = temporaryFolder();
      await memoryIn(directory).save(undefined, numberedState(1));
      const failing = faultyFileSystem({ at, kind: 'error', errno, lasting: true }).fs as typeof fs;
      const memory = memoryIn(directory, failing, DEAD);
      const outcome = await memory.save(memory.load(APP), numberedState(2)).catch((error: unknown) => error);
      if (outcome === 'saved') {
        expect(remembered(directory)).toBe(2);
        continue;
      }
      refused += 1;
      expect(outcome).toBeInstanceOf(LocalStateError);
      expect((outcome as LocalStateError).code).toBe(code);
      expect([1, 2]).toContain(remembered(directory));
    }
    expect(refused).toBeGreaterThan(5);
  });

  test('assertWritable says so before anything is asked', () => {
    const directory = temporaryFolder();
    const missing = path.join(directory, 'not', 'there');
    memoryIn(missing).assertWritable();
    // Asking leaves no folder behind: what is asked for may be refused next.
    expect(fs.existsSync(path.join(directory, 'not'))).toBe(false);
    memoryIn(directory).assertWritable();
    expect(fs.readdirSync(directory)).toEqual([]);
    const readOnly = faultyFileSystem({ at: 1, kind: 'error', errno: 'EROFS', lasting: true })
      .fs as typeof fs;
    throwsCode(
      () => memoryIn(path.join(directory, 'x'), readOnly).assertWritable(),
      LocalStateError,
      'MEMORY_UNWRITABLE',
    );
    const full = faultyFileSystem({ at: 1, kind: 'error', errno: 'ENOSPC', lasting: true }).fs as typeof fs;
    throwsCode(
      () => memoryIn(path.join(directory, 'x'), full).assertWritable(),
      LocalStateError,
      'DISK_FULL',
    );
  });
});

test('contract (Disk): without a home folder nothing is remembered, and saving says MEMORY_UNWRITABLE', async () => {
  const memory = memoryIn(undefined);
  expect(memory.load(APP)).toBeUndefined();
  expect(memory.collectionOf(APP)).toBeUndefined();
  await rejectsCode(memory.save(undefined, numberedState(1)), LocalStateError, 'MEMORY_UNWRITABLE');
  await rejectsCode(memory.bind(APP, APP), LocalStateError, 'MEMORY_UNWRITABLE');
  throwsCode(() => memory.assertWritable(), LocalStateError, 'MEMORY_UNWRITABLE');
  memory.noteCheck({ collection: APP, scope: '', state: numberedState(1).state }, 1);
});

describe('protocol 6.2: the map from repository to collection', () => {
  test('is kept, and can be damaged like the rest', async () => {
    const directory = temporaryFolder();
    const memory = memoryIn(directory);
    await memory.bind('docker.io/acme/a', APP);
    await memory.bind('docker.io/acme/b', APP);
    await memory.bind('docker.io/acme/a', 'docker.io/acme/second');
    expect(memory.collectionOf('docker.io/acme/a')).toBe('docker.io/acme/second');
    expect(memory.collectionOf('docker.io/acme/b')).toBe(APP);
    expect(memory.collectionOf('docker.io/acme/c')).toBeUndefined();
    fs.truncateSync(path.join(directory, 'memory', 'repositories.json'), 50);
    throwsCode(() => memory.collectionOf('docker.io/acme/a'), LocalStateError, 'MEMORY_DAMAGED');
  });
});

test('protocol 1.3: one loopback name on two engines is two memories', async () => {
  const memory = memoryIn(temporaryFolder());
  await memory.save(undefined, numberedState(1, { collection: 'localhost:5000/app', scope: 'engine one' }));
  expect(memory.load('localhost:5000/app', 'engine two')).toBeUndefined();
  expect(memory.load('localhost:5000/app')).toBeUndefined();
  expect(memory.load('localhost:5000/app', 'engine one')?.scope).toBe('engine one');
});
