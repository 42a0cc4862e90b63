import { describe, expect, test } from 'vitest';
import { isForeground } from '../../src/keys/foreground.ts';
import { type FileSystem, realFileSystem } from '../../src/lib/file-system.ts';

function withStat(stat: string | undefined): FileSystem {
  const readFileSync = (() => {
    if (stat !== undefined) return stat;
    throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
  }) as unknown as FileSystem['readFileSync'];
  return { ...realFileSystem, readFileSync };
}

describe('contract (Terminal): the foreground process group on Linux', () => {
  test.each([
    ['the same group', '7 (node) S 1 7 7 34816 7 4194304', true],
    ['another group', '7 (node) S 1 7 7 34816 9 4194304', false],
    ['no terminal', '7 (node) S 1 7 7 0 -1 4194304', false],
    ['groups outside of this namespace', '7 (node) S 1 0 0 34816 0 4194304', false],
    ['a program whose name imitates fields', '7 (x) S 1 5 5 1 5) S 1 7 7 34816 9 4194304', false],
    ['a line that is cut short', '7 (node) S 1', false],
    ['no /proc', undefined, false],
  ])('%s', (_, stat, expected) => {
    expect(isForeground({ fs: withStat(stat), platform: 'linux', pid: 7 })).toBe(expected);
  });
});

describe('contract (Terminal): the foreground process group elsewhere', () => {
  test.each([
    ['the same group', '  501   501\n', true],
    ['another group', '501 777\n', false],
    ['no terminal', '501 -1\n', false],
    ['no ps', undefined, false],
    ['words', 'ps: illegal option\n', false],
  ])('%s', (_, output, expected) => {
    const seen: string[][] = [];
    const ps = (args: readonly string[]): string | undefined => {
      seen.push([...args]);
      return output;
    };
    expect(isForeground({ fs: withStat(undefined), platform: 'darwin', pid: 501, ps })).toBe(expected);
    expect(seen).toEqual([['-o', 'pgid=', '-o', 'tpgid=', '-p', '501']]);
  });

  test('Windows never asks', () => {
    expect(
      isForeground({ fs: withStat('7 (node) S 1 7 7 34816 7 4194304'), platform: 'win32', pid: 7 }),
    ).toBe(false);
  });
});
