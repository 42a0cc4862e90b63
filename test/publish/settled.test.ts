/** What a publisher makes of a state that he has seen and that another one has overwritten. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { RegistryHttp } from '../../src/http/registry-http.ts';
import { TrustError } from '../../src/lib/errors.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { createMemoryRegistry } from '../helpers/memory-registry.ts';
import { rejectsCode } from '../helpers/throws-code.ts';
import { JumpingClock } from '../trust/publish-clock.ts';
import { exportPin, PublishingMachine } from './machine.ts';

const repository = parseRepository('registry.test/acme/app');

/** An owner and two signers; bob has seen a publish of alice's that the owner, who had not, has overwritten. */
async function overwritten() {
  const registry = createMemoryRegistry();
  const machine = (http: RegistryHttp = registry.http) => {
    const clock = new JumpingClock();
    const made = new PublishingMachine({ repository, http, clock });
    onTestFinished(() => made.remove());
    return { made, clock, run: <T>(work: Promise<T>) => clock.drive(work) };
  };
  const hooks: { head: (() => Promise<void>) | undefined } = { head: undefined };
  const watched: RegistryHttp = {
    async request(address, request) {
      const answer = await registry.http.request(address, request);
      if (request.method === 'HEAD') await hooks.head?.();
      return answer;
    },
  };
  const [owner, alice, bob] = [machine(), machine(), machine(watched)];
  const begun = await owner.run(owner.made.sign('1.0'));
  for (const [name, signer] of [['alice', alice] as const, ['bob', bob] as const]) {
    await signer.run(signer.made.pin(exportPin(begun)));
    const key = await signer.made.makeKey(name);
    await owner.run(owner.made.addSigner(name, [key]));
  }
  const { tags } = registry.repository(repository.path);
  const base = tags.get('_trust') ?? '';
  // Alice's publish, of a process of hers that is about to notice that it was overwritten.
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'dtrust-publisher-'));
  onTestFinished(() => fs.rmSync(home, { recursive: true }));
  fs.cpSync(alice.made.home, home, { recursive: true });
  await alice.run(alice.made.with({ home }).sign('a'));
  await bob.run(bob.made.read());
  tags.set('_trust', base);
  await owner.run(owner.made.sign('o'));
  return { registry, owner, alice, bob, tags, hooks };
}

test('protocol 4.2: a publisher who saw a publish that was overwritten waits for it to be written again', async () => {
  const { owner, alice, bob, hooks } = await overwritten();
  let looks = 0;
  hooks.head = async () => {
    looks += 1;
    if (looks === 4) await alice.run(alice.made.sign('a'));
  };
  await bob.run(bob.made.sign('b'));
  expect(looks).toBeGreaterThan(4);
  expect(Object.keys(await owner.run(owner.made.tags())).sort()).toEqual(['1.0', 'a', 'b', 'o']);
});

test('protocol 4.2: and builds on no state without it, when it is not written again', async () => {
  const { registry, bob, tags } = await overwritten();
  const stood = tags.get('_trust');
  registry.log.length = 0;
  const error = await rejectsCode(bob.run(bob.made.sign('b')), TrustError, 'SNAPSHOT_ROLLBACK');
  expect(error.message).toContain('targets/alice.json');
  expect(bob.clock.monotonic()).toBeGreaterThanOrEqual(3000);
  expect(tags.get('_trust')).toBe(stood);
  expect(registry.requests(({ reference, method }) => method === 'PUT' && reference === '_trust')).toEqual(
    [],
  );
});
