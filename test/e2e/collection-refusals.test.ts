/**
 * `dtrust pull` where the trust data is sound by itself but not the right one: absent, of another repository, of other
 * keys, replaced; and where the bytes are not those that were signed.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { OCI_INDEX, RepositorySimulator } from '../helpers/repository-simulator.ts';
import { labelledSimKey } from '../helpers/sim-keys.ts';
import { digestOfText, type Machine, openStage, refused, type Stage } from './harness.ts';

const REPO = 'acme/app';
const OTHER = 'acme/other';
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** One moment for all states of this file: the same content is the same state. */
const NOW_MS = Date.now();

let stage: Stage;
/** Has a pin and nothing else. */
let pinned: Machine;
/** Has pulled 1.0. */
let warm: Machine;
let originals: { readonly pinned: Machine; readonly warm: Machine };

/** A repository with the user's one root key, and other keys of its own. */
function simulator(repository = REPO, prepare: (sim: RepositorySimulator) => void = () => undefined) {
  const collection = stage.name(repository);
  const keyFor = (label: string) =>
    labelledSimKey(label.startsWith('root') ? label : `${repository} ${label}`);
  const sim = new RepositorySimulator({ collection, nowMs: NOW_MS, keyFor });
  sim.putTarget(`${collection}:1.0`, stage.image(repository, '1.0'));
  prepare(sim);
  sim.publish();
  return sim;
}

beforeAll(async () => {
  stage = await openStage();
  const sim = simulator();
  await stage.publish(REPO, sim.files());
  originals = { pinned: stage.machine().pin(REPO, sim.pin()), warm: stage.machine().pin(REPO, sim.pin()) };
  await originals.warm.succeed(['pull', '-q', `${stage.name(REPO)}:1.0`]);
});
afterAll(() => stage.close());
beforeEach(async () => {
  stage.calm();
  pinned = stage.machine({ like: originals.pinned });
  warm = stage.machine({ like: originals.warm });
  await stage.publish(REPO, simulator().files());
});

const pull = (tag = '1.0', repository = REPO) => ['pull', `${stage.name(repository)}:${tag}`];

describe('no trust data', () => {
  test('a repository nobody has signed is NO_TRUST_DATA, with the digest served now and the ways on', async () => {
    const { digest } = stage.image('acme/unsigned', '1.0');
    const run = await refused(stage.machine(), pull('1.0', 'acme/unsigned'), { code: 'NO_TRUST_DATA' });
    expect(run.stderr).toContain('dtrust: refused: no trust data');
    expect(run.stderr).toContain(`dtrust pull ${stage.name('acme/unsigned')}@${digest}`);
    expect(run.stderr).toContain('nobody has vouched for');
  });

  test('a repository that is not there at all says so', async () => {
    const run = await refused(stage.machine(), pull('1.0', 'acme/nowhere'), { code: 'NO_TRUST_DATA' });
    expect(run.stderr).toContain(`the registry has no ${stage.name('acme/nowhere')}:1.0 either`);
  });

  test.each(['pull', 'push'])(
    'DTRUST_FIRST_USE=accept does not turn its absence into a yes for %s',
    async (verb) => {
      stage.local('acme/unsigned', '1.0', stage.image('acme/unsigned', '1.0'));
      const code = verb === 'pull' ? 'NO_TRUST_DATA' : 'KEY_ROOT_MISSING';
      await refused(stage.machine(), [verb, `${stage.name('acme/unsigned')}:1.0`], {
        code,
        env: { DTRUST_FIRST_USE: 'accept' },
      });
    },
  );

  test('protocol 4.4: where there is a pin, or a memory, it is TRUST_DATA_GONE', async () => {
    stage.registry.deleteTag(REPO, '_trust');
    const cold = await refused(pinned, pull(), { code: 'TRUST_DATA_GONE' });
    expect(cold.error.class).toBe('trust');
    await refused(warm, pull(), { code: 'TRUST_DATA_GONE' });
    stage.local(REPO, '1.0', stage.image(REPO, '1.0'));
    await refused(warm, ['push', `${stage.name(REPO)}:1.0`], {
      code: 'TRUST_DATA_GONE',
      env: { DTRUST_INIT: '1' },
    });
  });
});

describe('a tag', () => {
  test('that nobody signed is TARGET_NOT_SIGNED, though the registry has it', async () => {
    stage.image(REPO, '2.0');
    // The trust data itself was good: that it was checked is noted.
    const run = await refused(warm, pull('2.0'), { code: 'TARGET_NOT_SIGNED', mayChange: /last-check/ });
    expect(run.error.reference).toBe(`${stage.name(REPO)}:2.0`);
  });

  test('that was moved to other bytes brings the signed bytes all the same', async () => {
    const signed = stage.image(REPO, '1.0');
    const evil = stage.image(REPO, '1.0', 'evil');
    stage.mark();
    const run = await warm.succeed(pull());
    expect(run.stdout).toContain(`@${signed.digest}\n`);
    expect(`${run.stdout}${run.stderr}`).not.toContain(evil.digest);
    const created = stage.engine.requests.findLast(({ path }) => path.startsWith('/images/create'));
    expect(created?.query.get('tag')).toBe(signed.digest);
    const held = stage.engine.images.get(`${stage.name(REPO)}:1.0`);
    expect(held?.Id).toBe(signed.id);
  });

  test('that is signed only where a search never comes is TARGET_NOT_RELEASED', async () => {
    const path = `${stage.name(REPO)}:3.0`;
    const sim = simulator(REPO, (made) => {
      made.removeTarget(`${stage.name(REPO)}:1.0`);
      made.delegate({
        name: 'targets/releases',
        path_hash_prefixes: [...'0123456789abcdef'],
        terminating: true,
      });
      made.delegate({ name: 'targets/alice', path_hash_prefixes: [...'0123456789abcdef'] });
      made.putTarget(path, stage.image(REPO, '3.0'), 'targets/alice');
    });
    await stage.publish(REPO, sim.files());
    await refused(pinned, pull('3.0'), { code: 'TARGET_NOT_RELEASED', mayChange: /trust/ });
  });

  test('protocol 1.2: of a repository outside the names of the collection is not signed', async () => {
    const sim = simulator(REPO, (made) => {
      made.rootExtension = { collection: stage.name(REPO), names: [stage.name(OTHER)] };
      made.publishRoot();
    });
    await stage.publish(REPO, sim.files());
    await refused(pinned, pull(), { code: 'TARGET_NOT_SIGNED', mayChange: /trust/ });
  });

  test('protocol 2.3: entries in targets beside targets/releases are COLLECTION_AMBIGUOUS', async () => {
    const sim = simulator(REPO, (made) => {
      made.delegate({
        name: 'targets/releases',
        path_hash_prefixes: [...'0123456789abcdef'],
        terminating: true,
      });
    });
    await stage.publish(REPO, sim.files());
    await refused(pinned, pull(), { code: 'COLLECTION_AMBIGUOUS' });
  });
});

describe('the signed bytes', () => {
  const signedAs = async (change: Parameters<RepositorySimulator['putTarget']>[1]) => {
    const image = stage.image(REPO, '1.0');
    const sim = simulator(REPO, (made) => {
      made.putTarget(`${stage.name(REPO)}:1.0`, { ...image, ...change });
    });
    await stage.publish(REPO, sim.files());
    return stage.machine().pin(REPO, sim.pin());
  };
  const lines = /^Pull \(1 of 1\): \S+\n$/;

  test('TUF 5.7.3: of another length than was signed are TARGET_MISMATCH', async () => {
    const machine = await signedAs({ length: 17 });
    await refused(machine, pull(), { code: 'TARGET_MISMATCH', mayChange: /trust/, stdout: lines });
  });

  test('protocol 1.1: of another media type than was signed are TARGET_MISMATCH', async () => {
    const machine = await signedAs({ mediaType: OCI_INDEX });
    await refused(machine, pull(), { code: 'TARGET_MISMATCH', mayChange: /trust/, stdout: lines });
  });

  test('protocol 1.1: without a media type are not used', async () => {
    const machine = await signedAs({ custom: {} });
    await refused(machine, pull(), { code: 'TARGET_MEDIA_TYPE', mayChange: /trust/ });
  });

  test('protocol 1.1: that are an image and an index at once are refused', async () => {
    const both = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: {}, layers: [], manifests: [] }),
    );
    stage.registry.putManifest(REPO, '1.0', both, OCI_MANIFEST);
    const machine = await signedAs({ bytes: both, mediaType: OCI_MANIFEST });
    await refused(machine, pull(), { code: 'REGISTRY_RESPONSE', mayChange: /trust/, stdout: lines });
  });

  test('that the registry changes on the way are REGISTRY_DIGEST', async () => {
    stage.registry.faults.push({
      when: ({ reference }) => reference.startsWith('sha256:'),
      fault: 'wrong-body',
    });
    await refused(warm, pull(), { code: 'REGISTRY_DIGEST', mayChange: /last-check/, stdout: lines });
  });

  test('that are gone are REGISTRY_NOT_FOUND, and the tag is no help', async () => {
    const { digest } = stage.image(REPO, '1.0');
    stage.registry.repository(REPO).manifests.delete(digest);
    const run = await refused(warm, pull(), {
      code: 'REGISTRY_NOT_FOUND',
      mayChange: /last-check/,
      stdout: lines,
    });
    expect(run.stderr).toContain('no longer has the signed bytes');
  });
});

describe('of another repository', () => {
  test('protocol 1.2: a collection copied here, same root key, is COLLECTION_MISMATCH', async () => {
    await stage.publish(REPO, simulator(OTHER).files());
    await refused(pinned, pull(), { code: 'COLLECTION_MISMATCH' });
    await refused(stage.machine(), pull(), {
      code: 'COLLECTION_MISMATCH',
      env: { DTRUST_FIRST_USE: 'accept' },
    });
    // Who knows root 1 of this repository does not look at the other one's: its keys sign nothing here.
    await refused(warm, pull(), { code: 'TIMESTAMP_THRESHOLD' });
  });

  test('protocol 1.2: its root chain grafted onto the root known here is COLLECTION_MISMATCH', async () => {
    const other = simulator(OTHER);
    other.rotate(() => undefined);
    other.publish();
    const grafted = new Map(other.files());
    grafted.set('1.root.json', simulator().rootBytes(1));
    await stage.publish(REPO, grafted);
    await refused(pinned, pull(), { code: 'COLLECTION_MISMATCH' });
    await refused(warm, pull(), { code: 'COLLECTION_MISMATCH' });
  });

  test("another repository's keys count for nothing under this root", async () => {
    const elsewhere = (label: string) => [labelledSimKey(`${label} of another repository`)];
    const forTargets = simulator(REPO, (sim) => {
      sim.role('targets').keys = elsewhere('targets');
    });
    await stage.publish(REPO, forTargets.files());
    await refused(pinned, pull(), { code: 'TARGETS_THRESHOLD' });
    const online = simulator(REPO, (sim) => {
      sim.top.timestamp.keys = elsewhere('online');
      sim.top.snapshot.keys = elsewhere('online');
    });
    await stage.publish(REPO, online.files());
    await refused(pinned, pull(), { code: 'TIMESTAMP_THRESHOLD' });
  });

  test("another repository's signer signs nothing here", async () => {
    const sim = simulator(REPO, (made) => {
      made.removeTarget(`${stage.name(REPO)}:1.0`);
      made.delegate({
        name: 'targets/releases',
        path_hash_prefixes: [...'0123456789abcdef'],
        terminating: true,
      });
      made.putTarget(`${stage.name(REPO)}:1.0`, stage.image(REPO, '1.0'), 'targets/releases');
      made.role('targets/releases').keys = [labelledSimKey('a signer of another repository')];
    });
    await stage.publish(REPO, sim.files());
    await refused(pinned, pull(), { code: 'TARGETS_THRESHOLD', mayChange: /trust/ });
  });
});

describe('a pin', () => {
  test('protocol 6.1: is not met by a root that only lists the pinned key', async () => {
    const evil = labelledSimKey('evil');
    const sim = simulator(REPO, (made) => {
      made.top.root.keys = [...made.top.root.keys, evil];
      made.publishRoot([evil]);
      for (const role of ['timestamp', 'snapshot', 'targets'] as const) made.top[role].keys = [evil];
      made.publishRoot([evil]);
    });
    await stage.publish(REPO, sim.files());
    const run = await refused(pinned, pull(), { code: 'ROOT_PIN' });
    for (const line of run.stderr.split('\n').filter((each) => each.startsWith('dtrust: '))) {
      expect(line).not.toContain(evil.keyid);
    }
  });

  test("protocol 6.1: is not met by another key under the pinned key's name", async () => {
    const real = simulator().top.root.keys[0];
    const evil = labelledSimKey('evil');
    const sim = simulator(REPO, (made) => {
      made.top.root.keys = [{ ...evil, keyid: real?.keyid ?? evil.keyid }];
      made.publishRoot();
    });
    await stage.publish(REPO, sim.files());
    await refused(pinned, pull(), { code: 'ROOT_PIN' });
  });

  test('protocol 6.1: of two keys is not met by one', async () => {
    const sim = simulator();
    const keyIds = [...sim.pin().keyIds, labelledSimKey('second').keyid];
    await refused(stage.machine().pin(REPO, { keyIds, threshold: 2 }), pull(), { code: 'ROOT_PIN' });
  });

  test('whose file is damaged is PIN_INVALID, never no pin', async () => {
    const machine = stage.machine().pin(REPO, { keyIds: ['not a key'] });
    await refused(machine, pull(), { code: 'PIN_INVALID', env: { DTRUST_FIRST_USE: 'accept' } });
  });
});

describe('what stands under _trust', () => {
  const rows: readonly (readonly [string, () => readonly [string, string]])[] = [
    ['an image', () => [Buffer.from(stage.image(REPO, 'x').bytes).toString(), OCI_MANIFEST]],
    [
      'an index',
      () => [JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }), OCI_INDEX],
    ],
    ['garbage', () => ['<html>502 Bad Gateway</html>', OCI_MANIFEST]],
    ['an empty document', () => ['', OCI_MANIFEST]],
    ['another artifact', () => [trustManifest({ artifactType: 'application/spdx+json' }), OCI_MANIFEST]],
    ['a manifest without files', () => [trustManifest({ layers: [] }), OCI_MANIFEST]],
    ['a file called ../../x', () => [trustManifest({ layers: [layer('../../x.json')] }), OCI_MANIFEST]],
    [
      'one file twice',
      () => [trustManifest({ layers: [layer('1.root.json'), layer('1.root.json')] }), OCI_MANIFEST],
    ],
  ];

  test.each(rows)('%s is TRUST_DATA_INVALID, pinned and remembered', async (_what, make) => {
    const [bytes, mediaType] = make();
    stage.registry.putManifest(REPO, '_trust', bytes, mediaType);
    const cold = await refused(pinned, pull(), { code: 'TRUST_DATA_INVALID' });
    expect(cold.error.class).toBe('trust');
    await refused(warm, pull(), { code: 'TRUST_DATA_INVALID' });
    await refused(stage.machine(), pull(), {
      code: 'TRUST_DATA_INVALID',
      env: { DTRUST_FIRST_USE: 'accept' },
    });
  });

  test.each(['_trust', '_trust-staged'])(
    'protocol 3.4: _trust is no image tag, in any command: %s',
    async (tag) => {
      const name = `${stage.name(REPO)}:${tag}`;
      for (const args of [
        ['pull', name],
        ['image', 'pull', name],
        ['push', name],
        ['trust', 'sign', name],
        ['trust', 'revoke', name],
        ['trust', 'inspect', name],
      ]) {
        await refused(warm, args, { code: 'TAG_RESERVED' });
      }
    },
  );
});

function layer(name: string): object {
  return {
    mediaType: 'application/vnd.tuf.metadata+json',
    digest: digestOfText(name),
    size: 10,
    annotations: { 'tuf.io/filename': name },
  };
}

function trustManifest(members: object): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: 'application/vnd.dtrust.tuf.v1+json',
    config: {
      mediaType: 'application/vnd.oci.empty.v1+json',
      digest: digestOfText('{}'),
      size: 2,
      data: 'e30=',
    },
    layers: [layer('1.root.json')],
    ...members,
  });
}
