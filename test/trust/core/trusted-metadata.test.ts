import { describe, expect, it } from 'vitest';
import { TrustError } from '../../../src/lib/errors.ts';
import type { RoleName } from '../../../src/trust/core/metadata.ts';
import { ROOT, TrustedMetadata } from '../../../src/trust/core/trusted-metadata.ts';
import {
  type Corruption,
  MissingFile,
  RepositorySimulator,
  SIM_NOW_MS,
} from '../../helpers/repository-simulator.ts';
import { labelledSimKey } from '../../helpers/sim-keys.ts';
import { throwsCode } from '../../helpers/throws-code.ts';

const COLLECTION = 'docker.io/acme/app';
const OPTIONS = { startTimeMs: SIM_NOW_MS, collection: COLLECTION };

/** Threshold 2 of 3 everywhere, three states, the tag moved in the third. */
function repository(): RepositorySimulator {
  const made = new RepositorySimulator({ threshold: 2 });
  made.putTarget(`${COLLECTION}:1.0`).publish('targets');
  made.putTarget(`${COLLECTION}:2.0`).publish('targets');
  made.putTarget(`${COLLECTION}:1.0`, { bytes: Buffer.from('other') }).publish('targets');
  return made;
}

/** The refusal of a whole update, by a machine that has seen the state before last. */
function refusal(made: RepositorySimulator, code: string): TrustError {
  const prior = made.states.at(-1);
  return throwsCode(() => made.verify({ ...(prior && { prior }) }), TrustError, code);
}

describe('the whole workflow', () => {
  it('TUF 5.1: compares every expiry with the one start time given at the beginning', () => {
    const made = repository();
    expect(made.verify().startTimeMs).toBe(SIM_NOW_MS);
    const late = made.top.timestamp.expiresMs;
    expect(made.verify({ startTimeMs: late - 1000 }).timestamp?.signed.version).toBe(3);
    expect(throwsCode(() => made.verify({ startTimeMs: late }), TrustError, 'ROLE_EXPIRED').role).toBe(
      'timestamp',
    );
    throwsCode(() => made.verify({ startTimeMs: Number.NaN }), TrustError, 'ROLE_EXPIRED');
  });

  it('TUF 5.2: starts from a root that reaches its own threshold, also an expired one', () => {
    const made = repository();
    made.rotate((it) => {
      it.top.root.expiresMs = SIM_NOW_MS - 1000;
    });
    expect(new TrustedMetadata(made.rootBytes(2), OPTIONS).root.signed.version).toBe(2);
    const unsigned = made.corrupt('root', 'under threshold').files().get('3.root.json') ?? Buffer.alloc(0);
    expect(throwsCode(() => new TrustedMetadata(unsigned, OPTIONS), TrustError, 'ROOT_THRESHOLD').spec).toBe(
      '5.2',
    );
  });

  it('accepts what nobody tampered with, with and without what was seen before', () => {
    const made = repository();
    const trusted = made.verify({ prior: made.states[0] ?? new Map() });
    expect(trusted.timestamp?.signed.version).toBe(3);
    expect(trusted.targets()?.signed.targets.size).toBe(2);
    expect(made.verify().snapshot?.signed.version).toBe(3);
  });

  it('asks for one root more than there are, and for each other file once', () => {
    const made = repository();
    made.verify();
    expect(made.requests).toEqual(['2.root.json', 'timestamp.json', '3.snapshot.json', '3.targets.json']);
  });

  it.each<[string, (trusted: TrustedMetadata, made: RepositorySimulator) => unknown]>([
    ['a timestamp before the final root', (trusted) => trusted.updateTimestamp(Buffer.from('{}'))],
    ['a snapshot before the timestamp', (trusted) => trusted.updateSnapshot(Buffer.from('{}'))],
    ['targets before the snapshot', (trusted) => trusted.updateTargets(Buffer.from('{}'))],
    ['a second final root', (trusted) => [trusted.finishRoot(), trusted.finishRoot()]],
    [
      'a root after the final one',
      (trusted, made) => [trusted.finishRoot(), trusted.updateRoot(made.rootBytes())],
    ],
    ['prior metadata after the final root', (trusted) => [trusted.finishRoot(), trusted.loadPrior({})]],
  ])('calls %s a bug, not a refusal', (_, work) => {
    const made = repository();
    const trusted = new TrustedMetadata(made.rootBytes(), OPTIONS);
    expect(() => work(trusted, made)).toThrow(expect.objectContaining({ code: 'ERR_ASSERTION' }));
  });

  it('calls a role that its delegator does not name a bug', () => {
    const trusted = repository().verify();
    const bytes = trusted.targets()?.bytes ?? Buffer.alloc(0);
    expect(() => trusted.updateDelegatedTargets(bytes, 'targets' as RoleName, 'targets' as RoleName)).toThrow(
      expect.objectContaining({ code: 'ERR_ASSERTION' }),
    );
  });

  it('keeps the state it had when it refuses a file', () => {
    const made = repository();
    const trusted = new TrustedMetadata(made.rootBytes(), OPTIONS);
    trusted.finishRoot();
    const bad =
      made.corrupt('timestamp', 'one byte changed').files().get('timestamp.json') ?? Buffer.alloc(0);
    throwsCode(() => trusted.updateTimestamp(bad), TrustError, 'TIMESTAMP_THRESHOLD');
    expect(trusted.timestamp).toBeUndefined();
    const good = made.heal().files().get('timestamp.json') ?? Buffer.alloc(0);
    expect(trusted.updateTimestamp(good)).toBe('updated');
  });
});

const SHAPE: readonly [Corruption, string][] = [
  ['not JSON', 'METADATA_JSON'],
  ['repeated member', 'METADATA_JSON'],
  ['wrong shape', 'METADATA_SHAPE'],
  ['wrong type', 'METADATA_SHAPE'],
];

const SIGNATURE: readonly Corruption[] = [
  'unsigned',
  'wrong key',
  'unlisted key',
  'under threshold',
  'same key twice',
];

describe('root', () => {
  it.each(SHAPE)('TUF 5.3.3: refuses a new root: %s (%s)', (corruption, code) => {
    expect(refusal(repository().corrupt('root', corruption), code).role).toBe('root');
  });

  it('TUF 5.3.3: refuses a new root that is oversized, before it is parsed', () => {
    const error = refusal(repository().corrupt('root', 'oversized'), 'METADATA_TOO_LARGE');
    expect(error).toMatchObject({ attack: 'endless data', spec: '5.3.3' });
  });

  it('TUF 5.3.3: refuses a new root that is cut short', () => {
    refusal(repository().corrupt('root', 'cut short'), 'METADATA_JSON');
  });

  it('TUF 5.3.3: ends after 256 new roots', () => {
    const made = new RepositorySimulator();
    for (let version = 2; version <= 258; version += 1) made.rotate(() => undefined);
    made.publish();
    const error = throwsCode(() => made.verify(), TrustError, 'ROOT_CHAIN');
    expect(error).toMatchObject({ attack: 'endless data', spec: '5.3.3' });
    expect(made.verify({ from: made.rootBytes(2) }).root.signed.version).toBe(258);
    throwsCode(
      () => made.verify({ from: made.rootBytes(250), maxRootRotations: 7 }),
      TrustError,
      'ROOT_CHAIN',
    );
  });

  it.each([...SIGNATURE, 'one byte changed'] as const)('TUF 5.3.4: refuses a new root: %s', (corruption) => {
    const error = refusal(repository().corrupt('root', corruption), 'ROOT_THRESHOLD');
    expect(error).toMatchObject({ attack: 'arbitrary software', spec: '5.3.4', role: 'root' });
  });

  it('TUF 5.3.5: refuses the root before and a root that skips a version', () => {
    expect(refusal(repository().corrupt('root', 'rolled back'), 'ROOT_VERSION')).toMatchObject({
      spec: '5.3.5',
    });
    expect(refusal(repository().corrupt('root', 'fast-forwarded'), 'ROOT_VERSION')).toMatchObject({
      expected: '2',
    });
  });

  it('TUF 5.3.6: an expired root on the way is no reason to stop', () => {
    const made = repository();
    made.rotate((it) => {
      it.top.root.expiresMs = SIM_NOW_MS - 1000;
    });
    throwsCode(() => made.verify(), TrustError, 'ROLE_EXPIRED');
    made.rotate((it) => {
      it.top.root.expiresMs = SIM_NOW_MS + 1000;
    });
    expect(made.verify().root.signed.version).toBe(3);
  });

  it('TUF 5.3.7: the newest root decides who signs the rest', () => {
    const made = repository();
    const newKey = labelledSimKey('new timestamp');
    made.rotate((it) => {
      it.top.timestamp.keys = [newKey];
      it.top.timestamp.threshold = 1;
    });
    expect(made.verify().timestamp?.signatures.has(newKey.keyid)).toBe(true);
    const files = made.files();
    const stale = new TrustedMetadata(made.rootBytes(), OPTIONS);
    stale.finishRoot();
    const bytes = files.get('timestamp.json') ?? Buffer.alloc(0);
    throwsCode(() => stale.updateTimestamp(bytes), TrustError, 'TIMESTAMP_THRESHOLD');
  });

  it('TUF 5.3.8: gives every root it went through for keeping, as the bytes that were verified', () => {
    const made = repository();
    made.rotate(() => undefined);
    made.rotate(() => undefined);
    const kept = made.verify().roots.map((root) => root.bytes);
    expect(kept).toEqual([made.rootBytes(1), made.rootBytes(2), made.rootBytes(3)]);
  });

  it('TUF 5.3.9: goes from root to root until there is no next one', () => {
    const made = repository();
    made.rotate(() => undefined);
    made.rotate(() => undefined);
    made.verify();
    expect(made.requests.filter((name) => name.endsWith('root.json'))).toEqual([
      '2.root.json',
      '3.root.json',
      '4.root.json',
    ]);
  });

  it('TUF 5.3.10: refuses an expired final root', () => {
    const error = refusal(repository().corrupt('root', 'expired'), 'ROLE_EXPIRED');
    expect(error).toMatchObject({ attack: 'freeze', spec: '5.3.10', role: 'root' });
  });

  it('TUF 5.3.12: refuses a final root without consistent snapshots', () => {
    const made = repository();
    made.top.root.extra = { consistent_snapshot: false };
    made.rotate(() => undefined);
    const error = throwsCode(() => made.verify(), TrustError, 'METADATA_SHAPE');
    expect(error).toMatchObject({ spec: '5.3.12', role: 'root' });
    made.top.root.extra = {};
    made.rotate(() => undefined);
    expect(made.verify().root.signed.version).toBe(3);
  });
});

describe('timestamp', () => {
  it('TUF 5.4.1: refuses a timestamp that is oversized', () => {
    const error = refusal(repository().corrupt('timestamp', 'oversized'), 'METADATA_TOO_LARGE');
    expect(error).toMatchObject({ attack: 'endless data', spec: '5.4.1' });
  });

  it.each([...SHAPE, ['cut short', 'METADATA_JSON']] as const)(
    'TUF 5.4.1: refuses a timestamp: %s (%s)',
    (corruption, code) => {
      expect(refusal(repository().corrupt('timestamp', corruption), code).role).toBe('timestamp');
    },
  );

  it.each([...SIGNATURE, 'one byte changed'] as const)('TUF 5.4.2: refuses a timestamp: %s', (corruption) => {
    const error = refusal(repository().corrupt('timestamp', corruption), 'TIMESTAMP_THRESHOLD');
    expect(error).toMatchObject({ attack: 'arbitrary software', spec: '5.4.2', role: 'timestamp' });
  });

  it.each(['rolled back', 'mixed from two states'] as const)(
    'TUF 5.4.3.1: refuses a timestamp: %s',
    (corruption) => {
      const made = repository();
      if (corruption === 'mixed from two states') made.states.pop();
      const error = throwsCode(
        () =>
          made.corrupt('timestamp', corruption).verify({ prior: repository().states.at(-1) ?? new Map() }),
        TrustError,
        'TIMESTAMP_ROLLBACK',
      );
      expect(error).toMatchObject({
        attack: 'rollback',
        spec: '5.4.3.1',
        found: '2',
        expected: 'at least 3',
      });
      expect(error.message).toBe('timestamp version 2 is older than trusted version 3');
    },
  );

  it('TUF 5.4.3.1: an equal version is no error, and the one trusted before is kept', () => {
    const made = repository();
    const prior = made.states.at(-1) ?? new Map<string, Uint8Array>();
    made.top.timestamp.extra = { unknown: 'differs' };
    const trusted = new TrustedMetadata(made.rootBytes(), OPTIONS);
    trusted.loadPrior({ timestamp: prior.get('timestamp.json') ?? Buffer.alloc(0) });
    trusted.finishRoot();
    expect(trusted.updateTimestamp(made.files().get('timestamp.json') ?? Buffer.alloc(0))).toBe('same');
    expect(trusted.timestamp?.bytes).toEqual(prior.get('timestamp.json'));
  });

  it('TUF 5.4.3.2: refuses a timestamp that names an older snapshot than the one before', () => {
    const made = repository();
    made.publish();
    const seen = made.states.at(-1) ?? new Map<string, Uint8Array>();
    made.top.timestamp.version += 1;
    const error = throwsCode(
      () => made.corrupt('snapshot', 'rolled back').verify({ prior: seen }),
      TrustError,
      'SNAPSHOT_ROLLBACK',
    );
    expect(error).toMatchObject({ attack: 'rollback', spec: '5.4.3.2' });
  });

  it('TUF 5.4.4: refuses an expired timestamp, also when it is the one trusted before', () => {
    const made = repository();
    made.top.timestamp.version += 1;
    const error = refusal(made.corrupt('timestamp', 'expired'), 'ROLE_EXPIRED');
    expect(error).toMatchObject({ attack: 'freeze', spec: '5.4.4', role: 'timestamp' });
    const same = repository();
    const late = { prior: same.states.at(-1) ?? new Map(), startTimeMs: SIM_NOW_MS + 366 * 86_400_000 };
    expect(throwsCode(() => same.verify(late), TrustError, 'ROLE_EXPIRED').role).toBe('timestamp');
  });

  it('TUF 5.4.5: keeps the bytes that were verified', () => {
    const made = repository();
    expect(made.verify().timestamp?.bytes).toEqual(made.files().get('timestamp.json'));
  });

  it('a missing timestamp is left to whoever fetches', () => {
    expect(() => repository().corrupt('timestamp', 'missing').verify()).toThrow(MissingFile);
  });

  it('accepts a fast-forwarded timestamp by the right keys, which only new keys can undo', () => {
    const trusted = repository().corrupt('timestamp', 'fast-forwarded').verify();
    expect(trusted.timestamp?.signed.version).toBe(Number.MAX_SAFE_INTEGER);
  });
});

describe('snapshot', () => {
  it('TUF 5.5.1: refuses a snapshot longer than listed', () => {
    const error = refusal(repository().corrupt('snapshot', 'oversized'), 'SNAPSHOT_HASH');
    expect(error).toMatchObject({ spec: '5.5.2', role: 'snapshot' });
  });

  it('TUF 5.5.1: refuses a snapshot beyond 2,000,000 bytes whatever the timestamp lists', () => {
    const made = repository();
    made.top.snapshot.extra = { padding: 'x'.repeat(2_000_000) };
    made.top.timestamp.version += 1;
    expect(refusal(made, 'METADATA_TOO_LARGE')).toMatchObject({ spec: '5.5.1', role: 'snapshot' });
  });

  it.each(['cut short', 'one byte changed', 'mixed from two states', 'white space added'] as const)(
    'TUF 5.5.2: refuses a snapshot: %s',
    (corruption) => {
      const error = refusal(repository().corrupt('snapshot', corruption), 'SNAPSHOT_HASH');
      expect(error).toMatchObject({ attack: 'mix-and-match', spec: '5.5.2', role: 'snapshot' });
    },
  );

  it.each(SHAPE)('TUF 5.5.3: refuses a snapshot that is properly listed: %s (%s)', (corruption, code) => {
    const made = repository();
    made.top.timestamp.version += 1;
    expect(refusal(made.corrupt('snapshot', corruption), code).role).toBe('snapshot');
  });

  it.each(SIGNATURE)('TUF 5.5.3: refuses a snapshot: %s', (corruption) => {
    const made = repository();
    made.top.timestamp.version += 1;
    const error = refusal(made.corrupt('snapshot', corruption), 'SNAPSHOT_THRESHOLD');
    expect(error).toMatchObject({ attack: 'arbitrary software', spec: '5.5.3', role: 'snapshot' });
  });

  it('TUF 5.5.4: refuses a snapshot of another version than the timestamp names', () => {
    const made = repository();
    made.top.timestamp.version += 1;
    const error = refusal(made.corrupt('snapshot', 'fast-forwarded'), 'SNAPSHOT_VERSION');
    expect(error).toMatchObject({ spec: '5.5.4', role: 'snapshot' });
  });

  it('TUF 5.5.5: refuses a snapshot that drops a role', () => {
    const made = repository();
    made.delegate({ name: 'targets/gone', paths: ['a'] });
    made.publish('targets');
    const prior = made.states.at(-1) ?? new Map<string, Uint8Array>();
    const without = repository();
    without.publish('targets');
    without.publish('targets');
    const error = throwsCode(() => without.verify({ prior }), TrustError, 'SNAPSHOT_ROLE_REMOVED');
    expect(error).toMatchObject({ attack: 'rollback', spec: '5.5.5', role: 'targets/gone' });
  });

  it('TUF 5.5.5: refuses a snapshot in which a role is older', () => {
    const made = repository();
    made.publish();
    const prior = made.states.at(-1) ?? new Map<string, Uint8Array>();
    made.top.snapshot.version += 1;
    made.top.timestamp.version += 1;
    const error = throwsCode(
      () => made.corrupt('targets', 'rolled back').verify({ prior }),
      TrustError,
      'SNAPSHOT_ROLLBACK',
    );
    expect(error).toMatchObject({ attack: 'rollback', spec: '5.5.5', role: 'targets' });
  });

  it('TUF 5.5.6: refuses an expired snapshot', () => {
    const made = repository();
    made.top.timestamp.version += 1;
    const error = refusal(made.corrupt('snapshot', 'expired'), 'ROLE_EXPIRED');
    expect(error).toMatchObject({ attack: 'freeze', spec: '5.5.6', role: 'snapshot' });
  });

  it('TUF 5.5.7: keeps the bytes that were verified', () => {
    const made = repository();
    expect(made.verify().snapshot?.bytes).toEqual(made.files().get('3.snapshot.json'));
  });

  it('protocol 1.4: refuses a timestamp or snapshot that lists no sha256 or no length', () => {
    const made = repository();
    const hashes = { sha256: '0'.repeat(64) };
    made.top.snapshot.extra = { meta: { 'targets.json': { version: 3, hashes } } };
    expect(throwsCode(() => made.verify(), TrustError, 'METADATA_SHAPE').role).toBe('snapshot');
    made.top.snapshot.extra = { meta: { 'targets.json': { version: 3, length: 5, hashes: {} } } };
    expect(throwsCode(() => made.verify(), TrustError, 'METADATA_SHAPE').role).toBe('snapshot');
    made.top.timestamp.extra = { meta: { 'snapshot.json': { version: 3, length: 5 } } };
    expect(throwsCode(() => made.verify(), TrustError, 'METADATA_SHAPE').role).toBe('timestamp');
  });
});

describe('targets', () => {
  it('TUF 5.6.1: refuses targets longer than listed', () => {
    expect(refusal(repository().corrupt('targets', 'oversized'), 'TARGETS_HASH')).toMatchObject({
      role: 'targets',
    });
  });

  it('TUF 5.6.1: refuses a role that the snapshot does not list', () => {
    const made = repository();
    const trusted = made.verify();
    const error = throwsCode(() => trusted.roleFile('targets/x' as RoleName), TrustError, 'ROLE_MISSING');
    expect(error).toMatchObject({ spec: '5.6.1', role: 'targets/x' });
  });

  it.each(['cut short', 'one byte changed', 'mixed from two states', 'white space added'] as const)(
    'TUF 5.6.2: refuses targets: %s',
    (corruption) => {
      const error = refusal(repository().corrupt('targets', corruption), 'TARGETS_HASH');
      expect(error).toMatchObject({ attack: 'mix-and-match', spec: '5.6.2', role: 'targets' });
    },
  );

  it.each(SHAPE)('TUF 5.6.3: refuses targets that are properly listed: %s (%s)', (corruption, code) => {
    const made = repository();
    made.publish('targets');
    made.states.pop();
    expect(refusal(made.corrupt('targets', corruption), code).role).toBe('targets');
  });

  it.each(SIGNATURE)('TUF 5.6.3: refuses targets: %s', (corruption) => {
    const made = repository();
    made.publish('targets');
    made.states.pop();
    const error = refusal(made.corrupt('targets', corruption), 'TARGETS_THRESHOLD');
    expect(error).toMatchObject({ attack: 'arbitrary software', spec: '5.6.3', role: 'targets' });
  });

  it('TUF 5.6.4: refuses targets of another version than the snapshot names', () => {
    const made = repository();
    made.publish('targets');
    made.states.pop();
    const error = refusal(made.corrupt('targets', 'fast-forwarded'), 'TARGETS_VERSION');
    expect(error).toMatchObject({ spec: '5.6.4', role: 'targets' });
  });

  it('TUF 5.6.5: refuses expired targets', () => {
    const made = repository();
    made.publish('targets');
    made.states.pop();
    const error = refusal(made.corrupt('targets', 'expired'), 'ROLE_EXPIRED');
    expect(error).toMatchObject({ attack: 'freeze', spec: '5.6.5', role: 'targets' });
  });

  it('TUF 5.6.6: keeps the bytes that were verified', () => {
    const made = repository();
    expect(made.verify().targets()?.bytes).toEqual(made.files().get('3.targets.json'));
  });

  it('protocol 2.3: refuses entries in targets beside targets/releases', () => {
    const made = repository();
    made.delegate({
      name: 'targets/releases',
      path_hash_prefixes: [...'0123456789abcdef'],
      terminating: true,
    });
    made.publish('targets');
    const error = throwsCode(() => made.verify(), TrustError, 'COLLECTION_AMBIGUOUS');
    expect(error).toMatchObject({ spec: 'protocol 2.3', role: 'targets' });
    made.role('targets').targets.clear();
    made.publish('targets');
    expect(made.verify().targets()?.signed.targets.size).toBe(0);
  });

  it('loads what has expired for the editor alone', () => {
    const made = repository();
    const startTimeMs = SIM_NOW_MS + 4 * 365 * 86_400_000;
    throwsCode(() => made.verify({ startTimeMs }), TrustError, 'ROLE_EXPIRED');
    const trusted = made.verify({ startTimeMs, expiry: 'unsafe-ignored' });
    expect([trusted.expiryEnforced, trusted.targets()?.signed.version]).toEqual([false, 3]);
  });

  it('verifies a role again for each delegator it is reached through', () => {
    const made = new RepositorySimulator();
    const role = made.delegate({ name: 'a', paths: ['*'] });
    made.delegate({ name: 'b', paths: ['*'] });
    made.delegate({ name: 'a', paths: ['*'], keys: [labelledSimKey('not of a')] }, 'b');
    made.publish();
    const trusted = made.verify();
    const [a, b, targets] = ['a', 'b', 'targets'] as RoleName[];
    const files = made.files();
    trusted.updateDelegatedTargets(files.get('1.a.json') ?? Buffer.alloc(0), a!, targets!);
    trusted.updateDelegatedTargets(files.get('1.b.json') ?? Buffer.alloc(0), b!, targets!);
    expect(trusted.roleUnder(a!, targets!)?.signed.version).toBe(role.version);
    const error = throwsCode(() => trusted.roleUnder(a!, b!), TrustError, 'TARGETS_THRESHOLD');
    expect(error).toMatchObject({ spec: '5.6.3', role: 'a' });
    expect(() => trusted.roleUnder(a!, ROOT)).toThrow(expect.objectContaining({ code: 'ERR_ASSERTION' }));
  });
});
