import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DockerSearch, findDocker } from '../../src/engine/docker-binary.ts';
import { type Machine, readExecutable } from '../../src/engine/executable.ts';
import { type DtrustError, LocalStateError } from '../../src/lib/errors.ts';

const machine: Machine = { platform: process.platform, arch: process.arch };

describe('finding the real docker', () => {
  let folder: string;
  const at = (...names: string[]): string => path.join(folder, ...names);

  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dtb-'));
    for (const name of ['real', 'own', 'linked', 'plain', 'dir', 'hard']) fs.mkdirSync(at(name));
    fs.copyFileSync(process.execPath, at('real/docker'));
    fs.writeFileSync(at('own/dtrust.js'), '#!/usr/bin/env node\n', { mode: 0o755 });
    fs.symlinkSync('../own/dtrust.js', at('linked/docker'));
    fs.linkSync(at('own/dtrust.js'), at('hard/docker'));
    fs.writeFileSync(at('plain/docker'), 'not to be executed', { mode: 0o644 });
    fs.mkdirSync(at('dir/docker'));
  });
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  const search = (env: { path?: string; dockerProgram?: string; depth?: string }): DockerSearch => ({
    env: { path: undefined, dockerProgram: undefined, depth: undefined, ...env },
    ownFiles: [at('own/dtrust.js'), at('own/none')],
    fs,
    machine,
  });

  function refusal(env: Parameters<typeof search>[0]): DtrustError {
    try {
      findDocker(search(env));
    } catch (error) {
      expect(error).toBeInstanceOf(LocalStateError);
      return error as DtrustError;
    }
    throw new Error('not refused');
  }

  it('contract (Passing on): skips dtrust itself by device and inode, also under the name docker', () => {
    const found = findDocker(search({ path: `${at('linked')}:${at('hard')}:${at('real')}` }));
    expect(found).toEqual({ path: at('real/docker'), kind: 'native', startable: true, addedEnvironment: {} });
  });

  it('contract (Passing on): skips empty and relative entries, folders, and files that are no programs', () => {
    const relative = path.relative(process.cwd(), at('real'));
    expect(findDocker(search({ path: `:${at('plain')}:${at('dir')}:/nonexistent:${at('real')}` })).path).toBe(
      at('real/docker'),
    );
    expect(refusal({ path: `:.:${relative}:${at('plain')}` }).code).toBe('DOCKER_NOT_FOUND');
    expect(refusal({ path: '' }).code).toBe('DOCKER_NOT_FOUND');
    expect(refusal({}).hints[0]).toContain('DTRUST_DOCKER');
  });

  it('contract (Passing on): takes the one that DTRUST_DOCKER names, and no other', () => {
    expect(findDocker(search({ dockerProgram: at('real/docker'), path: '' })).path).toBe(at('real/docker'));
    expect(refusal({ dockerProgram: at('none'), path: at('real') }).code).toBe('DOCKER_NOT_FOUND');
    expect(refusal({ dockerProgram: 'real/docker', path: at('real') }).code).toBe('DOCKER_NOT_FOUND');
    expect(refusal({ dockerProgram: at('linked/docker'), path: at('real') }).code).toBe('DOCKER_LOOP');
  });

  it('contract (Passing on): stops when dtrust has called itself too often, and counts scripts only', () => {
    expect(refusal({ path: at('real'), depth: '5' }).code).toBe('DOCKER_LOOP');
    expect(findDocker(search({ path: at('real'), depth: '4' })).path).toBe(at('real/docker'));
    expect(findDocker(search({ path: at('real'), depth: 'many' })).path).toBe(at('real/docker'));
    fs.writeFileSync(at('plain/wrapper'), '#!/bin/sh\n', { mode: 0o755 });
    const added = (depth?: string) =>
      findDocker(search({ dockerProgram: at('plain/wrapper'), ...(depth === undefined ? {} : { depth }) }))
        .addedEnvironment;
    expect(added()).toEqual({ DTRUST_DEPTH: '1' });
    expect(added('3')).toEqual({ DTRUST_DEPTH: '4' });
  });

  it('finds docker.exe on Windows and splits PATH as there', () => {
    const asked: string[] = [];
    const stat = { isFile: () => true, dev: 1n, ino: 1n };
    const windows = {
      ...search({ path: 'relative;C:\\Tools;C:\\Docker' }),
      fs: {
        ...fs,
        accessSync: (file: string) => {
          asked.push(file);
          if (!file.startsWith('C:\\Docker'))
            throw Object.assign(new Error('none'), { code: 'ENOENT', syscall: 'access' });
        },
        statSync: (file: string) => (file.startsWith('C:') ? stat : fs.statSync(file, { bigint: true })),
        openSync: () => 5,
        readSync: () => 0,
        closeSync: () => undefined,
      } as unknown as DockerSearch['fs'],
      machine: { platform: 'win32', arch: 'x64' } as const,
    };
    expect(findDocker(windows)).toEqual({
      path: 'C:\\Docker\\docker.exe',
      kind: 'other',
      startable: false,
      addedEnvironment: {},
    });
    expect(asked).toEqual(['C:\\Tools\\docker.exe', 'C:\\Docker\\docker.exe']);
  });
});

describe.skipIf(process.platform !== 'linux')('looking at a program before execve', () => {
  let folder: string;
  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dte-'));
  });
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  function look(content: Uint8Array | string) {
    const file = path.join(folder, 'program');
    fs.writeFileSync(file, content, { mode: 0o755 });
    const { kind, startable } = readExecutable(fs, file, machine);
    return { kind, startable };
  }

  it.each([
    ['#!/bin/sh\necho', true],
    ['#! /bin/sh -e\necho', true],
    ['#!/usr/bin/env node\n', true],
    ['#!/nonexistent/sh\n', false],
    ['#!sh\n', false],
    ['#!', false],
    [`#!${'/'.repeat(300)}bin/sh\n`, false],
  ])('takes a script only with its interpreter: %j', (content, startable) => {
    expect(look(content)).toEqual({ kind: 'script', startable });
  });

  it('takes a native program of this machine with its loader', () => {
    expect(readExecutable(fs, process.execPath, machine)).toMatchObject({ kind: 'native', startable: true });
  });

  it('leaves programs of other machines, without their loader, cut short, or of no known kind', () => {
    const own = fs.readFileSync(process.execPath).subarray(0, 8_192);
    const changed = (change: (bytes: Buffer) => void): Buffer => {
      const copy = Buffer.from(own);
      change(copy);
      return copy;
    };
    expect(look(changed((bytes) => bytes.writeUInt16LE(22, 18)))).toEqual({
      kind: 'native',
      startable: false,
    });
    const withoutLoader = changed((bytes) => {
      const at = bytes.indexOf('/ld-');
      expect(at).toBeGreaterThan(0);
      bytes.write('/no-', at);
    });
    expect(look(withoutLoader)).toEqual({ kind: 'native', startable: false });
    expect(look(own.subarray(0, 40))).toEqual({ kind: 'native', startable: false });
    expect(look('echo no first line\n')).toEqual({ kind: 'other', startable: false });
    expect(look('')).toEqual({ kind: 'other', startable: false });
    expect(look(Buffer.from('feedfacf00', 'hex'))).toEqual({ kind: 'native', startable: false });
  });
});
