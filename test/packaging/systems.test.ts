/** Systems that these tests do not run on: named to the start, and to what behaves in another way there. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { passOn } from '../../src/engine/passthrough.ts';
import { type ProcessControl, runDocker } from '../../src/engine/run-docker.ts';
import { UsageError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { resolveEngineEndpoint } from '../../src/settings/contexts.ts';
import { readEnvironment } from '../../src/settings/environment.ts';
import { rejectsCode } from '../helpers/throws-code.ts';

const start = path.join(import.meta.dirname, '..', '..', 'bin', 'dtrust.js');

/** Node on Windows, as far as running docker goes: no execve, no signals between processes. */
function windowsProcess(): ProcessControl & { readonly listened: NodeJS.Signals[] } {
  const listened: NodeJS.Signals[] = [];
  return {
    pid: process.pid,
    platform: 'win32',
    listened,
    on: (signal) => listened.push(signal),
    off: () => undefined,
    kill: () => expect.unreachable('no process is killed'),
  };
}

/** Node itself in docker's place. */
const docker = { path: process.execPath, kind: 'native', startable: false, addedEnvironment: {} } as const;
const env = { PATH: process.env.PATH };

describe('contract (Packages and start-up): Windows', () => {
  test('docker is a child, and its exit status is dtrust’s', async () => {
    const args = ['-e', 'process.exit(7)'];
    expect(await passOn({ docker, args, env, process: windowsProcess(), fs })).toBe(7);
  });

  test('Ctrl-C is left to docker, and nothing else is listened for or handed on', async () => {
    const control = windowsProcess();
    const args = ['-e', "process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 60_000)"];
    expect(await runDocker({ docker, args, env, process: control })).toBe(128 + 15);
    expect(control.listened).toEqual(['SIGINT', 'SIGQUIT']);
  });

  test('an argument that could not be read is refused', async () => {
    const passing = passOn({ docker, args: ['a\ufffdb'], env, process: windowsProcess(), fs });
    await rejectsCode(passing, UsageError, 'ARG_ENCODING');
  });

  test.each([
    [undefined, '//./pipe/docker_engine'],
    ['npipe:////./pipe/dockerDesktopLinuxEngine', '//./pipe/dockerDesktopLinuxEngine'],
  ])('the engine of DOCKER_HOST=%s is a named pipe', (host, pipe) => {
    const raw = host === undefined ? {} : { DOCKER_HOST: host };
    const endpoint = resolveEngineEndpoint({
      env: readEnvironment(raw),
      flags: {},
      config: { directory: '/nowhere', currentContext: undefined },
      fs: realFileSystem,
      platform: 'win32',
    });
    expect(endpoint).toEqual({ kind: 'npipe', path: pipe });
  });
});

describe('contract (Packages and start-up): other systems', () => {
  test.each(['freebsd', 'sunos', 'aix'])('%s gets one line, and nothing is run', async (name) => {
    const other = `Object.defineProperty(process, 'platform', { value: '${name}' });`;
    const args = ['--import', `data:text/javascript,${encodeURIComponent(other)}`, start, 'trust', 'version'];
    const failed = await promisify(execFile)(process.execPath, args, { env }).then(
      () => expect.unreachable('refused'),
      (error: unknown) => error,
    );
    expect(failed).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `dtrust: error: dtrust runs on Linux, macOS and Windows, this is ${name} (SYSTEM_UNKNOWN)\n`,
    });
  });
});
