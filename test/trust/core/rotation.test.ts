/**
 * Key rotations, as a table: keys and threshold before, keys and threshold after, who signed, and what a client says.
 */
import { describe, expect, it } from 'vitest';
import { TrustError } from '../../../src/lib/errors.ts';
import { TrustedMetadata } from '../../../src/trust/core/trusted-metadata.ts';
import { RepositorySimulator, SIM_NOW_MS } from '../../helpers/repository-simulator.ts';
import { labelledSimKey, type SimKey } from '../../helpers/sim-keys.ts';
import { throwsCode } from '../../helpers/throws-code.ts';

const keys = (names: string): SimKey[] => names.split('').map((name) => labelledSimKey(`key ${name}`));

describe('TUF 5.3.4: a root signed by old and new keys', () => {
  it.each<[string, number, string, number, string, 'ok' | 'ROOT_THRESHOLD']>([
    // before, threshold, after, threshold, signed by, verdict
    ['a', 1, 'a', 1, 'a', 'ok'],
    ['a', 1, 'b', 1, 'ab', 'ok'],
    ['a', 1, 'b', 1, 'a', 'ROOT_THRESHOLD'],
    ['a', 1, 'b', 1, 'b', 'ROOT_THRESHOLD'],
    ['a', 1, 'b', 1, '', 'ROOT_THRESHOLD'],
    ['a', 1, 'ab', 1, 'a', 'ok'],
    ['a', 1, 'ab', 2, 'a', 'ROOT_THRESHOLD'],
    ['a', 1, 'ab', 2, 'ab', 'ok'],
    ['ab', 1, 'b', 1, 'b', 'ok'],
    ['ab', 1, 'b', 1, 'a', 'ROOT_THRESHOLD'],
    ['ab', 2, 'b', 1, 'b', 'ROOT_THRESHOLD'],
    ['ab', 2, 'b', 1, 'ab', 'ok'],
    ['abc', 2, 'abd', 2, 'ab', 'ok'],
    ['abc', 2, 'abd', 2, 'ad', 'ROOT_THRESHOLD'],
    ['abc', 2, 'cde', 2, 'ab', 'ROOT_THRESHOLD'],
    ['abc', 2, 'cde', 2, 'abcd', 'ok'],
    ['abc', 2, 'cde', 2, 'abde', 'ok'],
    ['abc', 2, 'cde', 2, 'cde', 'ROOT_THRESHOLD'],
    ['abc', 3, 'abc', 3, 'abc', 'ok'],
    ['abc', 3, 'abc', 3, 'ab', 'ROOT_THRESHOLD'],
    ['ab', 2, 'ab', 2, 'aax', 'ROOT_THRESHOLD'],
    ['a', 1, 'a', 2, 'a', 'ROOT_THRESHOLD'],
    ['a', 1, 'a', 1, 'xyz', 'ROOT_THRESHOLD'],
  ])('%s/%d to %s/%d signed by "%s": %s', (before, threshold, after, newThreshold, signedBy, verdict) => {
    const made = new RepositorySimulator();
    Object.assign(made.top.root, { keys: keys(before), threshold });
    made.publishRoot();
    const trusted = new TrustedMetadata(made.rootBytes(), {
      startTimeMs: SIM_NOW_MS,
      collection: made.collection,
    });
    Object.assign(made.top.root, { keys: keys(after), threshold: newThreshold, version: 2 });
    const bytes = made.publishRoot([...new Set(signedBy)].flatMap(keys));
    if (verdict === 'ok') expect(trusted.updateRoot(bytes).signed.version).toBe(2);
    else expect(throwsCode(() => trusted.updateRoot(bytes), TrustError, verdict).spec).toBe('5.3.4');
  });

  it('one key under two IDs, or written in two ways, is one key', () => {
    const made = new RepositorySimulator();
    const [a] = keys('a') as [SimKey];
    const spelled = { ...a.json, keyval: { public: a.json.keyval.public.toUpperCase() } };
    made.top.root.extra = {
      keys: { ...keyTable(made), one: a.json, two: a.json, three: spelled },
      roles: { ...roleTable(made), root: { keyids: ['one', 'two', 'three'], threshold: 2 } },
    };
    const alias = (keyid: string): SimKey => ({ ...a, keyid: keyid as SimKey['keyid'] });
    const bytes = made.publishRoot([alias('one'), alias('two'), alias('three')]);
    const start = () => new TrustedMetadata(bytes, { startTimeMs: SIM_NOW_MS, collection: made.collection });
    expect(throwsCode(start, TrustError, 'ROOT_THRESHOLD')).toMatchObject({ found: '1', expected: '2' });
  });
});

function keyTable(made: RepositorySimulator) {
  const all = Object.values(made.top).flatMap((role) => role.keys);
  return Object.fromEntries(all.map((key) => [key.keyid, key.json]));
}

function roleTable(made: RepositorySimulator) {
  const entries = Object.entries(made.top);
  return Object.fromEntries(
    entries.map(([name, role]) => [
      name,
      { keyids: role.keys.map((key) => key.keyid), threshold: role.threshold },
    ]),
  );
}

/** What happens to what was trusted before: kept or dropped, as protocol 2.5 has it. */
describe('TUF 5.3.11 and protocol 2.5: trusted timestamp and snapshot after a rotation', () => {
  type Online = 'timestamp' | 'snapshot';
  it.each<[string, Partial<Record<Online, { keys: string; threshold?: number }>>, 'kept' | 'dropped']>([
    ['nothing changes', {}, 'kept'],
    ['a timestamp key is added', { timestamp: { keys: 'tx' } }, 'kept'],
    ['a snapshot key is added', { snapshot: { keys: 'sx' } }, 'kept'],
    [
      'keys are added to both, as for each new signer',
      { timestamp: { keys: 'tx' }, snapshot: { keys: 'sx' } },
      'kept',
    ],
    ['the timestamp key is replaced', { timestamp: { keys: 'x' } }, 'dropped'],
    ['the snapshot key is replaced', { snapshot: { keys: 'x' } }, 'dropped'],
    ['both are replaced, as by recovery', { timestamp: { keys: 'x' }, snapshot: { keys: 'y' } }, 'dropped'],
    ['a second timestamp signature is needed', { timestamp: { keys: 'tx', threshold: 2 } }, 'dropped'],
    ['a second snapshot signature is needed', { snapshot: { keys: 'sx', threshold: 2 } }, 'dropped'],
  ])('%s', (_, change, verdict) => {
    const made = new RepositorySimulator();
    made.top.timestamp.keys = keys('t');
    made.top.snapshot.keys = keys('s');
    made.publishRoot();
    for (let count = 0; count < 5; count += 1) made.publish();
    const prior = made.states.at(-1) ?? new Map<string, Uint8Array>();
    made.rotate((it) => {
      for (const [role, { keys: names, threshold = 1 }] of Object.entries(change)) {
        Object.assign(it.top[role as Online], { keys: keys(names), threshold });
      }
    });
    // Versions go back to 1: refused by whoever remembers, unless what he remembers was dropped.
    Object.assign(made.top.timestamp, { version: 1 });
    Object.assign(made.top.snapshot, { version: 1 });
    const trusted = new TrustedMetadata(made.rootBytes(), {
      startTimeMs: SIM_NOW_MS,
      collection: made.collection,
    });
    trusted.loadPrior({
      timestamp: prior.get('timestamp.json') ?? Buffer.alloc(0),
      snapshot: prior.get('5.snapshot.json') ?? Buffer.alloc(0),
    });
    trusted.updateRoot(made.rootBytes(2));
    expect(trusted.finishRoot()).toEqual({ dropped: verdict === 'dropped' });
    const timestamp = made.files().get('timestamp.json') ?? Buffer.alloc(0);
    if (verdict === 'dropped') expect(trusted.updateTimestamp(timestamp)).toBe('updated');
    else throwsCode(() => trusted.updateTimestamp(timestamp), TrustError, 'TIMESTAMP_ROLLBACK');
  });

  it.each<[number, number, string, string]>([
    [5, 5, 'ok', ''],
    [9, 9, 'ok', ''],
    [4, 5, 'TIMESTAMP_ROLLBACK', 'timestamp'],
    [5, 4, 'SNAPSHOT_ROLLBACK', 'snapshot'],
    [1, 1, 'TIMESTAMP_ROLLBACK', 'timestamp'],
  ])(
    'protocol 2.5: with a floor of 5, timestamp %d and snapshot %d: %s',
    (timestamp, snapshot, verdict, role) => {
      const made = new RepositorySimulator();
      made.rotate((it) => {
        it.top.timestamp.keys = keys('x');
        it.rootExtension = { ...it.rootExtension, floor: { timestamp: 5, snapshot: 5 } };
      });
      made.publish();
      Object.assign(made.top.timestamp, { version: timestamp });
      Object.assign(made.top.snapshot, { version: snapshot });
      if (verdict === 'ok') {
        expect(made.verify().timestamp?.signed.version).toBe(timestamp);
        return;
      }
      const error = throwsCode(() => made.verify(), TrustError, verdict);
      expect(error).toMatchObject({ spec: 'protocol 2.5', attack: 'rollback', role });
    },
  );

  it('protocol 2.5: a floor holds for what is remembered, too', () => {
    const made = new RepositorySimulator();
    made.publish();
    const prior = made.states.at(-1) ?? new Map<string, Uint8Array>();
    made.rotate((it) => {
      it.rootExtension = { ...it.rootExtension, floor: { timestamp: 2, snapshot: 2 } };
    });
    // The timestamp remembered is served again: the same version, below the floor.
    throwsCode(() => made.verify({ prior }), TrustError, 'TIMESTAMP_ROLLBACK');
    made.publish();
    expect(made.verify({ prior }).timestamp?.signed.version).toBe(2);
  });

  it('recovers from a fast-forward: versions used up by a thief are forgotten with his keys', () => {
    const made = new RepositorySimulator();
    made.publish();
    made.corrupt('timestamp', 'fast-forwarded');
    const stolen = made.files().get('timestamp.json') ?? Buffer.alloc(0);
    made.heal();
    const resume = (rotated: boolean) => {
      const trusted = new TrustedMetadata(made.rootBytes(), {
        startTimeMs: SIM_NOW_MS,
        collection: made.collection,
      });
      trusted.loadPrior({ timestamp: stolen });
      if (rotated) trusted.updateRoot(made.rootBytes(2));
      trusted.finishRoot();
      return trusted;
    };
    made.publish();
    const next = made.files().get('timestamp.json') ?? Buffer.alloc(0);
    throwsCode(() => resume(false).updateTimestamp(next), TrustError, 'TIMESTAMP_ROLLBACK');
    made.rotate((it) => {
      it.top.timestamp.keys = keys('x');
      it.top.snapshot.keys = keys('y');
    });
    made.publish();
    expect(resume(true).updateTimestamp(made.files().get('timestamp.json') ?? Buffer.alloc(0))).toBe(
      'updated',
    );
  });
});
