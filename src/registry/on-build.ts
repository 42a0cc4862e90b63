/**
 * What an image has others run that are built on it (ONBUILD), read from its configuration in the registry.
 *
 * Guaranteed: the list is of bytes whose sha256 the manifest names, which is of bytes whose digest was asked for. An
 * index is followed to the manifest that a builder takes for the platform; where the index leaves that open, the lists
 * of all that it may take are put together.
 * Not guaranteed: that a builder with other habits takes the same one. BuildKit is bound by its source policy anyhow.
 */
import { RegistryError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import {
  isJsonArray,
  isJsonObject,
  JsonError,
  type JsonObject,
  parseStrictJson,
} from '../lib/strict-json.ts';
import type { Digest } from '../reference/digest.ts';
import { formatPlatform, matchesPlatform, type Platform, runnablePlatforms } from '../reference/platform.ts';
import type { Repository } from '../reference/reference.ts';
import type { RegistryClient } from './client.ts';
import {
  type Descriptor,
  type ImageManifest,
  type IndexManifest,
  type Manifest,
  parseManifest,
} from './manifest.ts';

/** Those of well-known images have 3 to 30 KiB; what is larger is refused before it is read. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
/** An index may list indexes; nobody goes deeper than this on purpose. */
const MAX_DEPTH = 2;
/** Manifests that one index may leave open. */
const MAX_OPEN = 8;
/** Instructions of one image, and their length together. */
const MAX_TRIGGERS = 500;
const MAX_TRIGGERS_LENGTH = 256 * 1024;

export interface ImageAsked {
  readonly client: RegistryClient;
  readonly repository: Repository;
  readonly platform: Platform;
  readonly signal: AbortSignal;
}

/**
 * The ONBUILD instructions of the image that a manifest stands for on a platform.
 * @throws RegistryError REGISTRY_RESPONSE, REGISTRY_NOT_FOUND (no image for the platform, or gone), REGISTRY_DIGEST and
 * others; NetworkError
 */
export async function fetchOnBuild(asked: ImageAsked, manifest: Manifest): Promise<readonly string[]> {
  const lists: (readonly string[])[] = [];
  for (const image of await imagesFor(asked, manifest, 0)) {
    const { digest, sizeBytes } = image.config;
    if (sizeBytes > MAX_CONFIG_BYTES) throw refuse(asked, `a configuration of ${sizeBytes} bytes`);
    const options = { maxBytes: MAX_CONFIG_BYTES, expectedLength: sizeBytes, signal: asked.signal };
    lists.push(parseOnBuild(await asked.client.getBlob(asked.repository, digest, options), asked));
  }
  const [first = [], ...others] = lists;
  return [...first, ...others.flat().filter((line) => !first.includes(line))];
}

/** The image manifests that a builder may take, most often one. */
async function imagesFor(
  asked: ImageAsked,
  manifest: Manifest,
  depth: number,
): Promise<readonly ImageManifest[]> {
  if (manifest.kind === 'image') return [manifest];
  if (depth === MAX_DEPTH) throw refuse(asked, `indexes more than ${MAX_DEPTH} deep`);
  const images: ImageManifest[] = [];
  for (const each of candidates(asked, manifest)) {
    const fetched = await asked.client.getManifest(asked.repository, each.digest, { signal: asked.signal });
    if (fetched === undefined) throw gone(asked, each.digest);
    if (fetched.bytes.length !== each.sizeBytes)
      throw refuse(asked, 'a manifest of another size than its index says');
    images.push(...(await imagesFor(asked, parseManifest(fetched.bytes, fetched.mediaType), depth + 1)));
  }
  return images;
}

/** Of an index, what a builder chooses from: the best platform that is there, else what names no platform. */
function candidates(asked: ImageAsked, { manifests }: IndexManifest): readonly Descriptor[] {
  const best = runnablePlatforms(asked.platform).find((wanted) =>
    manifests.some(({ platform }) => platform !== undefined && matchesPlatform(wanted, platform)),
  );
  const open = manifests.filter(({ platform }) =>
    best === undefined ? platform === undefined : platform !== undefined && matchesPlatform(best, platform),
  );
  if (open.length === 0) throw noneFor(asked);
  if (open.length > MAX_OPEN)
    throw refuse(asked, `${open.length} manifests for ${formatPlatform(asked.platform)}`);
  return open;
}

/** The member `OnBuild` of `config` (Docker image specification 1.2), as Go reads it. */
export function parseOnBuild(bytes: Uint8Array, about: Pick<ImageAsked, 'repository'>): readonly string[] {
  const config = memberOf(parseConfig(bytes, about), 'config', about);
  if (config === undefined) return [];
  if (!isJsonObject(config)) throw refuse(about, 'a configuration whose config is no object');
  const list = memberOf(config, 'OnBuild', about);
  if (list === undefined) return [];
  if (!isJsonArray(list)) throw refuse(about, 'a configuration whose OnBuild is no list');
  const lines = list.map((line) => {
    if (typeof line !== 'string') throw refuse(about, 'a configuration with an ONBUILD that is no text');
    return line;
  });
  const length = lines.reduce((sum, line) => sum + line.length, 0);
  if (lines.length > MAX_TRIGGERS || length > MAX_TRIGGERS_LENGTH) {
    throw refuse(about, `${lines.length} ONBUILD instructions of ${length} characters`);
  }
  return Object.freeze(lines);
}

function parseConfig(bytes: Uint8Array, about: Pick<ImageAsked, 'repository'>): JsonObject {
  try {
    const json = parseStrictJson(bytes, 'the configuration', { numbers: 'finite', prototypeNames: 'keep' });
    if (isJsonObject(json)) return json;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw refuse(about, 'a configuration that is no strict JSON', error);
  }
  throw refuse(about, 'a configuration that is no object');
}

/** Go takes a member in any case of its letters, and the last of several. [`OnBuild: []` beside `onbuild: [...]`.] */
function memberOf(json: JsonObject, name: string, about: Pick<ImageAsked, 'repository'>) {
  const found = [...json].filter(([key]) => key.toLowerCase() === name.toLowerCase());
  if (found.length > 1) throw refuse(about, `a configuration with ${name} in ${found.length} spellings`);
  return found[0]?.[1] ?? undefined;
}

function noneFor({ repository, platform }: ImageAsked): RegistryError {
  const wanted = formatPlatform(platform);
  return new RegistryError({
    code: 'REGISTRY_NOT_FOUND',
    message: `${escapeShort(repository.familiar)} has no image for ${wanted} under this digest`,
    reference: repository.canonical,
    expected: wanted,
  });
}

function gone({ repository }: ImageAsked, digest: Digest): RegistryError {
  return new RegistryError({
    code: 'REGISTRY_NOT_FOUND',
    message: `${repository.canonical}@${digest}, which an index lists, is not in the registry`,
    reference: repository.canonical,
  });
}

function refuse(
  { repository }: Pick<ImageAsked, 'repository'>,
  what: string,
  cause?: unknown,
): RegistryError {
  return new RegistryError({
    code: 'REGISTRY_RESPONSE',
    message: `${escapeShort(repository.canonical)} has ${what}`,
    reference: repository.canonical,
    cause,
  });
}
