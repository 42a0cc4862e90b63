/**
 * Image manifests and indexes as frozen values (OCI image specification 1.1, manifest.md, image-index.md;
 * Docker image manifest version 2, schema 2).
 *
 * Guaranteed: bytes that two readers cannot understand differently. A document that could be read as either kind
 * (both `manifests` and `layers`), one of schema 1, one whose own media type contradicts the registry's label,
 * and one with a member twice are refused (protocol 1.1). [An index for one reader is an image for the next.]
 */
import { RegistryError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { JsonError, type JsonObject, type JsonValue, parseStrictJson } from '../lib/strict-json.ts';
import { type Digest, isDigest } from '../reference/digest.ts';
import type { Platform } from '../reference/platform.ts';
import { manifestKind, OCI_INDEX, OCI_MANIFEST } from './media-types.ts';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly annotations: ReadonlyMap<string, string>;
  readonly artifactType?: string;
  readonly platform?: Platform;
  /** Embedded content: of the stated size, not hashed yet. */
  readonly data?: Uint8Array;
}

interface CommonManifest {
  /** The document's own, else what its form and the registry's label say. */
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly annotations: ReadonlyMap<string, string>;
}

export interface ImageManifest extends CommonManifest {
  readonly kind: 'image';
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface IndexManifest extends CommonManifest {
  readonly kind: 'index';
  readonly manifests: readonly Descriptor[];
}

export type Manifest = ImageManifest | IndexManifest;

/** Labels that say nothing about what a document is. */
const VAGUE = new Set(['', 'application/json', 'application/octet-stream', 'text/plain']);

/**
 * @param label the Content-Type it came with, without parameters; '' or left out when there was none
 * @throws RegistryError REGISTRY_RESPONSE
 */
export function parseManifest(bytes: Uint8Array, label = ''): Manifest {
  const json = asObject(parseJson(bytes), 'the manifest');
  // Docker's schema 1 has 1 here, or signatures around the whole; neither is used (protocol 1.1).
  if (json.get('schemaVersion') !== 2) throw refuse('the manifest is not of schema version 2');
  const isIndex = json.has('manifests');
  if (isIndex === json.has('layers')) {
    throw refuse(isIndex ? 'the manifest has both manifests and layers' : 'the manifest names nothing');
  }
  if (isIndex && json.has('config')) throw refuse('the index has a config');
  if (json.has('fsLayers') || json.has('blobs')) throw refuse('the manifest is of more than one kind');
  const common = {
    mediaType: mediaTypeFor(json, isIndex, label),
    ...optionalText(json, 'artifactType'),
    annotations: annotationsOf(json),
  };
  return Object.freeze(
    isIndex
      ? { kind: 'index', ...common, manifests: descriptors(json.get('manifests'), 'manifests') }
      : {
          kind: 'image',
          ...common,
          config: parseDescriptor(json.get('config'), 'config'),
          layers: descriptors(json.get('layers'), 'layers'),
        },
  );
}

function parseJson(bytes: Uint8Array): JsonValue {
  try {
    return parseStrictJson(bytes, 'manifest');
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw refuse(`the manifest is no strict JSON`, error);
  }
}

function mediaTypeFor(json: JsonObject, isIndex: boolean, label: string): string {
  const { mediaType: own } = optionalText(json, 'mediaType');
  const stated = own ?? (VAGUE.has(label) ? undefined : label) ?? (isIndex ? OCI_INDEX : OCI_MANIFEST);
  if (manifestKind(stated) !== (isIndex ? 'index' : 'image')) {
    throw refuse(`the manifest has the media type ${escapeShort(stated)} and another form`);
  }
  // OCI image specification 1.1, manifest.md: the media type must match the one it is served with.
  if (own !== undefined && !VAGUE.has(label) && own !== label) {
    throw refuse(`the manifest says ${escapeShort(own)} and the registry labels it ${escapeShort(label)}`);
  }
  return stated;
}

function descriptors(value: JsonValue | undefined, where: string): readonly Descriptor[] {
  if (!Array.isArray(value)) throw refuse(`${where} is no list`);
  return Object.freeze(value.map((item, i) => parseDescriptor(item, `${where}[${i}]`)));
}

/**
 * A descriptor that stands by itself; `where` names it in messages.
 * @throws RegistryError REGISTRY_RESPONSE
 */
export function parseDescriptor(value: JsonValue | undefined, where: string): Descriptor {
  const json = asObject(value, where);
  const digest = json.get('digest');
  const size = json.get('size');
  const { mediaType } = optionalText(json, 'mediaType');
  if (typeof digest !== 'string' || !isDigest(digest)) throw refuse(`${where} has no digest`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw refuse(`${where} has no size`);
  if (mediaType === undefined || mediaType === '') throw refuse(`${where} has no media type`);
  return Object.freeze({
    mediaType,
    digest,
    sizeBytes: size,
    annotations: annotationsOf(json),
    ...optionalText(json, 'artifactType'),
    ...platformOf(json, where),
    ...dataOf(json, size, where),
  });
}

/** OCI image specification 1.1, descriptor.md, "Embedded content": base64 of bytes that match size and digest. */
function dataOf(json: JsonObject, size: number, where: string): { data?: Uint8Array } {
  const text = json.get('data');
  if (text === undefined) return {};
  if (typeof text !== 'string') throw refuse(`${where} has data that is no text`);
  const data = Buffer.from(text, 'base64');
  // Buffer skips what is no base64; spelled again it must be the same text.
  if (data.toString('base64') !== text) throw refuse(`${where} has data that is no base64`);
  if (data.length !== size) throw refuse(`${where} has ${data.length} bytes of data, its size says ${size}`);
  return { data: new Uint8Array(data) };
}

function platformOf(json: JsonObject, where: string): { platform?: Platform } {
  const value = json.get('platform');
  if (value === undefined || value === null) return {};
  const platform = asObject(value, `${where}.platform`);
  const { os } = optionalText(platform, 'os');
  const { architecture } = optionalText(platform, 'architecture');
  const { variant } = optionalText(platform, 'variant');
  const { 'os.version': osVersion } = optionalText(platform, 'os.version');
  return {
    platform: Object.freeze({
      os: os ?? '',
      architecture: architecture ?? '',
      ...(variant ? { variant } : {}),
      ...(osVersion ? { osVersion } : {}),
    }),
  };
}

function annotationsOf(json: JsonObject): ReadonlyMap<string, string> {
  const value = json.get('annotations');
  const annotations = new Map<string, string>();
  if (value === undefined || value === null) return annotations;
  for (const [name, text] of asObject(value, 'annotations')) {
    if (typeof text !== 'string') throw refuse('an annotation is no text');
    annotations.set(name, text);
  }
  return annotations;
}

function optionalText<Name extends string>(json: JsonObject, name: Name): { readonly [K in Name]?: string } {
  const value = json.get(name);
  if (value === undefined) return {};
  if (typeof value !== 'string') throw refuse(`${name} is no text`);
  return { [name]: value } as { [K in Name]: string };
}

function asObject(value: JsonValue | undefined, where: string): JsonObject {
  if (value instanceof Map) return value;
  throw refuse(`${where} is no object`);
}

function refuse(message: string, cause?: unknown): RegistryError {
  return new RegistryError({ code: 'REGISTRY_RESPONSE', message, cause });
}
