import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { isTemporaryName, makePrivateDirectory, writeFileAtomic } from '../../src/lib/atomic-write.ts';
import { LocalStateError } from '../../src/lib/errors.ts';
import { faultyFileSystem, ProcessDied } from '../helpers/faulty-file-system.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { throwsCode } from '../helpers/throws-code.ts';

const OLD = Buffer.from('old');
const NEW = Buffer.from('the new content');

function withOld(): { folder: string; file: string } {
  const folder = temporaryFolder();
  const file = path.join(folder, 'file.json');
  fs.writeFileSync(file, OLD);
  return { folder, file };
}

describe('writeFileAtomic', () => {
  test('replaces a file, private by default, and leaves nothing else', () => {
    const { folder, file } = withOld();
    writeFileAtomic(fs, file, NEW);
    expect(fs.readFileSync(file)).toEqual(NEW);
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    expect(fs.readdirSync(folder)).toEqual(['file.json']);
  });

  test('syncs the bytes before the rename and the folder after it', () => {
    const { file } = withOld();
    const faulty = faultyFileSystem();
    writeFileAtomic(faulty.fs, file, NEW);
    const order = faulty.calls.filter((name) => name === 'fsyncSync' || name === 'renameSync');
    expect(order).toEqual(['fsyncSync', 'renameSync', 'fsyncSync']);
  });

  test('writes all bytes also when the system takes them one at a time', () => {
    const { file } = withOld();
    const slow = {
      ...fs,
      writeSync: (fd: number, bytes: Uint8Array, offset: number) => fs.writeSync(fd, bytes, offset, 1),
    } as unknown as typeof fs;
    writeFileAtomic(slow, file, NEW);
    expect(fs.readFileSync(file)).toEqual(NEW);
  });

  test('does not write through a link that stands in its place', () => {
    const { folder, file } = withOld();
    const victim = path.join(folder, 'victim');
    fs.writeFileSync(victim, 'untouched');
    fs.unlinkSync(file);
    fs.symlinkSync(victim, file);
    writeFileAtomic(fs, file, NEW);
    expect(fs.readFileSync(victim, 'utf8')).toBe('untouched');
    expect(fs.lstatSync(file).isSymbolicLink()).toBe(false);
  });

  test('killed at any call, the file is the old one or the new one', () => {
    const probe = withOld();
    const counted = faultyFileSystem();
    writeFileAtomic(counted.fs, probe.file, NEW);
    for (let at = 1; at <= counted.calls.length; at++) {
      const { folder, file } = withOld();
      const { fs: dying } = faultyFileSystem({ at, kind: 'die' });
      expect(() => writeFileAtomic(dying, file, NEW)).toThrow(ProcessDied);
      expect([OLD.toString(), NEW.toString()]).toContain(fs.readFileSync(file, 'utf8'));
      const rest = fs.readdirSync(folder).filter((name) => name !== 'file.json');
      expect(rest.every(isTemporaryName)).toBe(true);
    }
  });

  test('failing at any call, it throws FILE_UNWRITABLE and leaves no temporary file', () => {
    const probe = withOld();
    const counted = faultyFileSystem();
    writeFileAtomic(counted.fs, probe.file, NEW);
    for (let at = 1; at <= counted.calls.length; at++) {
      const { folder, file } = withOld();
      const { fs: failing } = faultyFileSystem({ at, kind: 'error', errno: 'EIO' });
      throwsCode(() => writeFileAtomic(failing, file, NEW), LocalStateError, 'FILE_UNWRITABLE');
      expect(fs.readdirSync(folder)).toEqual(['file.json']);
    }
  });

  test.each([
    ['ENOSPC', 'DISK_FULL'],
    ['EDQUOT', 'DISK_FULL'],
    ['EROFS', 'FILE_UNWRITABLE'],
    ['EACCES', 'FILE_UNWRITABLE'],
    ['EPERM', 'FILE_UNWRITABLE'],
  ] as const)('%s is %s', (errno, code) => {
    const { file } = withOld();
    const { fs: failing } = faultyFileSystem({ at: 2, kind: 'error', errno });
    throwsCode(() => writeFileAtomic(failing, file, NEW), LocalStateError, code);
    expect(fs.readFileSync(file)).toEqual(OLD);
  });

  test('a folder that cannot be synced (network file systems) is no failure', () => {
    const { file } = withOld();
    let syncs = 0;
    const network = {
      ...fs,
      fsyncSync(fd: number) {
        syncs += 1;
        if (syncs === 2) throw Object.assign(new Error('EINVAL'), { code: 'EINVAL', syscall: 'fsync' });
        fs.fsyncSync(fd);
      },
    } as typeof fs;
    writeFileAtomic(network, file, NEW);
    expect(fs.readFileSync(file)).toEqual(NEW);
  });
});

describe('makePrivateDirectory', () => {
  test('makes what is missing, for the owner alone', () => {
    const folder = path.join(temporaryFolder(), 'a', 'b');
    makePrivateDirectory(fs, folder);
    expect(fs.statSync(folder).mode & 0o777).toBe(0o700);
    expect(fs.statSync(path.dirname(folder)).mode & 0o777).toBe(0o700);
  });

  test('narrows one that is looser and leaves what is above it', () => {
    const above = path.join(temporaryFolder(), 'a');
    const folder = path.join(above, 'b');
    fs.mkdirSync(folder, { recursive: true });
    fs.chmodSync(above, 0o755);
    fs.chmodSync(folder, 0o755);
    makePrivateDirectory(fs, folder);
    expect(fs.statSync(folder).mode & 0o777).toBe(0o700);
    expect(fs.statSync(above).mode & 0o777).toBe(0o755);
  });

  test('a file in its place is FILE_UNWRITABLE', () => {
    const file = path.join(temporaryFolder(), 'file');
    fs.writeFileSync(file, '');
    throwsCode(() => makePrivateDirectory(fs, path.join(file, 'x')), LocalStateError, 'FILE_UNWRITABLE');
  });
});
