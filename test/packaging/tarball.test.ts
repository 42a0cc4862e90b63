/**
 * What `npm install` of the packed project puts on a machine, and that it runs there for a user without root: nothing
 * but dtrust and its one optional package, no script of ours or of anybody else's run on the way.
 */
import { execFile } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build, projectRoot } from '../../scripts/build.ts';
import { keytarLibraries } from '../../scripts/peers/secret-service.ts';
import { needPeers } from '../helpers/peers.ts';

const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;
const run = promisify(execFile);
const project = JSON.parse(readFileSync(path.join(projectRoot, 'package.json'), 'utf8')) as {
  readonly version: string;
  readonly allowScripts: Readonly<Record<string, boolean>>;
};

const keychain = await needPeers('secret-service');

let folder: string;
let packed: readonly string[];

/** npm by itself, without what the npm that runs these tests has put into the environment. */
async function npm(cwd: string, ...args: readonly string[]): Promise<string> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
  return (await run('npm', args, { cwd, env, timeout: 200_000 })).stdout;
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'dtrust-packed-'));
  chmodSync(folder, 0o755);
  if (!existsSync(path.join(projectRoot, 'dist', 'main.js'))) {
    await build({ outdir: path.join(projectRoot, 'dist') });
  }
  const [report] = JSON.parse(await npm(projectRoot, 'pack', '--json', '--pack-destination', folder)) as {
    readonly filename: string;
    readonly files: readonly { readonly path: string }[];
  }[];
  packed = report?.files.map((file) => file.path) ?? [];
  const prefix = path.join(folder, 'installed');
  mkdirSync(prefix);
  const tarball = path.join(folder, report?.filename ?? '');
  await npm(prefix, 'install', '--prefix', prefix, '--no-audit', '--no-fund', '--ignore-scripts', tarball);
  // The Node of these tests may lie where only root can go.
  copyFileSync(process.execPath, path.join(folder, 'node'), constants.COPYFILE_FICLONE);
  chmodSync(path.join(folder, 'node'), 0o755);
  mkdirSync(path.join(folder, 'home'), 0o700);
  if (isRoot) chownSync(path.join(folder, 'home'), NOBODY, NOBODY);
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** As a user who is not root, in a home of his own. */
async function dtrust(...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const bin = path.join(folder, 'installed', 'node_modules', '.bin', 'dtrust');
  return await run(path.join(folder, 'node'), [bin, ...args], {
    cwd: folder,
    env: { PATH: '/usr/bin:/bin', HOME: path.join(folder, 'home') },
    ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  });
}

describe.skipIf(keychain.skip)(keychain.title('contract (Keys): the keychain of an installed dtrust'), () => {
  test('is asked through the optional package, found where npm has put it', async () => {
    const child = path.join(folder, 'installed', 'node_modules', 'dtrust', 'dist', 'keychain-child.js');
    const env = { ...(await keytarLibraries()), DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent/bus' };
    const asked = run(path.join(folder, 'node'), [child], { cwd: folder, env });
    asked.child.stdin?.end('{"operation":"get","account":"a"}');
    // What the system says for want of a bus; without the package it would be another problem.
    expect(JSON.parse((await asked).stdout)).toMatchObject({ problem: 'failed' });
  });
});

describe('contract (Packages and start-up): the packed project', () => {
  test('holds the built program and its papers, and no sources or tests', () => {
    for (const name of [
      'bin/dtrust.js',
      'dist/main.js',
      'dist/keychain-child.js',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'CHANGELOG.md',
    ]) {
      expect(packed).toContain(name);
    }
    expect(packed).toContain('dist/THIRD-PARTY-LICENSES.txt');
    expect(packed.filter((name) => /^(src|test|scripts|docs|\.)/.test(name))).toEqual([]);
    expect(packed.filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  test('installs nothing beside itself but the optional keychain package', () => {
    const installed = readdirSync(path.join(folder, 'installed', 'node_modules'));
    expect(installed.filter((name) => !name.startsWith('.'))).toEqual(expect.arrayContaining(['dtrust']));
    expect(
      installed.filter(
        (name) => !name.startsWith('.') && !['dtrust', 'keytar', 'node-addon-api'].includes(name),
      ),
    ).toEqual([]);
  });

  test('runs for a user without root, and keeps its compiled code in that user’s home', async () => {
    const { stdout, stderr } = await dtrust('trust', 'version');
    expect(stdout).toContain(project.version);
    expect(stderr).toBe('');
    expect(existsSync(path.join(folder, 'home', '.cache', 'dtrust'))).toBe(true);
  });
});

describe('allowScripts', () => {
  test('says of every package with an install script whether it may run', () => {
    const lock = JSON.parse(readFileSync(path.join(projectRoot, 'package-lock.json'), 'utf8')) as {
      readonly packages: Readonly<
        Record<string, { readonly hasInstallScript?: boolean; readonly name?: string }>
      >;
    };
    const withScript = Object.entries(lock.packages)
      .filter(([, entry]) => entry.hasInstallScript === true)
      .map(
        ([where, entry]) =>
          entry.name ?? where.slice(where.lastIndexOf('node_modules/') + 'node_modules/'.length),
      );
    expect(withScript.length).toBeGreaterThan(0);
    expect(withScript.filter((name) => !(name in project.allowScripts) && name !== 'fsevents')).toEqual([]);
  });

  test('lets no package run a script that dtrust leaves out of its build', () => {
    for (const name of ['ssh2', 'cpu-features', 'protobufjs']) expect(project.allowScripts[name]).toBe(false);
  });
});
