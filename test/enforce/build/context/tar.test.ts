/** The tar archives of build contexts: what is read from others, and what is written for the engine. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TarHeader } from '../../../../src/enforce/build/context/tar-header.ts';
import { beginsTar, contextPath, readTar } from '../../../../src/enforce/build/context/tar-reader.ts';
import { endOfTar, tarHeader } from '../../../../src/enforce/build/context/tar-writer.ts';
import { UsageError } from '../../../../src/lib/errors.ts';
import { temporaryFolder } from '../../../helpers/temporary-folder.ts';
import { throwsCode } from '../../../helpers/throws-code.ts';
import { archive, fill, member, pax, readAtOf, tarOf } from './archives.ts';

const read = (bytes: Buffer) => readTar(readAtOf(bytes));
const pathsOf = (bytes: Buffer) => read(bytes).map((each) => each.path);

describe('reading an archive', () => {
  test.each(['gnu', 'pax', 'ustar', 'v7', 'oldgnu'])('of the form %s, as tar writes it', (format) => {
    const long = format === 'v7' ? 'short' : `${'d'.repeat(60)}/${'e'.repeat(60)}`;
    const folder = fill(temporaryFolder(), { 'a.txt': 'hello', 'sub/b': '', [`${long}/c`]: 'deep' });
    fs.symlinkSync('a.txt', path.join(folder, 'link'));
    fs.linkSync(path.join(folder, 'a.txt'), path.join(folder, 'hard'));
    fs.chmodSync(path.join(folder, 'sub/b'), 0o4750);
    fs.utimesSync(path.join(folder, 'sub/b'), 1_000_000_000.5, 1_000_000_000.5);
    const bytes = tarOf(folder, `--format=${format}`, '--sort=name');
    const members = new Map(read(bytes).map((each) => [each.path, each]));
    expect([...members.keys()].sort()).toEqual(
      [
        'a.txt',
        ...long.split('/').map((_, at, all) => all.slice(0, at + 1).join('/')),
        `${long}/c`,
        'hard',
        'link',
        'sub',
        'sub/b',
      ].sort(),
    );
    expect(members.get('sub/b')).toMatchObject({ type: 'file', mode: 0o4750, mtime: 1_000_000_000, size: 0 });
    expect(members.get('sub')).toMatchObject({ type: 'directory' });
    expect(members.get('link')).toMatchObject({ type: 'symlink', linkTo: 'a.txt' });
    expect(members.get('hard')).toMatchObject({ type: 'link', linkTo: 'a.txt', size: 0 });
    const { offset = 0, size = 0 } = members.get(`${long}/c`) ?? {};
    expect(bytes.toString('utf8', offset, offset + size)).toBe('deep');
  });

  test('of git, with its comment for all members', () => {
    expect(pathsOf(archive(pax({ comment: 'f00d' }, 'g'), member({ name: 'a' })))).toEqual(['a']);
  });

  test.each([
    ['./a', 'a'],
    ['a//b/./c/', 'a/b/c'],
    ['/a', 'a'],
    ['a/../b', 'b'],
    ['.', ''],
  ])('the path %s is %j', (spelled, expected) => {
    expect(contextPath(spelled)).toBe(expected);
  });

  test.each(['..', '../a', 'a/../../b', '/..'])('the path %s leads outside', (spelled) => {
    expect(contextPath(spelled)).toBeUndefined();
    throwsCode(() => read(archive(member({ name: spelled }))), UsageError, 'BUILD_CONTEXT_INVALID');
  });

  test('a name comes from the pax record, else from GNU, else from the header with its prefix', () => {
    const gnu = member({ name: '././@LongLink', flag: 'L', content: 'from-gnu\0' });
    expect(pathsOf(archive(pax({ path: 'from-pax' }), member({ name: 'x' })))).toEqual(['from-pax']);
    expect(pathsOf(archive(gnu, member({ name: 'x' }), member({ name: 'y' })))).toEqual(['from-gnu', 'y']);
    expect(pathsOf(archive(gnu, pax({ path: 'from-pax' }), member({ name: 'x' })))).toEqual(['from-pax']);
    expect(pathsOf(archive(member({ name: 'x', prefix: 'p' })))).toEqual(['p/x']);
    expect(pathsOf(archive(member({ name: 'x', prefix: 'p', magic: 'ustar  \0' })))).toEqual(['x']);
  });

  test('a size in a pax record, and in the binary form', () => {
    const sized = archive(
      pax({ size: '5' }),
      member({ name: 'a', content: 'hello', size: '00000000000\0' }),
      member({ name: 'b' }),
    );
    expect(read(sized).map(({ path: name, size }) => [name, size])).toEqual([
      ['a', 5],
      ['b', 0],
    ]);
    const binary = archive(member({ name: 'a', content: 'hello', size: '\x80\0\0\0\0\0\0\0\0\0\0\x05' }));
    expect(read(binary)).toMatchObject([{ size: 5 }]);
  });

  test('a link has no content, whatever size it names; an old folder is one by its slash', () => {
    const links = archive(
      member({ name: 'a', flag: '1', linkTo: 'b', size: '00000000777\0' }),
      member({ name: 'c/' }),
    );
    expect(read(links)).toMatchObject([
      { path: 'a', type: 'link' },
      { path: 'c', type: 'directory' },
    ]);
  });

  test.each<[string, Buffer]>([
    ['a name that is not UTF-8', archive(member({ name: Buffer.from([0x61, 0xff]) }))],
    [
      'a pax name that is not UTF-8',
      archive(
        member({ name: 'pax', flag: 'x', content: Buffer.from('12 path=a\xff\n', 'latin1') }),
        member({ name: 'x' }),
      ),
    ],
    ['a wrong checksum', archive(Buffer.from(member({ name: 'a' }).fill('b', 0, 1)))],
    ['a type nobody knows', archive(member({ name: 'a', flag: 'Z' }))],
    ['a sparse file of GNU', archive(member({ name: 'a', flag: 'S' }))],
    ['a sparse file of pax', archive(pax({ 'GNU.sparse.major': '1' }), member({ name: 'a' }))],
    ['a path for all members', archive(pax({ path: 'Dockerfile' }, 'g'), member({ name: 'a' }))],
    ['a hard link that leads outside', archive(member({ name: 'a', flag: '1', linkTo: '../b' }))],
    [
      'a pax record without its end',
      archive(member({ name: 'p', flag: 'x', content: '99 path=a\n' }), member({ name: 'b' })),
    ],
    ['a pax size that is none', archive(pax({ size: '-1' }), member({ name: 'a' }))],
    ['a size that is none', archive(member({ name: 'a', size: '0000000009\0 ' }))],
    ['a size below zero', archive(member({ name: 'a', size: '\xff'.repeat(12) }))],
    ['more names than anybody needs', archive(pax({ path: 'a'.repeat(2_000_000) }), member({ name: 'a' }))],
    ['an end within a header', member({ name: 'a' }).subarray(0, 300)],
    ['an end within a member', member({ name: 'a', content: 'x'.repeat(600) }).subarray(0, 800)],
    ['an end behind a pax header', archive(pax({ path: 'a' }))],
    [
      'something behind one empty block',
      Buffer.concat([member({ name: 'a' }), Buffer.alloc(512), member({ name: 'b' })]),
    ],
  ])('refuses %s', (_, bytes) => {
    throwsCode(() => read(bytes), UsageError, 'BUILD_CONTEXT_INVALID');
  });

  test('names the member in what it says, escaped', () => {
    const error = throwsCode(
      () => read(archive(member({ name: 'a\u001b[2J', flag: 'Z' }))),
      UsageError,
      'BUILD_CONTEXT_INVALID',
    );
    expect(error.message).toContain('a\\u001b[2J');
  });

  test('an archive without the blocks that end it, and an empty one, are read', () => {
    expect(pathsOf(member({ name: 'a' }))).toEqual(['a']);
    expect(pathsOf(Buffer.alloc(1024))).toEqual([]);
  });

  test('a Dockerfile is no archive', () => {
    expect(beginsTar(Buffer.from(`FROM x\n${'#'.repeat(600)}`))).toBe(false);
    expect(beginsTar(Buffer.from('FROM x'))).toBe(false);
    expect(beginsTar(member({ name: 'a' }))).toBe(true);
  });
});

describe('writing an archive', () => {
  const headers: readonly TarHeader[] = [
    { path: 'file', type: 'file', mode: 0o644, mtime: 1_000_000_000, size: 0 },
    { path: `${'long'.repeat(40)}/ü`, type: 'file', mode: 0o4755, mtime: 12, size: 0 },
    { path: 'folder', type: 'directory', mode: 0o1777, mtime: 0, size: 0 },
    { path: 'symlink', type: 'symlink', mode: 0o777, mtime: 0, size: 0, linkTo: '../ö' },
    { path: 'hard', type: 'link', mode: 0o644, mtime: 0, size: 0, linkTo: 'file' },
    { path: 'fifo', type: 'fifo', mode: 0o600, mtime: 0, size: 0 },
    { path: 'null', type: 'character', mode: 0o666, mtime: 0, size: 0, device: { major: 1, minor: 3 } },
    { path: 'owned', type: 'file', mode: 0o600, mtime: 0, size: 0, uid: 3_000_000, gid: 7 },
  ];
  const written = Buffer.concat([...headers.map(tarHeader), endOfTar()]);

  test('what was written is read back', () => {
    const back = read(written);
    expect(
      back.map(({ path: name, type, mode, mtime, linkTo, device }) => ({
        path: name,
        type,
        mode,
        mtime,
        linkTo,
        device,
      })),
    ).toEqual(
      headers.map(({ path: name, type, mode, mtime, linkTo, device }) => ({
        path: name,
        type,
        mode,
        mtime,
        linkTo,
        device,
      })),
    );
    expect(back.at(-1)).toMatchObject({ uid: 3_000_000, gid: 7 });
  });

  test('tar reads the same', () => {
    const listing = execFileSync(
      'tar',
      ['-tv', '--numeric-owner', '--utc', '--full-time', '--quoting-style=literal'],
      { input: written },
    ).toString();
    expect(
      listing
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/ +/g, ' ')),
    ).toEqual([
      '-rw-r--r-- 0/0 0 2001-09-09 01:46:40 file',
      `-rwsr-xr-x 0/0 0 1970-01-01 00:00:12 ${'long'.repeat(40)}/ü`,
      'drwxrwxrwt 0/0 0 1970-01-01 00:00:00 folder/',
      'lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 symlink -> ../ö',
      'hrw-r--r-- 0/0 0 1970-01-01 00:00:00 hard link to file',
      'prw------- 0/0 0 1970-01-01 00:00:00 fifo',
      'crw-rw-rw- 0/0 1,3 1970-01-01 00:00:00 null',
      '-rw------- 3000000/7 0 1970-01-01 00:00:00 owned',
    ]);
  });

  test('a size beyond eight GiB is kept', () => {
    const [header] = readTar((offset, length) => {
      const bytes = tarHeader({ path: 'big', type: 'file', mode: 0o644, mtime: 0, size: 9_000_000_000 });
      if (offset < bytes.length) return bytes.subarray(offset, offset + length);
      return offset < bytes.length + 9_000_000_000 ? Buffer.alloc(Math.min(length, 1)) : Buffer.alloc(0);
    });
    expect(header?.size).toBe(9_000_000_000);
  });
});
