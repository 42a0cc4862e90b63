/** Images as people have them: built by BuildKit, taken from somewhere else, made by other tools. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  cliPlugin,
  dockerCli,
  hostArchitecture,
  imageArchive,
  MEDIA,
  needPeers,
  pushBlob,
  pushIndex,
  pushManifest,
  type RunningRegistry,
  sha256,
} from '../helpers/peers.ts';
import { imagesOf, layersOf, removeTag } from './engine-view.ts';
import { runProgram } from './machines.ts';
import { servedManifest, signedTags } from './registry-view.ts';
import { useStage } from './stage.ts';

const needed = await needPeers('engine 20.10', 'engine 26.1', 'registry', 'docker 26.1', 'buildx');

const OTHER = hostArchitecture() === 'amd64' ? 'arm64' : 'amd64';
const KINDS = [
  { version: '20.10', containerdStore: false },
  { version: '26.1', containerdStore: false },
  { version: '26.1', containerdStore: true },
] as const;

describe.skipIf(needed.skip).each(KINDS)(
  needed.title('images of everyday life, engine $version (containerd store: $containerdStore)'),
  (kind) => {
    const stage = useStage(kind);

    it('protocol 5.1: what docker build has made is pushed, signed and pulled, with whatever BuildKit adds', async () => {
      const { owner, engine, registry, name, path: repository } = stage;
      const docker = await dockerCli('26.1');
      fs.mkdirSync(path.join(owner.config, 'cli-plugins'), { recursive: true });
      const plugin = path.join(owner.config, 'cli-plugins', 'docker-buildx');
      if (!fs.existsSync(plugin)) fs.symlinkSync((await cliPlugin('buildx')).path, plugin);
      fs.writeFileSync(path.join(owner.home, 'message'), `built ${name}`);
      fs.writeFileSync(
        path.join(owner.home, 'Dockerfile'),
        'FROM scratch\nCOPY message /message\nLABEL a=b\n',
      );
      const built = await runProgram(docker.path, ['build', '-q', '-t', `${name}:1.0`, owner.home], {
        ...owner.env,
        ...docker.env,
      });
      expect(built).toMatchObject({ status: 0 });
      const layers = await layersOf(engine, `${name}:1.0`);
      expect(await owner.run('push', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
      const served = await servedManifest(registry, repository, '1.0');
      expect(await signedTags(registry, repository)).toEqual({ '1.0': served?.digest });
      await engine.clear();
      expect(await owner.run('pull', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
      expect(await layersOf(engine, `${name}:1.0`)).toEqual(layers);
      expect(await removeTag(engine, `${name}:1.0`)).toBe(200);
      expect(await imagesOf(engine)).toEqual([]);
    });

    it('an image out of a multi-platform index, tagged anew: signed as pushed, or not at all', async () => {
      const { owner, engine, registry, name, path: repository } = stage;
      const images = { [hostArchitecture()]: stage.image('own'), [OTHER]: stage.image('far', OTHER) };
      await pushIndex(registry, `${repository}-upstream`, images, '1.0');
      const from = encodeURIComponent(`${name}-upstream`);
      await engine.request('POST', `/images/create?fromImage=${from}&tag=1.0`);
      const to = `repo=${encodeURIComponent(name)}&tag=1.0`;
      expect((await engine.request('POST', `/images/${name}-upstream:1.0/tag?${to}`)).status).toBe(201);
      const pushed = await owner.run('push', `${name}:1.0`);
      if (pushed.status === 0) {
        const served = await servedManifest(registry, repository, '1.0');
        expect(await signedTags(registry, repository)).toEqual({ '1.0': served?.digest });
        await engine.clear();
        expect(await owner.run('pull', `${name}:1.0`)).toMatchObject({ status: 0, code: undefined });
        expect(await layersOf(engine, `${name}:1.0`)).toEqual([sha256(images[hostArchitecture()]!.layer)]);
      } else {
        // containerd's store has not got the other platform's bytes and cannot push the index.
        expect(kind.containerdStore).toBe(true);
        expect(pushed).toMatchObject({ status: 1, code: 'ENGINE_ERROR' });
        expect(await servedManifest(registry, repository, '_trust')).toBeUndefined();
      }
    });

    it('an OCI index with an attestation beside the image is signed as it is and pulled', async () => {
      const { owner, engine, registry, name, path: repository } = stage;
      const built = stage.image('oci');
      const index = await pushOciIndex(registry, repository, built);
      expect(await owner.run('trust', 'sign', `${name}:oci@${index}`)).toMatchObject({
        status: 0,
        code: undefined,
      });
      expect(await owner.run('pull', `${name}:oci`)).toMatchObject({ status: 0, code: undefined });
      expect(await layersOf(engine, `${name}:oci`)).toEqual([sha256(built.layer)]);
      expect(await removeTag(engine, `${name}:oci`)).toBe(200);
      expect(await imagesOf(engine)).toEqual([]);
    });

    it('one image under two tags, pushed one after the other, is signed under both', async () => {
      const { owner, engine, registry, name, path: repository } = stage;
      await engine.load(imageArchive(stage.image('same'), [`${name}:1`, `${name}:1.0`]));
      for (const tag of ['1', '1.0']) {
        expect(await owner.run('push', `${name}:${tag}`)).toMatchObject({ status: 0, code: undefined });
      }
      const signed = await signedTags(registry, repository);
      expect(Object.keys(signed).sort()).toEqual(['1', '1.0']);
      expect(signed['1']).toBe(signed['1.0']);
      expect(await owner.run('trust', 'sign', `${name}:1`)).toMatchObject({ status: 0, code: undefined });
    });
  },
);

async function pushOciIndex(
  registry: RunningRegistry,
  repository: string,
  { config, layer }: { readonly config: Buffer; readonly layer: Buffer },
): Promise<string> {
  const descriptor = async (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: await pushBlob(registry, repository, bytes),
    size: bytes.length,
  });
  const manifestOf = async (configPart: object, layers: readonly object[]) => {
    const manifest = { schemaVersion: 2, mediaType: MEDIA.ociManifest, config: configPart, layers };
    const bytes = Buffer.from(JSON.stringify(manifest));
    const { digest } = await pushManifest(registry, repository, bytes, MEDIA.ociManifest);
    return { mediaType: MEDIA.ociManifest, digest, size: bytes.length };
  };
  const image = await manifestOf(await descriptor('application/vnd.oci.image.config.v1+json', config), [
    await descriptor('application/vnd.oci.image.layer.v1.tar', layer),
  ]);
  const empty = Buffer.from('{}');
  const attestation = await manifestOf(await descriptor('application/vnd.oci.image.config.v1+json', empty), [
    await descriptor('application/vnd.in-toto+json', Buffer.from('{"_type":"statement"}')),
  ]);
  const index = {
    schemaVersion: 2,
    mediaType: MEDIA.ociIndex,
    manifests: [
      { ...image, platform: { architecture: hostArchitecture(), os: 'linux' } },
      {
        ...attestation,
        platform: { architecture: 'unknown', os: 'unknown' },
        annotations: {
          'vnd.docker.reference.digest': image.digest,
          'vnd.docker.reference.type': 'attestation-manifest',
        },
      },
    ],
  };
  const bytes = Buffer.from(JSON.stringify(index));
  return (await pushManifest(registry, repository, bytes, MEDIA.ociIndex, 'oci')).digest;
}
