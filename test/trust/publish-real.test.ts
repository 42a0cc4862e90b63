/** The registry client, the registry source and publishing against a real registry (distribution 2.8). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RegistryHttp } from '../../src/http/registry-http.ts';
import { createRegistryTransport } from '../../src/http/registry-transport.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { RegistryError, TrustError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { digestOf } from '../../src/reference/digest.ts';
import { parseRepository, parseTag } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import { parseManifest } from '../../src/registry/manifest.ts';
import { createCollection, type Edit, editCollection } from '../../src/trust/core/editor.ts';
import { journalChanges, openJournal } from '../../src/trust/journal.ts';
import { openMemory } from '../../src/trust/memory.ts';
import { openForPublishing, publish } from '../../src/trust/publisher.ts';
import { createRegistrySource } from '../../src/trust/registry-source.ts';
import { openCollection } from '../../src/trust/updater.ts';
import { describe as descriptorOf } from '../helpers/memory-registry.ts';
import { KNOWN_USER, needPeers, type RunningRegistry, startRegistry } from '../helpers/peers.ts';
import { labelledSimKey, simSigner } from '../helpers/sim-keys.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { rejectsCode } from '../helpers/throws-code.ts';
import { createTestTransport, type TestTransport } from '../helpers/transport.ts';

const OCI = 'application/vnd.oci.image.manifest.v1+json';
const real = await needPeers('registry');

/** Deadlines never come, waits are over at once: what is tested here is the registry, not time. */
function quickClock(): Clock {
  let nowMs = 0;
  return {
    now: () => Date.UTC(2026, 10, 22) + nowMs,
    monotonic: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal !== undefined) {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
          return;
        }
        nowMs += ms;
        resolve();
      }),
  };
}

describe.skipIf(real.skip)(real.title('a real registry'), () => {
  let registry: RunningRegistry;
  let transport: TestTransport;
  let http: RegistryHttp;
  const asked: string[] = [];

  beforeAll(async () => {
    registry = await startRegistry({ auth: KNOWN_USER.htpasswd });
    transport = createTestTransport();
    const inner = createRegistryTransport({
      send: transport.send,
      clock: transport.clock,
      credentials: async () => ({
        kind: 'basic',
        username: KNOWN_USER.username,
        password: KNOWN_USER.password,
      }),
      notice: () => {},
    });
    http = {
      request(repository, request) {
        asked.push(`${request.method} ${String(request.path).replace(/sha256:.*/, 'digest')}`);
        return inner.request(repository, request);
      },
    };
  });
  afterAll(async () => {
    await transport?.close();
    await registry?.stop();
  });

  it('stores and serves manifests and blobs', async () => {
    const client = createRegistryClient(http);
    const repository = parseRepository(`${registry.host}/acme/client`);
    const [config, layer] = [Buffer.from('{}'), Buffer.from('a layer')];
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI,
        config: descriptorOf('application/vnd.oci.image.config.v1+json', config),
        layers: [descriptorOf('application/vnd.oci.image.layer.v1.tar', layer)],
      }),
    );
    expect(await client.getManifest(repository, parseTag('1.0'))).toBeUndefined();
    expect(await client.headManifest(repository, parseTag('1.0'))).toBeUndefined();
    expect(await client.listTags(repository)).toBeUndefined();
    const put = () => client.putManifest(repository, parseTag('1.0'), manifest, OCI);
    const refused = await rejectsCode(put(), RegistryError, 'REGISTRY_RESPONSE');
    expect(refused.registryCodes).toContain('MANIFEST_BLOB_UNKNOWN');
    for (const blob of [config, layer]) expect(await client.putBlob(repository, blob)).toBe(digestOf(blob));
    expect(await put()).toBe(digestOf(manifest));
    const read = await client.getManifest(repository, digestOf(manifest));
    expect(read).toMatchObject({ digest: digestOf(manifest), mediaType: OCI });
    expect(Buffer.from(read!.bytes)).toEqual(manifest);
    expect(parseManifest(read!.bytes, read!.mediaType).kind).toBe('image');
    expect(read?.dateMs).toBeGreaterThan(Date.UTC(2020, 0));
    expect((await client.headManifest(repository, parseTag('1.0')))?.claimedDigest).toBe(digestOf(manifest));
    expect(Buffer.from(await client.getBlob(repository, digestOf(layer), { maxBytes: 100 }))).toEqual(layer);
    const gone = digestOf(Buffer.from('gone'));
    await rejectsCode(client.getBlob(repository, gone, { maxBytes: 1 }), RegistryError, 'REGISTRY_NOT_FOUND');
    const other = parseRepository(`${registry.host}/acme/mounted`);
    expect(await client.mountBlob(other, repository, digestOf(layer))).toBe(true);
    expect(await client.headBlob(other, digestOf(layer))).toBe(true);
    expect(await client.mountBlob(other, repository, gone)).toBe(false);
    expect(await client.listTags(repository)).toEqual(['1.0']);
  });

  it('protocol 4.2: publishes a collection, changes it, and reads it with one GET cold and one HEAD warm', async () => {
    const repository = parseRepository(`${registry.host}/acme/app`);
    const [rootKey, targetsKey, onlineKey] = ['root', 'targets', 'online'].map((label) =>
      simSigner(labelledSimKey(label)),
    );
    const keys = { rootKey: rootKey!, targetsKey: targetsKey!, onlineKey: onlineKey! };
    const clock = quickClock();
    const directory = temporaryFolder();
    const source = createRegistrySource({ client: createRegistryClient(http), repository });
    const options = {
      repository,
      source,
      memory: openMemory({ fs: realFileSystem, directory, clock }),
      pins: new Map(),
      startTimeMs: clock.now(),
      ownRootKeys: (listed: readonly (typeof keys.rootKey.publicKey)[]) =>
        listed.filter(({ publicValue }) => publicValue === keys.rootKey.publicKey.publicValue),
    };
    const target = (tag: string) => ({
      path: `${repository.canonical}:${tag}`,
      lengthBytes: 7,
      sha256: digestOf(Buffer.from(tag)),
      mediaType: OCI,
    });
    const signers = [keys.rootKey, keys.targetsKey, keys.onlineKey];
    const run = (edits: readonly Edit[]) =>
      publish({
        source,
        open: openForPublishing(options),
        build: async (base, terms) =>
          base === undefined
            ? createCollection({
                ...keys,
                ...terms,
                collection: repository.canonical,
                rootKeys: [keys.rootKey],
                nowMs: clock.now(),
                targets: edits.flatMap((edit) => (edit.kind === 'putTarget' ? [edit.target] : [])),
              })
            : editCollection({ trusted: base.trusted, files: await base.loadAll() }, edits, {
                ...terms,
                signers,
                nowMs: clock.now(),
              }),
        journal: openJournal({ fs: realFileSystem, directory, clock, collection: repository.canonical }),
        changes: journalChanges(edits),
        clock,
        random: () => 0,
      });
    await run([{ kind: 'putTarget', target: target('1.0') }]);
    asked.length = 0;
    const opened = await openCollection(options);
    expect(asked).toEqual(['GET manifests/_trust']);
    expect((await opened.resolve(target('1.0').path)).lengthBytes).toBe(7);
    const second = await run([
      { kind: 'putTarget', target: target('1.1') },
      { kind: 'removeTarget', path: target('1.0').path },
    ]);
    expect(second).toMatchObject({ attempts: 1 });
    const changed = await openCollection(options);
    expect((await changed.listTargets()).map(({ path }) => path)).toEqual([target('1.1').path]);
    asked.length = 0;
    await openCollection(options);
    expect(asked).toEqual(['HEAD manifests/_trust']);
  });

  it('protocol 3.3: an image under the trust tag is no trust data', async () => {
    const client = createRegistryClient(http);
    const repository = parseRepository(`${registry.host}/acme/odd`);
    const config = Buffer.from('{"os":"linux"}');
    await client.putBlob(repository, config);
    const part = descriptorOf('application/vnd.oci.image.config.v1+json', config);
    const image = { schemaVersion: 2, mediaType: OCI, config: part, layers: [] };
    await client.putManifest(repository, parseTag('_trust'), Buffer.from(JSON.stringify(image)), OCI);
    await rejectsCode(
      createRegistrySource({ client, repository }).fetchState(),
      TrustError,
      'TRUST_DATA_INVALID',
    );
  });
});
