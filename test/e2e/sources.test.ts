/** Where trust data is looked for, and where it never is. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { type Machine, openStage, refused, type Stage } from './harness.ts';

const REPO = 'acme/app';

let stage: Stage;
let name: string;
let original: Machine;
let machine: Machine;
let sim: RepositorySimulator;
let notary: { readonly url: string; readonly asked: string[]; readonly server: http.Server };

/** A server that has Notary data for everything, and notes who asks. */
async function startNotary(): Promise<typeof notary> {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end(JSON.stringify({ signed: { _type: 'Root' }, signatures: [] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, server };
}

beforeAll(async () => {
  [stage, notary] = await Promise.all([openStage(), startNotary()]);
  name = stage.name(REPO);
  sim = new RepositorySimulator({ collection: name, nowMs: Date.now() });
  sim.putTarget(`${name}:1.0`, stage.image(REPO, '1.0')).publish();
  original = stage.machine({ env: { DOCKER_CONTENT_TRUST_SERVER: notary.url } }).pin(REPO, sim.pin());
});
afterAll(async () => {
  await stage.close();
  notary.server.closeAllConnections();
  await new Promise((resolve) => notary.server.close(resolve));
});
beforeEach(async () => {
  stage.calm();
  notary.asked.length = 0;
  await stage.publish(REPO, sim.files());
  machine = stage.machine({ like: original });
});

const pull = () => ['pull', `${name}:1.0`];

describe('protocol 7.1: a repository of TUF 1.0', () => {
  test('by its pin: with its trust data gone no Notary server is asked for older', async () => {
    stage.registry.deleteTag(REPO, '_trust');
    await refused(machine, pull(), { code: 'TRUST_DATA_GONE' });
    expect(notary.asked).toEqual([]);
  });

  test('by what is remembered: the same without the pin', async () => {
    await machine.succeed(pull());
    await machine.succeed(['trust', 'pin', 'remove', name]);
    stage.registry.deleteTag(REPO, '_trust');
    await refused(machine, pull(), { code: 'TRUST_DATA_GONE' });
    expect(notary.asked).toEqual([]);
  });
});

describe('protocol 7.2: what is asked', () => {
  test('is the registry alone, also for a repository that nobody knows, and no server is guessed', async () => {
    await refused(machine, ['pull', `${stage.name('acme/new')}:1.0`], { code: 'NO_TRUST_DATA' });
    expect(notary.asked).toEqual([]);
    expect(stage.registry.log.every(({ path }) => path === '/v2/' || path.startsWith('/v2/acme/new/'))).toBe(
      true,
    );
  });
});

describe('protocol 3.1: DTRUST_TRUST_REPOSITORY', () => {
  test('names another repository that holds the trust data of this one', async () => {
    stage.registry.deleteTag(REPO, '_trust');
    await stage.publish('acme/trust-of-app', sim.files());
    const env = { DTRUST_TRUST_REPOSITORY: stage.name('acme/trust-of-app') };
    const run = await machine.succeed([...pull(), '-q'], env);
    expect(run.stdout).toBe(`${name}:1.0\n`);
    const places = stage.registry.log.filter(({ reference }) => reference === '_trust');
    expect(new Set(places.map(({ repository }) => repository))).toEqual(new Set(['acme/trust-of-app']));
  });

  test('that is no repository is REFERENCE_INVALID', async () => {
    await refused(machine, pull(), {
      code: 'REFERENCE_INVALID',
      env: { DTRUST_TRUST_REPOSITORY: 'acme/App' },
    });
  });

  test('protocol 1.2: lends the data of a repository to no other', async () => {
    stage.image('acme/other', '1.0');
    const env = { DTRUST_TRUST_REPOSITORY: name, DTRUST_FIRST_USE: 'accept' };
    await refused(machine, ['pull', `${stage.name('acme/other')}:1.0`], { code: 'COLLECTION_MISMATCH', env });
  });
});

describe('protocol 7.3: a pull', () => {
  test.each([
    ['503', { status: 503 }, 'REGISTRY_UNAVAILABLE'],
    ['429', { status: 429 }, 'REGISTRY_RATE_LIMIT'],
    ['a broken connection', 'cut-short', 'NETWORK_BROKEN'],
  ] as const)(
    'of an image that is here and was verified is refused during an outage: %s',
    async (_, fault, code) => {
      await machine.succeed(pull());
      stage.registry.faults.push({ when: ({ method }) => method !== 'PUT', fault });
      const run = await refused(machine, pull(), { code });
      expect(run.stderr).not.toMatch(/no trust data|not signed/);
    },
  );
});

describe('protocol 6.4: a typing error in DTRUST_FIRST_USE', () => {
  test.each(['1', 'yes', 'Accept', 'accept '])('%j is no consent', async (value) => {
    await refused(stage.machine(), pull(), { code: 'FIRST_USE_REFUSED', env: { DTRUST_FIRST_USE: value } });
  });

  test('accept is: fingerprint and pin line are printed, and the pin holds another machine to it', async () => {
    const run = await stage.machine().succeed(pull(), { DTRUST_FIRST_USE: 'accept' });
    const [keyId = ''] = sim.pin().keyIds;
    expect(run.stderr).toContain(keyId);
    const [, line = ''] = /dtrust (trust pin add \S+ \S+.*)/.exec(run.stderr) ?? [];
    const next = stage.machine();
    await next.succeed(line.split(' '));
    await next.succeed(pull());
  });
});
