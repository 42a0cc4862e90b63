/**
 * Trust data in the real registry, read and written by other implementations of TUF: tuf-js and python-tuf verify what
 * dtrust has published, and dtrust pulls by a collection that python-tuf has written.
 */
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { Updater } from 'tuf-js';
import { describe, expect, it } from 'vitest';
import { MEDIA, needPeers, pushBlob, pushImage, pushManifest, sha256 } from '../helpers/peers.ts';
import { pythonTuf } from '../helpers/python-tuf.ts';
import { layersOf } from './engine-view.ts';
import { servedManifest, trustFiles } from './registry-view.ts';
import { type Stage, useStage } from './stage.ts';

const needed = await needPeers('engine 26.1', 'registry');
const python = pythonTuf();

const COLLECTION = new URL('./python/collection.py', import.meta.url).href;
const TUF_MANIFEST = 'application/vnd.dtrust.tuf.v1+json';
const TUF_FILE = 'application/vnd.tuf.metadata+json';

interface Published {
  readonly name: string;
  readonly files: ReadonlyMap<string, Buffer>;
  /** Of the manifest that 1.0 is signed for in the end. */
  readonly digest: string;
  readonly length: number;
}

/** Four publishes: a tag, moved to other bytes, a second tag, revoked. */
async function publishHistory(stage: Stage): Promise<Published> {
  await stage.signed('first');
  await stage.signed('moved');
  await stage.signed('gone', '2.0');
  expect(await stage.owner.run('trust', 'revoke', `${stage.name}:2.0`)).toMatchObject({ status: 0 });
  const served = await servedManifest(stage.registry, stage.path, '1.0');
  const files = await trustFiles(stage.registry, stage.path);
  return { name: stage.name, files, digest: served?.digest ?? '', length: served?.bytes.length ?? 0 };
}

function intoFolder(stage: Stage, files: ReadonlyMap<string, Buffer>): string {
  const folder = fs.mkdtempSync(path.join(stage.workshop.folder, 'metadata-'));
  for (const [name, bytes] of files) fs.writeFileSync(path.join(folder, name), bytes);
  return folder;
}

describe.skipIf(needed.skip)(needed.title('other TUF implementations and the real registry'), () => {
  const stage = useStage({ version: '26.1', containerdStore: false });
  let published: Published | undefined;
  const history = async (): Promise<Published> => {
    published ??= await publishHistory(stage);
    return published;
  };

  it('tuf-js verifies what dtrust has published, from root 1', async () => {
    const { name, files, digest, length } = await history();
    const server = http.createServer((request, response) => {
      const bytes = files.get((request.url ?? '').slice('/metadata/'.length));
      response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const folder = fs.mkdtempSync(path.join(stage.workshop.folder, 'tuf-js-'));
      fs.writeFileSync(path.join(folder, 'root.json'), files.get('1.root.json') ?? '');
      const updater = new Updater({
        metadataDir: folder,
        metadataBaseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metadata`,
        config: { fetchRetry: 0 },
      });
      await updater.refresh();
      const found = await updater.getTargetInfo(`${name}:1.0`);
      expect(found).toMatchObject({ length, hashes: { sha256: digest.slice('sha256:'.length) } });
      expect(found?.custom).toMatchObject({ mediaType: MEDIA.manifest });
      expect(await updater.getTargetInfo(`${name}:2.0`)).toBeUndefined();
    } finally {
      server.close();
    }
  });

  it.skipIf(python.skip)(
    python.title('python-tuf verifies what dtrust has published, from root 1'),
    async () => {
      const { name, files, digest, length } = await history();
      const folder = intoFolder(stage, files);
      const found = (tag: string): unknown =>
        JSON.parse(python.run('client.py', [folder, `${folder}/1.root.json`, `${name}:${tag}`]));
      expect(found('1.0')).toEqual({ found: { length, sha256: digest.slice('sha256:'.length) } });
      expect(found('2.0')).toEqual({ found: null });
      const timestamp = files.get('timestamp.json')?.toString().replace('"version":4', '"version":5') ?? '';
      expect(timestamp).toContain('"version":5');
      fs.writeFileSync(path.join(folder, 'timestamp.json'), timestamp);
      expect(found('1.0')).toEqual({ refused: 'UnsignedMetadataError' });
    },
  );

  it.skipIf(python.skip).each(['ed25519', 'ecdsa'])(
    python.title('pulls by a collection that python-tuf has written with %s keys'),
    async (keyType) => {
      const honest = stage.image(`honest ${keyType}`);
      const signed = await pushImage(stage.registry, stage.path, honest);
      const evil = await pushImage(stage.registry, stage.path, stage.image('evil'), '1.0');
      const folder = fs.mkdtempSync(path.join(stage.workshop.folder, 'written-'));
      const facts = [
        stage.name,
        '1.0',
        signed.digest,
        String(signed.bytes.length),
        signed.mediaType,
        keyType,
      ];
      const rootKey = python.run(COLLECTION, [folder, ...facts]).trim();
      await putCollection(stage, folder);
      const { other, engine, name } = stage;
      expect(await other.run('pull', `${name}:1.0`)).toMatchObject({ status: 1, code: 'FIRST_USE_REFUSED' });
      expect(await other.run('trust', 'pin', 'add', name, rootKey)).toMatchObject({ status: 0 });
      const pulled = await other.run('pull', `${name}:1.0`);
      expect(pulled).toMatchObject({ status: 0, code: undefined });
      expect(pulled.stdout).toContain(signed.digest);
      expect(pulled.stdout).not.toContain(evil.digest);
      expect(await layersOf(engine, `${name}:1.0`)).toEqual([sha256(honest.layer)]);
    },
  );
});

/** Puts metadata files into the registry as protocol 3.1 says, without inline data. */
async function putCollection({ registry, path: repository }: Stage, folder: string): Promise<void> {
  const config = Buffer.from('{}');
  await pushBlob(registry, repository, config);
  const layers: object[] = [];
  for (const name of fs.readdirSync(folder)) {
    const bytes = fs.readFileSync(path.join(folder, name));
    layers.push({
      mediaType: TUF_FILE,
      digest: await pushBlob(registry, repository, bytes),
      size: bytes.length,
      annotations: { 'tuf.io/filename': name },
    });
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    artifactType: TUF_MANIFEST,
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: sha256(config), size: config.length },
    layers,
  };
  await pushManifest(
    registry,
    repository,
    Buffer.from(JSON.stringify(manifest)),
    MEDIA.ociManifest,
    '_trust',
  );
}
