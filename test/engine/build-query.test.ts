/** What the classic builder is asked, beside what the real docker asks it for the same command line. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseDockerArgv } from '../../src/cli/argv.ts';
import { CommandLineError } from '../../src/cli/pflag.ts';
import { type BuildQuery, buildQuery, proxyVariables } from '../../src/engine/build-query.ts';
import { type FakeEngine, startFakeEngine, writeMessages } from '../helpers/fake-engine.ts';
import { dockerCli, needPeers } from '../helpers/peers.ts';
import { runProgram } from '../real/machines.ts';

const environment = { FROM_ENV: 'its value' };
const PROXIES = { httpProxy: 'http://proxy:1', noProxy: 'localhost' };

function queryOf(
  args: readonly string[],
  more: { proxies?: object; cacheFrom?: readonly string[] } = {},
): BuildQuery {
  const { flags } = parseDockerArgv(['build', ...args, '.']);
  return buildQuery({
    flags,
    usage: 'docker build',
    environment,
    proxies: proxyVariables(new Map(Object.entries(more.proxies ?? {}))),
    platform: flags.get('platform')?.at(-1)?.toLowerCase(),
    cacheFrom: more.cacheFrom ?? [],
  });
}

/** One form for both: texts of JSON as their values, lists sorted where docker's come from a map. */
function plain(query: Iterable<readonly [string, string | readonly string[]]>): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  for (const [key, value] of query) {
    for (const each of typeof value === 'string' ? [value] : value) {
      if (['buildargs', 'labels', 'cachefrom'].includes(key)) all[key] = JSON.parse(each);
      else if (key === 'ulimits')
        all[key] = (JSON.parse(each) ?? []).sort((a: { Name: string }, b: { Name: string }) =>
          a.Name < b.Name ? -1 : 1,
        );
      else all[key] = key in all ? [all[key], each].flat() : each;
    }
  }
  return all;
}

const CASES: readonly (readonly string[])[] = [
  [],
  ['-t', 'a:b', '-t', 'c', '--label', 'a=b=c', '--label', 'bare', '--label', 'a=last'],
  ['--build-arg', 'A=1', '--build-arg', 'FROM_ENV', '--build-arg', 'NOT_THERE', '--build-arg', 'EMPTY='],
  ['--add-host', 'a:1.2.3.4', '--add-host', 'b:::1', '--add-host', 'c:host-gateway'],
  ['-m', '1g', '--memory-swap', '-1', '--shm-size', '64m'],
  ['-m', '1.5KiB', '--memory-swap', '2G', '--shm-size', '10'],
  ['-c', '2', '--cpu-period', '100', '--cpu-quota', '-1', '--cpuset-cpus', '0-1', '--cpuset-mems', '0'],
  ['--ulimit', 'nofile=10:20', '--ulimit', 'core=0', '--ulimit', 'nofile=30', '--ulimit', 'cpu=-1:-1'],
  [
    '--security-opt',
    'a=b',
    '--security-opt',
    'c',
    '--cgroup-parent',
    '/x',
    '--network',
    'none',
    '--target',
    'T',
  ],
  ['--force-rm', '--rm=false'],
  ['--rm', '--isolation', 'default', '--platform', 'Linux/AMD64'],
  ['--isolation', 'hyperv', '--platform', 'linux/arm64', '--platform', 'linux/amd64'],
];

for (const version of ['26.1', '20.10'] as const) {
  const needed = await needPeers(`docker ${version}`);
  describe.skipIf(needed.skip)(needed.title(`beside docker ${version}`), () => {
    let engine: FakeEngine;
    let docker: string;
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dtrust-query-'));
    beforeAll(async () => {
      docker = (await dockerCli(version)).path;
      engine = await startFakeEngine({
        apiVersion: version === '26.1' ? '1.45' : '1.41',
        override: async (request, response) => {
          if (!request.path.startsWith('/build')) return false;
          await request.body;
          writeMessages(response, { stream: 'x' });
          response.end();
          return true;
        },
      });
      fs.writeFileSync(path.join(folder, 'Dockerfile'), 'FROM scratch\n');
    });
    afterAll(async () => {
      await engine.stop();
      fs.rmSync(folder, { recursive: true });
    });
    const asked = async (args: readonly string[], config: object = {}) => {
      fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
      const env = {
        DOCKER_HOST: engine.host,
        DOCKER_CONFIG: folder,
        DOCKER_BUILDKIT: '0',
        PATH: '/usr/bin:/bin',
        ...environment,
      };
      const ended = await runProgram(docker, ['build', ...args, folder], env);
      expect(ended).toMatchObject({ status: 0 });
      const request = engine.requests.findLast((each) => each.path.startsWith('/build'));
      const query = plain(request?.query ?? []);
      delete query.dockerfile;
      return query;
    };

    test.each(CASES.map((args) => [args]))('the same query for %j', async (args) => {
      expect(plain(Object.entries(queryOf(args)))).toEqual(await asked(args));
    });

    test('the proxies of config.json are build arguments, unless given', async () => {
      const theirs = await asked(['--build-arg', 'http_proxy=mine'], { proxies: { default: PROXIES } });
      expect(
        plain(Object.entries(queryOf(['--build-arg', 'http_proxy=mine'], { proxies: PROXIES }))),
      ).toEqual(theirs);
    });

    test('what may serve as cache is what was decided on, in the form of docker', async () => {
      const theirs = await asked(['--cache-from', 'a', '--cache-from', 'b,c']);
      expect(plain(Object.entries(queryOf([], { cacheFrom: ['a', 'b', 'c'] })))).toEqual(theirs);
    });
  });
}

describe('refused as docker refuses it', () => {
  test.each([
    [['--ulimit', 'bad'], 'invalid argument "bad" for "--ulimit" flag: invalid ulimit argument: bad'],
    [['--ulimit', 'what=1'], 'invalid ulimit type: what'],
    [['--ulimit', 'nofile=2:1'], 'must be less than or equal to hard limit'],
    [['-m', '1x'], `invalid argument "1x" for "-m, --memory" flag: invalid size: '1x'`],
    [['--shm-size', ''], "invalid size: ''"],
    [['--cpu-shares', '9223372036854775808'], 'value out of range'],
    [['--label', ''], `invalid argument "" for "--label" flag: invalid label '': empty name`],
    [['--build-arg', '=x'], 'invalid argument "=x" for "--build-arg" flag: invalid environment variable: =x'],
    [['--add-host', 'bad'], 'invalid argument "bad" for "--add-host" flag: bad format for add-host: "bad"'],
    [['--add-host', 'a:b'], 'invalid IP address in add-host: "b"'],
    [['-o', 'out'], 'unknown flag: --output'],
    [['--push'], 'unknown flag: --push'],
  ])('%j', (args, text) => {
    let caught: unknown;
    try {
      queryOf(args);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(CommandLineError);
    expect(caught).toMatchObject({ code: 'USAGE', exitStatus: 125 });
    expect(String(caught)).toContain(text);
  });
});
