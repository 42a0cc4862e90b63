/**
 * Ten machines publish at the same moment, round after round, through a real registry, every request held up for a
 * while on its way there and on its way back.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTransport } from '../../src/http/create-transport.ts';
import type { RegistryHttp } from '../../src/http/registry-http.ts';
import { createRegistryTransport } from '../../src/http/registry-transport.ts';
import type { ClosableTransport } from '../../src/http/transport.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { digestHex, digestOf } from '../../src/reference/digest.ts';
import { parseRepository, type Repository } from '../../src/reference/reference.ts';
import { NO_CERTIFICATES } from '../../src/settings/certs.ts';
import { openJournal } from '../../src/trust/journal.ts';
import { needPeers, type RunningRegistry, startRegistry } from '../helpers/peers.ts';
import { exportPin, NO_ENGINE, PublishingMachine, targetOf } from '../publish/machine.ts';
import { seeded } from './seeded.ts';

const PUBLISHERS = 10;
const ROUNDS = 10;
const SEED = 20_261_127;

const real = await needPeers('registry');

/** Mostly a little, now and then a lot; a write of the tag now and then longer than a turn. */
function delayMs(random: () => number, isPut: boolean): number {
  const kind = random();
  if (isPut && kind < 0.08) return 900 + random() * 400;
  if (kind < 0.05) return random() * 500;
  return kind < 0.3 ? random() * 100 : random() * 15;
}

describe.skipIf(real.skip)(real.title('ten publishers on a real registry'), () => {
  let registry: RunningRegistry;
  let transport: ClosableTransport;
  let repository: Repository;
  let owner: PublishingMachine;
  const machines: PublishingMachine[] = [];
  const all: PublishingMachine[] = [];

  /** The registry over HTTP, each request held up before it is sent and before its answer is heard. */
  function delayed(seed: number): RegistryHttp {
    const inner = createRegistryTransport({
      send: transport.send,
      clock: systemClock,
      credentials: async () => ({ kind: 'anonymous' }),
      notice: () => {},
    });
    const random = seeded(seed);
    return {
      async request(address, request) {
        const isPut = request.method === 'PUT' && request.path === 'manifests/_trust';
        await systemClock.sleep(delayMs(random, isPut), request.signal);
        const answer = await inner.request(address, request);
        await systemClock.sleep(delayMs(random, isPut), request.signal);
        return answer;
      },
    };
  }

  function machine(seed: number): PublishingMachine {
    const http = delayed(seed);
    const made = new PublishingMachine({ repository, http, clock: systemClock, random: seeded(-seed) });
    all.push(made);
    return made;
  }

  beforeAll(async () => {
    registry = await startRegistry();
    transport = createTransport({
      tls: {
        certificatesFor: () => NO_CERTIFICATES,
        env: { sslCertFile: undefined, sslCertDir: undefined, nodeTrustChanged: false },
        fs: realFileSystem,
      },
      proxyFor: () => undefined,
      userAgent: 'dtrust-test',
      clock: systemClock,
    });
    repository = parseRepository(`${registry.host}/team/app`);
    owner = machine(SEED);
    const begun = await owner.sign('base');
    const keys = [];
    for (let n = 0; n < PUBLISHERS; n++) {
      const signer = machine(SEED + 1 + n);
      await signer.pin(exportPin(begun));
      keys.push(await signer.makeKey(`dev${n}`));
      machines.push(signer);
    }
    await owner.administer(keys.map((key, n) => ({ kind: 'addSigner', name: `dev${n}`, keys: [key] })));
  });
  afterAll(async () => {
    await transport?.close();
    await registry?.stop();
    for (const each of all) each.remove();
  });

  /** What this machine was told had been published. */
  const confirmed = (from: PublishingMachine) =>
    openJournal({
      fs: realFileSystem,
      directory: from.trustDirectory,
      collection: repository.canonical,
      scope: NO_ENGINE,
      clock: systemClock,
    })
      .load()
      .entries.filter((entry) => entry.confirmed);

  it('protocol 4.2: ten signers publish at once, ten rounds, and no publish is lost', async () => {
    const expected: Record<string, string> = { base: targetOf(repository, 'base').sha256 };
    const pin = exportPin(await owner.read());
    let before = (await owner.read()).trusted.timestamp?.signed.version ?? 0;
    for (let round = 0; round < ROUNDS; round++) {
      // A command that fails fails the test: whoever is beaten goes on until he is through.
      await Promise.all(
        machines.map(async (signer, n) => {
          const tag = `r${round}-dev${n}`;
          await signer.sign(tag);
          expected[tag] = targetOf(repository, tag).sha256;
        }),
      );
      // A machine without memory, as somebody who pulls for the first time.
      const reader = machine(round);
      await reader.pin(pin);
      const { trusted } = await reader.read();
      expect(await reader.tags()).toEqual(expected);
      const version = trusted.timestamp?.signed.version ?? 0;
      const history = trusted.snapshot?.signed.extension?.history ?? [];
      const known = new Set([digestHex(digestOf(trusted.timestamp?.bytes ?? new Uint8Array())), ...history]);
      const newest = machines.map((signer) => confirmed(signer).at(-1));
      const versions = newest.map((entry) => entry?.timestampVersion ?? 0);
      expect(new Set(versions).size).toBe(PUBLISHERS);
      expect(Math.min(...versions)).toBeGreaterThan(before);
      expect(Math.max(...versions)).toBe(version);
      for (const entry of newest) expect(known).toContain(entry?.timestampSha256);
      before = version;
    }
    for (const signer of machines) {
      expect(signer.attempts()).toHaveLength(ROUNDS);
      const versions = confirmed(signer).map((entry) => entry.timestampVersion);
      expect(versions).toHaveLength(ROUNDS);
      expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    }
    // Somebody was beaten, or nothing was tried.
    expect(Math.max(...machines.flatMap((signer) => signer.attempts()))).toBeGreaterThan(2);
  }, 600_000);
});
