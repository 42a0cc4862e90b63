/**
 * `buildx imagetools create` and `manifest push` with the real programs and a real registry: what is signed is what
 * the registry then serves, another machine verifies it, and a registry that lies to docker gets nothing signed.
 */
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type BuiltImage,
  cliPlugin,
  dockerCli,
  needPeers,
  pushImage,
  pushIndex,
  type RunningRegistry,
  type Stored,
  textImage,
} from '../helpers/peers.ts';
import { type Machine, type Outcome, OWNER_ENV, runProgram } from './machines.ts';
import { servedManifest, signedTags } from './registry-view.ts';
import { useStage } from './stage.ts';

const PATH = 'team/indexes';

const needed = await needPeers('engine 26.1', 'registry', 'docker 26.1', 'buildx');

describe.skipIf(needed.skip)(needed.title('indexes with docker 26.1 and buildx'), () => {
  const stage = useStage({ version: '26.1', containerdStore: false });
  let owner: Machine;
  let name: string;
  let bin: string;
  let amd64: Stored;
  let arm64: Stored;
  let evil: Stored;
  let stopLiar: (() => Promise<void>) | undefined;

  beforeAll(async () => {
    const [docker, buildx] = await Promise.all([dockerCli('26.1'), cliPlugin('buildx')]);
    bin = path.join(stage.workshop.folder, 'docker-bin');
    fs.mkdirSync(bin);
    fs.symlinkSync(docker.path, path.join(bin, 'docker'));
    const env = { ...OWNER_ENV, PATH: `${bin}:/usr/bin:/bin` };
    owner = stage.workshop.machineAt(stage.owner.home, { engine: stage.engine.host, env });
    const plugins = path.join(owner.config, 'cli-plugins');
    fs.mkdirSync(plugins, { recursive: true });
    fs.symlinkSync(buildx.path, path.join(plugins, 'docker-buildx'));
  });

  beforeAll(async () => {
    const put = (image: BuiltImage, tag: string) => pushImage(stage.registry, PATH, image, tag);
    name = `${stage.registry.host}/${PATH}`;
    amd64 = await put(textImage('for amd64', 'amd64'), '1.0-amd64');
    arm64 = await put(textImage('for arm64', 'arm64'), '1.0-arm64');
    evil = await put(textImage('of somebody else'), 'unsigned');
    for (const [tag, { digest }] of [
      ['1.0-amd64', amd64],
      ['1.0-arm64', arm64],
    ] as const) {
      expect(await owner.run('trust', 'sign', `${name}:${tag}@${digest}`)).toMatchObject({ status: 0 });
    }
  });
  afterEach(async () => {
    await stopLiar?.();
    stopLiar = undefined;
  });

  const plain = (...args: string[]): Promise<Outcome> =>
    runProgram(path.join(bin, 'docker'), args, { ...owner.env, DOCKER_CONTENT_TRUST: '0' });
  const create = (...args: string[]) => owner.run('buildx', 'imagetools', 'create', ...args);
  const served = async (reference: string, repository = PATH) =>
    await servedManifest(stage.registry, repository, reference);
  const membersOf = (manifest: { readonly bytes: Buffer } | undefined) =>
    (JSON.parse(String(manifest?.bytes)) as { manifests: { digest: string }[] }).manifests.map(
      ({ digest }) => digest,
    );

  it('protocol 5.1: signs the index of the signed images, and another machine pulls it', async () => {
    const made = await create('-t', `${name}:1.0`, `${name}:1.0-amd64`, `${name}:1.0-arm64`);
    expect(made).toMatchObject({ status: 0, stdout: '' });
    const index = await served('1.0');
    expect(membersOf(index)).toEqual([amd64.digest, arm64.digest]);
    expect((await signedTags(stage.registry, PATH))['1.0']).toBe(index?.digest);
    await stage.other.pinFrom(owner, name);
    const pulled = await stage.other.run('pull', `${name}:1.0`);
    expect(pulled).toMatchObject({ status: 0, code: undefined });
    expect(pulled.stdout).toContain(index?.digest);
  });

  it('signs a copy in another repository, and an index with another image appended', async () => {
    const copy = `${name}-copy`;
    const list = await pushIndex(stage.registry, PATH, { amd64: textImage('of a list', 'amd64') }, 'l');
    expect(await create('-t', `${copy}:1.0`, `${name}@${list.digest}`)).toMatchObject({ status: 0 });
    expect(await signedTags(stage.registry, `${PATH}-copy`)).toEqual({ '1.0': list.digest });
    expect((await served('1.0', `${PATH}-copy`))?.digest).toBe(list.digest);

    const appended = await create('--append', '-t', `${copy}:1.0`, `${name}:1.0-arm64`);
    expect(appended).toMatchObject({ status: 0 });
    const index = await served('1.0', `${PATH}-copy`);
    expect(membersOf(index)).toEqual([list.manifests.amd64?.digest, arm64.digest]);
    expect(await signedTags(stage.registry, `${PATH}-copy`)).toEqual({ '1.0': index?.digest });
  });

  it('takes a descriptor from a file, and a digest alone', async () => {
    const { digest, mediaType, bytes } = arm64;
    const descriptor = path.join(owner.home, 'arm64.json');
    const platform = { os: 'linux', architecture: 'arm64', variant: 'v8' };
    fs.writeFileSync(descriptor, JSON.stringify({ mediaType, digest, size: bytes.length, platform }));
    expect(await create('-f', descriptor, '-t', `${name}:2.0`)).toMatchObject({ status: 0 });
    const index = await served('2.0');
    expect(membersOf(index)).toEqual([arm64.digest]);
    expect(String(index?.bytes)).toContain('"variant": "v8"');
    expect((await signedTags(stage.registry, PATH))['2.0']).toBe(index?.digest);
    // buildx 0.13 takes what `latest` is in the place of a descriptor that stands beside another source.
    await pushImage(stage.registry, PATH, textImage('not asked for'), 'latest');
    const beside = await create('-f', descriptor, '-t', `${name}:3.0`, amd64.digest);
    expect(beside).toMatchObject({ status: 1, stdout: '' });
    expect(await served('3.0')).toBeUndefined();
    expect(await create('-t', `${name}:3.0`, amd64.digest)).toMatchObject({ status: 0 });
    expect(membersOf(await served('3.0'))).toEqual([amd64.digest]);
  });

  it('prints with --dry-run what docker prints, and signs nothing', async () => {
    const before = await served('_trust');
    const sources = [`${name}:1.0-amd64`, `${name}:1.0-arm64`];
    const printed = await create('--dry-run', ...sources);
    expect(printed).toEqual(await plain('buildx', 'imagetools', 'create', '--dry-run', ...sources));
    expect((await served('_trust'))?.digest).toBe(before?.digest);
  });

  it('refuses what is not signed before anything is put into the registry', async () => {
    const refused = await create('-t', `${name}:1.0`, `${name}:1.0-amd64`, `${name}:unsigned`);
    expect(refused).toMatchObject({ status: 1, stdout: '', code: 'TARGET_NOT_SIGNED' });
    expect(await served('5.0')).toBeUndefined();
  });

  it('protocol 5.1: a registry that serves docker other bytes for a digest gets nothing put together', async () => {
    const good = await pushIndex(stage.registry, PATH, { amd64: textImage('good', 'amd64') }, 'good');
    const bad = JSON.stringify({
      ...(JSON.parse(String(good.bytes)) as object),
      manifests: [
        {
          ...{ mediaType: evil.mediaType, size: evil.bytes.length, digest: evil.digest },
          platform: { architecture: 'amd64', os: 'linux' },
        },
      ],
    });
    const liar = await startLiar(stage.registry, `/manifests/${good.digest}`, bad.padEnd(good.bytes.length));
    stopLiar = liar.stop;
    const there = `${liar.host}/${PATH}`;
    // Without dtrust the lie ends in the registry.
    const sources = [`${there}@${good.digest}`, `${name}@${arm64.digest}`];
    await plain('buildx', 'imagetools', 'create', '-t', `${name}:lied`, ...sources);
    expect(membersOf(await served('lied'))).toContain(evil.digest);
    const made = await create('-t', `${name}:4.0`, ...sources);
    expect(made).toMatchObject({ status: 1, stdout: '', code: 'DIGEST_UNCONFIRMED' });
    expect(await served('4.0')).toBeUndefined();
  });

  describe('manifest push', () => {
    const list = (tag = 'list') => `${name}:${tag}`;

    it('protocol 5.1: signs the digest that docker prints, and another machine pulls it', async () => {
      const images = [`${name}:1.0-amd64`, `${name}@${arm64.digest}`];
      expect(await owner.run('manifest', 'create', '--insecure', list(), ...images)).toMatchObject({
        status: 0,
      });
      const variant = ['--variant', 'v8', list(), `${name}@${arm64.digest}`];
      expect(await owner.run('manifest', 'annotate', ...variant)).toMatchObject({ status: 0 });
      const pushed = await owner.run('manifest', 'push', '--insecure', '--purge', list());
      expect(pushed).toMatchObject({ status: 0, code: undefined });
      const index = await served('list');
      expect(membersOf(index)).toEqual([amd64.digest, arm64.digest]);
      expect(pushed.stdout).toMatch(new RegExp(`^${index?.digest}\n$`, 'm'));
      expect(pushed.stdout).not.toContain('igning');
      expect((await signedTags(stage.registry, PATH)).list).toBe(index?.digest);
      await stage.other.pinFrom(owner, name);
      expect(await stage.other.run('pull', '-q', list())).toMatchObject({ status: 0, code: undefined });
      // Purged, as docker does it.
      expect(await owner.run('manifest', 'push', list())).toMatchObject({
        status: 1,
        code: 'IMAGE_NOT_FOUND',
      });
    });

    it('refuses a list with a tag that is not signed, or was another image when the list was made', async () => {
      const other = list('other');
      await owner.run('manifest', 'create', '--insecure', other, `${name}:unsigned`);
      const unsigned = await owner.run('manifest', 'push', '--insecure', other);
      expect(unsigned).toMatchObject({ status: 1, stdout: '', code: 'TARGET_NOT_SIGNED' });
      await owner.run('manifest', 'rm', other);
      await pushImage(stage.registry, PATH, textImage('of somebody else'), '1.0-amd64');
      await owner.run('manifest', 'create', '--insecure', other, `${name}:1.0-amd64`);
      const moved = await owner.run('manifest', 'push', '--insecure', other);
      expect(moved).toMatchObject({ status: 1, stdout: '', code: 'TARGET_MISMATCH' });
      expect(await served('other')).toBeUndefined();
    });
  });
});

/** A registry that answers everybody but dtrust with other bytes for requests whose path ends so. */
async function startLiar(
  { port }: RunningRegistry,
  about: string,
  lie: string,
): Promise<{ readonly host: string; stop(): Promise<void> }> {
  const server = http.createServer((request, response) => {
    const { method, url: path = '/', headers } = request;
    const lies = path.endsWith(about) && !headers['user-agent']?.startsWith('dtrust/');
    const forward = http.request(
      { host: '127.0.0.1', port, method, path, headers, agent: false },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        if (!lies || method !== 'GET') return void answer.pipe(response);
        answer.resume();
        response.end(lie);
      },
    );
    request.pipe(forward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
