/** Trust data asked for while the builder is still being looked at: the same requests, none twice, nothing decided. */
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { discoverBases } from '../../src/commands/discover-bases.ts';
import { openAhead } from '../../src/commands/open-ahead.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import { type BaseWorld, FACTS, openBaseWorld } from './base-world.ts';

const ID = `sha256:${'ab'.repeat(32)}`;

let world: BaseWorld;

beforeAll(async () => {
  world = await openBaseWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

const options = { buildArgs: new Map<string, string>(), namedContexts: new Set<string>() };

/** Opened ahead until the registry was asked `count` times; `go` decides then. */
async function ahead(lines: readonly string[], count: number, pull = false) {
  const dockerfile = parseDockerfile(Buffer.from(`${lines.join('\n')}\n`), 'buildkit', 'Dockerfile');
  const services = world.services();
  const facts = { ...FACTS, pull };
  const collections = openAhead(services, { dockerfile, options, facts });
  if (count > 0) await vi.waitFor(() => expect(world.registry.log.length).toBe(count));
  const asked = world.registry.log.map(({ method, repository }) => `${method} ${repository}`).sort();
  const whole = { ...options, buildPlatform: 'linux/amd64' };
  const targetPlatforms = ['linux/amd64'];
  const go = () =>
    discoverBases(services, facts, { dockerfile, collections, options: whole, targetPlatforms });
  return { asked, services, go };
}

const trustRequests = () => world.requests().filter((line) => line.endsWith('_trust'));

describe('design 7: trust data is asked for ahead', () => {
  test('each repository once, and whoever decides asks no second time', async () => {
    const { digest } = await world.signed('acme/a:1');
    await world.signed('acme/b:1');
    const { asked, services, go } = await ahead(['FROM acme/a:1', 'COPY --from=acme/b:1 /b /b'], 2);
    expect(asked).toEqual(['GET acme/a', 'GET acme/b']);
    expect(services.about).toBeUndefined();
    expect((await go())[0]).toMatchObject({ digest });
    expect(trustRequests().length).toBe(2);
  });

  test('not for what one platform alone names, nor for a digest', async () => {
    const { digest } = world.image('acme/named', '1');
    for (const name of ['acme/amd64:1', 'acme/both:1']) await world.signed(name);
    const lines = ['ARG TARGETARCH', 'FROM acme/both:1', `COPY --from=acme/named@${digest} / /`];
    const { asked } = await ahead([...lines, 'FROM acme/$TARGETARCH:1', 'COPY --from=0 / /'], 1);
    expect(asked).toEqual(['GET acme/both']);
  });

  test('not for an image of the engine that is in the ledger, unless it is to be pulled', async () => {
    await world.held(ID, ['mine:dev'], 'built');
    await world.signed('acme/a:1');
    const { asked, go } = await ahead(['FROM mine:dev', 'COPY --from=acme/a:1 / /'], 1);
    expect(asked).toEqual(['GET acme/a']);
    expect(await go()).toMatchObject([{ localImageId: ID }, {}]);
    expect(trustRequests()).toEqual(['GET acme/a manifests/_trust']);
    expect((await ahead(['FROM mine:dev'], 1, true)).asked).toEqual(['GET library/mine']);
  });

  test('a failure is the one that is refused with, and is not asked for again', async () => {
    world.registry.faults.push({ when: () => true, fault: { status: 403 } });
    const { go } = await ahead(['FROM acme/a:1'], 1);
    await expect(go()).rejects.toMatchObject({
      code: 'REGISTRY_DENIED',
      message: expect.stringMatching(/^Dockerfile:1 FROM acme\/a:1: /),
    });
    expect(trustRequests().length).toBe(1);
  });

  test('a Dockerfile that names nothing readable asks nothing', async () => {
    const { go } = await ahead(['FROM acme/$NOTHING:'], 0);
    await expect(go()).rejects.toMatchObject({ name: 'UsageError' });
    expect(world.requests()).toEqual([]);
  });
});
