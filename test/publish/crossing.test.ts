/**
 * Changes of keys beside publishes: one command in the middle of another one, at each of its requests, before it is done
 * and after. Whoever is told "done" is in the state that stays; whoever is not is told why, and has changed nothing.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RegistryHttp } from '../../src/http/registry-http.ts';
import { createEd25519Key, createRootKey } from '../../src/keys/create.ts';
import type { PrivateKey } from '../../src/keys/private-key.ts';
import { DtrustError } from '../../src/lib/errors.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import type { VerifiedCollection } from '../../src/trust/collection.ts';
import type { TopLevelRole } from '../../src/trust/core/metadata.ts';
import { signersOf } from '../../src/trust/signers.ts';
import { createMemoryRegistry } from '../helpers/memory-registry.ts';
import { JumpingClock } from '../trust/publish-clock.ts';
import { exportPin, PublishingMachine } from './machine.ts';

const repository = parseRepository('registry.test/acme/app');
const registry = createMemoryRegistry();
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dtrust-crossing-'));

type Name = 'owner' | 'second' | 'alice' | 'reader';
const homes = new Map<Name, string>();
const made: Record<string, PrivateKey> = {};
let stored: { tags: Map<string, string>; manifests: Map<string, never>; blobs: Map<string, never> };

/** What somebody does, and how it shows in the state that stays. */
interface Deed {
  readonly who: Name;
  readonly run: (machine: PublishingMachine) => Promise<unknown>;
  readonly isIn: (state: VerifiedCollection, tags: readonly string[]) => boolean;
}

const key = (name: string): PrivateKey => made[name] ?? expect.unreachable(name);

const signs = (who: Name, tag: string): Deed => ({
  who,
  run: (machine) => machine.sign(tag),
  isIn: (_, tags) => tags.includes(tag),
});
const adds = (who: Name, name: string, keyName: string): Deed => ({
  who,
  run: (machine) => machine.addSigner(name, [key(keyName).publicKey]),
  isIn: ({ trusted }) =>
    signersOf(trusted).some(
      (signer) =>
        signer.name === name && signer.keys.some(({ keyid }) => keyid === key(keyName).publicKey.keyid),
    ),
});
const removesAlice: Deed = {
  who: 'owner',
  run: (machine) => machine.removeSigner('alice'),
  isIn: ({ trusted }) => !signersOf(trusted).some(({ name }) => name === 'alice'),
};
const rotates = (who: Name, role: TopLevelRole, keyName: string): Deed => ({
  who,
  run: (machine) => machine.rotate(role, key(keyName)),
  isIn: ({ trusted }) => trusted.root.signed.roles[role].keyids.includes(key(keyName).publicKey.keyid),
});

interface Crossing {
  readonly name: string;
  readonly outer: Deed;
  /** Happens in the middle, whole. */
  readonly inner: Deed;
  /** What the outer one is refused with, at one request or another; beside these it is done. */
  readonly refusals: readonly string[];
  /** What the inner one may be refused with, when the outer one has written already. */
  readonly later?: readonly string[];
}

const CROSSINGS: readonly Crossing[] = [
  {
    name: 'a signer publishes while another signer is added',
    outer: signs('alice', 'a'),
    inner: adds('owner', 'bob', 'bob'),
    refusals: [],
  },
  {
    name: 'a signer publishes while he is removed',
    outer: signs('alice', 'a'),
    inner: removesAlice,
    refusals: ['KEY_MISSING', 'KEY_NOT_LISTED'],
  },
  {
    name: 'a signer publishes while the repository key is rotated',
    outer: signs('alice', 'a'),
    inner: rotates('owner', 'targets', 'targets 1'),
    refusals: [],
  },
  {
    name: 'a signer publishes while the root is rotated',
    outer: signs('alice', 'a'),
    inner: rotates('owner', 'root', 'root 1'),
    refusals: [],
  },
  {
    name: 'a signer is removed while he publishes',
    outer: removesAlice,
    inner: signs('alice', 'a'),
    refusals: [],
    later: ['KEY_MISSING'],
  },
  {
    name: 'the repository key is rotated while the repository key signs',
    outer: rotates('owner', 'targets', 'targets 1'),
    inner: signs('second', 'o'),
    refusals: [],
    later: ['KEY_MISSING'],
  },
  {
    name: 'the repository key signs while it is rotated away',
    outer: signs('second', 'o'),
    inner: rotates('owner', 'targets', 'targets 1'),
    refusals: ['KEY_MISSING', 'KEY_NOT_LISTED'],
  },
  {
    name: 'two signers are added at once',
    outer: adds('owner', 'bob', 'bob'),
    inner: adds('second', 'carol', 'carol'),
    refusals: [],
  },
  {
    name: 'two keys are added under one name at once',
    outer: adds('owner', 'bob', 'bob'),
    inner: adds('second', 'bob', 'carol'),
    refusals: ['KEY_EXISTS'],
    later: ['KEY_EXISTS'],
  },
  {
    name: 'two rotations of the repository key at once',
    outer: rotates('owner', 'targets', 'targets 1'),
    inner: rotates('second', 'targets', 'targets 2'),
    refusals: ['KEY_MISSING', 'PUBLISH_CONFLICT'],
    later: ['KEY_MISSING'],
  },
  {
    name: 'two rotations of the root key at once',
    outer: rotates('owner', 'root', 'root 1'),
    inner: rotates('second', 'root', 'root 2'),
    refusals: ['KEY_ROOT_MISSING', 'PUBLISH_CONFLICT'],
    later: ['KEY_ROOT_MISSING'],
  },
];

function at(home: string, http: RegistryHttp = registry.http) {
  const clock = new JumpingClock();
  const machine = new PublishingMachine({ repository, http, clock, home });
  return { machine, clock, drive: <T>(work: Promise<T>) => clock.drive(work) };
}

function newHome(from?: string): string {
  const home = fs.mkdtempSync(path.join(folder, 'home-'));
  if (from !== undefined) fs.cpSync(from, home, { recursive: true });
  return home;
}

const now = () => registry.repository(repository.path) as unknown as typeof stored;

beforeAll(async () => {
  const owner = at(newHome());
  const begun = await owner.drive(owner.machine.sign('1.0'));
  for (const name of ['alice', 'reader'] as const) {
    const other = at(newHome());
    await other.drive(other.machine.pin(exportPin(begun)));
    homes.set(name, other.machine.home);
  }
  const alice = await at(homes.get('alice') ?? '').machine.makeKey('alice');
  await owner.drive(owner.machine.addSigner('alice', [alice]));
  homes.set('owner', owner.machine.home);
  homes.set('second', newHome(owner.machine.home));
  for (const name of ['bob', 'carol', 'targets 1', 'targets 2']) made[name] = await createEd25519Key();
  for (const name of ['root 1', 'root 2']) made[name] = await createRootKey();
  const { tags, manifests, blobs } = now();
  stored = { tags: new Map(tags), manifests: new Map(manifests), blobs: new Map(blobs) };
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** The outer deed, with the inner one in the middle of its n-th request; how it ended, and whether there were so many. */
async function cross({ outer, inner }: Crossing, nth: number, when: 'before' | 'after') {
  for (const member of ['tags', 'manifests', 'blobs'] as const) {
    now()[member].clear();
    for (const [name, value] of stored[member]) (now()[member] as Map<string, unknown>).set(name, value);
  }
  const [mine, theirs] = [outer, inner].map(({ who }) => newHome(homes.get(who)));
  const other = at(theirs ?? '');
  let requests = 0;
  let inside: Promise<string> | undefined;
  const http: RegistryHttp = {
    async request(address, request) {
      requests += 1;
      const isNow = requests === nth;
      const happen = async () => {
        inside = ending(other.drive(inner.run(other.machine)));
        await inside;
        // For both it has become that much later.
        first.clock.pass(other.clock.monotonic());
      };
      if (isNow && when === 'before') await happen();
      const answer = await registry.http.request(address, request);
      if (isNow && when === 'after') await happen();
      return answer;
    },
  };
  const first = at(mine ?? '', http);
  const outcome = await ending(first.drive(outer.run(first.machine)));
  return { outer: outcome, inner: await inside };
}

/** 'done', or the code of the refusal. */
async function ending(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (error instanceof DtrustError) return error.code;
    throw error;
  }
}

describe.each(CROSSINGS)('$name', (crossing) => {
  test('protocol 4.2: at each request, done is in the state that stays, and refused has changed nothing', async () => {
    const codes = new Set<string>();
    for (let nth = 1, more = true; more; nth++) {
      more = false;
      for (const when of ['before', 'after'] as const) {
        const ends = await cross(crossing, nth, when);
        if (ends.inner === undefined) continue;
        more = true;
        const where = `${when} request ${nth}: ${ends.outer}, ${ends.inner}`;
        codes.add(ends.outer);
        const reader = at(newHome(homes.get('reader')));
        const state = await reader.drive(reader.machine.read());
        const tags = Object.keys(await reader.drive(reader.machine.tags()));
        expect(tags, where).toContain('1.0');
        expect(crossing.outer.isIn(state, tags), where).toBe(ends.outer === 'done');
        expect(crossing.inner.isIn(state, tags), where).toBe(ends.inner === 'done');
        expect(['done', ...crossing.refusals], where).toContain(ends.outer);
        expect(['done', ...(crossing.later ?? [])], where).toContain(ends.inner);
        // One of two that exclude each other, and not neither.
        expect([ends.outer, ends.inner], where).toContain('done');
      }
    }
    expect(codes).toContain('done');
    for (const code of crossing.refusals) expect(codes).toContain(code);
  }, 120_000);
});
