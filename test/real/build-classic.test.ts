/** `build` on real engines' classic builder, beside the real docker: judged by the images that come of it. */
import fs from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeTar } from '../../scripts/peers/tar.ts';
import { fill, member, archive as rawArchive } from '../enforce/build/context/archives.ts';
import {
  type BuiltImage,
  buildImage,
  busyboxBytes,
  dockerCli,
  hostArchitecture,
  imageArchive,
  needPeers,
  sha256,
} from '../helpers/peers.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { layersOf, tagsOf } from './engine-view.ts';
import { type Machine, type Outcome, runProgram } from './machines.ts';
import { type EngineKind, useStage } from './stage.ts';

const KINDS: readonly (EngineKind & { readonly cli: '20.10' | '26.1' })[] = [
  { version: '26.1', containerdStore: false, cli: '26.1' },
  { version: '26.1', containerdStore: true, cli: '26.1' },
  { version: '20.10', containerdStore: false, cli: '20.10' },
];

/** What differs from one build to the next. */
const masked = (text: string): string =>
  text
    .replaceAll(/\b[0-9a-f]{12}\b/g, 'ID')
    .replaceAll(/daemon +[\d.]+k?B/g, 'daemon SIZE')
    .replaceAll(/@sha256:[0-9a-f]{64}/g, '');

for (const kind of KINDS) {
  const needed = await needPeers(`engine ${kind.version}`, 'registry', `docker ${kind.cli}`, 'busybox');
  const store = kind.containerdStore ? 'containerd store' : 'classic store';
  describe.skipIf(needed.skip)(
    needed.title(`the classic builder of engine ${kind.version}, ${store}`),
    () => {
      const stage = useStage(kind);
      let base: BuiltImage;
      let bin: string;
      let machine: Machine;
      /** The same machine, with what it asks of the engine written down. */
      let watched: Machine;
      let name: string;
      let folder: string;

      const env = { DOCKER_BUILDKIT: '0' };
      const plain = (...args: string[]): Promise<Outcome> =>
        runProgram(path.join(bin, 'docker'), args, { ...machine.env, ...env });
      const build = (...args: string[]) => machine.runWith(env, 'build', '--network=none', ...args);
      const built = (input: Uint8Array, ...args: string[]): Promise<Outcome> =>
        runProgram(
          process.execPath,
          [machine.bin, 'build', '--network=none', ...args],
          { ...machine.env, ...env },
          input,
        );
      const inspect = async (image: string) => JSON.parse((await plain('image', 'inspect', image)).stdout)[0];
      const write = (files: Readonly<Record<string, string>>) => fill(folder, files);
      /** Every entry below a folder of an image: what it is, its mode, its bytes or where it leads, and a file's time. */
      const treeOf = async (image: string, place: string): Promise<readonly string[]> => {
        const id = (await plain('create', '--network=none', image)).stdout.trim();
        const out = temporaryFolder();
        await plain('cp', `${id}:${place}`, `${out}/tree`);
        await plain('rm', id);
        const all = fs.readdirSync(out, { recursive: true, encoding: 'utf8' });
        return all.sort().map((each) => {
          const full = path.join(out, each);
          const stat = fs.lstatSync(full);
          const link = stat.isSymbolicLink() ? fs.readlinkSync(full) : '';
          const file = stat.isFile()
            ? `${stat.mtimeMs} ${stat.nlink} ${fs.readFileSync(full, 'latin1')}`
            : '';
          return `${each} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${link}${file}`;
        });
      };
      /** The lines of a file in an image. */
      const cat = async (image: string, file: string) =>
        (
          await plain('run', '--rm', '--network=none', image, 'sh', '-c', `read line < ${file}; echo "$line"`)
        ).stdout.trim();

      beforeAll(async () => {
        const busybox = await busyboxBytes();
        const real = await dockerCli(kind.cli);
        bin = path.join(stage.workshop.folder, 'docker-bin');
        fs.mkdirSync(bin);
        fs.symlinkSync(real.path, path.join(bin, 'docker'));
        base = buildImage({ files: [{ path: 'bin/sh', bytes: busybox, mode: 0o755 }], command: ['sh'] });
      });
      beforeEach(async () => {
        const PATH = `${bin}:/usr/bin:/bin`;
        machine = stage.workshop.machine({ engine: stage.engine.host, env: { PATH } });
        watched = stage.workshop.machineAt(machine.home, {
          engine: `unix://${stage.relay.address}`,
          env: { PATH },
        });
        folder = temporaryFolder();
        if (name === undefined) {
          name = stage.name;
          await stage.engine.load(imageArchive(base, [`${name}:1.0`]));
          expect(await stage.owner.run('push', '-q', `${name}:1.0`)).toMatchObject({ status: 0 });
          await stage.engine.clear();
        }
        await machine.pinFrom(stage.owner, name);
        stage.relay.forget();
      });

      it('makes of a signed base the same image as docker, which then runs and is built upon', async () => {
        write({
          Dockerfile: `ARG TAG=1.0\nFROM ${name}:$TAG AS first\nCOPY . /src\nFROM ${name}:1.0\nARG WHO\nENV WHO=$WHO\nCOPY --from=first /src /dst\nWORKDIR /dst\nLABEL a="b c"\nCMD ["sh", "-c", "read x < a.txt; echo $x"]\n`,
          '.dockerignore': '# less\n.git\n*.log\n!keep.log\n.dockerignore\n',
          'a.txt': 'hello\n',
          'x.log': 'no',
          'keep.log': 'yes',
          '.git/config': 'no',
          'sub/deep/b': 'b',
          'empty/': '',
        });
        fs.symlinkSync('../a.txt', path.join(folder, 'sub/link'));
        fs.linkSync(path.join(folder, 'a.txt'), path.join(folder, 'hard'));
        fs.chmodSync(path.join(folder, 'sub/deep/b'), 0o4751);
        fs.chmodSync(path.join(folder, 'sub'), 0o700);
        expect(await machine.run('pull', '-q', `${name}:1.0`)).toMatchObject({ status: 0 });
        const ours = await build('-t', 'ours', '--build-arg', 'WHO=me', folder);
        expect(ours).toMatchObject({ status: 0 });
        expect(await tagsOf(stage.engine)).toEqual([`${name}:1.0`, 'ours:latest'].sort());
        const theirs = await plain(
          'build',
          '--network=none',
          '--no-cache',
          '-t',
          'theirs',
          '--build-arg',
          'WHO=me',
          folder,
        );
        expect(theirs).toMatchObject({ status: 0 });
        expect(await treeOf('ours', '/dst')).toEqual(await treeOf('theirs', '/dst'));
        const [left, right] = [await inspect('ours'), await inspect('theirs')];
        expect({ ...left.Config, Image: '' }).toEqual({ ...right.Config, Image: '' });
        const expected = masked(theirs.stdout).replaceAll('theirs', 'ours').replaceAll(`${name}:$TAG`, name);
        expect(masked(ours.stdout)).toBe(expected.replaceAll(`${name}:1.0`, name));
        const said = `${masked(theirs.stderr)}Tagging ${name} as ${name}:1.0\n`;
        expect(masked(ours.stderr)).toBe(said);
        expect(await machine.run('run', '--rm', '--network=none', 'ours')).toMatchObject({
          status: 0,
          stdout: 'hello\n',
        });
        write({ Dockerfile: 'FROM ours\nRUN [ -f /dst/a.txt ]\n' });
        expect(await build('-t', 'upon', folder)).toMatchObject({ status: 0 });
        expect(await machine.run('run', '--rm', '--network=none', 'upon')).toMatchObject({
          status: 0,
          stdout: 'hello\n',
        });
      });

      it('goes by the cache of what was built here, and by no image that was loaded', async () => {
        write({ Dockerfile: `FROM ${name}:1.0\nRUN echo one\nRUN echo two && false\n` });
        expect(await build(folder)).toMatchObject({ status: 1 });
        write({ Dockerfile: `FROM ${name}:1.0\nRUN echo one\nRUN echo two\n` });
        const again = await build('-q', '--iidfile', path.join(folder, 'id'), folder);
        expect(again, again.stderr).toMatchObject({ status: 0 });
        expect(again.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
        // As docker with -q: what was printed, its line break with it.
        expect(fs.readFileSync(path.join(folder, 'id'), 'utf8')).toBe(again.stdout);
        const cached = await build(folder);
        expect(cached.stdout.match(/Using cache/g)).toHaveLength(2);
        // An archive that says its image came of that step.
        const poison = poisoned(base, ['/bin/sh', '-c', 'echo three']);
        await stage.engine.load(poison);
        write({ Dockerfile: `FROM ${name}:1.0\nRUN echo three\n` });
        const clean = await build('-t', 'clean', folder);
        expect(clean).toMatchObject({ status: 0 });
        expect(clean.stdout).not.toContain('Using cache');
        // What is loaded into containerd's store has no parent there.
        const said = kind.containerdStore ? 'Tagging' : "the engine's build cache is not used";
        expect(clean.stderr).toContain(said);
        expect(await layersOf(stage.engine, 'clean')).toHaveLength(1);
        // And one that says so upon nothing (CVE-2024-24557).
        for (const archive of poisonedScratch()) await stage.engine.load(archive);
        write({ Dockerfile: 'FROM scratch\nLABEL x=y\n' });
        expect(await build('-t', 'empty', folder)).toMatchObject({ status: 0 });
        expect((await layersOf(stage.engine, 'empty')) ?? []).toEqual([]);
      });

      it('has the engine fetch nothing for an image of its own that it lost meanwhile', async () => {
        write({ Dockerfile: `FROM ${name}:1.0\nLABEL own=1\n` });
        expect(await build('-t', 'mine', folder)).toMatchObject({ status: 0 });
        const id: string = (await inspect('mine')).Id;
        write({ Dockerfile: 'FROM mine\n' });
        const held = stage.relay.hold(/^POST .*\/build/);
        const { ended } = watched.start(['build', folder], env);
        await held.reached;
        expect((await stage.engine.request('DELETE', '/images/mine?force=1')).status).toBe(200);
        held.release();
        const run = await ended;
        expect(run.status).not.toBe(0);
        expect(run.stdout).toContain(`Step 1/1 : FROM ${id.slice('sha256:'.length)}\n`);
        // The engine reads its digits as no repository's name, so nobody is asked.
        expect(run.stderr).toContain('invalid repository name');
        expect(run.stderr).not.toContain('docker.io');
      });

      // The rest is the same code whatever the store is.
      if (kind.containerdStore) return;

      it('takes a signed image as cache, and no other', async () => {
        write({ Dockerfile: `FROM ${name}:1.0\nRUN echo cached\n` });
        expect(await build('-t', `${name}:cached`, folder)).toMatchObject({ status: 0 });
        expect(await stage.owner.run('push', '-q', `${name}:cached`)).toMatchObject({ status: 0 });
        await stage.engine.clear();
        const fresh = stage.workshop.machine({ engine: stage.engine.host, env: machine.env });
        await fresh.pinFrom(stage.owner, name);
        expect(await fresh.run('pull', '-q', `${name}:cached`)).toMatchObject({ status: 0 });
        const id: string = (await inspect(`${name}:cached`)).Id;
        const run = await fresh.runWith(
          env,
          'build',
          '-t',
          'again',
          '--cache-from',
          `${name}:cached`,
          folder,
        );
        expect(run).toMatchObject({ status: 0 });
        expect(run.stdout).toContain(' ---> Using cache\n');
        expect((await inspect('again')).Id).toBe(id);
        await stage.engine.load(imageArchive(base, [`${name}:unsigned`]));
        const other = await fresh.runWith(env, 'build', '--cache-from', `${name}:unsigned`, folder);
        expect(other).toMatchObject({ status: 1, stdout: '', code: 'TARGET_NOT_SIGNED' });
      });

      it('refuses what is not signed, with the engine asked for no change', async () => {
        await stage.engine.load(imageArchive(base, ['unsigned:1', `${name}:unsigned`]));
        for (const [text, code] of [
          [`FROM ${name}:unsigned\n`, 'TARGET_NOT_SIGNED'],
          [`FROM ${name}:1.0\nCOPY --from=${name}:unsigned / /\n`, 'TARGET_NOT_SIGNED'],
          [`FROM ${name}:1.0\nRUN sh <<X\nhi\nX\n`, 'DOCKERFILE_INVALID'],
          ['FROM --platform=linux/amd64 scratch\nNONSENSE\n', 'DOCKERFILE_INVALID'],
        ] as const) {
          write({ Dockerfile: text });
          const run = await watched.runWith(env, 'build', folder);
          expect(run, text).toMatchObject({ status: 1, stdout: '', code });
        }
        expect(stage.relay.changing()).toEqual([]);
      });

      it('ends as docker does when a step fails', async () => {
        write({ Dockerfile: `FROM ${name}:1.0\nRUN echo out && exit 3\n` });
        expect(await machine.run('pull', `${name}:1.0`)).toMatchObject({ status: 0 });
        const theirs = await plain('build', '--network=none', folder);
        const ours = await build(folder);
        expect(masked(ours.stdout)).toBe(masked(theirs.stdout).replaceAll(`${name}:1.0`, name));
        expect(masked(ours.stderr)).toBe(masked(theirs.stderr));
        expect([ours.status, theirs.status]).toEqual([3, 3]);
      });

      it('takes a Dockerfile or an archive on stdin, and -f wherever it is', async () => {
        const dockerfile = `FROM ${name}:1.0\nCMD ["echo", "text"]\n`;
        expect(await built(Buffer.from(dockerfile), '-t', 'text', '-')).toMatchObject({ status: 0 });
        const tar = makeTar([
          { path: 'docker/file', bytes: Buffer.from(`FROM ${name}:1.0\nCOPY a /a\n`) },
          { path: './a', bytes: Buffer.from('from the archive') },
        ]);
        const zipped = await built(gzipSync(tar), '-t', 'zipped', '-f', 'docker/file', '-');
        expect(zipped).toMatchObject({ status: 0 });
        expect(await cat('zipped', '/a')).toBe('from the archive');
        write({ a: 'from the folder', 'other/Dockerfile': 'FROM scratch' });
        expect(
          await built(Buffer.from(`FROM ${name}:1.0\nCOPY . /b\n`), '-t', 'piped', '-f', '-', folder),
        ).toMatchObject({ status: 0 });
        expect((await treeOf('piped', '/b')).map((each) => each.split(' ')[0])).toEqual([
          'tree',
          'tree/a',
          'tree/other',
          'tree/other/Dockerfile',
        ]);
      });

      it('reads the Dockerfile that was decided on, whatever the archive puts in its place', async () => {
        await stage.engine.load(imageArchive(base, ['unsigned:1']));
        const good = member({ name: 'Dockerfile', content: `FROM ${name}:1.0\nLABEL good=1\n` });
        const first = await runProgram(
          process.execPath,
          [watched.bin, 'build', '-'],
          { ...watched.env, ...env },
          rawArchive(good),
        );
        expect(first).toMatchObject({ status: 0 });
        const request = stage.relay.changing().find((line) => line.includes('/build')) ?? '';
        const sent = /dockerfile=([^&]+)/.exec(request)?.[1] ?? '';
        expect(sent).toMatch(/^\.dockerfile\.[0-9a-f]{20}$/);
        const bad = `FROM unsigned:1\nLABEL bad=1\n`;
        const attack = rawArchive(
          member({ name: 'here', flag: '2', linkTo: '.' }),
          good,
          member({ name: `here/${sent}`, content: bad }),
          member({ name: 'here/.dockerignore', content: '*' }),
          member({ name: 'here/Dockerfile.x', content: bad }),
        );
        const run = await built(attack, '-t', 'attacked', '-');
        expect(run).toMatchObject({ status: 0 });
        expect((await inspect('attacked')).Config.Labels).toEqual({ good: '1' });
      });
    },
  );
}

/** An archive with the base and an image that claims to be built upon it by this command. */
function poisoned(base: BuiltImage, command: readonly string[]): Buffer {
  const layer = makeTar([{ path: 'evil', bytes: Buffer.from('evil') }]);
  const config = JSON.parse(base.config.toString());
  const evil = Buffer.from(
    JSON.stringify({
      ...config,
      created: '2030-01-01T00:00:00Z',
      container_config: { ...config.config, Cmd: command },
      rootfs: { type: 'layers', diff_ids: [...config.rootfs.diff_ids, sha256(layer)] },
      history: [...config.history, { created: '2030-01-01T00:00:00Z', created_by: 'evil' }],
    }),
  );
  const manifest = [
    { Config: 'base.json', RepoTags: [], Layers: ['base.tar'] },
    {
      Config: 'evil.json',
      RepoTags: ['evil:1'],
      Layers: ['base.tar', 'evil.tar'],
      Parent: sha256(base.config),
    },
  ];
  return makeTar([
    { path: 'base.json', bytes: base.config },
    { path: 'evil.json', bytes: evil },
    { path: 'base.tar', bytes: base.layer },
    { path: 'evil.tar', bytes: layer },
    { path: 'manifest.json', bytes: Buffer.from(JSON.stringify(manifest)) },
  ]);
}

/** Archives with images that claim to come of `LABEL x=y` upon nothing, in each form an engine may compare. */
function poisonedScratch(): readonly Buffer[] {
  const layer = makeTar([{ path: 'evil', bytes: Buffer.from('evil') }]);
  const Env = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'];
  const Cmd = ['/bin/sh', '-c', '#(nop) ', 'LABEL x=y'];
  const Labels = { x: 'y' };
  return [
    { Env, Cmd },
    { Env, Cmd, Labels },
    { Cmd, Labels },
  ].map((claimed) => {
    const config = Buffer.from(
      JSON.stringify({
        ...{ architecture: hostArchitecture(), os: 'linux', created: '2031-01-01T00:00:00Z' },
        config: { Env, Labels },
        container_config: claimed,
        rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
        history: [{ created: '2031-01-01T00:00:00Z', created_by: 'evil' }],
      }),
    );
    const manifest = [{ Config: 'evil.json', RepoTags: ['scratch-evil:1'], Layers: ['evil.tar'] }];
    return makeTar([
      { path: 'evil.json', bytes: config },
      { path: 'evil.tar', bytes: layer },
      { path: 'manifest.json', bytes: Buffer.from(JSON.stringify(manifest)) },
    ]);
  });
}
