import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type DtrustError, NetworkError, RegistryError, TrustError } from '../../src/lib/errors.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import {
  chooseTurnSeconds,
  containsPublish,
  type TurnBase,
  type TurnOptions,
  type TurnState,
  type TurnTerms,
  takeTurn,
} from '../../src/trust/publish-turn.ts';
import { createRegistrySource } from '../../src/trust/registry-source.ts';
import {
  createMemoryRegistry,
  type Fault,
  type LoggedRequest,
  type RegistrySwitches,
} from '../helpers/memory-registry.ts';
import { rejectsCode } from '../helpers/throws-code.ts';
import { JumpingClock } from './publish-clock.ts';

const APP = parseRepository('registry.test/acme/app');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

interface Content {
  readonly version: number;
  readonly by: string;
  readonly history: readonly string[];
}

function stateOf(content: Content): TurnState {
  const bytes = Buffer.from(JSON.stringify(content));
  return {
    files: new Map([['timestamp.json', bytes]]),
    timestampSha256: sha256(bytes),
    versions: new Map([['timestamp', content.version]]),
  };
}

function setUp(switches: RegistrySwitches = {}, options: Partial<TurnOptions<TurnBase, TurnState>> = {}) {
  const registry = createMemoryRegistry(switches);
  const clock = new JumpingClock();
  const source = createRegistrySource({ client: createRegistryClient(registry.http), repository: APP });
  const terms: TurnTerms[] = [];
  const written: string[] = [];
  let base: (TurnBase & { content: Content }) | undefined;
  const open = async () => {
    const state = await source.fetchState();
    const file = state?.files.get('timestamp.json');
    base = undefined;
    if (state === undefined || file === undefined) return undefined;
    const bytes = file.inline ?? (await source.fetchFile({ digest: file.digest, maxBytes: 10_000 }));
    const content: Content = JSON.parse(Buffer.from(bytes).toString());
    base = {
      digest: state.digest,
      timestampSha256: sha256(bytes),
      history: content.history,
      turnSeconds: 2,
      versions: new Map([['timestamp', content.version]]),
      state,
      content,
    };
    return base;
  };
  const publish = () =>
    clock.drive(
      takeTurn<TurnBase, TurnState>({
        source,
        open,
        build: async (_, given) => {
          terms.push(given);
          const version =
            Math.max(base?.content.version ?? 0, given.highestVersions.get('timestamp') ?? 0) + 1;
          const history = base === undefined ? [] : [...base.history, base.timestampSha256];
          return stateOf({ version, by: 'me', history });
        },
        clock,
        random: () => 0.5,
        journal: {
          highestVersions: new Map(),
          begin: (state) => void written.push(`begin ${state.versions.get('timestamp')}`),
          confirm: (state) => void written.push(`confirm ${state.versions.get('timestamp')}`),
        },
        ...options,
      }),
    );
  /** Somebody else's publish, in one blow. */
  const overwrite = async (content: Content) => {
    const other = createRegistrySource({ client: createRegistryClient(registry.http), repository: APP });
    const { files } = stateOf(content);
    await other.uploadFiles(files);
    await other.putState(files, { inline: true });
  };
  return { registry, clock, publish, overwrite, terms, written };
}

async function withBase(
  switches: RegistrySwitches = {},
  options: Partial<TurnOptions<TurnBase, TurnState>> = {},
) {
  const made = setUp(switches, options);
  await made.overwrite({ version: 5, by: 'first', history: [] });
  made.registry.log.length = 0;
  return made;
}

const isPut = (request: LoggedRequest) => request.method === 'PUT' && request.reference === '_trust';
const onTag = (request: LoggedRequest) => request.reference === '_trust';

/** Runs an action after the n-th request that matches was answered. */
function onNth(
  registry: ReturnType<typeof setUp>['registry'],
  when: (r: LoggedRequest) => boolean,
  n: number,
  act: () => Promise<void> | void,
) {
  let seen = 0;
  registry.switches.after = async (request) => {
    if (!when(request)) return;
    seen += 1;
    if (seen === n) await act();
  };
}

describe('a publish alone', () => {
  it('protocol 4.2: reads, uploads, HEADs, PUTs, and reads twice, more than T apart', async () => {
    const { registry, clock, publish, written } = await withBase();
    const waits: number[] = [];
    registry.switches.before = (request) => {
      if (request.method === 'HEAD') waits.push(clock.monotonic());
    };
    const taken = await publish();
    expect(registry.requests()).toEqual([
      'GET manifests/_trust',
      'POST uploads',
      'PUT uploads',
      'HEAD manifests/_trust',
      'PUT manifests/_trust',
      'HEAD manifests/_trust',
      'HEAD manifests/_trust',
    ]);
    expect(taken).toMatchObject({ attempts: 1, digest: registry.repository('acme/app').tags.get('_trust') });
    expect((waits[2] ?? 0) - (waits[1] ?? 0)).toBeGreaterThan(2_000);
    expect(registry.log.find(isPut)?.headers.get('if-match')).toMatch(/^"sha256:/);
    expect(written).toEqual(['begin 6', 'confirm 6']);
  });

  it('protocol 4.2: versions are one more than the highest ever seen or written', async () => {
    const journal = { highestVersions: new Map([['timestamp', 40]]), begin: () => {}, confirm: () => {} };
    const { publish } = await withBase({}, { journal });
    expect((await publish()).state.versions.get('timestamp')).toBe(41);
  });

  it('protocol 4.1: the first publish measures a PUT under no tag and signs the turn that follows', async () => {
    const { registry, clock, publish, terms } = setUp();
    registry.switches.before = (request) => {
      if (request.method === 'PUT' && request.kind === 'manifest' && !onTag(request)) clock.pass(1_600);
    };
    await publish();
    expect(terms.map(({ turnSeconds }) => turnSeconds)).toEqual([1, 7]);
    // Where PUTs are slow, others that start at the same time may take up to the longest turn.
    expect(Math.max(...clock.sleeps)).toBeGreaterThan(10_000);
  });

  it('protocol 4.1: on a fast registry the measured state is the one that is published', async () => {
    const { registry, clock, publish, terms } = setUp();
    await publish();
    expect(terms).toHaveLength(1);
    expect(registry.requests((r) => r.kind === 'manifest')).toEqual([
      'GET manifests/_trust',
      expect.stringMatching(/^PUT manifests\/sha256:/),
      'HEAD manifests/_trust',
      'GET manifests/_trust',
      'PUT manifests/_trust',
      'HEAD manifests/_trust',
      'HEAD manifests/_trust',
    ]);
    expect(Math.max(...clock.sleeps)).toBeLessThan(2_000);
  });

  it.each([
    [0, 1],
    [250, 1],
    [251, 2],
    [1_600, 7],
    [60_000, 10],
  ])('protocol 4.1: a PUT of %d ms makes a turn of %d s', (ms, seconds) => {
    expect(chooseTurnSeconds(ms)).toBe(seconds);
  });

  it('knows a publish by the timestamp itself or by the history', () => {
    const state = { timestampSha256: 'a', history: ['b', 'c'] };
    expect(['a', 'b', 'c', 'd'].map((hash) => containsPublish(state, hash))).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });
});

describe('others in between', () => {
  it('protocol 4.2: starts over when the base moved before the PUT', async () => {
    const { registry, publish, overwrite } = await withBase();
    onNth(
      registry,
      (r) => r.method === 'GET' && onTag(r),
      1,
      () => overwrite({ version: 6, by: 'other', history: [] }),
    );
    const taken = await publish();
    expect(taken.attempts).toBe(2);
    expect(taken.state.versions.get('timestamp')).toBe(7);
    expect(registry.requests(isPut)).toHaveLength(2); // the other's and this one's
  });

  it('protocol 4.2: rebases when its state was overwritten by one that does not contain it', async () => {
    const { registry, publish, overwrite, written } = await withBase();
    onNth(registry, isPut, 1, async () => {
      delete registry.switches.after;
      await overwrite({ version: 6, by: 'other', history: [] });
    });
    const taken = await publish();
    expect(taken.attempts).toBe(2);
    expect(written).toEqual(['begin 6', 'begin 7', 'confirm 7']);
  });

  it('protocol 4.2: is content with a later state that contains it, once that one is quiet', async () => {
    const { registry, publish, overwrite } = await withBase();
    let mine = '';
    onNth(registry, isPut, 1, async () => {
      delete registry.switches.after;
      const put = registry.log.findLast(isPut);
      mine = JSON.parse(Buffer.from(put!.body).toString()).layers[0].digest.slice(7);
      await overwrite({ version: 7, by: 'other', history: [mine] });
    });
    const taken = await publish();
    expect(taken).toMatchObject({ attempts: 1, digest: registry.repository('acme/app').tags.get('_trust') });
    expect(taken.state.timestampSha256).toBe(mine);
  });

  /** Somebody else's write crosses each of this publisher's. */
  function alwaysBeaten({ registry, overwrite }: Awaited<ReturnType<typeof withBase>>): void {
    let version = 10;
    registry.switches.after = async (request) => {
      if (!isPut(request) || Buffer.from(request.body).toString().includes('other')) return;
      const { after: hook } = registry.switches;
      delete registry.switches.after;
      await overwrite({ version: version++, by: 'other', history: [] });
      if (hook) registry.switches.after = hook;
    };
  }

  it('protocol 4.2: gives up with PUBLISH_CONFLICT when 64 others came first, and says so', async () => {
    const made = await withBase();
    alwaysBeaten(made);
    const error = await rejectsCode(made.publish(), TrustError, 'PUBLISH_CONFLICT');
    expect(error.message).toContain('65 attempts');
    expect(made.written.filter((line) => line.startsWith('confirm'))).toEqual([]);
  });

  it('protocol 4.2: who is beaten waits a random part of what one try takes him, the last time as the first', async () => {
    const made = await withBase({}, { maxAttempts: 5 });
    alwaysBeaten(made);
    made.registry.switches.before = (request) => {
      if (request.method === 'GET' && onTag(request)) made.clock.pass(460);
    };
    await rejectsCode(made.publish(), TrustError, 'PUBLISH_CONFLICT');
    expect(made.clock.sleeps.filter((ms) => ms < 1_000)).toEqual([230, 230, 230, 230]);
  });

  it('protocol 4.2: a registry that fails is asked ever more rarely, twelve times in all', async () => {
    const { registry, clock, publish } = await withBase();
    registry.faults.push({ when: isPut, fault: { status: 503, text: '' } });
    await rejectsCode(publish(), RegistryError, 'REGISTRY_UNAVAILABLE');
    expect(registry.requests(isPut)).toHaveLength(12);
    const pauses = clock.sleeps.filter((ms) => ms !== 2_000);
    expect(pauses.slice(0, 7)).toEqual([50, 100, 200, 400, 800, 1_600, 1_600]);
  });
});

describe('what goes wrong with the PUT', () => {
  it('protocol 4.2: gives up a PUT that is not done within T of its HEAD, then without inline data', async () => {
    const { registry, clock, publish } = await withBase();
    registry.faults.push({ when: isPut, fault: 'hang', times: 1 });
    const taken = await publish();
    expect(taken.attempts).toBe(2);
    expect(clock.sleeps[0]).toBe(2_000);
    const puts = registry.log
      .filter(isPut)
      .map((request) => JSON.parse(Buffer.from(request.body).toString()));
    expect(puts.map((manifest) => 'data' in manifest.layers[0])).toEqual([true, false]);
  });

  it('protocol 4.2: does not send the PUT when the HEAD alone took a turn', async () => {
    const { registry, clock, publish } = await withBase();
    onNth(
      registry,
      (r) => r.method === 'HEAD',
      1,
      () => clock.pass(2_000),
    );
    expect((await publish()).attempts).toBe(2);
    expect(registry.requests(isPut)).toHaveLength(1);
  });

  it('finds a PUT that arrived although its answer was lost, and publishes nothing twice', async () => {
    const { registry, publish, written } = await withBase();
    registry.faults.push({ when: isPut, fault: 'lost-answer', times: 1 });
    const taken = await publish();
    expect(taken.attempts).toBe(2);
    expect(registry.requests(isPut)).toHaveLength(1);
    expect(written).toEqual(['begin 6', 'confirm 6']);
  });

  it('starts over when a registry that knows If-Match says that the tag moved', async () => {
    const { registry, publish, overwrite } = await withBase({ conditionalPut: true });
    registry.switches.before = async (request) => {
      if (!isPut(request)) return;
      delete registry.switches.before;
      registry.switches.conditionalPut = false;
      await overwrite({ version: 6, by: 'other', history: [] });
      registry.switches.conditionalPut = true;
    };
    const taken = await publish();
    expect(taken.attempts).toBe(2);
    expect(registry.log.filter(isPut).map(({ status }) => status)).toEqual([412, 201, 201]);
  });

  it('uploads everything again, once, when the registry lost a blob of the base', async () => {
    const { registry, publish } = await withBase();
    registry.repository('acme/app').blobs.clear();
    const base = registry.repository('acme/app').tags.get('_trust') ?? '';
    expect(base).not.toBe('');
    const taken = await publish();
    expect(taken.attempts).toBe(2);
    registry.faults.push({ when: isPut, fault: { status: 404, code: 'MANIFEST_BLOB_UNKNOWN' } });
    await rejectsCode(publish(), RegistryError, 'REGISTRY_NOT_FOUND');
  });

  it('protocol 4.4: says that the tag is immutable, at the first refusal', async () => {
    const { registry, publish } = await withBase({ immutable: { tags: /^_trust$/, as: 'harbor' } });
    await rejectsCode(publish(), RegistryError, 'TRUST_TAG_IMMUTABLE');
    expect(registry.requests(isPut)).toHaveLength(1);
  });

  it('stops at once where no attempt can help', async () => {
    const { registry, publish } = await withBase();
    registry.faults.push({ when: isPut, fault: { status: 403, code: 'DENIED' } });
    await rejectsCode(publish(), RegistryError, 'REGISTRY_DENIED');
    expect(registry.requests(isPut)).toHaveLength(1);
  });

  it.each<[Fault, new (...details: never[]) => DtrustError, string]>([
    [{ status: 503, text: '' }, RegistryError, 'REGISTRY_UNAVAILABLE'],
    ['cut-short', NetworkError, 'NETWORK_BROKEN'],
  ])('tries again on %j, and in the end says what it was', async (fault, type, code) => {
    const { registry, publish } = await withBase({}, { maxAttempts: 3 });
    registry.faults.push({ when: isPut, fault, times: 2 });
    expect((await publish()).attempts).toBe(3);
    registry.faults.length = 0;
    registry.faults.push({ when: isPut, fault });
    await rejectsCode(publish(), type, code);
  });

  it('stops when it is told to, and does not go on in the background', async () => {
    const stop = new AbortController();
    const { registry, publish } = await withBase({}, { signal: stop.signal });
    registry.switches.before = (request) => {
      if (isPut(request)) stop.abort(new Error('interrupted'));
    };
    registry.faults.push({ when: isPut, fault: 'hang' });
    await expect(publish()).rejects.toThrowError('interrupted');
    expect(registry.requests(onTag).at(-1)).toBe('PUT manifests/_trust');
  });
});
