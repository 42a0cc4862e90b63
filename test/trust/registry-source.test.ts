import { describe, expect, it } from 'vitest';
import { RegistryError, TrustError } from '../../src/lib/errors.ts';
import { digestOf } from '../../src/reference/digest.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import { createRegistrySource } from '../../src/trust/registry-source.ts';
import { buildState, isMetadataFileName } from '../../src/trust/registry-state.ts';
import { createMemoryRegistry, type Fault, type RegistrySwitches } from '../helpers/memory-registry.ts';
import { rejectsCode } from '../helpers/throws-code.ts';

const APP = parseRepository('registry.test/acme/app');
const OCI = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const text = (value: string) => new Uint8Array(Buffer.from(value));

const FILES = new Map([
  ['1.root.json', text('root one')],
  ['2.root.json', text('root two')],
  ['timestamp.json', text('timestamp')],
  ['41.snapshot.json', text('snapshot')],
  ['12.targets.json', text('targets')],
  ['9.targets%2Freleases.json', text('releases')],
]);

function setUp(switches: RegistrySwitches = {}) {
  const registry = createMemoryRegistry(switches);
  const source = createRegistrySource({ client: createRegistryClient(registry.http), repository: APP });
  return { registry, source };
}

async function published(switches: RegistrySwitches = {}, inline = true) {
  const made = setUp(switches);
  await made.source.uploadFiles(FILES);
  const digest = await made.source.putState(FILES, { inline });
  made.registry.log.length = 0;
  return { ...made, digest };
}

/** The manifest as JSON, to be changed and put back. */
function plain(inline = true) {
  return JSON.parse(Buffer.from(buildState(FILES, inline)).toString());
}

describe('the state under _trust', () => {
  it('protocol 3.1: is one OCI manifest with artifact type, empty config and a named layer per file', () => {
    const manifest = plain(false);
    expect(manifest).toMatchObject({
      schemaVersion: 2,
      mediaType: OCI,
      artifactType: 'application/vnd.dtrust.tuf.v1+json',
      config: {
        mediaType: 'application/vnd.oci.empty.v1+json',
        digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
        size: 2,
      },
    });
    expect(manifest.layers[0]).toEqual({
      mediaType: 'application/vnd.tuf.metadata+json',
      digest: digestOf(text('root one')),
      size: 8,
      annotations: { 'tuf.io/filename': '1.root.json' },
    });
    expect(manifest.layers).toHaveLength(6);
  });

  it('protocol 3.2: a cold check is one GET that brings the small files along', async () => {
    const { registry, source, digest } = await published({ now: () => 1_700_000_000_000 });
    const state = await source.fetchState();
    expect(state).toMatchObject({ digest, dateMs: 1_700_000_000_000 });
    expect([...(state?.files.keys() ?? [])].sort()).toEqual([...FILES.keys()].sort());
    expect(state?.files.get('timestamp.json')).toEqual({
      name: 'timestamp.json',
      digest: digestOf(text('timestamp')),
      lengthBytes: 9,
      inline: text('timestamp'),
    });
    expect(registry.requests()).toEqual(['GET manifests/_trust']);
  });

  it('protocol 3.2: a warm check is one HEAD', async () => {
    const { registry, source, digest } = await published();
    expect(await source.headState()).toBe(digest);
    expect(registry.requests()).toEqual(['HEAD manifests/_trust']);
  });

  it('protocol 3.2: large files do not ride along and come by digest, checked', async () => {
    const { registry, source } = setUp();
    const large = new Map([...FILES, ['13.targets.json', new Uint8Array(70_000).fill(32)]]);
    await source.uploadFiles(large);
    await source.putState(large, { inline: true });
    const listed = (await source.fetchState())?.files.get('13.targets.json');
    expect(listed?.inline).toBeUndefined();
    const file = { digest: listed!.digest, lengthBytes: listed!.lengthBytes, maxBytes: 100_000 };
    expect(await source.fetchFile(file)).toEqual(large.get('13.targets.json'));
    expect(registry.requests().at(-1)).toBe(`GET blobs/${listed!.digest}`);
    registry.faults.push({ when: (r) => r.kind === 'blob', fault: 'wrong-body' });
    await rejectsCode(source.fetchFile(file), RegistryError, 'REGISTRY_DIGEST');
  });

  it('what rides along stays well under the size of a manifest', () => {
    const many = new Map(
      Array.from({ length: 300 }, (_, i) => [`${i + 1}.root.json`, new Uint8Array(9_000).fill(i)]),
    );
    expect(buildState(many, true).length).toBeLessThan(600_000);
  });

  it('protocol 3.2: a blob that is gone says so, for the reader to read the tag once more', async () => {
    const { registry, source } = await published({}, false);
    registry.repository('acme/app').blobs.clear();
    const read = source.fetchFile({ digest: digestOf(text('targets')), maxBytes: 100 });
    await rejectsCode(read, RegistryError, 'REGISTRY_NOT_FOUND');
  });

  it('asks for the bytes when a HEAD names no digest', async () => {
    const { registry, source, digest } = await published();
    registry.faults.push({ when: () => true, fault: 'no-digest-header' });
    expect(await source.headState()).toBe(digest);
    expect(registry.requests()).toEqual(['HEAD manifests/_trust', 'GET manifests/_trust']);
  });
});

describe('what is absent and what is not', () => {
  it('protocol 3.3: an unknown repository and an unknown tag are absence', async () => {
    const { registry, source } = setUp();
    expect(await source.headState()).toBeUndefined();
    expect(await source.fetchState()).toBeUndefined();
    registry.putImage('acme/app', '1.0');
    expect(await source.headState()).toBeUndefined();
    expect(await source.fetchState()).toBeUndefined();
  });

  it.each<[string, Fault, string]>([
    ['a bare 404', { status: 404, text: '' }, 'REGISTRY_NOT_FOUND'],
    ['401', { status: 401 }, 'REGISTRY_UNAUTHORIZED'],
    ['403', { status: 403, code: 'DENIED' }, 'REGISTRY_DENIED'],
    ['429', { status: 429, text: '' }, 'REGISTRY_RATE_LIMIT'],
    ['500', { status: 500, text: '' }, 'REGISTRY_UNAVAILABLE'],
  ])('protocol 3.3: %s is not absence', async (_, fault, code) => {
    const { registry, source } = setUp();
    registry.faults.push({ when: () => true, fault });
    await rejectsCode(source.headState(), RegistryError, code);
    await rejectsCode(source.fetchState(), RegistryError, code);
  });
});

describe('something else under _trust', () => {
  const layer = (change: object) => {
    const manifest = plain();
    Object.assign(manifest.layers[0], change);
    return manifest;
  };
  const named = (name: string) => layer({ annotations: { 'tuf.io/filename': name } });
  const image = {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    digest: digestOf(text('c')),
    size: 1,
  };

  it.each<[string, unknown, string?]>([
    ['an image', { schemaVersion: 2, mediaType: OCI, config: image, layers: [image] }],
    ['an index', { schemaVersion: 2, mediaType: INDEX, manifests: [image] }, INDEX],
    ['garbage', 'garbage'],
    ['nothing', ''],
    ['schema 1', { schemaVersion: 1, fsLayers: [] }, 'application/vnd.docker.distribution.manifest.v1+json'],
    ['another artifact type', { ...plain(), artifactType: 'application/vnd.other' }],
    ['no artifact type', { ...plain(), artifactType: undefined }],
    ['a config', { ...plain(), config: image }],
    [
      'another config of the empty type',
      { ...plain(), config: { ...plain().config, digest: image.digest, data: undefined } },
    ],
    ['no files', { ...plain(), layers: [] }],
    ['the same file name twice', { ...plain(), layers: [...plain().layers, plain().layers[0]] }],
    ['manifests beside layers', { ...plain(), manifests: [] }],
    ['a member twice', JSON.stringify(plain()).replace('{', '{"layers":[],')],
    ['a layer of another type', layer({ mediaType: 'application/vnd.oci.image.layer.v1.tar' })],
    ['a file without a name', layer({ annotations: {} })],
    ['a file name that climbs', named('../../etc/passwd')],
    ['a file name with a slash', named('1.root.json/../2.root.json')],
    ['an empty file', layer({ size: 0, data: '' })],
    ['a file with a sha512 digest', layer({ digest: `sha512:${'a'.repeat(128)}`, data: undefined })],
    ['embedded bytes of another file', layer({ data: Buffer.from('evil one').toString('base64') })],
  ])('protocol 3.3: %s is TRUST_DATA_INVALID, never absence', async (_, value, mediaType = OCI) => {
    const { registry, source } = setUp();
    registry.putManifest(
      'acme/app',
      '_trust',
      typeof value === 'string' ? value : JSON.stringify(value),
      mediaType,
    );
    const error = await rejectsCode(source.fetchState(), TrustError, 'TRUST_DATA_INVALID');
    expect(error).toMatchObject({ spec: 'protocol 3.1', reference: 'registry.test/acme/app:_trust' });
    expect(registry.requests()).toEqual(['GET manifests/_trust']);
  });

  it('more than 4 MiB is TRUST_DATA_INVALID', async () => {
    const { registry, source } = await published();
    registry.faults.push({ when: () => true, fault: { oversize: 4 * 1024 * 1024 + 1 } });
    await rejectsCode(source.fetchState(), TrustError, 'TRUST_DATA_INVALID');
  });

  it('names what was found, escaped', async () => {
    const { registry, source } = setUp();
    registry.putManifest('acme/app', '_trust', JSON.stringify(named('\u001b[2Jx')), OCI);
    const error = await rejectsCode(source.fetchState(), TrustError, 'TRUST_DATA_INVALID');
    expect(error.message).toContain("'\\u001b[2Jx'");
  });
});

describe('file names', () => {
  it.each([
    'timestamp.json',
    '1.root.json',
    '9007199254740991.targets.json',
    '9.targets%2Freleases.json',
    '3.targets%2Fa.b.json',
    '3.00-ff.json',
    '1.targets%2F%C3%A4.json',
  ])('accepts %s', (name) => expect(isMetadataFileName(name)).toBe(true));
  it.each([
    '',
    'root.json',
    '0.root.json',
    '01.root.json',
    '-1.root.json',
    '9007199254740992.root.json',
    '1.root',
    '1..json',
    '1.timestamp.json',
    '1.%2e%2e.json',
    '1...json',
    '1.targets%2F..%2Fx.json',
    '1.%2Fx.json',
    '1.targets%2fx.json',
    '1.%74argets.json',
    '1.%ff.json',
    '1.%00.json',
    '1.a%5Cb.json',
    '1.a%E2%80%AEb.json',
    '../1.root.json',
    '1.root.json\n',
    `1.${'a'.repeat(400)}.json`,
  ])('refuses %j', (name) => expect(isMetadataFileName(name)).toBe(false));
});

describe('writing', () => {
  it('uploads files and the empty config once, and only those the previous state does not hold', async () => {
    const { registry, source } = setUp();
    await source.uploadFiles(FILES);
    expect(registry.requests((r) => r.kind === 'upload')).toHaveLength(2 * 7);
    await source.putState(FILES, { inline: true });
    const previous = await source.fetchState();
    const other = createRegistrySource({ client: createRegistryClient(registry.http), repository: APP });
    registry.log.length = 0;
    const next = new Map([...FILES, ['timestamp.json', text('timestamp two')]]);
    await other.uploadFiles(next, previous);
    expect(registry.requests()).toEqual(['POST uploads', 'PUT uploads']);
    await other.uploadFiles(next, previous);
    expect(registry.log).toHaveLength(2);
  });

  it('protocol 4.2: sends If-Match for the base, If-None-Match for a first publish', async () => {
    const { registry, source, digest } = await published();
    await source.putState(FILES, { inline: false, ifMatch: digest });
    expect(registry.log[0]?.headers.get('if-match')).toBe(`"${digest}"`);
    const fresh = await published();
    expect(fresh.registry.log).toEqual([]);
    const first = setUp();
    await first.source.uploadFiles(FILES);
    await first.source.putState(FILES, { inline: true });
    expect(first.registry.log.at(-1)?.headers.get('if-none-match')).toBe('*');
  });

  it.each(['harbor', 'ecr'] as const)('protocol 4.4: an immutable tag as %s says it', async (as) => {
    const { source, digest } = await published({ immutable: { tags: /^_trust$/, as } });
    const put = source.putState(new Map([['timestamp.json', text('two')], ...FILES]), {
      inline: true,
      ifMatch: digest,
    });
    const error = await rejectsCode(put, RegistryError, 'TRUST_TAG_IMMUTABLE');
    expect(error.hints.join(' ')).toMatch(
      /exclude the tag _trust from immutability.*DTRUST_TRUST_REPOSITORY/,
    );
  });

  it.each<[Fault, string]>([
    [{ status: 403, code: 'DENIED', message: 'no write access' }, 'REGISTRY_DENIED'],
    [{ status: 412, code: 'PRECONDITION_FAILED', message: 'the tag has moved' }, 'REGISTRY_RESPONSE'],
    [{ status: 400, code: 'MANIFEST_INVALID', message: 'manifest invalid' }, 'REGISTRY_RESPONSE'],
    [{ status: 500, text: 'immutable' }, 'REGISTRY_UNAVAILABLE'],
  ])('another refusal is not called immutable: %j', async (fault, code) => {
    const { registry, source } = await published();
    registry.faults.push({ when: (r) => r.method === 'PUT', fault });
    await rejectsCode(source.putState(FILES, { inline: true }), RegistryError, code);
  });

  it('stores a manifest under no tag', async () => {
    const { registry, source } = setUp();
    await source.uploadFiles(FILES);
    await source.storeUntagged(FILES);
    expect(await source.headState()).toBeUndefined();
    expect(registry.repository('acme/app').manifests.size).toBe(1);
  });

  it('refuses a state whose manifest no registry would take', () => {
    const many = new Map(Array.from({ length: 30_000 }, (_, i) => [`${i + 1}.root.json`, text('x')]));
    expect(() => buildState(many, false)).toThrowError(
      expect.objectContaining({ code: 'METADATA_TOO_LARGE' }),
    );
  });
});
