/**
 * `build --push` with the real docker, buildx, engine and registry: what is signed is what the registry serves, and
 * another machine verifies it; the tag in the registry decides nothing.
 */
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  cliPlugin,
  dockerCli,
  needPeers,
  pushImage,
  type RunningRegistry,
  textImage,
} from '../helpers/peers.ts';
import { type Machine, OWNER_ENV } from './machines.ts';
import { servedManifest, signedTags } from './registry-view.ts';
import { type EngineKind, useStage } from './stage.ts';

const KINDS: readonly EngineKind[] = [
  { version: '26.1', containerdStore: false },
  { version: '26.1', containerdStore: true },
];

for (const kind of KINDS) {
  const needed = await needPeers(`engine ${kind.version}`, 'registry', 'docker 26.1', 'buildx');
  const store = kind.containerdStore ? 'containerd store' : 'classic store';
  describe.skipIf(needed.skip)(needed.title(`build --push on engine ${kind.version}, ${store}`), () => {
    const stage = useStage(kind);
    let owner: Machine;
    let folder: string;
    let stopRacer: (() => Promise<void>) | undefined;

    beforeAll(async () => {
      const [docker, buildx] = await Promise.all([dockerCli('26.1'), cliPlugin('buildx')]);
      const bin = path.join(stage.workshop.folder, 'docker-bin');
      fs.mkdirSync(bin);
      fs.symlinkSync(docker.path, path.join(bin, 'docker'));
      const env = { ...OWNER_ENV, PATH: `${bin}:/usr/bin:/bin` };
      owner = stage.workshop.machineAt(stage.owner.home, { engine: stage.engine.host, env });
      const plugins = path.join(owner.config, 'cli-plugins');
      fs.mkdirSync(plugins, { recursive: true });
      fs.symlinkSync(buildx.path, path.join(plugins, 'docker-buildx'));
      folder = path.join(owner.home, 'context');
      fs.mkdirSync(folder);
      fs.writeFileSync(path.join(folder, 'Dockerfile'), 'FROM scratch\nCOPY mine /mine\n');
      fs.writeFileSync(path.join(folder, 'mine'), 'mine');
    });
    afterEach(async () => {
      await stopRacer?.();
      stopRacer = undefined;
    });

    const build = (...args: string[]) => owner.run('buildx', 'build', ...args, folder);
    const served = (reference: string) => servedManifest(stage.registry, stage.path, reference);

    it('protocol 5.1: signs all tags as the registry serves them, and another machine pulls them', async () => {
      const { name } = stage;
      const built = await build('--push', '-t', `${name}:1.0`, '-t', `${name}:latest`);
      expect(built, built.stderr).toMatchObject({ status: 0, stdout: '', code: undefined });
      expect(built.stderr).toContain(`Successfully signed ${name}:1.0\nSuccessfully signed ${name}:latest\n`);
      const digest = (await served('1.0'))?.digest;
      expect(await signedTags(stage.registry, stage.path)).toEqual({ '1.0': digest, latest: digest });
      await stage.other.pinFrom(owner, name);
      const pulled = await stage.other.run('pull', `${name}:1.0`);
      expect(pulled).toMatchObject({ status: 0, code: undefined });
      expect(pulled.stdout).toContain(`${name}:1.0@${digest}`);
    });

    it('signs what --output pushes, with -q as well, where stdout is the ID alone', async () => {
      const { name } = stage;
      const built = await build('-q', '-o', `type=registry,"name=${name}:a,${name}:b"`);
      expect(built, built.stderr).toMatchObject({ status: 0, code: undefined });
      expect(built.stderr).not.toMatch(/^S(?:igning|uccessfully)/m);
      expect(built.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
      const digest = (await served('a'))?.digest;
      expect(await signedTags(stage.registry, stage.path)).toEqual({ a: digest, b: digest });
    });

    // The classic store holds one platform only.
    if (kind.containerdStore) {
      it('signs the index of several platforms', async () => {
        const { name } = stage;
        const built = await build('--push', '--platform=linux/amd64,linux/arm64', '-t', `${name}:1.0`);
        expect(built, built.stderr).toMatchObject({ status: 0, code: undefined });
        const index = await served('1.0');
        const { manifests } = JSON.parse(String(index?.bytes)) as {
          manifests: { platform: { architecture: string } }[];
        };
        const architectures = manifests.map(({ platform }) => platform.architecture);
        expect(architectures).toEqual(expect.arrayContaining(['amd64', 'arm64']));
        expect(await signedTags(stage.registry, stage.path)).toEqual({ '1.0': index?.digest });
      });
    }

    it('protocol 5.1: a tag that is another image right after the push is not signed', async () => {
      const evil = await pushImage(stage.registry, stage.path, textImage('of somebody else'), 'evil');
      const racer = await startRacer(stage.registry, `/v2/${stage.path}/manifests`, 'raced', 'evil');
      stopRacer = racer.stop;
      const name = `${racer.host}/${stage.path}`;
      const built = await build('--push', '-t', `${name}:raced`);
      const mine = (await served('raced'))?.digest;
      expect(mine).not.toBe(evil.digest);
      expect(built.stderr).not.toContain(`@${evil.digest}`);
      if (kind.containerdStore) {
        // BuildKit's own digest stands beside the registry's.
        expect(built, built.stderr).toMatchObject({ status: 0, code: undefined });
        expect(await signedTags(stage.registry, stage.path)).toEqual({ raced: mine });
      } else {
        expect(built, built.stderr).toMatchObject({ status: 1, code: 'DIGEST_UNCONFIRMED' });
        expect(await served('_trust')).toBeUndefined();
      }
    });

    it('does not build without a key that counts, and nothing is in the registry', async () => {
      const { name } = stage;
      await build('--push', '-t', `${name}:1.0`);
      const before = (await served('1.0'))?.digest;
      fs.writeFileSync(path.join(folder, 'mine'), 'another');
      const env = { ...OWNER_ENV, PATH: owner.env.PATH ?? '' };
      const other = stage.workshop.machineAt(stage.other.home, { engine: stage.engine.host, env });
      fs.mkdirSync(path.join(other.config, 'cli-plugins'));
      fs.copyFileSync(
        path.join(owner.config, 'cli-plugins', 'docker-buildx'),
        path.join(other.config, 'cli-plugins', 'docker-buildx'),
      );
      await stage.other.pinFrom(owner, name);
      const refused = await other.run('build', '--push', '-t', `${name}:1.0`, folder);
      expect(refused, refused.stderr).toMatchObject({ status: 1, stdout: '', code: 'KEY_MISSING' });
      expect((await served('1.0'))?.digest).toBe(before);
    });
  });
}

/** A registry in which a tag is another one for everybody but dtrust, as soon as it was pushed. */
async function startRacer(
  { port }: RunningRegistry,
  manifests: string,
  tag: string,
  other: string,
): Promise<{ readonly host: string; stop(): Promise<void> }> {
  let pushed = false;
  const server = http.createServer((request, response) => {
    const { method, url = '/', headers } = request;
    const isTag = url === `${manifests}/${tag}`;
    const moved = isTag && pushed && method !== 'PUT' && !headers['user-agent']?.startsWith('dtrust/');
    if (isTag && method === 'PUT') pushed = true;
    const target = moved ? `${manifests}/${other}` : url;
    const forward = http.request(
      { host: '127.0.0.1', port, method, path: target, headers, agent: false },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
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
