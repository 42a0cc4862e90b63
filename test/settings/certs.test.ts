import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalStateError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import {
  loadServerCertificates,
  registryCertificateFolders,
  trustServerFolders,
} from '../../src/settings/certs.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'dtrust-certs-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function put(...names: string[]): void {
  for (const name of names) {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `the ${name}`);
  }
}

function load(host: string, folders = [folder], platform: NodeJS.Platform = 'linux') {
  return loadServerCertificates(realFileSystem, folders, host, platform);
}

describe('certs.d', () => {
  it('gives the authorities and pairs of exactly this server', () => {
    put(
      'a.example:5000/ca.crt',
      'a.example:5000/b.crt',
      'a.example:5000/client.cert',
      'a.example:5000/client.key',
    );
    put('a.example:5000/readme.txt', 'a.example/other.crt');
    expect(load('a.example:5000')).toEqual({
      ca: ['the a.example:5000/b.crt', 'the a.example:5000/ca.crt'],
      clients: [{ cert: 'the a.example:5000/client.cert', key: 'the a.example:5000/client.key' }],
    });
    expect(load('a.example').ca).toEqual(['the a.example/other.crt']);
    expect(load('b.example')).toEqual({ ca: [], clients: [] });
  });

  it('adds up over its folders', () => {
    put('one/a.example/x.crt', 'two/a.example/y.crt');
    const folders = ['one', 'two', 'absent'].map((name) => path.join(folder, name));
    expect(load('a.example', folders).ca).toHaveLength(2);
  });

  it('refuses half a pair, either half', () => {
    put('a.example/client.cert', 'b.example/client.key');
    for (const host of ['a.example', 'b.example']) {
      expect(() => load(host)).toThrow(LocalStateError);
      expect(() => load(host)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
      expect(() => load(host)).toThrow(/client\.(?:cert|key) is there, but client\.(?:key|cert) is not/);
    }
  });

  it('drops the colon on Windows, and never leaves its folder', () => {
    put('a.example5000/ca.crt', '../outside.crt');
    expect(load('a.example:5000', [folder], 'win32').ca).toHaveLength(1);
    for (const host of ['..', '.', '../x', 'a/../..', '']) {
      expect(load(host === '' ? '.' : host)).toEqual({ ca: [], clients: [] });
    }
    rmSync(path.join(folder, '../outside.crt'));
  });

  it('says which file it cannot read', () => {
    put('a.example/x');
    mkdirSync(path.join(folder, 'a.example/ca.crt'));
    expect(() => load('a.example')).toThrow(expect.objectContaining({ code: 'FILE_UNREADABLE' }));
  });
});

describe('contract (Engine): the folders of certificates', () => {
  const env = { home: '/home/me', programData: 'C:\\Data', xdgConfigHome: undefined };

  it("are the rootless engine's, Docker Desktop's and the system's", () => {
    expect(
      registryCertificateFolders({ env, configDirectory: '/home/me/.docker', platform: 'linux' }),
    ).toEqual(['/home/me/.config/docker/certs.d', '/home/me/.docker/certs.d', '/etc/docker/certs.d']);
    const xdg = { ...env, xdgConfigHome: '/xdg' };
    expect(registryCertificateFolders({ env: xdg, configDirectory: '/d', platform: 'linux' })[0]).toBe(
      '/xdg/docker/certs.d',
    );
  });

  it('of trust servers lie beside config.json', () => {
    expect(trustServerFolders({ configDirectory: '/home/me/.docker' })).toEqual(['/home/me/.docker/tls']);
  });
});
