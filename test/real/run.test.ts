/** `run`, `create`, `start` and `commit` with the real docker on real engines: judged by what the containers print. */
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildImage, busyboxBytes, dockerCli, imageArchive, needPeers } from '../helpers/peers.ts';
import { imagesOf, layersOf, tagsOf } from './engine-view.ts';
import { type Machine, type Outcome, runProgram } from './machines.ts';
import { type EngineKind, useStage } from './stage.ts';

const KINDS: readonly EngineKind[] = [
  { version: '26.1', containerdStore: false },
  { version: '26.1', containerdStore: true },
  { version: '20.10', containerdStore: false },
];

for (const kind of KINDS) {
  const needed = await needPeers(`engine ${kind.version}`, 'registry', 'docker 26.1', 'busybox');
  const store = kind.containerdStore ? 'containerd store' : 'classic store';
  describe.skipIf(needed.skip)(needed.title(`run on engine ${kind.version}, ${store}`), () => {
    const stage = useStage(kind);
    let busybox: Uint8Array;
    let bin: string;
    let machine: Machine;
    /** The same machine, with what it asks of the engine written down; no container can be attached to there. */
    let watched: Machine;
    let name: string;

    /** An image that prints its text. */
    const speaking = (text: string) =>
      buildImage({
        files: [{ path: 'bin/busybox', bytes: busybox, mode: 0o755 }],
        command: ['/bin/busybox', 'echo', text],
      });
    const load = (text: string, ...names: readonly string[]) =>
      stage.engine.load(imageArchive(speaking(text), names));
    /** What the real docker does with the same engine. */
    const plain = (...args: string[]): Promise<Outcome> =>
      runProgram(path.join(bin, 'docker'), args, machine.env);
    /** The image's ID as this engine says it. */
    const idOf = async (image: string) =>
      (await plain('image', 'inspect', '-f', '{{.Id}}', image)).stdout.trim();
    /** Changes asked of the engine, without the container's own. */
    const imageChanges = () => stage.relay.changing().filter((line) => !line.includes('/containers/'));
    const run = (...args: string[]) => machine.run('run', '--network=none', ...args);

    beforeAll(async () => {
      busybox = await busyboxBytes();
      const real = await dockerCli('26.1');
      bin = path.join(stage.workshop.folder, 'docker-bin');
      fs.mkdirSync(bin);
      fs.symlinkSync(real.path, path.join(bin, 'docker'));
    });
    beforeEach(async () => {
      const PATH = `${bin}:/usr/bin:/bin`;
      machine = stage.workshop.machine({ engine: stage.engine.host, env: { PATH } });
      const engine = `unix://${stage.relay.address}`;
      watched = stage.workshop.machineAt(machine.home, { engine, env: { PATH } });
      ({ name } = stage);
      await load('good', `${name}:1.0`);
      expect(await stage.owner.run('push', '-q', `${name}:1.0`)).toMatchObject({ status: 0 });
      await stage.engine.clear();
      await machine.pinFrom(stage.owner, name);
      stage.relay.forget();
    });

    it('fetches what is signed, names it and runs it; the second time nothing is fetched', async () => {
      const first = await run('--rm', `${name}:1.0`);
      expect(first).toMatchObject({ status: 0, stdout: 'good\n', code: undefined });
      expect(await tagsOf(stage.engine)).toEqual([`${name}:1.0`]);
      expect(await run('--rm', `${name}:1.0`)).toMatchObject({ status: 0, stdout: 'good\n', stderr: '' });
      expect(await watched.run('create', '--name=spare', `${name}:1.0`)).toMatchObject({
        status: 0,
        stderr: '',
      });
      await plain('rm', 'spare');
      expect(await run('--rm', '--pull=always', `${name}:1.0`)).toMatchObject({
        status: 0,
        stdout: 'good\n',
        stderr: '',
      });
      expect(imageChanges()).toEqual([]);
      const failing = await run(
        '--rm',
        `${name}:1.0`,
        '/bin/busybox',
        'sh',
        '-c',
        'echo --pull "$1"; exit 42',
        '-',
        '--rm',
      );
      expect(failing).toMatchObject({ status: 42, stdout: '--pull --rm\n' });
    });

    it('does not fetch with --pull never: docker says what is missing', async () => {
      const missing = await run('--pull', 'never', `${name}:1.0`);
      expect(missing).toMatchObject({ status: 125, stdout: '', code: undefined });
      expect(missing.stderr).toMatch(/No such image/);
      expect(await imagesOf(stage.engine)).toEqual([]);
    });

    it('refuses what nobody signed, with an engine that was asked for nothing', async () => {
      await load('evil', `${name}:evil`, 'evil:latest');
      const id = await idOf('evil');
      stage.relay.forget();
      for (const image of [`${name}:evil`, id, id.slice(7), id.slice(7, 19)]) {
        const refusal = await watched.run('run', '--rm', '--pull=always', image);
        expect(refusal).toMatchObject({ status: 125, stdout: '' });
        expect(['TARGET_NOT_SIGNED', 'IMAGE_UNVERIFIED']).toContain(refusal.code);
      }
      expect(stage.relay.changing()).toEqual([]);
    });

    it('runs what is signed and not what an archive brought in under its name', async () => {
      await load('evil', `${name}:1.0`);
      expect(await run('--rm', `${name}:1.0`)).toMatchObject({ status: 0, stdout: 'good\n' });
      expect(await plain('run', '--rm', '--network=none', `${name}:1.0`)).toMatchObject({ stdout: 'good\n' });
    });

    it('runs what is signed when the name is given to another image between the check and the use', async () => {
      await load('evil', 'evil:latest');
      const wrapper = path.join(machine.home, 'retagging');
      const docker = path.join(bin, 'docker');
      fs.writeFileSync(
        wrapper,
        `#!/bin/sh\n'${docker}' tag evil:latest '${name}:1.0'\nexec '${docker}' "$@"\n`,
        { mode: 0o755 },
      );
      const ran = await machine.runWith(
        { DTRUST_DOCKER: wrapper },
        'run',
        '--rm',
        '--network=none',
        `${name}:1.0`,
      );
      expect(ran).toMatchObject({ status: 0, stdout: 'good\n' });
      expect(await layersOf(stage.engine, `${name}:1.0`)).toEqual(
        await layersOf(stage.engine, 'evil:latest'),
      );
    });

    it('runs a signed image by its ID, short or full, and an accepted one', async () => {
      expect(await machine.run('pull', '-q', `${name}:1.0`)).toMatchObject({ status: 0 });
      const good = await idOf(`${name}:1.0`);
      expect(await run('--rm', good)).toMatchObject({ status: 0, stdout: 'good\n', code: undefined });
      expect(await run('--rm', good.slice(7, 19))).toMatchObject({ status: 0, stdout: 'good\n' });
      await load('mine', `${stage.registry.host}/mine:1`);
      const mine = await idOf(`${stage.registry.host}/mine:1`);
      expect(await run('--rm', `${stage.registry.host}/mine:1`)).toMatchObject({ status: 125, stdout: '' });
      expect(await machine.run('trust', 'accept', mine)).toMatchObject({ status: 0 });
      expect(await run('--rm', `${stage.registry.host}/mine:1`)).toMatchObject({
        status: 0,
        stdout: 'mine\n',
      });
      expect(await run('--rm', '--pull=always', mine)).toMatchObject({ status: 0, stdout: 'mine\n' });
    });

    it('starts again what it made, commits it, and runs the result', async () => {
      expect(await machine.run('create', '--network=none', '--name', 'box', `${name}:1.0`)).toMatchObject({
        status: 0,
      });
      expect(await machine.run('start', '-a', 'box')).toMatchObject({
        status: 0,
        stdout: 'good\n',
        stderr: '',
      });
      const listed = await machine.run('ps', '-a', '--filter', 'name=box', '--format', '{{.Image}}');
      expect(listed.stdout).toBe(`${name}\n`);
      const committed = await machine.run(
        'commit',
        '--change',
        'CMD ["/bin/busybox","echo","committed"]',
        'box',
        'mine:2',
      );
      expect(committed).toMatchObject({ status: 0, stderr: '' });
      expect(committed.stdout.trim()).toBe(await idOf('mine:2'));
      expect(await run('--rm', 'mine:2')).toMatchObject({ status: 0, stdout: 'committed\n' });
      await plain('rm', 'box');
    });

    it('starts what plain docker made of a signed image, and nothing else', async () => {
      const names = ['signed', 'loaded', 'lying'];
      await plain('pull', '-q', `${name}:1.0`);
      await plain('create', '--network=none', '--name', 'signed', `${name}:1.0`);
      await load('evil', 'evil:latest');
      await plain('create', '--network=none', '--name', 'loaded', 'evil');
      await plain('tag', 'evil:latest', `${name}:1.0`);
      await plain('create', '--network=none', '--name', 'lying', `${name}:1.0`);
      stage.relay.forget();
      for (const bad of ['loaded', 'lying']) {
        const refusal = await watched.run('start', 'signed', bad);
        expect(refusal).toMatchObject({ status: 1, stdout: '', code: 'IMAGE_UNVERIFIED' });
      }
      expect(stage.relay.changing()).toEqual([]);
      expect(await machine.run('start', '-a', 'signed')).toMatchObject({
        status: 0,
        stdout: 'good\n',
        code: undefined,
      });
      await plain('rm', ...names);
    });

    it('takes a platform that is there, and refuses one that is not', async () => {
      const here = process.arch === 'x64' ? 'linux/amd64' : 'linux/arm64';
      expect(await run('--rm', '--platform', here, `${name}:1.0`)).toMatchObject({
        status: 0,
        stdout: 'good\n',
      });
      const other = await run('--rm', '--platform', 'linux/s390x', `${name}:1.0`);
      expect(other.status).toBe(125);
      expect(other.stdout).toBe('');
    });

    it('lets the switch through where docker reads it, and nowhere else', async () => {
      await load('evil', `${name}:evil`);
      const off = await machine.runWith(
        { DOCKER_CONTENT_TRUST: '0' },
        'run',
        '--rm',
        '--network=none',
        `${name}:evil`,
      );
      expect(off).toMatchObject({ status: 0, stdout: 'evil\n' });
      expect(await run('--rm', '--disable-content-trust', `${name}:evil`)).toMatchObject({
        stdout: 'evil\n',
      });
      for (const args of [
        ['--rm', `${name}:evil`, '--disable-content-trust'],
        ['--rm', '-e', '--disable-content-trust', `${name}:evil`],
        ['--rm', '--disable-content-trust', '--disable-content-trust=false', `${name}:evil`],
      ]) {
        expect(await run(...args)).toMatchObject({ status: 125, stdout: '', code: 'TARGET_NOT_SIGNED' });
      }
    });
  });
}
