import { describe, expect, it } from 'vitest';
import { NetworkError, RegistryError } from '../../src/lib/errors.ts';
import { digestOf } from '../../src/reference/digest.ts';
import { parseRepository, parseTag } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import { createMemoryRegistry, type Fault, type RegistrySwitches } from '../helpers/memory-registry.ts';
import { rejectsCode } from '../helpers/throws-code.ts';

const APP = parseRepository('registry.test/acme/app');
const OTHER = parseRepository('registry.test/acme/base');
const TAG = parseTag('1.0');
const OCI = 'application/vnd.oci.image.manifest.v1+json';

function setUp(switches: RegistrySwitches = {}) {
  const registry = createMemoryRegistry(switches);
  return { registry, client: createRegistryClient(registry.http) };
}

function broken(fault: Fault, switches: RegistrySwitches = {}) {
  const made = setUp(switches);
  const image = made.registry.putImage('acme/app', '1.0');
  made.registry.faults.push({ when: () => true, fault });
  return { ...made, image };
}

describe('manifests', () => {
  it('reads a manifest by tag and names it by the digest of its own bytes', async () => {
    const { registry, client } = setUp({ now: () => Date.UTC(2026, 10, 22) });
    const image = registry.putImage('acme/app', '1.0');
    const fetched = await client.getManifest(APP, TAG);
    expect(fetched).toEqual({
      bytes: image.bytes,
      digest: image.digest,
      mediaType: OCI,
      dateMs: Date.UTC(2026, 10, 22),
    });
    expect(registry.log[0]?.headers.get('accept')).toContain('application/vnd.oci.image.index.v1+json');
  });

  it('reads a manifest by digest', async () => {
    const { registry, client } = setUp();
    const image = registry.putImage('acme/app', '1.0');
    expect((await client.getManifest(APP, image.digest))?.bytes).toEqual(image.bytes);
  });

  it('refuses other bytes than the digest asked for, whatever the header says', async () => {
    const { client, image } = broken('wrong-body');
    await rejectsCode(client.getManifest(APP, image.digest), RegistryError, 'REGISTRY_DIGEST');
  });

  it('takes no digest from a header: the bytes read by tag are hashed', async () => {
    const { client, image } = broken('wrong-digest-header');
    expect((await client.getManifest(APP, TAG))?.digest).toBe(image.digest);
  });

  it('hands on what a HEAD claims as a claim', async () => {
    const { registry, client } = setUp();
    const image = registry.putImage('acme/app', '1.0');
    expect(await client.headManifest(APP, TAG)).toEqual({ claimedDigest: image.digest, mediaType: OCI });
    expect(registry.requests()).toEqual(['HEAD manifests/1.0']);
  });

  it('claims nothing when the registry sends no digest header', async () => {
    const { client } = broken('no-digest-header');
    expect(await client.headManifest(APP, TAG)).toEqual({ mediaType: OCI });
  });

  it.each(['MANIFEST_UNKNOWN', 'NAME_UNKNOWN', 'NOT_FOUND'])(
    'protocol 3.3: 404 with %s means absent',
    async (code) => {
      const { registry, client } = broken({ status: 404, code });
      expect(await client.getManifest(APP, TAG)).toBeUndefined();
      expect(await client.headManifest(APP, TAG)).toBeUndefined();
      // A HEAD has no body, so the reason is asked for with a GET.
      expect(registry.requests()).toEqual(['GET manifests/1.0', 'HEAD manifests/1.0', 'GET manifests/1.0']);
    },
  );

  it('protocol 3.3: a HEAD that says 404 is not absence when the GET then finds it', async () => {
    const { registry, client } = setUp();
    const image = registry.putImage('acme/app', '1.0');
    registry.faults.push({ when: (r) => r.method === 'HEAD', fault: { status: 404, text: '' } });
    expect((await client.headManifest(APP, TAG))?.claimedDigest).toBe(image.digest);
  });

  it.each<[string, Fault, string]>([
    ['a bare 404', { status: 404, text: '' }, 'REGISTRY_NOT_FOUND'],
    ['a proxy page with 404', { status: 404, text: '<html>MANIFEST_UNKNOWN</html>' }, 'REGISTRY_NOT_FOUND'],
    ['404 with another code', { status: 404, code: 'BLOB_UNKNOWN' }, 'REGISTRY_NOT_FOUND'],
    ['401', { status: 401, code: 'MANIFEST_UNKNOWN' }, 'REGISTRY_UNAUTHORIZED'],
    ['403', { status: 403, code: 'DENIED' }, 'REGISTRY_DENIED'],
    ['429', { status: 429, code: 'TOOMANYREQUESTS' }, 'REGISTRY_RATE_LIMIT'],
    ['500', { status: 500, text: 'oops' }, 'REGISTRY_UNAVAILABLE'],
    ['503', { status: 503, text: '' }, 'REGISTRY_UNAVAILABLE'],
    ['a status that makes no sense', { status: 418, text: '' }, 'REGISTRY_RESPONSE'],
    ['a redirect nobody followed', { redirect: 'https://elsewhere.test/' }, 'REGISTRY_RESPONSE'],
  ])('protocol 3.3: %s is an error, not absence', async (_, fault, code) => {
    const { client, image } = broken(fault);
    await rejectsCode(client.getManifest(APP, TAG), RegistryError, code);
    await rejectsCode(client.headManifest(APP, TAG), RegistryError, code);
    await rejectsCode(client.getManifest(APP, image.digest), RegistryError, code);
  });

  it('bounds the body of a manifest at 4 MiB', async () => {
    const { client } = broken({ oversize: 4 * 1024 * 1024 + 1 });
    await rejectsCode(client.getManifest(APP, TAG), NetworkError, 'NETWORK_TOO_LARGE');
  });

  it('writes a manifest with the condition that was asked for, and never twice', async () => {
    const { registry, client } = setUp();
    const image = registry.putImage('acme/app', '1.0');
    const base = image.digest;
    expect(await client.putManifest(APP, parseTag('2.0'), image.bytes, OCI, { ifMatch: base })).toBe(base);
    await client.putManifest(APP, parseTag('3.0'), image.bytes, OCI, { ifAbsent: true });
    expect(registry.log[0]?.headers.get('if-match')).toBe(`"${base}"`);
    expect(registry.log[0]?.headers.get('content-type')).toBe(OCI);
    expect(registry.log[1]?.headers.get('if-none-match')).toBe('*');
    expect([...registry.repository('acme/app').tags.keys()]).toEqual(['1.0', '2.0', '3.0']);
  });

  it('says what the registry said about a refused manifest, escaped and with codes', async () => {
    const { client, image } = broken({ status: 400, code: 'MANIFEST_INVALID', message: 'no\u001b[2J\nway' });
    const error = await rejectsCode(
      client.putManifest(APP, TAG, image.bytes, OCI),
      RegistryError,
      'REGISTRY_RESPONSE',
    );
    expect(error).toMatchObject({ status: 400, registryCodes: ['MANIFEST_INVALID'] });
    expect(error.message).toContain('no\\u001b[2J\\u000away');
  });
});

describe('blobs', () => {
  it('reads a blob whose digest and length are right', async () => {
    const { registry, client } = setUp();
    const digest = registry.putBlob('acme/app', 'hello');
    const body = await client.getBlob(APP, digest, { maxBytes: 5, expectedLength: 5 });
    expect(Buffer.from(body).toString()).toBe('hello');
  });

  it.each<[string, Fault]>([
    ['one byte changed', 'wrong-body'],
    ['other bytes of another length', { body: 'hell' }],
    ['nothing', { body: '' }],
  ])('refuses a blob with %s', async (_, fault) => {
    const { registry, client } = setUp();
    const digest = registry.putBlob('acme/app', 'hello');
    registry.faults.push({ when: () => true, fault });
    await rejectsCode(client.getBlob(APP, digest, { maxBytes: 5 }), RegistryError, 'REGISTRY_DIGEST');
    await rejectsCode(
      client.getBlob(APP, digest, { maxBytes: 5, expectedLength: 5 }),
      RegistryError,
      'REGISTRY_DIGEST',
    );
  });

  it('refuses a blob with the right digest and another length than was signed', async () => {
    const { registry, client } = setUp();
    const digest = registry.putBlob('acme/app', 'hello');
    const read = client.getBlob(APP, digest, { maxBytes: 9, expectedLength: 4 });
    await rejectsCode(read, RegistryError, 'REGISTRY_DIGEST');
  });

  it('bounds the body of a blob', async () => {
    const { registry, client } = setUp();
    const digest = registry.putBlob('acme/app', 'hello');
    await rejectsCode(client.getBlob(APP, digest, { maxBytes: 4 }), NetworkError, 'NETWORK_TOO_LARGE');
  });

  it('says that a blob is gone', async () => {
    const { client } = setUp();
    const read = client.getBlob(APP, digestOf(Buffer.from('gone')), { maxBytes: 9 });
    await rejectsCode(read, RegistryError, 'REGISTRY_NOT_FOUND');
    expect(await client.headBlob(APP, digestOf(Buffer.from('gone')))).toBe(false);
  });

  it.each([false, true])('uploads a blob in one piece (absolute Location: %s)', async (absoluteLocation) => {
    const { registry, client } = setUp({ absoluteLocation });
    const digest = await client.putBlob(APP, Buffer.from('hello'));
    expect(digest).toBe(digestOf(Buffer.from('hello')));
    expect(await client.headBlob(APP, digest)).toBe(true);
    expect(registry.requests((r) => r.kind === 'upload')).toEqual(['POST uploads', 'PUT uploads']);
    // The registry's own state in the query is kept as it was written.
    expect(registry.log[1]?.query.get('_state')).toBe('a+b=');
  });

  it.each<[string, string, string]>([
    ['plain http elsewhere', 'http://evil.test/upload', 'REGISTRY_REDIRECT'],
    [
      'the same host over plain http',
      'http://registry.test/v2/acme/app/blobs/uploads/1',
      'REGISTRY_REDIRECT',
    ],
    ['a file', 'file:///etc/passwd', 'REGISTRY_REDIRECT'],
    ['an address with a password in it', 'https://me:pw@registry.test/upload', 'REGISTRY_RESPONSE'],
    ['no address', 'https://', 'REGISTRY_RESPONSE'],
  ])('refuses an upload Location that is %s', async (_, location, code) => {
    const { registry, client } = broken({ location });
    await rejectsCode(client.putBlob(APP, Buffer.from('hello')), RegistryError, code);
    expect(registry.requests()).toEqual(['POST uploads']);
  });

  it('hands an https Location on another origin on as an address, to which no credentials go', async () => {
    const asked: (string | URL)[] = [];
    const client = createRegistryClient({
      async request(_, request) {
        asked.push(request.path);
        const headers = new Map([['location', 'https://storage.test/put?sig=a%2Bb']]);
        const status = request.method === 'POST' ? 202 : 201;
        return { status, headers, body: new Uint8Array(), url: new URL('https://registry.test/v2/') };
      },
    });
    const digest = await client.putBlob(APP, Buffer.from('hello'));
    expect(asked.map(String)).toEqual([
      'blobs/uploads/',
      `https://storage.test/put?sig=a%2Bb&digest=${encodeURIComponent(digest)}`,
    ]);
    expect(asked[1]).toBeInstanceOf(URL);
  });

  it.each<[Fault, string]>([
    [{ status: 401 }, 'REGISTRY_UNAUTHORIZED'],
    [{ status: 403, code: 'DENIED' }, 'REGISTRY_DENIED'],
    [{ status: 413, text: '' }, 'REGISTRY_RESPONSE'],
    [{ status: 500, text: '' }, 'REGISTRY_UNAVAILABLE'],
  ])('says why an upload was refused: %j', async (fault, code) => {
    const first = broken(fault);
    await rejectsCode(first.client.putBlob(APP, Buffer.from('hello')), RegistryError, code);
    const second = setUp();
    second.registry.faults.push({ when: (r) => r.method === 'PUT', fault });
    await rejectsCode(second.client.putBlob(APP, Buffer.from('hello')), RegistryError, code);
  });

  it('mounts a blob of another repository, and says when the registry would not', async () => {
    const { registry, client } = setUp();
    const digest = registry.putBlob('acme/base', 'hello');
    expect(await client.mountBlob(APP, OTHER, digest)).toBe(true);
    expect(await client.headBlob(APP, digest)).toBe(true);
    expect(await client.mountBlob(APP, OTHER, digestOf(Buffer.from('unknown')))).toBe(false);
    expect(await client.mountBlob(APP, parseRepository('elsewhere.test/acme/base'), digest)).toBe(false);
  });
});

describe('tags', () => {
  it('lists the tags of all pages', async () => {
    const { registry, client } = setUp({ pageSize: 2 });
    for (const tag of ['a', 'b', 'c', 'd', 'e']) registry.putImage('acme/app', tag);
    expect(await client.listTags(APP)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(registry.log).toHaveLength(3);
    expect(await client.listTags(OTHER)).toBeUndefined();
  });

  it('leaves out what cannot be a tag, and takes null for an empty list', async () => {
    const odd = broken({ body: JSON.stringify({ tags: ['ok', '../x', 'a b', '', 7, '-x'] }) });
    expect(await odd.client.listTags(APP)).toEqual(['ok']);
    const none = broken({ body: '{"name":"acme/app","tags":null}' });
    expect(await none.client.listTags(APP)).toEqual([]);
  });

  it.each(['{', '[]', '{"tags":{}}', '{"tags":[],"tags":[]}'])('refuses %s as a tag list', async (body) => {
    const { client } = broken({ body });
    await rejectsCode(client.listTags(APP), RegistryError, 'REGISTRY_RESPONSE');
  });

  it.each([
    ['<https://evil.test/v2/>; rel="next"', 'REGISTRY_REDIRECT'],
    ['<http://registry.test/v2/>; rel="next"', 'REGISTRY_REDIRECT'],
    ['nonsense', 'REGISTRY_RESPONSE'],
  ])('refuses to follow the link %s', async (link, code) => {
    const client = createRegistryClient({
      request: async () => ({
        status: 200,
        headers: new Map([['link', link]]),
        body: Buffer.from('{"tags":["a"]}'),
        url: new URL('https://registry.test/v2/acme/app/tags/list'),
      }),
    });
    await rejectsCode(client.listTags(APP), RegistryError, code);
  });

  it('stops at a tag list without end', async () => {
    let asked = 0;
    const client = createRegistryClient({
      async request() {
        asked += 1;
        const headers = new Map([['link', '</v2/acme/app/tags/list?n=1>; rel="next"']]);
        const url = new URL('https://registry.test/v2/acme/app/tags/list');
        return { status: 200, headers, body: Buffer.from('{"tags":["a"]}'), url };
      },
    });
    await rejectsCode(client.listTags(APP), RegistryError, 'REGISTRY_RESPONSE');
    expect(asked).toBe(1000);
  });
});
