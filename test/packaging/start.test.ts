/**
 * bin/dtrust.js, the few lines that run before any chunk: the Node it refuses, the folder it trusts for compiled
 * code, and what it says in a clone that was never built. Run beside a `dist/main.js` of its own.
 */
import { execFile } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const projectRoot = path.join(import.meta.dirname, '..', '..');

let folder: string;
let home: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'dtrust-start-'));
  chmodSync(folder, 0o755);
  home = path.join(folder, 'home');
  for (const name of ['bin', 'dist', 'home']) mkdirSync(path.join(folder, name));
  copyFileSync(path.join(projectRoot, 'bin', 'dtrust.js'), path.join(folder, 'bin', 'dtrust.js'));
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
  writeMain("console.log(module.getCompileCacheDir() === undefined ? 'no cache' : 'cache');");
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function writeMain(body: string): void {
  const text = `import module from 'node:module';\nexport function main() { ${body} }\n`;
  writeFileSync(path.join(folder, 'dist', 'main.js'), text);
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function start(environment: Record<string, string> = {}, nodeFlags: string[] = []): Promise<Outcome> {
  const env = { PATH: process.env.PATH ?? '', HOME: home, ...environment };
  const args = [...nodeFlags, path.join(folder, 'bin', 'dtrust.js')];
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as Outcome;
    return { code, stdout, stderr };
  }
}

const cached = (): string => path.join(home, '.cache', 'dtrust');

/** Node's flags that run a script before bin/dtrust.js. */
function preload(script: string): string[] {
  return ['--import', `data:text/javascript,${encodeURIComponent(script)}`];
}

/** Makes one folder look like that of another user, which takes root to arrange for real. */
function ownedBySomebodyElse(target: string): string[] {
  return preload(`
    import fs from 'node:fs';
    const lstatSync = fs.lstatSync;
    fs.lstatSync = (name, options) => {
      const stat = lstatSync(name, options);
      return name === ${JSON.stringify(target)} ? Object.assign(stat, { uid: stat.uid + 65534 }) : stat;
    };
  `);
}

describe('starting', () => {
  test('an older Node gets one clear line, and nothing is run', async () => {
    const older = "Object.defineProperty(process, 'versions', { value: { node: '20.19.0' } });";
    expect(await start({}, preload(older))).toEqual({
      code: 1,
      stdout: '',
      stderr: 'dtrust: error: dtrust needs Node.js 24 or newer, this is 20.19.0 (NODE_VERSION)\n',
    });
  });

  test('a clone that was not built says what to run', async () => {
    rmSync(path.join(folder, 'dist'), { recursive: true });
    const { code, stdout, stderr } = await start();
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^dtrust: error: this copy of dtrust is not built\ndtrust: hint: run `npm ci`/);
  });

  test('a chunk that is missing from a built copy is not called unbuilt', async () => {
    writeFileSync(
      path.join(folder, 'dist', 'main.js'),
      "import './chunks/gone.js';\nexport function main() {}\n",
    );
    const { code, stderr } = await start();
    expect(code).toBe(1);
    expect(stderr).toContain('ERR_MODULE_NOT_FOUND');
    expect(stderr).not.toContain('not built');
  });
});

describe('contract (Disk): the compile cache', () => {
  test('lies in ~/.cache/dtrust, made private', async () => {
    expect((await start()).stdout).toBe('cache\n');
    expect(statSync(cached()).mode & 0o777).toBe(0o700);
    expect(readdirSync(cached()).length).toBe(1);
  });

  test('lies in $XDG_CACHE_HOME/dtrust where that is an absolute path', async () => {
    const elsewhere = path.join(folder, 'elsewhere');
    mkdirSync(elsewhere, { mode: 0o755 });
    expect((await start({ XDG_CACHE_HOME: elsewhere })).stdout).toBe('cache\n');
    expect(existsSync(path.join(elsewhere, 'dtrust'))).toBe(true);
    expect(existsSync(cached())).toBe(false);
    expect((await start({ XDG_CACHE_HOME: 'relative' })).stdout).toBe('cache\n');
    expect(existsSync(cached())).toBe(true);
  });

  test('is written before a command replaces the process', async () => {
    writeMain("process.execve('/bin/echo', ['echo', 'replaced'], process.env);");
    expect((await start()).stdout).toBe('replaced\n');
    const versions = readdirSync(cached());
    expect(readdirSync(path.join(cached(), versions[0] ?? '')).length).toBeGreaterThan(0);
  });

  test('is never at Node’s default place in the temporary folder', async () => {
    const temporary = path.join(folder, 'tmp');
    mkdirSync(temporary);
    expect((await start({ TMPDIR: temporary, HOME: '' })).stdout).toBe('no cache\n');
    expect((await start({ TMPDIR: temporary })).stdout).toBe('cache\n');
    expect(readdirSync(temporary)).toEqual([]);
  });

  test('is not used when others may read or write it', async () => {
    mkdirSync(cached(), { recursive: true });
    chmodSync(cached(), 0o755);
    expect((await start()).stdout).toBe('no cache\n');
    expect(readdirSync(cached())).toEqual([]);
  });

  test('is not used behind a symbolic link', async () => {
    const target = path.join(folder, 'target');
    mkdirSync(target, { mode: 0o700 });
    mkdirSync(path.dirname(cached()));
    symlinkSync(target, cached());
    expect((await start()).stdout).toBe('no cache\n');
    expect(readdirSync(target)).toEqual([]);
  });

  test('is not used below a folder that others may write to', async () => {
    chmodSync(home, 0o777);
    expect((await start()).stdout).toBe('no cache\n');
    expect(existsSync(path.join(home, '.cache'))).toBe(false);
    chmodSync(home, 0o1777);
    expect((await start()).stdout).toBe('cache\n');
  });

  test('is not needed: a home that is missing or cannot be written costs nothing but time', async () => {
    expect(await start({ HOME: path.join(folder, 'gone', 'home') })).toEqual({
      code: 0,
      stdout: 'no cache\n',
      stderr: '',
    });
    writeFileSync(path.join(home, '.cache'), 'a file');
    expect(await start()).toEqual({ code: 0, stdout: 'no cache\n', stderr: '' });
  });

  test('is not used by root in a home of somebody else (sudo), nor left there', async () => {
    expect((await start({}, ownedBySomebodyElse(home))).stdout).toBe('no cache\n');
    expect(existsSync(path.join(home, '.cache'))).toBe(false);
  });

  test('is not used when somebody else made the folder', async () => {
    mkdirSync(cached(), { recursive: true, mode: 0o700 });
    expect((await start({}, ownedBySomebodyElse(cached()))).stdout).toBe('no cache\n');
    expect(readdirSync(cached())).toEqual([]);
  });

  test('is not used by a process whose effective user is not the real one', async () => {
    expect((await start({}, preload('process.geteuid = () => process.getuid() + 1;'))).stdout).toBe(
      'no cache\n',
    );
    expect(existsSync(path.join(home, '.cache'))).toBe(false);
  });
});
