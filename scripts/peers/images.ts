/**
 * Small real images made without a network: an archive for `docker load`, and manifests and indexes put into a
 * registry by plain requests.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { RunningRegistry } from './registry.ts';
import { makeTar, type TarFile } from './tar.ts';

export interface ImageContent {
  readonly files: readonly TarFile[];
  readonly command?: readonly string[];
  readonly architecture?: string;
  readonly variant?: string;
}

export interface BuiltImage {
  readonly config: Buffer;
  readonly layer: Buffer;
}

export interface Stored {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

export const MEDIA = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  list: 'application/vnd.docker.distribution.manifest.list.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
} as const;

export const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const DOCKER_ARCHITECTURE: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** This machine's architecture in Docker's words. */
export const hostArchitecture = (): string => DOCKER_ARCHITECTURE[process.arch] ?? process.arch;

/** An image of one layer; the same content gives the same bytes. */
export function buildImage(content: ImageContent): BuiltImage {
  const layer = makeTar(content.files);
  const config = {
    architecture: content.architecture ?? hostArchitecture(),
    ...(content.variant === undefined ? {} : { variant: content.variant }),
    os: 'linux',
    created: '2024-01-01T00:00:00Z',
    config: { Env: ['PATH=/bin'], Cmd: content.command ?? null },
    rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
    history: [{ created: '2024-01-01T00:00:00Z', created_by: 'dtrust tests' }],
  };
  return { config: Buffer.from(JSON.stringify(config)), layer };
}

/** An image holding one text file, told apart by that text. */
export function textImage(text: string, architecture?: string): BuiltImage {
  const files = [{ path: 'message', bytes: Buffer.from(text) }];
  return buildImage({ files, ...(architecture === undefined ? {} : { architecture }) });
}

/** What `docker load` reads: the image under these names. */
export function imageArchive(image: BuiltImage, names: readonly string[]): Buffer {
  const configName = `${sha256(image.config).slice('sha256:'.length)}.json`;
  const manifest = [{ Config: configName, RepoTags: names, Layers: ['layer.tar'] }];
  return makeTar([
    { path: configName, bytes: image.config },
    { path: 'layer.tar', bytes: image.layer },
    { path: 'manifest.json', bytes: Buffer.from(JSON.stringify(manifest)) },
  ]);
}

/** Puts an image into the registry, its layer packed; without a tag it is known by its digest only. */
export async function pushImage(
  registry: RunningRegistry,
  repository: string,
  image: BuiltImage,
  tag?: string,
  pack: (layer: Buffer) => Buffer = (layer) => gzipSync(layer),
): Promise<Stored> {
  const layer = pack(image.layer);
  for (const blob of [image.config, layer]) await pushBlob(registry, repository, blob);
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    config: { mediaType: MEDIA.config, size: image.config.length, digest: sha256(image.config) },
    layers: [{ mediaType: MEDIA.layer, size: layer.length, digest: sha256(layer) }],
  };
  return await pushManifest(registry, repository, Buffer.from(JSON.stringify(manifest)), MEDIA.manifest, tag);
}

/** Puts a manifest list of images, one per architecture, into the registry. */
export async function pushIndex(
  registry: RunningRegistry,
  repository: string,
  images: Readonly<Record<string, BuiltImage>>,
  tag: string,
): Promise<Stored & { readonly manifests: Readonly<Record<string, Stored>> }> {
  const manifests: Record<string, Stored> = {};
  for (const [architecture, image] of Object.entries(images)) {
    manifests[architecture] = await pushImage(registry, repository, image);
  }
  const list = {
    schemaVersion: 2,
    mediaType: MEDIA.list,
    manifests: Object.entries(manifests).map(([architecture, stored]) => ({
      mediaType: stored.mediaType,
      size: stored.bytes.length,
      digest: stored.digest,
      platform: { architecture, os: 'linux' },
    })),
  };
  const bytes = Buffer.from(JSON.stringify(list));
  return { ...(await pushManifest(registry, repository, bytes, MEDIA.list, tag)), manifests };
}

export async function pushBlob(
  registry: RunningRegistry,
  repository: string,
  bytes: Uint8Array,
): Promise<string> {
  const digest = sha256(bytes);
  const opened = await registry.request('POST', `/v2/${repository}/blobs/uploads/`);
  const location = new URL(opened.headers.location ?? '', registry.url);
  location.searchParams.set('digest', digest);
  const put = await registry.request('PUT', `${location.pathname}${location.search}`, bytes, {
    'content-type': 'application/octet-stream',
    'content-length': String(bytes.length),
  });
  if (put.status !== 201) throw new Error(`blob: ${put.status} ${put.body}`);
  return digest;
}

export async function pushManifest(
  registry: RunningRegistry,
  repository: string,
  bytes: Buffer,
  mediaType: string,
  tag?: string,
): Promise<Stored> {
  const digest = sha256(bytes);
  const headers = { 'content-type': mediaType, 'content-length': String(bytes.length) };
  const put = await registry.request('PUT', `/v2/${repository}/manifests/${tag ?? digest}`, bytes, headers);
  if (put.status !== 201) throw new Error(`manifest: ${put.status} ${put.body}`);
  return { digest, bytes, mediaType };
}
