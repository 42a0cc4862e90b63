/** The image that must not get in: one file of bytes that are found again wherever they land. */
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import {
  type BuiltImage,
  buildImage,
  hostArchitecture,
  MEDIA,
  pushImage,
  pushManifest,
  type RunningRegistry,
  type Stored,
  sha256,
} from '../helpers/peers.ts';

/** The architecture that is not this machine's. */
export const OTHER_ARCHITECTURE = hostArchitecture() === 'amd64' ? 'arm64' : 'amd64';

export interface ConfigParts {
  readonly architecture?: string | undefined;
  readonly onBuild?: readonly string[] | undefined;
  readonly entrypoint?: readonly string[] | undefined;
}

export class Marker {
  /** Name of its file, like that of no other. */
  readonly file: string;
  /** Bytes of that file. */
  readonly text: string;
  /** In hexadecimal: of configurations, of the layer as it is in the registry, and unpacked. */
  readonly digests = new Set<string>();
  readonly #layer: Buffer;

  constructor() {
    this.file = `marker-${randomBytes(8).toString('hex')}`;
    this.text = `MARKER ${randomBytes(64).toString('hex')}\n`;
    const bytes = Buffer.from(this.text);
    this.#layer = buildImage({ files: [{ path: this.file, bytes, mode: 0o755 }] }).layer;
    for (const each of [this.#layer, stored(this.#layer)]) this.digests.add(hex(each));
  }

  /** Its layer as it is in the registry, and the digest of what is unpacked from it. */
  layer(): { readonly stored: Buffer; readonly diffId: string } {
    return { stored: stored(this.#layer), diffId: sha256(this.#layer) };
  }

  image(parts: ConfigParts = {}): BuiltImage {
    const image = imageOf(this.#layer, { entrypoint: [`/${this.file}`], ...parts });
    this.digests.add(hex(image.config));
    return image;
  }

  /** With the configuration of another image, which has no layer. */
  posing(config: Readonly<Record<string, unknown>>): BuiltImage {
    const step = { created: '2024-01-01T00:00:00Z', created_by: 'dtrust tests' };
    const rootfs = { type: 'layers', diff_ids: [sha256(this.#layer)] };
    const bytes = Buffer.from(JSON.stringify({ ...config, rootfs, history: [step] }));
    this.digests.add(hex(bytes));
    return { config: bytes, layer: this.#layer };
  }
}

/** An image of one layer with more in its configuration than others need. */
export function imageOf(layer: Buffer, { architecture, onBuild, entrypoint }: ConfigParts): BuiltImage {
  const config = {
    architecture: architecture ?? hostArchitecture(),
    os: 'linux',
    created: '2024-01-01T00:00:00Z',
    config: {
      Env: ['PATH=/bin'],
      Cmd: null,
      ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
      ...(onBuild === undefined ? {} : { OnBuild: onBuild }),
    },
    rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
    history: [{ created: '2024-01-01T00:00:00Z', created_by: 'dtrust tests' }],
  };
  return { config: Buffer.from(JSON.stringify(config)), layer };
}

/** As `pushImage`, with a layer whose bytes can be searched for in a folder of blobs as well. */
export async function pushStored(
  registry: RunningRegistry,
  repository: string,
  image: BuiltImage,
  tag?: string,
): Promise<Stored> {
  return await pushImage(registry, repository, image, tag, stored);
}

/** A manifest list of images in the registry; its digest. */
export async function pushList(
  registry: RunningRegistry,
  repository: string,
  images: readonly { readonly architecture: string; readonly image: BuiltImage }[],
  tag: string,
): Promise<string> {
  const manifests: object[] = [];
  for (const { architecture, image } of images) {
    const { mediaType, bytes, digest } = await pushStored(registry, repository, image);
    manifests.push({ mediaType, size: bytes.length, digest, platform: { architecture, os: 'linux' } });
  }
  const list = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.list, manifests }));
  return (await pushManifest(registry, repository, list, MEDIA.list, tag)).digest;
}

const stored = (layer: Buffer): Buffer => gzipSync(layer, { level: 0 });

const hex = (bytes: Uint8Array): string => sha256(bytes).slice('sha256:'.length);
