import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FileSystem, realFileSystem } from '../../src/lib/file-system.ts';
import { createHelperRunner } from '../../src/settings/credential-helper.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'dtrust-helper-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a folder of PATH that may not be looked into (another user’s) is passed over, as by a shell', async () => {
  const closed = path.join(folder, 'closed');
  const open = path.join(folder, 'open');
  mkdirSync(closed);
  mkdirSync(open);
  const answer = '{"ServerURL":"x","Username":"me","Secret":"s"}';
  const program = path.join(open, 'docker-credential-here');
  writeFileSync(program, `#!/bin/sh\ncat > /dev/null\necho '${answer}'\n`);
  chmodSync(program, 0o755);
  const fs = {
    ...realFileSystem,
    statSync: ((file: string, ...rest: unknown[]) => {
      if (file.startsWith(closed))
        throw Object.assign(new Error('EACCES'), { code: 'EACCES', syscall: 'stat' });
      return Reflect.apply(realFileSystem.statSync, realFileSystem, [file, ...rest]);
    }) as FileSystem['statSync'],
  };
  const env = { path: `${closed}:${open}:/usr/bin:/bin`, pathExtensions: undefined };
  const rawEnvironment = { PATH: '/usr/bin:/bin' };
  const run = createHelperRunner({ fs, env, rawEnvironment, platform: 'linux' });
  expect(await run('here', 'x')).toMatchObject({ username: 'me' });
});
