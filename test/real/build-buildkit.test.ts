/** `build` with BuildKit: real docker, buildx, engines and registry; judged by what the images hold and the engine has. */
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
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
import { type Machine, type Outcome, runProgram } from './machines.ts';
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
  };
  let busybox: Uint8Array;
  let bin: string;
  let count = 0;
  beforeAll(async () => {
    busybox = await busyboxBytes();
    bin = path.join(stage.workshop.folder, 'docker-bin');
    fs.mkdirSync(bin);
    fs.symlinkSync((await dockerCli('26.1')).path, path.join(bin, 'docker'));
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
    const PATH = `${bin}:/usr/bin:/bin`;
    world.machine = stage.workshop.machine({ engine: stage.engine.host, env: { PATH } });
    fs.mkdirSync(path.join(world.machine.config, 'cli-plugins'));
    const plugin = await cliPlugin('buildx');
    fs.symlinkSync(plugin.path, path.join(world.machine.config, 'cli-plugins', 'docker-buildx'));
    world.name = stage.name;
    await stage.engine.load(imageArchive(world.speaking('good'), [`${stage.name}:1.0`]));
    expect(await stage.owner.run('push', '-q', `${stage.name}:1.0`)).toMatchObject({ status: 0 });
    await stage.engine.clear();
    await pushImage(stage.registry, stage.path, world.speaking('evil'), 'evil');
    await world.machine.pinFrom(stage.owner, stage.name);
  });
  world.plain = (...args) => runProgram(path.join(bin, 'docker'), args, world.machine.env);
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
  return world;
}

for (const kind of KINDS) {
  const needed = await needPeers(`engine ${kind.version}`, 'registry', 'docker 26.1', 'buildx', 'busybox');
  const store = kind.containerdStore ? 'containerd store' : 'classic store';
  describe.skipIf(needed.skip)(needed.title(`issue 4.5: build on engine ${kind.version}, ${store}`), () => {
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
  });
}
