/**
 * An image as the engine holds it, read from `GET /images/NAME/json`.
 *
 * The two image stores mean different things by an image's ID: the classic store the digest of its
 * configuration, containerd's the digest of the manifest or index it was pulled as. Which one it is shows in the
 * answer itself: only there an image is its own repository digest (or, from API 1.48 on, has a descriptor).
 */
import { EngineError } from '../lib/errors.ts';
import { type Digest, isDigest } from '../reference/digest.ts';
import type { Platform } from '../reference/platform.ts';

export type ImageStore = 'classic' | 'containerd';

export interface LocalImage {
  readonly id: Digest;
  readonly store: ImageStore;
  /** Classic store: the configuration's digest, which a pushed manifest must name. */
  readonly configDigest: Digest | undefined;
  /** containerd's store: digest of the manifest or index that the image is. */
  readonly target: Digest | undefined;
  /** containerd's store, from API 1.48 on: digests of the image manifests that the target lists. */
  readonly manifests: readonly Digest[];
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly platform: Platform;
  /** What runs when another image is built on it (ONBUILD), in order. */
  readonly onBuild: readonly string[];
  /** Diff IDs, lowest first. */
  readonly layers: readonly string[];
}

/**
 * Reads the answer; `askStore` is asked only for an image whose description does not tell its store.
 * Rejects with EngineError ENGINE_BROKEN when the answer is no image, or as `askStore` does.
 */
export async function parseLocalImage(
  answer: unknown,
  askStore: () => Promise<ImageStore>,
): Promise<LocalImage> {
  return build(answer, storeOf(record(answer)) ?? (await askStore()));
}

/** The store an image lies in, as far as its own description tells. */
function storeOf(image: Readonly<Record<string, unknown>>): ImageStore | undefined {
  if (typeof image.Descriptor === 'object' && image.Descriptor !== null) return 'containerd';
  const repoDigests = texts(image.RepoDigests);
  if (repoDigests.length === 0) return undefined;
  return repoDigests.some((name) => name.endsWith(`@${String(image.Id)}`)) ? 'containerd' : 'classic';
}

function build(answer: unknown, store: ImageStore): LocalImage {
  const image = record(answer);
  const id = image.Id;
  if (typeof id !== 'string' || !isDigest(id)) throw notAnImage();
  return Object.freeze({
    id,
    store,
    configDigest: store === 'classic' ? id : undefined,
    target: store === 'containerd' ? id : undefined,
    manifests: manifestDigests(image.Manifests),
    repoTags: texts(image.RepoTags),
    repoDigests: texts(image.RepoDigests),
    platform: platformOf(image),
    onBuild: texts((image.Config as { readonly OnBuild?: unknown } | null | undefined)?.OnBuild),
    layers: texts((image.RootFS as { readonly Layers?: unknown } | null | undefined)?.Layers),
  });
}

function manifestDigests(value: unknown): Digest[] {
  if (!Array.isArray(value)) return [];
  return value
    .map(record)
    .filter((manifest) => manifest.Kind === 'image')
    .map((manifest) => manifest.ID)
    .filter((id): id is Digest => typeof id === 'string' && isDigest(id));
}

function platformOf(image: Readonly<Record<string, unknown>>): Platform {
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const variant = text(image.Variant);
  return {
    os: text(image.Os),
    architecture: text(image.Architecture),
    ...(variant === '' ? {} : { variant }),
  };
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw notAnImage();
  return value as Readonly<Record<string, unknown>>;
}

function notAnImage(): EngineError {
  return new EngineError({
    code: 'ENGINE_BROKEN',
    message: 'the engine described an image in no known form',
  });
}
