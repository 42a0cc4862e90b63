/** Beside each real docker: what dtrust hands on, what it keeps, and dtrust installed under docker's own name. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildImage,
  busyboxBytes,
  cliPlugin,
  dockerCli,
  imageArchive,
  needPeers,
  type RunningEngine,
  type RunningRegistry,
  startEngine,
  startRegistry,
} from '../helpers/peers.ts';
import { imagesOf, tagsOf } from './engine-view.ts';
import { type Machine, type Outcome, OWNER_ENV, runProgram, Workshop } from './machines.ts';

const KINDS = [
  { cli: '20.10', engineVersion: '20.10' },
  { cli: '26.1', engineVersion: '26.1' },
  { cli: '28', engineVersion: '26.1' },
] as const;

for (const { cli, engineVersion } of KINDS) {
  const needed = await needPeers(`docker ${cli}`, `engine ${engineVersion}`, 'registry', 'busybox');
  describe.skipIf(needed.skip)(needed.title(`beside the real docker ${cli}`), () => {
    let workshop: Workshop;
    let engine: RunningEngine;
    let registry: RunningRegistry;
    let machine: Machine;
    let docker: string;
    let name: string;

    /** What the real docker says to the same arguments. */
    const direct = (...args: string[]): Promise<Outcome> => runProgram(docker, args, machine.env);

    beforeAll(async () => {
      [workshop, engine, registry] = await Promise.all([
        Workshop.open(),
        startEngine({ version: engineVersion }),
        startRegistry(),
      ]);
      const real = await dockerCli(cli);
      const bin = path.join(workshop.folder, 'docker-bin');
      fs.mkdirSync(bin);
      docker = path.join(bin, 'docker');
      fs.symlinkSync(real.path, docker);
      machine = workshop.machine({
        engine: engine.host,
        env: { ...OWNER_ENV, ...real.env, PATH: `${bin}:/usr/bin:/bin` },
      });
      name = `${registry.host}/cli/hello`;
      const image = buildImage({
        files: [{ path: 'bin/busybox', bytes: await busyboxBytes(), mode: 0o755 }],
        command: ['/bin/busybox', 'echo', 'hello from inside'],
      });
      await engine.load(imageArchive(image, [`${name}:1.0`]));
      expect(await machine.run('push', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
      await engine.clear();
      expect(await machine.run('pull', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
    });
    afterAll(async () => {
      await Promise.all([engine.stop(), registry.stop()]);
      workshop.remove();
    });

    const same: readonly (readonly string[])[] = [
      ['ps', '-a'],
      ['images', '--digests', '--no-trunc'],
      ['image', 'ls', '-q'],
      ['inspect', 'nothing-of-that-name'],
      ['pull', '--help'],
      ['version'],
      ['ps', '--no-such-flag'],
    ];
    it.each(same.map((args) => ({ line: args.join(' '), args })))(
      '$line: the same output and exit status as docker',
      async ({ args }) => {
        const { code: _, ...expected } = await direct(...args);
        expect(await machine.run(...args)).toMatchObject(expected);
      },
    );

    it('runs the pulled image with trust off and with trust on', async () => {
      const args = ['run', '--rm', '--network=none', `${name}:1.0`];
      const off = await machine.runWith({ DOCKER_CONTENT_TRUST: '0' }, ...args);
      expect(off).toMatchObject({ status: 0, stdout: 'hello from inside\n' });
      const flag = await machine.run('run', '--disable-content-trust', ...args.slice(1));
      expect(flag).toMatchObject({ status: 0, stdout: 'hello from inside\n' });
      const failing = ['run', '--rm', '--network=none', `${name}:1.0`, '/bin/busybox', 'sh', '-c', 'exit 42'];
      expect(await machine.runWith({ DOCKER_CONTENT_TRUST: 'false' }, ...failing)).toMatchObject({
        status: 42,
      });
      expect(await machine.run(...args)).toMatchObject({
        status: 0,
        stdout: 'hello from inside\n',
        stderr: '',
      });
      expect(await machine.run(...failing)).toMatchObject({ status: 42 });
    });

    it('with trust off, pull and push are the real docker, which asks no Notary either', async () => {
      const stranger = workshop.machine({ engine: engine.host, env: { PATH: machine.env.PATH ?? '' } });
      const env = { DOCKER_CONTENT_TRUST: '0', DOCKER_CONTENT_TRUST_SERVER: 'https://127.0.0.1:1' };
      expect(await stranger.runWith(env, 'pull', `${name}:1.0`)).toMatchObject({ status: 0 });
      expect(await stranger.run('pull', '--disable-content-trust', `${name}:1.0`)).toMatchObject({
        status: 0,
      });
      expect(await stranger.runWith(env, 'push', `${name}:1.0`)).toMatchObject({ status: 0 });
      expect(fs.existsSync(path.join(stranger.config, 'trust'))).toBe(false);
    });

    it('installed as docker before the real one: pull is enforced, the rest goes to the real one', async () => {
      const front = path.join(workshop.folder, 'front');
      fs.mkdirSync(front);
      fs.chmodSync(workshop.bin, 0o755);
      fs.symlinkSync(workshop.bin, path.join(front, 'docker'));
      fs.symlinkSync(process.execPath, path.join(front, 'node'));
      const PATH = `${front}:${machine.env.PATH}`;
      const stranger = workshop.machine({ engine: engine.host, env: { PATH } });
      const asDocker = (env: Readonly<Record<string, string>>, ...args: string[]): Promise<Outcome> =>
        runProgram('/bin/sh', ['-c', 'exec docker "$@"', 'sh', ...args], env);
      expect(await asDocker(stranger.env, 'pull', `${name}:1.0`)).toMatchObject({
        status: 1,
        code: 'FIRST_USE_REFUSED',
      });
      const images = await asDocker(stranger.env, 'images', '-q', '--no-trunc');
      expect(images).toMatchObject({
        status: 0,
        stdout: (await direct('images', '-q', '--no-trunc')).stdout,
      });
      const pulled = await asDocker({ ...machine.env, PATH }, 'image', 'pull', `${name}:1.0`);
      expect(pulled).toMatchObject({ status: 0, code: undefined });
      expect(await tagsOf(engine)).toContain(`${name}:1.0`);
    });
  });
}

const plugins = await needPeers('docker 26.1', 'buildx', 'compose', 'engine 26.1');

describe.skipIf(plugins.skip)(plugins.title('the real plugins of docker'), () => {
  it('are handed on where they bring no image in, and refused where they do', async () => {
    const [workshop, engine, real] = await Promise.all([
      Workshop.open(),
      startEngine({ version: '26.1' }),
      dockerCli('26.1'),
    ]);
    const machine = workshop.machine({
      engine: engine.host,
      env: { ...real.env, DTRUST_DOCKER: real.path },
    });
    fs.mkdirSync(path.join(machine.config, 'cli-plugins'));
    for (const plugin of ['buildx', 'compose'] as const) {
      const { path: program } = await cliPlugin(plugin);
      fs.symlinkSync(program, path.join(machine.config, 'cli-plugins', `docker-${plugin}`));
    }
    fs.writeFileSync(path.join(machine.home, 'compose.yaml'), 'services: { one: { image: busybox } }\n');
    fs.writeFileSync(path.join(machine.home, 'Dockerfile'), 'FROM busybox\n');
    try {
      expect((await machine.run('buildx', 'version')).stdout).toContain('buildx');
      expect((await machine.run('compose', 'config', '--images')).stdout).toBe('busybox\n');
      for (const args of [
        ['compose', 'up', '-d'],
        ['compose', 'pull'],
        ['buildx', 'bake'],
      ]) {
        expect(await machine.run(...args)).toMatchObject({ status: 1, stdout: '', code: 'NOT_YET_ENFORCED' });
      }
      expect(await imagesOf(engine)).toEqual([]);
    } finally {
      await engine.stop();
      workshop.remove();
    }
  });
});
