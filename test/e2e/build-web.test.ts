/**
 * `dtrust build` with BuildKit of what is elsewhere: contexts and Dockerfiles on the web, and git repositories. They are
 * fetched here to find the images that they name; docker gets the address as it was typed.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeTar } from '../../scripts/peers/tar.ts';
import { type GitServer, startGitServer } from '../helpers/git-server.ts';
import { startServer, type TestServer } from '../helpers/http-server.ts';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { BuildxStub, builds, ENGINE_BUILDER, runWithStdin } from './buildx-stub.ts';
import { type Machine, openStage, refused, type Stage } from './harness.ts';

const REPO = 'acme/base';

interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

let stage: Stage;
let docker: BuildxStub;
let machine: Machine;
let name: string;
let allowed: readonly string[];
let web: TestServer;
let git: GitServer;
/** What is at each path of the web server; for several requests, one after another, the last one again and again. */
const pages = new Map<string, readonly Answer[]>();
let temporary: string;

beforeAll(async () => {
  stage = await openStage();
  docker = new BuildxStub(path.join(stage.folder, 'buildx'));
  name = stage.name(REPO);
  const image = stage.image(REPO, '1.0');
  allowed = [
    `ALLOW docker-image://*@${image.digest}`,
    `CONVERT docker-image://${name}:1.0 docker-image://${name}:1.0@${image.digest}`,
  ];
  const sim = new RepositorySimulator({ collection: name, nowMs: Date.now() });
  sim.putTarget(`${name}:1.0`, image);
  sim.publish();
  await stage.publish(REPO, sim.files());
  temporary = path.join(stage.folder, 'tmp');
  fs.mkdirSync(temporary);
  const env = { DTRUST_DOCKER: docker.program, TMPDIR: temporary };
  machine = stage.machine({ env }).pin(REPO, sim.pin());
  web = await startServer((request, response) => {
    const [answer, ...later] = pages.get(request.url) ?? [{ status: 404 }];
    if (later.length > 0) pages.set(request.url, later);
    response.writeHead(answer?.status ?? 200, answer?.headers ?? {});
    response.end(answer?.body ?? '');
  });
  git = await startGitServer(path.join(stage.folder, 'git'));
  docker.behave({ inspect: ENGINE_BUILDER });
  fs.mkdirSync(path.join(machine.home, 'context'));
  fs.writeFileSync(path.join(machine.home, 'context', 'Dockerfile'), `FROM ${name}:2.0\n`);
  fs.writeFileSync(path.join(machine.home, 'mine'), `FROM ${name}:1.0\n`);
});
afterAll(async () => {
  await web.close();
  await git.close();
  await stage.close();
});
beforeEach(() => {
  stage.calm();
  docker.behave({ inspect: ENGINE_BUILDER });
  pages.clear();
  web.requests.length = 0;
});

function serve(at: string, ...answers: readonly Answer[]): string {
  pages.set(at, answers);
  return `${web.origin}${at}`;
}

/** That docker was called once, with what was typed, under rules for what was found; and that nothing is left behind. */
function builtAs(args: readonly string[]): void {
  const { real } = builds(docker.calls());
  expect(real.map((call) => call.args.slice(0, -1))).toEqual([['buildx', ...args, '--builder=default']]);
  const rules = (real[0]?.policy?.rules ?? []).map(({ action, selector, updates }) =>
    [action, selector.identifier, ...(updates === undefined ? [] : [updates.identifier])].join(' '),
  );
  expect(rules.filter((rule) => !rule.startsWith('DENY'))).toEqual(allowed);
  expect(fs.readdirSync(temporary)).toEqual([]);
}

async function refusedAs(code: string, args: readonly string[]): Promise<string> {
  const run = await refused(machine, ['build', ...args], { code, mayChange: /trust/ });
  expect(builds(docker.calls()).real).toEqual([]);
  expect(fs.readdirSync(temporary)).toEqual([]);
  return run.stderr;
}

const archive = (files: Readonly<Record<string, string>>) =>
  makeTar(Object.entries(files).map(([each, text]) => ({ path: each, bytes: Buffer.from(text) })));

describe('design 3: a context on the web', () => {
  test.each<[string, (tar: Buffer) => Uint8Array]>([
    ['an archive', (tar) => tar],
    ['one in gzip', (tar) => gzipSync(tar)],
    ['one in xz', (tar) => execFileSync('xz', ['-c'], { input: tar })],
    ['one in bzip2', (tar) => execFileSync('bzip2', ['-c'], { input: tar })],
  ])('as %s is read for what its Dockerfile names, and docker fetches it', async (_, packed) => {
    const tar = archive({ Dockerfile: `FROM ${name}:2.0\n`, 'sub/mine': `FROM ${name}:1.0\n` });
    const url = serve('/context', { body: packed(tar) });
    const args = ['build', '-f', 'sub/mine', url];
    await machine.succeed(args);
    builtAs(args);
    const stderr = await refusedAs('TARGET_NOT_SIGNED', [url]);
    expect(stderr).toContain(`Dockerfile:1 FROM ${name}:2.0`);
  });

  test('as a Dockerfile alone is that Dockerfile, whatever -f says, as BuildKit has it', async () => {
    const url = serve('/Dockerfile?raw=1', { body: `FROM ${name}:1.0\n` });
    for (const args of [
      ['build', url],
      ['build', '-f', 'other', url],
    ]) {
      await machine.succeed(args);
      builtAs(args);
    }
    const bad = serve('/bad', { body: `FROM ${name}:1.0 AS a\nFROM ${name}:2.0\n` });
    expect(await refusedAs('TARGET_NOT_SIGNED', [bad])).toContain(`${bad}:2 FROM ${name}:2.0`);
  });

  test('with a Dockerfile of this machine: -f is a whole path, or stdin, and nothing is fetched', async () => {
    const url = serve('/context', { body: archive({ Dockerfile: `FROM ${name}:2.0\n` }) });
    const args = ['build', '-f', path.join(machine.home, 'mine'), url];
    await machine.succeed(args);
    builtAs(args);
    const run = await runWithStdin(machine, ['build', '-f', '-', url], `FROM ${name}:1.0\n`);
    expect(run, run.stderr).toMatchObject({ status: 0 });
    builtAs(['build', '-f', '-', url]);
    expect(web.requests).toEqual([]);
  });

  test('counts as it was served here: what the builder is served is held against the same rules', async () => {
    const url = serve('/changing', { body: `FROM ${name}:1.0\n` }, { body: `FROM ${name}:2.0\n` });
    const args = ['build', url];
    await machine.succeed(args);
    expect(web.requests).toHaveLength(1);
    builtAs(args);
    await refusedAs('TARGET_NOT_SIGNED', [url]);
  });

  test("contract (Network): nobody's credentials go there, and none of the address are shown", async () => {
    serve('/from?token=s3cret', { status: 302, headers: { location: '/to' } });
    serve('/to', { body: `FROM ${name}:1.0\n` });
    const args = ['build', `http://user:pa55word@${web.host}/from?token=s3cret`];
    const run = await machine.succeed(args, {
      DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [web.host]: { auth: btoa('me:mine') } } }),
      DTRUST_DEBUG: '1',
    });
    builtAs(args);
    expect(web.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /from?token=s3cret',
      'GET /to',
    ]);
    for (const { headers } of web.requests) {
      expect(Object.keys(headers).sort()).toEqual(['accept-encoding', 'connection', 'host', 'user-agent']);
    }
    expect(run.stderr).not.toMatch(/pa55word|s3cret/);
    serve('/private', { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } });
    const stderr = await refusedAs('BUILD_CONTEXT_INVALID', [`http://user:pa55word@${web.host}/private`]);
    expect(stderr).toContain(`http://${web.host}/private answers with status 401`);
    expect(stderr).not.toContain('pa55word');
    expect(web.requests.at(-1)?.headers.authorization).toBeUndefined();
  });

  test('that breaks off is asked for again, from its beginning', async () => {
    const body = gzipSync(archive({ Dockerfile: `FROM ${name}:1.0\n` }));
    const half = body.subarray(0, body.length / 2);
    const headers = { 'content-length': String(body.length), connection: 'close' };
    const server = await startServer((_, response, socket) => {
      if (server.requests.length > 1) return void response.end(body);
      response.writeHead(200, headers);
      response.write(half, () => socket.destroy());
    });
    try {
      const args = ['build', server.origin];
      await machine.succeed(args);
      builtAs(args);
      expect(server.requests).toHaveLength(2);
    } finally {
      await server.close();
    }
  });

  test.each<[string, string, Answer]>([
    ['not there', 'BUILD_CONTEXT_INVALID', { status: 404, body: 'FROM scratch\n' }],
    ['elsewhere, in circles', 'BUILD_CONTEXT_INVALID', { status: 302, headers: { location: '/x' } }],
    ['elsewhere, on no web', 'BUILD_CONTEXT_INVALID', { status: 302, headers: { location: 'file:///x' } }],
    ['too large', 'NETWORK_TOO_LARGE', { headers: { 'content-length': String(2 ** 31 + 1) } }],
    [
      'compressed on the way',
      'BUILD_CONTEXT_INVALID',
      { headers: { 'content-encoding': 'gzip' }, body: gzipSync('FROM scratch\n') },
    ],
    ['nothing', 'DOCKERFILE_INVALID', { body: '' }],
    [
      'compressed in a way that BuildKit does not unpack',
      'DOCKERFILE_INVALID',
      { body: zstdCompressSync('x') },
    ],
    ['damaged', 'BUILD_CONTEXT_INVALID', { body: gzipSync(Buffer.alloc(4096, 1)).subarray(0, 20) }],
    ['an archive without a Dockerfile', 'BUILD_CONTEXT_INVALID', { body: archive({ a: 'FROM scratch\n' }) }],
    [
      'an archive with two',
      'BUILD_CONTEXT_INVALID',
      {
        body: makeTar([
          { path: 'Dockerfile', bytes: Buffer.from('FROM scratch\n') },
          { path: './Dockerfile', bytes: Buffer.from('FROM evil\n') },
        ]),
      },
    ],
  ])('that is %s is refused: %s', async (_, code, answer) => {
    const url = serve('/x', answer);
    await refusedAs(code, [url]);
  });

  test('at an address where nobody is, or that is none, is refused', async () => {
    await refusedAs('NETWORK_REFUSED', ['http://127.0.0.1:1/x']);
    await refusedAs('BUILD_CONTEXT_INVALID', ['https://:x/']);
  });
});

describe('design 3: a Dockerfile on the web', () => {
  test('is read for what it names, with a context of this machine or on stdin', async () => {
    const url = serve('/Dockerfile', { body: `FROM ${name}:1.0\n` });
    const args = ['build', '-f', url, 'context'];
    await machine.succeed(args);
    builtAs(args);
    const tar = archive({ Dockerfile: `FROM ${name}:2.0\n` });
    const run = await runWithStdin(machine, ['build', '-f', url, '-'], tar);
    expect(run, run.stderr).toMatchObject({ status: 0 });
    const [call] = builds(docker.calls()).real;
    expect(Buffer.from(call?.stdin ?? '', 'latin1').equals(tar)).toBe(true);
  });

  test('is refused with what it names, and when it is not there or too large', async () => {
    const url = serve('/Dockerfile', { body: `FROM ${name}:2.0\n` });
    expect(await refusedAs('TARGET_NOT_SIGNED', ['-f', url, 'context'])).toContain(`${url}:1 FROM`);
    await refusedAs('BUILD_CONTEXT_INVALID', ['-f', `${web.origin}/none`, 'context']);
    serve('/Dockerfile', { body: Buffer.alloc(16 * 1024 * 1024 + 1, '#') });
    await refusedAs('NETWORK_TOO_LARGE', ['-f', url, 'context']);
  });
});

describe('design 3: a git repository', () => {
  beforeAll(() => {
    git.commit('app.git', 'main', {
      Dockerfile: `FROM ${name}:1.0\n`,
      'sub/Dockerfile': `FROM ${name}:2.0\n`,
    });
    git.commit('app.git', 'other', {
      Dockerfile: `FROM ${name}:2.0\n`,
      'sub/Dockerfile': `FROM ${name}:1.0\n`,
      'sub/mine': `FROM ${name}:1.0\n`,
    });
  });

  test.each([
    ['its own branch', '', []],
    ['a branch and a folder', '#other:sub', []],
    ['a Dockerfile named in a folder', '#other:sub', ['-f', 'mine']],
    ['a Dockerfile of this machine', '#other', ['-f', 'HOME/mine']],
  ])('%s: read for what it names, and docker fetches it', async (_, fragment, flags) => {
    const given = flags.map((flag) => flag.replace('HOME', machine.home));
    const args = ['build', ...given, `${git.origin}/app.git${fragment}`];
    await machine.succeed(args);
    builtAs(args);
  });

  test.each([
    ['another branch', '#other'],
    ['a folder of its own branch', '#:sub'],
  ])('%s is refused with what it names', async (_, fragment) => {
    const stderr = await refusedAs('TARGET_NOT_SIGNED', [`${git.origin}/app.git${fragment}`]);
    expect(stderr).toContain(`Dockerfile:1 FROM ${name}:2.0`);
  });

  test('a folder or a Dockerfile that is not in it is refused', async () => {
    await refusedAs('BUILD_CONTEXT_INVALID', [`${git.origin}/app.git#:none`]);
    await refusedAs('BUILD_CONTEXT_INVALID', ['-f', '../Dockerfile', `${git.origin}/app.git#:sub`]);
  });

  test('on a web server is fetched by git: only what is called .git is a repository', async () => {
    const stderr = await refusedAs('BUILD_CONTEXT_INVALID', [`${web.origin}/app.git`]);
    expect(stderr).toContain('git clone');
    expect(web.requests[0]?.url).toMatch(/^\/app\.git\/info\/refs/);
    const url = serve('/app-git', { body: `FROM ${name}:1.0\n` });
    await machine.succeed(['build', url]);
    builtAs(['build', url]);
  });
});
