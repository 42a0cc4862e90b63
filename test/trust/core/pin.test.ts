import { describe, expect, it } from 'vitest';
import { TrustError } from '../../../src/lib/errors.ts';
import type { KeyId } from '../../../src/trust/core/keys.ts';
import { parseRoot } from '../../../src/trust/core/metadata.ts';
import { isKeyId, type Pin, pinFor, rootKeyIds, verifyPin } from '../../../src/trust/core/pin.ts';
import { TrustedMetadata } from '../../../src/trust/core/trusted-metadata.ts';
import { RepositorySimulator, SIM_NOW_MS } from '../../helpers/repository-simulator.ts';
import { labelledSimKey, type SimKey } from '../../helpers/sim-keys.ts';
import { throwsCode } from '../../helpers/throws-code.ts';

const owner = labelledSimKey('root 0');
const evil = labelledSimKey('evil');
const second = labelledSimKey('second');

function start(made: RepositorySimulator, pin: Pin, version = 1): TrustedMetadata {
  return new TrustedMetadata(made.rootBytes(version), {
    startTimeMs: SIM_NOW_MS,
    collection: made.collection,
    pin,
  });
}

/** A root with these root keys, signed by those. */
function rootOf(keys: SimKey[], threshold: number, signedBy: SimKey[]): RepositorySimulator {
  const made = new RepositorySimulator();
  Object.assign(made.top.root, { keys, threshold });
  made.publishRoot(signedBy);
  return made;
}

const pinOf = (...keys: SimKey[]): Pin => ({
  keyIds: keys.map((key) => key.keyid),
  threshold: keys.length,
  rootVersion: 1,
  timestampVersion: 1,
  dialect: 'tuf-1.0',
});

describe('protocol 6.1: the first root against a pin', () => {
  it('accepts a root that the pinned key signed and lists', () => {
    expect(start(new RepositorySimulator(), pinOf(owner)).root.signed.version).toBe(1);
  });

  it.each<[string, RepositorySimulator, Pin]>([
    ['lists the pinned key and is signed by another', rootOf([owner, evil], 1, [evil]), pinOf(owner)],
    ['is signed by the pinned key and does not list it', rootOf([evil], 1, [owner, evil]), pinOf(owner)],
    ['has nothing to do with the pinned key', rootOf([evil], 1, [evil]), pinOf(owner)],
    [
      'is signed by one of two pinned keys that are needed',
      rootOf([owner, evil], 1, [owner, evil]),
      pinOf(owner, second),
    ],
    ['is pinned to nothing', new RepositorySimulator(), { ...pinOf(), threshold: 0 }],
    ['is pinned with threshold 0', rootOf([evil], 1, [evil]), { ...pinOf(owner), threshold: 0 }],
    [
      'is pinned with a threshold that is no number',
      new RepositorySimulator(),
      { ...pinOf(owner), threshold: Number.NaN },
    ],
  ])('refuses a root that %s', (_, made, pin) => {
    const error = throwsCode(() => start(made, pin), TrustError, 'ROOT_PIN');
    expect(error).toMatchObject({ spec: 'protocol 6.1', role: 'root', attack: 'arbitrary software' });
  });

  it('refuses a root that lists the pinned ID with another key under it', () => {
    const made = new RepositorySimulator();
    made.top.root.keys = [{ ...evil, keyid: owner.keyid }];
    made.publishRoot();
    expect(parseRoot(made.rootBytes()).signed.roles.root.keyids).toEqual([owner.keyid]);
    throwsCode(() => start(made, pinOf(owner)), TrustError, 'ROOT_PIN');
  });

  it('accepts the pinned key under any listed name, and says its computed ID', () => {
    const made = new RepositorySimulator();
    made.top.root.keys = [{ ...owner, keyid: 'owner' as KeyId }];
    made.publishRoot();
    expect(rootKeyIds(start(made, pinOf(owner)).root)).toEqual([owner.keyid]);
  });

  it('counts one pinned key once, however often it is listed and signs', () => {
    const made = new RepositorySimulator();
    const again = { ...owner, keyid: 'again' as KeyId };
    Object.assign(made.top.root, { keys: [owner, again], threshold: 1 });
    made.publishRoot();
    const pin = { ...pinOf(owner), threshold: 2 };
    expect(throwsCode(() => start(made, pin), TrustError, 'ROOT_PIN').message).toMatch(/by 1 of the pinned/);
  });

  it('asks for the root role of the root itself as well', () => {
    const made = rootOf([owner, evil, second], 2, [owner]);
    throwsCode(() => start(made, pinOf(owner)), TrustError, 'ROOT_THRESHOLD');
  });

  it('may start from a later root', () => {
    const made = new RepositorySimulator();
    made.rotate(() => undefined);
    made.rotate(() => undefined);
    made.publish();
    expect(start(made, { ...made.pin(), rootVersion: 3 }, 3).root.signed.version).toBe(3);
    expect(made.verify({ from: made.rootBytes(2), pin: made.pin() }).root.signed.version).toBe(3);
  });

  it('refuses a final root below the pin', () => {
    const made = new RepositorySimulator();
    made.publish();
    const error = throwsCode(
      () => made.verify({ pin: { ...made.pin(), rootVersion: 2 } }),
      TrustError,
      'ROOT_BELOW_PIN',
    );
    expect(error).toMatchObject({ role: 'root', attack: 'rollback', spec: 'protocol 6.1' });
  });

  it('refuses a timestamp below the pin, with and without a root known before', () => {
    const made = new RepositorySimulator();
    made.publish();
    const pin = { ...made.pin(), timestampVersion: 2 };
    expect(throwsCode(() => made.verify({ pin }), TrustError, 'ROOT_BELOW_PIN').role).toBe('timestamp');
    throwsCode(() => made.verify({ pinVersions: pin }), TrustError, 'ROOT_BELOW_PIN');
    made.publish();
    expect(made.verify({ pin }).timestamp?.signed.version).toBe(2);
  });

  it('is made from a verified state and met by it', () => {
    const made = new RepositorySimulator({ threshold: 2 });
    made.publish();
    const trusted = made.verify();
    const pin = pinFor(trusted.root, trusted.timestamp?.signed.version ?? 0);
    expect(pin).toEqual(made.pin());
    expect(verifyPin(trusted.root, pin)).toBe(trusted.root);
    expect(pin.keyIds.every(isKeyId)).toBe(true);
    expect([isKeyId('A'.repeat(64)), isKeyId('a'.repeat(63)), isKeyId('')]).toEqual([false, false, false]);
  });
});

describe('protocol 1.2: the collection', () => {
  it('refuses the collection of another repository', () => {
    const made = new RepositorySimulator({ collection: 'docker.io/acme/other' });
    made.publish();
    const error = throwsCode(
      () => made.verify({ collection: 'docker.io/acme/app' }),
      TrustError,
      'COLLECTION_MISMATCH',
    );
    expect(error).toMatchObject({
      expected: 'docker.io/acme/app',
      found: 'docker.io/acme/other',
      attack: 'mix-and-match',
      spec: 'protocol 1.2',
    });
  });

  it("refuses another repository's root 2 grafted onto this root 1, made with the same root key", () => {
    const here = new RepositorySimulator({ collection: 'docker.io/acme/app' });
    const there = new RepositorySimulator({ collection: 'docker.io/acme/other' });
    there.rotate(() => undefined);
    const trusted = start(here, here.pin());
    throwsCode(() => trusted.updateRoot(there.rootBytes(2)), TrustError, 'COLLECTION_MISMATCH');
  });

  it('refuses a root that names no collection, at first and later', () => {
    const made = new RepositorySimulator();
    const trusted = start(made, made.pin());
    made.rootExtension = undefined;
    made.rotate(() => undefined);
    throwsCode(() => trusted.updateRoot(made.rootBytes(2)), TrustError, 'COLLECTION_MISMATCH');
    throwsCode(() => start(made, made.pin(), 2), TrustError, 'COLLECTION_MISMATCH');
  });

  it('shows a hostile name escaped', () => {
    const made = new RepositorySimulator({ collection: 'evil\u001b[2J' });
    const error = throwsCode(() => made.verify({ collection: 'x' }), TrustError, 'COLLECTION_MISMATCH');
    expect(error.message).toContain('evil\\u001b[2J');
  });
});
