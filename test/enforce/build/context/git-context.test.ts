/** A git repository as a build context, fetched with the real git from servers of the test's own. */
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  fetchGit,
  isGitAddress,
  parseGitAddress,
} from '../../../../src/enforce/build/context/git-context.ts';
import { UsageError } from '../../../../src/lib/errors.ts';
import { temporaryFolder } from '../../../helpers/temporary-folder.ts';
import { rejectsCode, throwsCode } from '../../../helpers/throws-code.ts';
import { fill } from './archives.ts';

/** No configuration of the machine's. */
const environment = {
  PATH: process.env.PATH,
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@b',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@b',
  GIT_TERMINAL_PROMPT: '0',
};
const git = (folder: string, ...args: readonly string[]) =>
  execFileSync('git', ['-C', folder, '-c', 'protocol.file.allow=always', ...args], {
    env: environment,
    stdio: 'pipe',
  }).toString();

describe('what docker takes for a repository', () => {
  test.each(['https://a/b.git', 'http://a/b.git#main:sub', 'git://a/b', 'git@a:b/c', 'github.com/a/b'])(
    '%s',
    (text) => {
      expect(isGitAddress(text)).toBe(true);
    },
  );

  test.each(['https://a/b', 'https://a/b.tar.gz', './a.git', 'ssh://a/b', 'file:///a.git', 'ext::sh -c x'])(
    'not %s',
    (text) => {
      expect(isGitAddress(text)).toBe(false);
    },
  );

  test.each([
    ['github.com/a/b.git', 'https://github.com/a/b.git', 'master', ''],
    ['https://a/b.git#v1:sub/dir', 'https://a/b.git', 'v1', 'sub/dir'],
    ['git@a:b/c#:sub', 'git@a:b/c', 'master', 'sub'],
  ])('%s is read as docker reads it', (text, remote, ref, folder) => {
    expect(parseGitAddress(text)).toEqual({ remote, ref, folder });
  });

  test.each([
    'https://a/b.git#-x',
    'https://a/b.git#--upload-pack=touch',
    'git@-oProxyCommand=touch:a',
    'git://-x/b',
    'git://user@-x/b',
    'https://a/b c.git',
    'git@a:b\n',
  ])('contract (Engine): argv safety: %j is refused before git runs', (text) => {
    throwsCode(() => parseGitAddress(text), UsageError, 'BUILD_CONTEXT_INVALID');
  });
});

describe('a repository that is fetched', () => {
  let served: string;
  let server: http.Server;
  let base: string;
  let work: string;
  /** Where checkouts are made; empty after each test. */
  let temporary: string;

  beforeAll(async () => {
    served = fs.mkdtempSync(path.join(os.tmpdir(), 'dtrust-git-served-'));
    server = http.createServer((request, response) => {
      const file = path.join(served, new URL(request.url ?? '', 'http://x').pathname);
      if (fs.existsSync(file) && fs.statSync(file).isFile()) response.end(fs.readFileSync(file));
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    work = path.join(served, 'work');
    fill(work, { Dockerfile: 'FROM a\n', 'sub/Dockerfile': 'FROM b\n' });
    fs.symlinkSync('/etc', path.join(work, 'out'));
    git(work, 'init', '-q', '-b', 'master');
    commit('first');
    git(work, 'tag', 'v1');
    fill(work, { Dockerfile: 'FROM later\n' });
    commit('second');
    publish('app');
  });
  afterAll(() => {
    server.close();
    fs.rmSync(served, { recursive: true, force: true });
  });
  beforeEach(() => {
    temporary = temporaryFolder();
  });
  afterEach(() => expect(fs.readdirSync(temporary)).toEqual([]));

  function commit(message: string): void {
    git(work, 'add', '-A');
    git(work, 'commit', '-q', '-m', message);
  }

  /** As a server without git of its own has it. */
  function publish(name: string, from = work): void {
    const bare = path.join(served, `${name}.git`);
    execFileSync('git', ['clone', '-q', '--bare', from, bare], { env: environment, stdio: 'pipe' });
    git(bare, 'update-server-info');
  }

  const fetch = (text: string, more: object = {}) =>
    fetchGit(parseGitAddress(text), {
      temporaryFolder: temporary,
      environment,
      signal: new AbortController().signal,
      ...more,
    });
  const dockerfileOf = async (text: string) => {
    const { folder, close } = await fetch(text);
    const content = fs.readFileSync(path.join(folder, 'Dockerfile'), 'utf8');
    close();
    return content;
  };

  test('is checked out at its branch, tag or commit, in its folder, and taken away again', async () => {
    expect(await dockerfileOf(`${base}/app.git`)).toBe('FROM later\n');
    expect(await dockerfileOf(`${base}/app.git#v1`)).toBe('FROM a\n');
    expect(await dockerfileOf(`${base}/app.git#v1:sub`)).toBe('FROM b\n');
    expect(await dockerfileOf(`${base}/app.git#:./x/../sub`)).toBe('FROM b\n');
  });

  test.each([
    ['a repository that is not there', '/none.git'],
    ['a commit that is not there', '/app.git#nothing'],
    ['a folder that is not there', '/app.git#:nothing'],
    ['a folder that a link leads out to', '/app.git#:out'],
    ['a file', '/app.git#:Dockerfile'],
  ])('is refused, with nothing left behind: %s', async (_, text) => {
    await rejectsCode(fetch(`${base}${text}`), UsageError, 'BUILD_CONTEXT_INVALID');
  });

  test('a submodule on this machine, or by a command, is not fetched', async () => {
    for (const [name, url] of [
      ['local', `file://${served}/app.git`],
      ['path', `${served}/app.git`],
      ['command', `ext::sh -c touch% ${served}/harmed`],
    ] as const) {
      const folder = path.join(served, `with-${name}`);
      fill(folder, {
        Dockerfile: 'FROM a\n',
        '.gitmodules': `[submodule "m"]\n\tpath = m\n\turl = ${url}\n`,
      });
      git(folder, 'init', '-q', '-b', 'master');
      git(folder, 'add', '-A');
      git(
        folder,
        'update-index',
        '--add',
        '--cacheinfo',
        `160000,${git(work, 'rev-parse', 'HEAD').trim()},m`,
      );
      git(folder, 'commit', '-q', '-m', 'with a submodule');
      publish(`with-${name}`, folder);
      const error = await rejectsCode(fetch(`${base}/with-${name}.git`), UsageError, 'BUILD_CONTEXT_INVALID');
      expect(error.message).toContain('submodules');
    }
    expect(fs.existsSync(`${served}/harmed`)).toBe(false);
  });

  test('a protocol that the user forbids to git stays forbidden', async () => {
    await rejectsCode(
      fetch(`${base}/app.git`, { allowedProtocols: 'https:file' }),
      UsageError,
      'BUILD_CONTEXT_INVALID',
    );
    (await fetch(`${base}/app.git`, { allowedProtocols: 'http:file' })).close();
  });

  test('what git says is shown without what could move a terminal', async () => {
    const error = await rejectsCode(
      fetch(`${base}/${encodeURIComponent('\u009b')}2J.git`),
      UsageError,
      'BUILD_CONTEXT_INVALID',
    );
    expect(error.message).not.toMatch(/[\0-\x1f\x7f-\x9f]/);
  });

  test('a call that was stopped ends so, without git', async () => {
    const stop = new AbortController();
    stop.abort(new Error('stopped'));
    await expect(fetch(`${base}/app.git`, { signal: stop.signal })).rejects.toThrow('stopped');
    await rejectsCode(
      fetch(`${base}/app.git`, { environment: { PATH: '/nonexistent' } }),
      UsageError,
      'BUILD_CONTEXT_INVALID',
    );
  });

  test('a server with git of its own gives one commit only', async () => {
    const port = await freePort();
    const daemon = spawn(
      'git',
      [
        'daemon',
        '--reuseaddr',
        '--export-all',
        `--base-path=${served}`,
        '--listen=127.0.0.1',
        `--port=${port}`,
        served,
      ],
      { env: environment, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    try {
      let checkout: Awaited<ReturnType<typeof fetch>> | undefined;
      for (let tries = 0; checkout === undefined; tries++) {
        checkout = await fetch(`git://127.0.0.1:${port}/app.git`).catch((error: unknown) => {
          if (tries > 50) throw error;
          return undefined;
        });
      }
      expect(git(checkout.folder, 'rev-list', '--count', 'HEAD').trim()).toBe('1');
      checkout.close();
    } finally {
      daemon.kill();
    }
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
