/** Publishing with the real editor and the real updater, over a registry in memory. */
import { describe, expect, it } from 'vitest';
import { TrustError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import { createCollection, type Edit, editCollection } from '../../src/trust/core/editor.ts';
import { type Pin, pinFor } from '../../src/trust/core/pin.ts';
import { journalChanges, openJournal } from '../../src/trust/journal.ts';
import { openMemory } from '../../src/trust/memory.ts';
import { assertNothingLost, openForPublishing, publish } from '../../src/trust/publisher.ts';
import { createRegistrySource } from '../../src/trust/registry-source.ts';
import { openCollection } from '../../src/trust/updater.ts';
import { createMemoryRegistry, type MemoryRegistry } from '../helpers/memory-registry.ts';
import { labelledSimKey, simSigner } from '../helpers/sim-keys.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { rejectsCode, throwsCode } from '../helpers/throws-code.ts';
import { JumpingClock } from './publish-clock.ts';

const APP = parseRepository('registry.test/acme/app');
const [rootKey, targetsKey, onlineKey] = ['root', 'targets', 'online'].map((label) =>
  simSigner(labelledSimKey(label)),
);
const keys = { rootKey: rootKey!, targetsKey: targetsKey!, onlineKey: onlineKey! };

const pathOf = (tag: string): string => `${APP.canonical}:${tag}`;
const put = (tag: string, version = 1): Edit => ({
  kind: 'putTarget',
  target: {
    path: pathOf(tag),
    lengthBytes: 100 + version,
    sha256: `sha256:${version.toString(16).padStart(64, '0')}`,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
  },
});

/** One machine: its memory, its journal, and the owner's keys. */
function machine(registry: MemoryRegistry, pin?: Pin) {
  const directory = temporaryFolder();
  const clock = new JumpingClock();
  const source = createRegistrySource({ client: createRegistryClient(registry.http), repository: APP });
  const memory = openMemory({ fs: realFileSystem, directory, clock });
  const journal = openJournal({ fs: realFileSystem, directory, clock, collection: APP.canonical });
  const options = {
    repository: APP,
    source,
    memory,
    pins: new Map(pin === undefined ? [] : [[APP.canonical, pin] as const]),
    startTimeMs: clock.now(),
    ownRootKeys: (listed: readonly (typeof keys.rootKey.publicKey)[]) =>
      listed.filter((key) => key.publicValue === keys.rootKey.publicKey.publicValue),
  };
  const run = (edits: readonly Edit[], onRead?: () => Promise<void>) => {
    const reader = openForPublishing(options);
    return publish({
      source,
      open: async () => {
        const base = await reader();
        await onRead?.();
        return base;
      },
      build: async (base, terms) => {
        const common = { nowMs: clock.now(), ...terms };
        if (base !== undefined) {
          const current = { trusted: base.trusted, files: await base.loadAll() };
          return editCollection(current, edits, {
            ...common,
            signers: [keys.targetsKey, keys.onlineKey, keys.rootKey],
          });
        }
        const made = { collection: APP.canonical, rootKeys: [keys.rootKey], ...keys, ...common };
        const targets = edits.flatMap((edit) => (edit.kind === 'putTarget' ? [edit.target] : []));
        return createCollection({ ...made, targets });
      },
      journal,
      changes: journalChanges(edits),
      clock,
      random: () => 0,
    });
  };
  return {
    clock,
    journal,
    memory,
    options,
    publish: (edits: readonly Edit[], onRead?: () => Promise<void>) => clock.drive(run(edits, onRead)),
    read: () => openCollection(options),
  };
}

const tags = async (from: ReturnType<typeof machine>) =>
  (await (await from.read()).listTargets()).map(({ path }) => path.slice(APP.canonical.length + 1)).sort();

describe('publishing', () => {
  it('protocol 4.1: makes a collection whose turn is signed, and which verifies as a client', async () => {
    const registry = createMemoryRegistry();
    const owner = machine(registry);
    const published = await owner.publish([put('1.0'), put('1.1')]);
    expect(published.attempts).toBe(1);
    const opened = await owner.read();
    expect(opened.state.digest).toBe(published.digest);
    expect(opened.trusted.snapshot?.signed.extension).toEqual({ turnSeconds: 1, history: [] });
    expect(await tags(owner)).toEqual(['1.0', '1.1']);
  });

  it('protocol 3.1: a machine that starts from a later root keeps the roots before it, for others to start from', async () => {
    const registry = createMemoryRegistry();
    const owner = machine(registry);
    const asleep = machine(registry);
    await owner.publish([put('1.0')]);
    await asleep.read();
    for (const label of ['second', 'third']) {
      const key = simSigner(labelledSimKey(label)).publicKey;
      await owner.publish([{ kind: 'addKey', role: 'root', key }]);
    }
    const restored = machine(registry, pinFor((await owner.read()).trusted.root, 1));
    // What it has looked at is remembered from its pin's root on, and is not fetched again for the publish.
    expect((await restored.read()).trusted.roots.map(({ signed }) => signed.version)).toEqual([3]);
    await restored.publish([put('2.0')]);
    expect(await tags(asleep)).toEqual(['1.0', '2.0']);
    expect((await asleep.read()).trusted.root.signed.version).toBe(3);
  });

  it('protocol 4.2: carries the history on, from publish to publish', async () => {
    const registry = createMemoryRegistry();
    const owner = machine(registry);
    const first = await owner.publish([put('1.0')]);
    const second = await owner.publish([put('1.1')]);
    const third = await owner.publish([{ kind: 'removeTarget', path: `${APP.canonical}:1.0` }]);
    const opened = await owner.read();
    expect(opened.trusted.snapshot?.signed.extension?.history).toEqual([
      first.state.timestampSha256,
      second.state.timestampSha256,
    ]);
    expect(third.state.versions.get('timestamp')).toBe(3);
    expect(await tags(owner)).toEqual(['1.1']);
    expect(() => assertNothingLost(opened, owner.journal)).not.toThrow();
  });

  it('protocol 4.2: push -a is one publish and one wait', async () => {
    const registry = createMemoryRegistry();
    const owner = machine(registry);
    await owner.publish([put('1.0')]);
    registry.log.length = 0;
    owner.clock.sleeps.length = 0;
    await owner.publish(['a', 'b', 'c', 'd', 'e'].map((tag) => put(tag)));
    expect(registry.requests((r) => r.method === 'PUT' && r.reference === '_trust')).toHaveLength(1);
    // One deadline of the PUT, one wait between the two reads.
    expect(owner.clock.sleeps).toHaveLength(2);
    expect(await tags(owner)).toEqual(['1.0', 'a', 'b', 'c', 'd', 'e']);
  });

  it('protocol 4.2: applies only its own changes to what another machine published meanwhile', async () => {
    const registry = createMemoryRegistry();
    const [one, two] = [machine(registry), machine(registry)];
    await one.publish([put('1.0')]);
    let raced = false;
    const published = await two.publish([put('2.0')], async () => {
      if (raced) return;
      raced = true;
      await one.publish([put('1.1'), put('1.0', 9)]);
    });
    expect(published.attempts).toBe(2);
    expect(await tags(one)).toEqual(['1.0', '1.1', '2.0']);
    expect((await (await two.read()).resolve(`${APP.canonical}:1.0`)).lengthBytes).toBe(109);
  });

  it('protocol 4.2: two machines that make the first state end in one collection with both tags', async () => {
    const registry = createMemoryRegistry();
    const [one, two] = [machine(registry), machine(registry)];
    let raced = false;
    const second = await two.publish([put('2.0')], async () => {
      if (raced) return;
      raced = true;
      await one.publish([put('1.0')]);
    });
    expect(second.attempts).toBe(2);
    expect(await tags(one)).toEqual(['1.0', '2.0']);
    expect(await tags(two)).toEqual(['1.0', '2.0']);
  });

  it('protocol 4.2: builds on the state that stayed when this machine had seen the one that did not', async () => {
    const registry = createMemoryRegistry();
    const [one, two, three] = [machine(registry), machine(registry), machine(registry)];
    await one.publish([put('1.0')]);
    const base = registry.repository('acme/app').tags.get('_trust')!;
    await two.publish([put('two')]);
    // Three reads the state of two; then that of one, built on the same base, with the same version, stays.
    await three.read();
    registry.repository('acme/app').tags.set('_trust', base);
    await one.publish([put('one')]);
    expect((await three.read()).trusted.timestamp?.signed.version).toBe(2);
    const published = await three.publish([put('three')]);
    expect(published.state.versions.get('timestamp')).toBe(3);
    expect(await tags(one)).toEqual(['1.0', 'one', 'three']);
  });

  it('protocol 4.2: builds on no state of the same version that has an older role than what is known', async () => {
    const registry = createMemoryRegistry();
    const [one, two, three] = [machine(registry), machine(registry), machine(registry)];
    await one.publish([put('1.0')]);
    const base = registry.repository('acme/app').tags.get('_trust')!;
    await two.publish([{ kind: 'removeTarget', path: pathOf('1.0') }]);
    await three.read();
    // Whoever has the online key can make a timestamp of the same version that names the targets before the revocation.
    registry.repository('acme/app').tags.set('_trust', base);
    await one.publish([]);
    const forged = registry.repository('acme/app').tags.get('_trust');
    await rejectsCode(three.publish([put('three')]), TrustError, 'SNAPSHOT_ROLLBACK');
    expect(registry.repository('acme/app').tags.get('_trust')).toBe(forged);
  });

  it('uploads only what is new', async () => {
    const registry = createMemoryRegistry();
    const owner = machine(registry);
    await owner.publish([put('1.0')]);
    registry.log.length = 0;
    await machine(registry).publish([put('1.1')]);
    // targets, snapshot and timestamp
    expect(registry.requests((r) => r.kind === 'upload' && r.method === 'POST')).toHaveLength(3);
  });
});

describe('what stays away from others', () => {
  it('protocol 4.3: a state that was overwritten from outside is LOST_UPDATE for who wrote it', async () => {
    const registry = createMemoryRegistry();
    const [one, two] = [machine(registry), machine(registry)];
    await one.publish([put('1.0')]);
    const base = registry.repository('acme/app').tags.get('_trust')!;
    await two.publish([put('lost')]);
    registry.repository('acme/app').tags.set('_trust', base);
    await one.publish([put('1.1')]);
    await one.publish([put('1.2')]);
    const opened = await two.read();
    const error = throwsCode(() => assertNothingLost(opened, two.journal), TrustError, 'LOST_UPDATE');
    expect(error.message).toContain('registry.test/acme/app:lost');
    expect(() => assertNothingLost(opened, one.journal)).not.toThrow();
  });

  it('protocol 4.4: a repository that was known here is never made anew', async () => {
    const registry = createMemoryRegistry();
    const owner = machine(registry);
    await owner.publish([put('1.0')]);
    await owner.read();
    registry.deleteTag('acme/app', '_trust');
    registry.log.length = 0;
    await rejectsCode(owner.publish([put('1.1')]), TrustError, 'TRUST_DATA_GONE');
    expect(registry.requests((r) => r.method !== 'GET' && r.method !== 'HEAD')).toEqual([]);
  });

  it('refuses to build on what is no trust data, and writes nothing', async () => {
    const registry = createMemoryRegistry();
    registry.putImage('acme/app', '_trust');
    await rejectsCode(machine(registry).publish([put('1.0')]), TrustError, 'TRUST_DATA_INVALID');
    expect(registry.requests((r) => r.method !== 'GET' && r.method !== 'HEAD')).toEqual([]);
  });

  it('an old copy put back is a rollback for a machine that knows better', async () => {
    const registry = createMemoryRegistry();
    const owner = machine(registry);
    await owner.publish([put('1.0')]);
    const old = registry.repository('acme/app').tags.get('_trust')!;
    await owner.publish([put('1.1')]);
    await owner.read();
    registry.repository('acme/app').tags.set('_trust', old);
    await rejectsCode(owner.publish([put('1.2')]), TrustError, 'TIMESTAMP_ROLLBACK');
  });

  it('remembers nothing while it publishes', async () => {
    const registry = createMemoryRegistry();
    const [one, two] = [machine(registry), machine(registry)];
    await one.publish([put('1.0')]);
    await two.publish([put('2.0')]);
    expect(two.memory.load(APP.canonical)).toBeUndefined();
    expect((await two.read()).highest.get('timestamp')).toBe(2);
  });
});
