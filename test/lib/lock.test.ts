import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { LocalStateError } from '../../src/lib/errors.ts';
import { type LockOptions, withLock } from '../../src/lib/lock.ts';
import { currentOwner, isOwnerGone, type LockOwner } from '../../src/lib/lock-owner.ts';
import { faultyFileSystem, ProcessDied } from '../helpers/faulty-file-system.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { rejectsCode } from '../helpers/throws-code.ts';

/** An owner on the same boot whose processes are alive as the set says. */
function owner(pid: number, alive: ReadonlySet<number>): LockOwner {
  return { name: `${pid}-1-0badcafe-1`, isAlive: (other) => alive.has(other) };
}

function optionsFor(folder: string, more: Partial<LockOptions> = {}): LockOptions {
  return { fs, path: path.join(folder, 'x.lock'), clock: systemClock, waitMs: 5000, ...more };
}

test('the work runs while the lock is there, and nothing stays', async () => {
  const folder = temporaryFolder();
  const options = optionsFor(folder);
  const seen = await withLock(options, async () => fs.readdirSync(folder));
  expect(seen).toEqual(['x.lock']);
  expect(fs.readdirSync(folder)).toEqual([]);
});

test("the lock is released when the work fails, and the failure is the work's", async () => {
  const folder = temporaryFolder();
  await expect(withLock(optionsFor(folder), () => Promise.reject(new Error('work')))).rejects.toThrow('work');
  expect(fs.readdirSync(folder)).toEqual([]);
});

test('many at once take turns', async () => {
  const folder = temporaryFolder();
  let inside = 0;
  let most = 0;
  const work = async () => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setImmediate(resolve));
    inside -= 1;
  };
  await Promise.all(Array.from({ length: 12 }, () => withLock(optionsFor(folder), work)));
  expect(most).toBe(1);
  expect(fs.readdirSync(folder)).toEqual([]);
});

test('an owner that lives is waited for, and then LOCK_TIMEOUT names the folder', async () => {
  const folder = temporaryFolder();
  const clock = new ManualClock();
  const alive = new Set([1, 2]);
  const holding = optionsFor(folder, { owner: owner(1, alive) });
  await withLock(holding, async () => {
    const waiting = withLock(
      optionsFor(folder, { clock, waitMs: 3000, owner: owner(2, alive) }),
      async () => {},
    );
    const refused = rejectsCode(waiting, LocalStateError, 'LOCK_TIMEOUT');
    for (let round = 1; clock.monotonic() < 3000; round++) {
      await clock.asked(round);
      await clock.advance(1000);
    }
    const error = await refused;
    expect(error.hints.join()).toContain(path.join(folder, 'x.lock'));
  });
  expect(fs.readdirSync(folder)).toEqual([]);
});

test('an aborted wait ends at once', async () => {
  const folder = temporaryFolder();
  const controller = new AbortController();
  await withLock(optionsFor(folder), async () => {
    const waiting = withLock(optionsFor(folder, { signal: controller.signal }), async () => {});
    controller.abort(new Error('stop'));
    await expect(waiting).rejects.toThrow('stop');
  });
});

describe('an owner that died', () => {
  test('at any call of taking or releasing the lock: the next one gets it', async () => {
    const counted = faultyFileSystem();
    await withLock(
      optionsFor(temporaryFolder(), { fs: counted.fs, owner: owner(1, new Set()) }),
      async () => {},
    );
    for (let at = 1; at <= counted.calls.length; at++) {
      const folder = temporaryFolder();
      const { fs: dying } = faultyFileSystem({ at, kind: 'die' });
      const dead = withLock(optionsFor(folder, { fs: dying, owner: owner(1, new Set()) }), async () => {});
      await expect(dead).rejects.toThrow(ProcessDied);
      const got = await withLock(
        optionsFor(folder, { waitMs: 0, owner: owner(2, new Set([2])) }),
        async () => 'got',
      );
      expect(got).toBe('got');
      expect(fs.existsSync(path.join(folder, 'x.lock'))).toBe(false);
    }
  });

  test('is taken over by one of many, never by two', async () => {
    const folder = temporaryFolder();
    const held = path.join(folder, 'x.lock');
    fs.mkdirSync(held);
    fs.writeFileSync(path.join(held, '1-1-0badcafe-1.0123456789abcdef'), '');
    let inside = 0;
    let most = 0;
    const alive = new Set([2]);
    await Promise.all(
      Array.from({ length: 8 }, () =>
        withLock(optionsFor(folder, { owner: owner(2, alive) }), async () => {
          inside += 1;
          most = Math.max(most, inside);
          await new Promise((resolve) => setImmediate(resolve));
          inside -= 1;
        }),
      ),
    );
    expect(most).toBe(1);
  });

  test('decided on too late, the new owner keeps the lock', async () => {
    const folder = temporaryFolder();
    const held = path.join(folder, 'x.lock');
    fs.mkdirSync(held);
    const stale = path.join(held, '1-1-0badcafe-1.0123456789abcdef');
    fs.writeFileSync(stale, '');
    const alive = new Set([2, 3]);
    // Between looking and unlinking, another process takes over and gets the lock.
    const slow = {
      ...fs,
      unlinkSync(target: string) {
        if (target === stale && fs.existsSync(stale)) {
          fs.unlinkSync(stale);
          fs.writeFileSync(path.join(held, '3-1-0badcafe-1.fedcba9876543210'), '');
        }
        fs.unlinkSync(target);
      },
    } as typeof fs;
    const clock = new ManualClock();
    const waiting = withLock(
      optionsFor(folder, { fs: slow, clock, waitMs: 0, owner: owner(2, alive) }),
      async () => {},
    );
    await rejectsCode(waiting, LocalStateError, 'LOCK_TIMEOUT');
    expect(fs.readdirSync(held)).toEqual(['3-1-0badcafe-1.fedcba9876543210']);
  });

  test('in another boot or container is given up by age alone', async () => {
    const folder = temporaryFolder();
    const held = path.join(folder, 'x.lock');
    fs.mkdirSync(held);
    const entry = path.join(held, '1-1-deadbeef-1.0123456789abcdef');
    fs.writeFileSync(entry, '');
    const clock = new ManualClock(Date.UTC(2026, 5, 1));
    const options = optionsFor(folder, { clock, waitMs: 0, owner: owner(2, new Set([2])) });
    fs.utimesSync(entry, clock.now() / 1000, (clock.now() - 14 * 60_000) / 1000);
    await rejectsCode(
      withLock(options, async () => {}),
      LocalStateError,
      'LOCK_TIMEOUT',
    );
    fs.utimesSync(entry, clock.now() / 1000, (clock.now() + 60 * 60_000) / 1000);
    await rejectsCode(
      withLock(options, async () => {}),
      LocalStateError,
      'LOCK_TIMEOUT',
    );
    fs.utimesSync(entry, clock.now() / 1000, (clock.now() - 16 * 60_000) / 1000);
    expect(await withLock(options, async () => 'got')).toBe('got');
  });
});

test("a lock lost while working does not take the next owner's with it", async () => {
  const folder = temporaryFolder();
  const held = path.join(folder, 'x.lock');
  await withLock(optionsFor(folder), async () => {
    for (const entry of fs.readdirSync(held)) fs.unlinkSync(path.join(held, entry));
    fs.writeFileSync(path.join(held, 'somebody'), '');
  });
  expect(fs.readdirSync(held)).toEqual(['somebody']);
});

test('a folder that cannot be written is FILE_UNWRITABLE, a full disk DISK_FULL', async () => {
  for (const [errno, code] of [
    ['EROFS', 'FILE_UNWRITABLE'],
    ['EACCES', 'FILE_UNWRITABLE'],
    ['ENOSPC', 'DISK_FULL'],
  ] as const) {
    const folder = temporaryFolder();
    const { fs: failing } = faultyFileSystem({ at: 1, kind: 'error', errno, lasting: true });
    const taken = withLock(optionsFor(folder, { fs: failing, owner: owner(1, new Set()) }), async () => {});
    await rejectsCode(taken, LocalStateError, code);
    expect(fs.readdirSync(folder)).toEqual([]);
  }
});

describe.runIf(process.platform === 'linux')('the owner found under /proc', () => {
  test('is this process, and alive', () => {
    const self = currentOwner(fs);
    expect(self.name.startsWith(`${process.pid}-`)).toBe(true);
    expect(isOwnerGone(fs, `${self.name}.0123456789abcdef`, self)).toBe('alive');
  });

  test('is gone when the PID is, or belongs to a process started at another time', () => {
    const self = currentOwner(fs);
    const [pid, start, ...rest] = self.name.split('-');
    const ended = spawnSync('true').pid;
    expect(isOwnerGone(fs, `${[ended, start, ...rest].join('-')}.0123456789abcdef`, self)).toBe('gone');
    expect(isOwnerGone(fs, `${[pid, '1', ...rest].join('-')}.0123456789abcdef`, self)).toBe('gone');
  });

  test('cannot be judged in another boot, another namespace, or under a name of another form', () => {
    const self = currentOwner(fs);
    const [pid, start, , namespace] = self.name.split('-');
    expect(isOwnerGone(fs, `${pid}-${start}-deadbeef-${namespace}.0123456789abcdef`, self)).toBe('unknown');
    expect(isOwnerGone(fs, `${self.name}1.0123456789abcdef`, self)).toBe('unknown');
    expect(isOwnerGone(fs, 'whatever', self)).toBe('unknown');
  });
});

test('without /proc every owner is unknown, this one too', () => {
  const none = {
    ...fs,
    readFileSync: () => {
      throw Object.assign(new Error('ENOENT'), { code: 'ENOENT', syscall: 'open' });
    },
  } as unknown as typeof fs;
  const self = currentOwner(none);
  expect(isOwnerGone(none, `${self.name}.0123456789abcdef`, self)).toBe('unknown');
});
