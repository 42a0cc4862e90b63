/** Archives that claim the signed digest for other bytes, loaded by real engines: judged by what containers print. */
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MEDIA, sha256 } from '../../scripts/peers/images.ts';
import { makeTar } from '../../scripts/peers/tar.ts';
import { buildImage, busyboxBytes, dockerCli, imageArchive, needPeers } from '../helpers/peers.ts';
import { type Machine, runProgram } from './machines.ts';
import { type EngineKind, useStage } from './stage.ts';

const KINDS: readonly EngineKind[] = [
  { version: '26.1', containerdStore: false },
  { version: '26.1', containerdStore: true },
  { version: '20.10', containerdStore: false },
];

for (const kind of KINDS) {
  const needed = await needPeers(`engine ${kind.version}`, 'registry', 'docker 26.1', 'busybox');
  const store = kind.containerdStore ? 'containerd store' : 'classic store';
  describe.skipIf(needed.skip)(needed.title(`archives on engine ${kind.version}, ${store}`), () => {
    const stage = useStage(kind);
    let busybox: Uint8Array;
    let bin: string;
    let machine: Machine;
    let name: string;
    let signed: string;

    const speaking = (text: string) =>
      buildImage({
        files: [{ path: 'bin/busybox', bytes: busybox, mode: 0o755 }],
        command: ['/bin/busybox', 'echo', text],
      });
    const plain = (...args: string[]) => runProgram(path.join(bin, 'docker'), args, machine.env);
    const run = (...args: string[]) => machine.run('run', '--rm', '--network=none', ...args);

    /** An OCI layout, and docker's own list beside it; `claimed` is the digest that its index gives the manifest. */
    const layout = (names: readonly string[], annotations: object, claimed?: string) => {
      const { config, layer } = speaking('evil');
      const manifest = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MEDIA.ociManifest,
          config: {
            mediaType: 'application/vnd.oci.image.config.v1+json',
            size: config.length,
            digest: sha256(config),
          },
          layers: [
            {
              mediaType: 'application/vnd.oci.image.layer.v1.tar',
              size: layer.length,
              digest: sha256(layer),
            },
          ],
        }),
      );
      const digest = claimed ?? sha256(manifest);
      const at = (blob: string) => `blobs/sha256/${blob.slice('sha256:'.length)}`;
      const entry = { mediaType: MEDIA.ociManifest, size: manifest.length, digest, annotations };
      const text = (value: unknown) => Buffer.from(JSON.stringify(value));
      return makeTar([
        { path: 'oci-layout', bytes: text({ imageLayoutVersion: '1.0.0' }) },
        { path: 'index.json', bytes: text({ schemaVersion: 2, manifests: [entry] }) },
        { path: at(sha256(config)), bytes: config },
        { path: at(sha256(layer)), bytes: layer },
        { path: at(digest), bytes: manifest },
        {
          path: 'manifest.json',
          bytes: text([{ Config: at(sha256(config)), RepoTags: names, Layers: [at(sha256(layer))] }]),
        },
      ]);
    };

    beforeAll(async () => {
      busybox = await busyboxBytes();
      bin = path.join(stage.workshop.folder, 'docker-bin');
      fs.mkdirSync(bin);
      fs.symlinkSync((await dockerCli('26.1')).path, path.join(bin, 'docker'));
    });
    beforeEach(async () => {
      machine = stage.workshop.machine({ engine: stage.engine.host, env: { PATH: `${bin}:/usr/bin:/bin` } });
      ({ name } = stage);
      await stage.engine.load(imageArchive(speaking('good'), [`${name}:1.0`]));
      expect(await stage.owner.run('push', '-q', `${name}:1.0`)).toMatchObject({ status: 0 });
      await stage.engine.clear();
      await machine.pinFrom(stage.owner, name);
      const head = await stage.registry.request('HEAD', `/v2/${stage.path}/manifests/1.0`, undefined, {
        accept: MEDIA.manifest,
      });
      signed = String(head.headers['docker-content-digest']);
      expect(signed).toMatch(/^sha256:[0-9a-f]{64}$/);
    });

    it('protocol 8: runs nothing but the signed bytes, whatever digest a loaded archive claims', async () => {
      const pinned = `${name}@${signed}`;
      const both = `${name}:1.0@${signed}`;
      const archives = [
        imageArchive(speaking('evil'), [pinned]),
        imageArchive(speaking('evil'), [both]),
        ...[pinned, both].map((claim) =>
          layout([`${name}:1.0`], {
            'io.containerd.image.name': claim,
            'org.opencontainers.image.ref.name': claim,
          }),
        ),
        layout([`${name}:1.0`], { 'org.opencontainers.image.ref.name': `@${signed}` }),
        layout([`${name}:1.0`], { 'io.containerd.image.name': `${name}:1.0` }, signed),
      ];
      const file = path.join(machine.home, 'archive.tar');
      const load = async (archive: Buffer) => {
        fs.writeFileSync(file, archive);
        return (await plain('load', '-q', '-i', file)).status;
      };
      for (const archive of archives) {
        await load(archive);
        for (const image of [`${name}:1.0`, pinned, both]) {
          expect(await run('--pull=never', image)).toMatchObject({ status: 125, stdout: '' });
        }
      }
      expect(await load(imageArchive(speaking('evil'), [`${name}:1.0`]))).toBe(0);
      const byName = await plain('run', '--rm', '--network=none', '--pull=never', `${name}:1.0`);
      expect(byName).toMatchObject({ stdout: 'evil\n' });
      const id = (await plain('image', 'inspect', '-f', '{{.Id}}', `${name}:1.0`)).stdout.trim();
      expect(await run(id)).toMatchObject({ status: 125, stdout: '', code: 'IMAGE_UNVERIFIED' });
      const made = await plain('create', '--name=box', '--network=none', `${name}:1.0`);
      expect(made).toMatchObject({ status: 0 });
      expect(await machine.run('start', '-a', 'box')).toMatchObject({ stdout: '', code: 'IMAGE_UNVERIFIED' });
      await plain('rm', 'box');
      for (const image of [pinned, both, `${name}:1.0`]) {
        expect(await run(image)).toMatchObject({ status: 0, stdout: 'good\n' });
      }
      // Over the signed image, too: it is fetched again where its name was taken.
      for (const archive of archives) {
        await load(archive);
        for (const image of [pinned, `${name}:1.0`]) {
          expect(await run(image)).toMatchObject({ status: 0, stdout: 'good\n' });
        }
      }
    });
  });
}
