import { describe, expect, it } from 'vitest';
import { RegistryError } from '../../src/lib/errors.ts';
import { parseManifest } from '../../src/registry/manifest.ts';
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  type ManifestKind,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../src/registry/media-types.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const part = { mediaType: 'application/x', digest: DIGEST, size: 3 };
const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: part, layers: [part] };
const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [{ ...part, mediaType: OCI_MANIFEST }] };

const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const without = (value: object, name: string) =>
  Object.fromEntries(Object.entries(value).filter(([key]) => key !== name));

describe('accepts', () => {
  it.each<[string, unknown, string | undefined, ManifestKind, string]>([
    ['an OCI manifest', image, OCI_MANIFEST, 'image', OCI_MANIFEST],
    ['an OCI index', index, OCI_INDEX, 'index', OCI_INDEX],
    [
      'a schema 2 manifest',
      { ...image, mediaType: DOCKER_MANIFEST },
      DOCKER_MANIFEST,
      'image',
      DOCKER_MANIFEST,
    ],
    ['a manifest list', { ...index, mediaType: DOCKER_LIST }, DOCKER_LIST, 'index', DOCKER_LIST],
    ['no label', image, undefined, 'image', OCI_MANIFEST],
    ['a vague label', image, 'application/json', 'image', OCI_MANIFEST],
    ['no media type of its own', without(image, 'mediaType'), DOCKER_MANIFEST, 'image', DOCKER_MANIFEST],
    ['neither label nor media type', without(index, 'mediaType'), '', 'index', OCI_INDEX],
    ['no layers', { ...image, layers: [] }, OCI_MANIFEST, 'image', OCI_MANIFEST],
    ['members that nobody knows', { ...image, extra: { layers: 1 } }, OCI_MANIFEST, 'image', OCI_MANIFEST],
  ])('%s', (_, value, label, kind, mediaType) => {
    expect(parseManifest(bytes(value), label)).toMatchObject({ kind, mediaType });
  });

  it('keeps annotations, artifact type, platform and embedded data', () => {
    const layer = {
      ...part,
      annotations: { constructor_: 'x' },
      data: Buffer.from('abc').toString('base64'),
    };
    const child = {
      ...part,
      platform: { os: 'linux', architecture: 'arm', variant: 'v7', 'os.version': '1' },
    };
    const parsed = parseManifest(bytes({ ...image, artifactType: 'application/y', layers: [layer] }));
    expect(parsed).toMatchObject({ artifactType: 'application/y' });
    expect(parsed.kind === 'image' && parsed.layers[0]?.annotations.get('constructor_')).toBe('x');
    expect(parsed.kind === 'image' && parsed.layers[0]?.data).toEqual(new Uint8Array(Buffer.from('abc')));
    const list = parseManifest(bytes({ ...index, manifests: [child] }));
    expect(list.kind === 'index' && list.manifests[0]?.platform).toEqual({
      os: 'linux',
      architecture: 'arm',
      variant: 'v7',
      osVersion: '1',
    });
  });
});

describe('refuses', () => {
  const layer = (change: object) => ({ ...image, layers: [{ ...part, ...change }] });
  it.each<[string, unknown, string?]>([
    ['nothing', ''],
    ['no JSON', '{'],
    ['a member twice', '{"schemaVersion":2,"schemaVersion":2,"layers":[]}'],
    ['a list', []],
    ['text', '"layers"'],
    ['protocol 1.1: schema 1', { schemaVersion: 1, name: 'x', fsLayers: [], history: [] }],
    ['protocol 1.1: schema 1 with layers beside', { ...image, fsLayers: [] }],
    ['no schema version', without(image, 'schemaVersion')],
    ['protocol 1.1: both manifests and layers', { ...image, manifests: [] }],
    ['an index with a config', { ...index, config: part }],
    ['neither manifests nor layers', without(image, 'layers')],
    ['an old artifact manifest', { ...image, blobs: [] }],
    ['no config', without(image, 'config')],
    ['an image that calls itself an index', { ...image, mediaType: OCI_INDEX }],
    ['an index that calls itself an image', { ...index, mediaType: OCI_MANIFEST }],
    ['an index labelled as an image', without(index, 'mediaType'), OCI_MANIFEST],
    ['a label that contradicts the document', image, DOCKER_MANIFEST],
    ['an unknown media type', { ...image, mediaType: 'application/vnd.other+json' }],
    [
      'a label of schema 1',
      without(image, 'mediaType'),
      'application/vnd.docker.distribution.manifest.v1+json',
    ],
    ['a media type that is no text', { ...image, mediaType: 7 }],
    ['layers that are no list', { ...image, layers: {} }],
    ['a layer that is no object', { ...image, layers: [null] }],
    ['a digest that is none', layer({ digest: 'sha256:../../x' })],
    ['a digest in upper case', layer({ digest: `sha256:${'A'.repeat(64)}` })],
    ['no digest', layer({ digest: undefined })],
    ['a size below zero', layer({ size: -1 })],
    ['a size that is no integer', layer({ size: 1.5 })],
    ['a size that is no safe integer', layer({ size: 2 ** 53 })],
    ['a size that is text', layer({ size: '3' })],
    ['no media type in a layer', layer({ mediaType: undefined })],
    ['an annotation that is no text', layer({ annotations: { a: 1 } })],
    ['data that is no base64', layer({ data: 'YW*j' })],
    ['data of another length', layer({ data: 'YWJjZA==' })],
    ['data that is no text', layer({ data: 7 })],
    ['a platform that is no object', { ...index, manifests: [{ ...part, platform: 'linux' }] }],
  ])('%s', (_, value, label) => {
    expect(() => parseManifest(bytes(value), label)).toThrowError(
      expect.objectContaining({ constructor: RegistryError, code: 'REGISTRY_RESPONSE' }),
    );
  });
});
