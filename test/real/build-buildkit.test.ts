/** `build` with BuildKit: real docker, buildx, engines and registry; judged by what the images hold and the engine has. */
import fs from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MEDIA, sha256 } from '../../scripts/peers/images.ts';
import { makeTar } from '../../scripts/peers/tar.ts';
import { startGitServer } from '../helpers/git-server.ts';
import { startServer } from '../helpers/http-server.ts';
import {
  type BuiltImage,
  buildImage,
  busyboxBytes,
  cliPlugin,
  dockerCli,
  imageArchive,
  needPeers,
  pushImage,
} from '../helpers/peers.ts';
import { imagesOf, tagsOf } from './engine-view.ts';
import { type Machine, type Outcome, OWNER_ENV, runProgram } from './machines.ts';
import { type EngineKind, useStage } from './stage.ts';

const KINDS: readonly EngineKind[] = [
  { version: '26.1', containerdStore: false },
  { version: '26.1', containerdStore: true },
];

/** A machine with docker 26.1, its buildx, and a way to both without dtrust. */
function useBuilds(kind: EngineKind) {
  const stage = useStage(kind);
  const world = { stage } as {
    readonly stage: typeof stage;
    machine: Machine;
    /** A repository with a signed image `1.0` that prints `good`, and an unsigned `evil`. */
    name: string;
    plain(...args: string[]): Promise<Outcome>;
    /** Writes files below the machine's home; those that are there before are gone. */
    context(files: Readonly<Record<string, string>>): string;
    speaking(text: string, more?: Readonly<Record<string, unknown>>): BuiltImage;
    said(image: string): Promise<string>;
    /** The owner of the repository, with the same docker. */
    publisher(): Machine;
    bin: string;
  };
  let busybox: Uint8Array;
  let count = 0;
  beforeAll(async () => {
    busybox = await busyboxBytes();
    world.bin = path.join(stage.workshop.folder, 'docker-bin');
    fs.mkdirSync(world.bin);
    fs.symlinkSync((await dockerCli('26.1')).path, path.join(world.bin, 'docker'));
    await addBuildx(stage.owner.config);
  });
  world.speaking = (text) =>
    buildImage({
      files: [
        { path: 'bin/busybox', bytes: busybox, mode: 0o755 },
        { path: 'bin/sh', bytes: busybox, mode: 0o755 },
        { path: 'said', bytes: Buffer.from(`${text}\n`) },
      ],
      command: ['/bin/busybox', 'cat', '/said'],
    });
  beforeEach(async () => {
    const PATH = `${world.bin}:/usr/bin:/bin`;
    world.machine = stage.workshop.machine({ engine: stage.engine.host, env: { PATH } });
    await addBuildx(world.machine.config);
    world.name = stage.name;
    await stage.engine.load(imageArchive(world.speaking('good'), [`${stage.name}:1.0`]));
    expect(await stage.owner.run('push', '-q', `${stage.name}:1.0`)).toMatchObject({ status: 0 });
    await stage.engine.clear();
    await pushImage(stage.registry, stage.path, world.speaking('evil'), 'evil');
    await world.machine.pinFrom(stage.owner, stage.name);
  });
  world.plain = (...args) => runProgram(path.join(world.bin, 'docker'), args, world.machine.env);
  world.context = (files) => {
    count += 1;
    const folder = path.join(world.machine.home, `context-${count}`);
    for (const [name, text] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      fs.writeFileSync(path.join(folder, name), text);
    }
    return folder;
  };
  world.said = async (image) => (await world.plain('run', '--rm', '--network=none', image)).stdout;
  world.publisher = () => {
    const env = { ...OWNER_ENV, PATH: `${world.bin}:/usr/bin:/bin` };
    return stage.workshop.machineAt(stage.owner.home, { engine: stage.engine.host, env });
  };
  return world;
}

async function addBuildx(config: string): Promise<void> {
  fs.mkdirSync(path.join(config, 'cli-plugins'));
  fs.symlinkSync((await cliPlugin('buildx')).path, path.join(config, 'cli-plugins', 'docker-buildx'));
}

for (const kind of KINDS) {
  const needed = await needPeers(`engine ${kind.version}`, 'registry', 'docker 26.1', 'buildx', 'busybox');
  const store = kind.containerdStore ? 'containerd store' : 'classic store';
  describe.skipIf(needed.skip)(
    needed.title(`design 3: build with BuildKit on engine ${kind.version}, ${store}`),
    () => {
      const world = useBuilds(kind);
      const build = (...args: string[]) => world.machine.run('build', '--network=none', ...args);

      it('builds from what is signed, and what was built here runs', async () => {
        const { name, machine } = world;
        const folder = world.context({ Dockerfile: `FROM ${name}:1.0\nCOPY mine /mine\n`, mine: 'mine' });
        const built = await build('-t', 'app:1', folder);
        expect(built, built.stderr).toMatchObject({ status: 0, code: undefined });
        expect(await world.said('app:1')).toBe('good\n');
        expect(await tagsOf(world.stage.engine)).toEqual(['app:1']);
        const ran = await machine.run('run', '--rm', '--network=none', 'app:1');
        expect(ran).toMatchObject({ status: 0, stdout: 'good\n' });
      });

      it('refuses what nobody signed, wherever it is named, and the engine holds nothing', async () => {
        const { name } = world;
        for (const text of [
          `FROM ${name}:evil\n`,
          `FROM ${name}:1.0\nCOPY --from=${name}:evil /said /evil\n`,
          `FROM ${name}:1.0\nRUN --mount=from=${name}:evil,target=/evil cat /evil/said\n`,
          `# syntax=${name}:evil\nFROM ${name}:1.0\n`,
        ]) {
          const refusal = await build(world.context({ Dockerfile: text }));
          expect(refusal, text).toMatchObject({ status: 1, stdout: '', code: 'TARGET_NOT_SIGNED' });
          expect(refusal.stderr).toMatch(/Dockerfile:\d/);
        }
        expect(await imagesOf(world.stage.engine)).toEqual([]);
      });

      it('leaves what dtrust has not seen to the builder, which denies it: a Dockerfile that changes after the decision', async () => {
        const { name, machine, stage } = world;
        const folder = world.context({ Dockerfile: `FROM ${name}:1.0\n` });
        // A docker that swaps the Dockerfile once dtrust has decided.
        const swapping = path.join(machine.home, 'docker');
        for (const text of [
          `FROM ${name}:evil`,
          `FROM ${name}:1.0\\nCOPY --from=${name}:evil /said /evil`,
          `# syntax=${name}:evil\\nFROM ${name}:1.0`,
        ]) {
          fs.writeFileSync(
            swapping,
            `#!/bin/sh\ncase "$*" in *metadata-file*) printf '${text}\\n' > ${folder}/Dockerfile;; esac\nexec ${world.bin}/docker "$@"\n`,
            { mode: 0o755 },
          );
          fs.writeFileSync(path.join(folder, 'Dockerfile'), `FROM ${name}:1.0\n`);
          const denied = await machine.runWith({ DTRUST_DOCKER: swapping }, 'build', '-t', 'app:1', folder);
          expect(denied, text).toMatchObject({ status: 1, code: undefined });
          expect(denied.stderr).toContain(`source "docker-image://${name}:evil" denied by policy`);
          expect(fs.readFileSync(path.join(folder, 'Dockerfile'), 'utf8')).toContain(':evil');
        }
        expect(await tagsOf(stage.engine)).toEqual([]);
        expect((await world.plain('buildx', 'du', '--verbose')).stdout).not.toContain(':evil');
      });

      it('builds upon an image that was built here, by a name of that build alone', async () => {
        const { name, stage } = world;
        const base = world.context({ Dockerfile: `FROM ${name}:1.0\nRUN echo mine > /said\n` });
        expect(await build('-t', 'mine:1', base)).toMatchObject({ status: 0, code: undefined });
        const built = await build(
          '-t',
          'upon:1',
          world.context({ Dockerfile: 'FROM mine:1\nRUN cat /said\n' }),
        );
        expect(built, built.stderr).toMatchObject({ status: 0, code: undefined });
        expect(await world.said('upon:1')).toBe('mine\n');
        expect(await tagsOf(stage.engine)).toEqual(['mine:1', 'upon:1']);
        // What an archive brings under that name was not built here.
        await stage.engine.load(imageArchive(world.speaking('evil'), ['mine:1']));
        const refusal = await build(world.context({ Dockerfile: 'FROM mine:1\n' }));
        expect(refusal).toMatchObject({ status: 1, stdout: '' });
        expect(refusal.code).toBeDefined();
      });

      it('reads a Dockerfile and an archive from stdin, and hands them on', async () => {
        const { name, machine } = world;
        const dockerfile = `FROM ${name}:1.0\nCOPY mine /said\n`;
        const tar = makeTar([
          { path: 'Dockerfile', bytes: Buffer.from(dockerfile) },
          { path: 'mine', bytes: Buffer.from('from the archive\n') },
        ]);
        const folder = world.context({ mine: 'from the folder\n' });
        const run = (stdin: Uint8Array | string, ...args: string[]) =>
          runProgram(
            '/bin/sh',
            ['-c', `exec ${machine.command} "$@"`, 'sh', 'build', ...args],
            machine.env,
            stdin,
          );
        expect(await run(dockerfile, '-q', '-t', 'app:f', '-f', '-', folder)).toMatchObject({ status: 0 });
        expect(await world.said('app:f')).toBe('from the folder\n');
        expect(await run(gzipSync(tar), '-q', '-t', 'app:t', '-')).toMatchObject({ status: 0 });
        expect(await world.said('app:t')).toBe('from the archive\n');
      });

      if (!kind.containerdStore) {
        it('builds what is on the web, and what the builder is served there instead is denied', async () => {
          const { name, stage } = world;
          const tar = (base: string) =>
            gzipSync(
              makeTar([
                { path: 'Dockerfile', bytes: Buffer.from(`FROM ${base}\nCOPY mine /said\n`) },
                { path: 'mine', bytes: Buffer.from('from the web\n') },
              ]),
            );
          const good = `${name}:1.0`;
          const evil = `${name}:evil`;
          const pages = new Map<string, (base: string) => Uint8Array | string>([
            ['/context.tar.gz', tar],
            ['/Dockerfile', (base) => `FROM ${base}\nRUN echo from the web > /said\n`],
            ['/stage', (base) => `FROM ${good}\nCOPY --from=${base} /said /said\n`],
            ['/syntax', (base) => (base === good ? `FROM ${good}\n` : `# syntax=${base}\nFROM ${good}\n`)],
          ]);
          let served: (isBuilder: boolean) => string = () => good;
          await using web = await startServer((request, response) => {
            const isBuilder = !/^dtrust\b/.test(request.headers['user-agent'] ?? '');
            response.end(pages.get(request.url)?.(served(isBuilder)));
          });
          const folder = world.context({ mine: '' });
          const ways: readonly (readonly string[])[] = [
            [`${web.origin}/context.tar.gz`],
            [`${web.origin}/Dockerfile`],
            ['-f', `${web.origin}/Dockerfile`, folder],
          ];
          for (const way of ways) {
            const built = await build('--no-cache', '-t', 'app:1', ...way);
            expect(built, built.stderr).toMatchObject({ status: 0, code: undefined });
            expect(await world.said('app:1')).toBe('from the web\n');
          }
          await stage.engine.clear();
          served = (isBuilder) => (isBuilder ? evil : good);
          for (const way of [...ways, [`${web.origin}/stage`], [`${web.origin}/syntax`]]) {
            const denied = await build('--no-cache', '-t', 'app:1', ...way);
            expect(denied, way.join(' ')).toMatchObject({ status: 1, code: undefined });
            expect(denied.stderr).toContain(`source "docker-image://${evil}" denied by policy`);
          }
          expect(await tagsOf(stage.engine)).toEqual([]);
        });

        it('builds a branch and a folder of a git repository, and what is pushed meanwhile is denied', async () => {
          const { name, machine, stage } = world;
          const git = await startGitServer(path.join(machine.home, 'git'));
          try {
            const files = (base: string) => ({
              'sub/Dockerfile': `FROM ${base}\nCOPY mine /said\n`,
              'sub/mine': 'git\n',
            });
            git.commit('app.git', 'main', { Dockerfile: `FROM ${name}:evil\n` });
            git.commit('app.git', 'b', files(`${name}:1.0`));
            const place = `${git.origin}/app.git#b:sub`;
            const built = await build('-t', 'app:1', place);
            expect(built, built.stderr).toMatchObject({ status: 0, code: undefined });
            expect(await world.said('app:1')).toBe('git\n');
            expect(await build(`${git.origin}/app.git`)).toMatchObject({
              status: 1,
              code: 'TARGET_NOT_SIGNED',
            });
            await stage.engine.clear();
            // A docker that is called when somebody has pushed.
            git.commit('app.git', 'evil', files(`${name}:evil`));
            const pushing = path.join(machine.home, 'docker');
            const heads = path.join(machine.home, 'git', 'app.git', 'refs', 'heads');
            fs.writeFileSync(
              pushing,
              `#!/bin/sh\ncase "$*" in *metadata-file*) cp ${heads}/evil ${heads}/b;; esac\nexec ${world.bin}/docker "$@"\n`,
              { mode: 0o755 },
            );
            const args = ['build', '--network=none', '-t', 'app:1', place];
            const denied = await machine.runWith({ DTRUST_DOCKER: pushing }, ...args);
            expect(denied).toMatchObject({ status: 1, code: undefined });
            expect(denied.stderr).toContain(`source "docker-image://${name}:evil" denied by policy`);
            expect(await tagsOf(stage.engine)).toEqual([]);
          } finally {
            await git.close();
          }
        });
      }

      it('imports the cache of a signed image by its digest', async () => {
        const { name, plain } = world;
        const folder = world.context({
          Dockerfile: `FROM ${name}:1.0\nRUN cat /proc/sys/kernel/random/uuid > /said\n`,
        });
        const publisher = world.publisher();
        const made = await publisher.run(
          'build',
          '--network=none',
          '--push',
          '--cache-to=type=inline',
          '-t',
          `${name}:cached`,
          folder,
        );
        expect(made, made.stderr).toMatchObject({ status: 0, code: undefined });
        const drawn = await world.said(`${name}:cached`);
        expect(drawn).toMatch(/^[0-9a-f-]{36}\n$/);
        await plain('buildx', 'prune', '-af');
        await world.stage.engine.clear();
        const built = await build('-t', 'app:1', '--progress=plain', `--cache-from=${name}:cached`, folder);
        expect(built, built.stderr).toMatchObject({ status: 0, code: undefined });
        expect(built.stderr).toMatch(new RegExp(`importing cache manifest from ${name}@sha256:`));
        expect(await world.said('app:1')).toBe(drawn);
      });

      it('signs what it pushes, and others pull it', async () => {
        const { name, machine } = world;
        const folder = world.context({ Dockerfile: `FROM ${name}:1.0\nRUN echo pushed > /said\n` });
        const pushed = await world
          .publisher()
          .run('build', '--network=none', '--push', '-t', `${name}:2.0`, folder);
        expect(pushed, pushed.stderr).toMatchObject({ status: 0, code: undefined });
        await world.stage.engine.clear();
        expect(await machine.run('pull', '-q', `${name}:2.0`)).toMatchObject({ status: 0 });
        expect(await world.said(`${name}:2.0`)).toBe('pushed\n');
      });
    },
  );
}

const claims = await needPeers('engine 26.1', 'registry', 'docker 26.1', 'buildx', 'busybox');
describe.skipIf(claims.skip)(
  claims.title('design 3: archives that claim a signed digest, beside BuildKit'),
  () => {
    const world = useBuilds({ version: '26.1', containerdStore: true });

    it('protocol 8: a build takes the signed bytes or none, whatever the engine has under their name', async () => {
      const { name, machine, stage } = world;
      const head = await stage.registry.request('HEAD', `/v2/${stage.path}/manifests/1.0`, undefined, {
        accept: MEDIA.manifest,
      });
      const signed = String(head.headers['docker-content-digest']);
      const folder = world.context({ Dockerfile: `FROM ${name}:1.0\nRUN cat /said > /seen\n` });
      const load = async () => {
        for (const claim of [`${name}:1.0@${signed}`, `${name}@${signed}`, `${name}:1.0`]) {
          await stage.engine.load(claiming(world.speaking('evil'), claim));
        }
      };
      const build = () => machine.run('build', '--network=none', '--no-cache', '-q', '-t', 'app:1', folder);
      // Not here yet; fetched by a build before; held under another name.
      await load();
      const first = await build();
      expect(first.stdout).toBe('');
      expect(first.status).toBe(1);
      await stage.engine.clear();
      await world.plain('buildx', 'prune', '-af');
      for (const arrange of [build, () => world.plain('pull', '-q', `${name}@${signed}`)]) {
        expect(await arrange()).toMatchObject({ status: 0 });
        await world.plain('tag', `${name}@${signed}`, 'kept:1');
        await load();
        await build();
        expect(['good\n', '']).toContain(await world.said('app:1'));
        await stage.engine.clear();
      }
      expect(await tagsOf(stage.engine)).toEqual([]);
    });
  },
);

/** An OCI archive whose image has this name in the engine. */
function claiming({ config, layer }: BuiltImage, name: string): Buffer {
  const text = (value: unknown) => Buffer.from(JSON.stringify(value));
  const at = (digest: string) => `blobs/sha256/${digest.slice('sha256:'.length)}`;
  const part = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    size: bytes.length,
    digest: sha256(bytes),
  });
  const manifest = text({
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: part('application/vnd.oci.image.config.v1+json', config),
    layers: [part('application/vnd.oci.image.layer.v1.tar', layer)],
  });
  const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name };
  const entry = { ...part(MEDIA.ociManifest, manifest), annotations };
  return makeTar([
    { path: 'oci-layout', bytes: text({ imageLayoutVersion: '1.0.0' }) },
    { path: 'index.json', bytes: text({ schemaVersion: 2, manifests: [entry] }) },
    ...[config, layer, manifest].map((bytes) => ({ path: at(sha256(bytes)), bytes })),
  ]);
}

const old = await needPeers('engine 20.10', 'registry', 'docker 26.1', 'buildx', 'busybox');
describe.skipIf(old.skip)(
  old.title('design 3: build with BuildKit on engine 20.10, whose BuildKit 0.8 knows no policy'),
  () => {
    const world = useBuilds({ version: '20.10', containerdStore: false });

    it('is refused with BUILDER_CANNOT_ENFORCE: nothing is built and nothing fetched', async () => {
      const { name, machine, stage } = world;
      for (const text of [`FROM ${name}:1.0\n`, 'FROM scratch\nCOPY Dockerfile /\n']) {
        for (const command of [['build'], ['buildx', 'build']]) {
          const refusal = await machine.run(...command, '-t', 'app:1', world.context({ Dockerfile: text }));
          expect(refusal).toMatchObject({ status: 1, stdout: '', code: 'BUILDER_CANNOT_ENFORCE' });
          expect(refusal.stderr).toContain('DOCKER_BUILDKIT=0');
        }
      }
      expect(await imagesOf(stage.engine)).toEqual([]);
      expect(fs.existsSync(path.join(machine.config, 'trust', 'dtrust', 'builders.json'))).toBe(false);
    });
  },
);
