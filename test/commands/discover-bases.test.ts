/** From a Dockerfile to everything that its build takes, ONBUILD included. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BuilderFacts } from '../../src/commands/admit-bases.ts';
import { type Discovery, discoverBases } from '../../src/commands/discover-bases.ts';
import type { ImageUse, ImageUsesOptions } from '../../src/dockerfile/image-use.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import type { DtrustError } from '../../src/lib/errors.ts';
import { type BaseWorld, FACTS, openBaseWorld } from './base-world.ts';

let world: BaseWorld;

beforeAll(async () => {
  world = await openBaseWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

type More = Partial<Omit<Discovery, 'options' | 'dockerfile'>> & {
  readonly options?: Partial<Discovery['options']>;
  readonly facts?: Partial<BuilderFacts>;
  readonly uses?: (dockerfile: unknown, options: ImageUsesOptions) => readonly ImageUse[];
};

function discover(lines: readonly string[], { options, facts, uses, ...more }: More = {}) {
  const whole = { ...FACTS, ...facts };
  const dockerfile = parseDockerfile(Buffer.from(`${lines.join('\n')}\n`), whole.grammar, 'Dockerfile');
  const none = { buildArgs: new Map(), buildPlatform: 'linux/amd64', namedContexts: new Set<string>() };
  const discovery = {
    dockerfile,
    targetPlatforms: ['linux/amd64'],
    ...more,
    options: { ...none, ...options },
  };
  return discoverBases(world.services(), whole, discovery, uses);
}

const shown = (bases: Awaited<ReturnType<typeof discover>>) =>
  bases.map(({ where, by, text }) => `${where} ${by} ${text}`);

async function refusal(work: Promise<unknown>): Promise<DtrustError> {
  return await work.then(
    () => expect.unreachable('it was admitted'),
    (error: DtrustError) => error,
  );
}

describe('design 6: references come from all of the Dockerfile', () => {
  test('stages, copies and the front end, each decided on once', async () => {
    for (const name of ['docker/dockerfile:1', 'golang:1', 'alpine:3', 'busybox:1']) await world.signed(name);
    const bases = await discover([
      '# syntax=docker/dockerfile:1',
      'FROM golang:1 AS build',
      'FROM build AS test',
      'FROM alpine:3',
      'COPY --from=build /a /a',
      'COPY --from=busybox:1 /b /b',
      'COPY --from=test /c /c',
    ]);
    expect(shown(bases).sort()).toEqual([
      'Dockerfile:1 syntax docker/dockerfile:1',
      'Dockerfile:2 FROM golang:1',
      'Dockerfile:4 FROM alpine:3',
      'Dockerfile:6 COPY --from busybox:1',
    ]);
  });

  test('nothing but scratch: nothing is asked', async () => {
    expect(await discover(['FROM scratch', 'COPY a /a'])).toEqual([]);
    expect(world.requests()).toEqual([]);
  });

  test('what comes in beside the file is in the same list, and in the same refusal', async () => {
    const generator = { text: 'acme/sbom:1', where: '--sbom', by: 'generator' };
    const error = await refusal(discover(['FROM acme/base:1'], { others: [generator] }));
    expect(error.message).toMatch(/^--sbom generator acme\/sbom:1: .*\n {0}Dockerfile:1 FROM acme\/base:1: /);
  });
});

describe.each(['buildkit', 'classic'] as const)('design 6: ONBUILD of a base (%s)', (grammar) => {
  const facts = { grammar };

  test('names images that are decided on as well', async () => {
    await world.signed('acme/base:1', ['COPY --from=acme/tools:1 /t /t', 'RUN x']);
    const tools = await world.signed('acme/tools:1');
    const bases = await discover(['FROM acme/base:1'], { facts });
    expect(shown(bases)).toEqual([
      'Dockerfile:1 FROM acme/base:1',
      'Dockerfile:1 ONBUILD COPY --from acme/tools:1',
    ]);
    expect(bases[1]?.digest).toBe(tools.digest);
    expect(bases[0]?.onBuild).toEqual(['COPY --from=acme/tools:1 /t /t', 'RUN x']);
  });

  test('is refused where it names what is not signed', async () => {
    await world.signed('acme/base:1', ['COPY --from=acme/evil:1 / /']);
    world.image('acme/evil', '1');
    const error = await refusal(discover(['FROM acme/base:1'], { facts }));
    expect(error.code).toBe('NO_TRUST_DATA');
    expect(error.message).toMatch(/^Dockerfile:1 ONBUILD COPY --from=acme\/evil:1: /);
  });

  test('is read for what is built upon alone, and its bases are opened once', async () => {
    await world.signed('acme/base:1');
    await world.signed('acme/tools:1', ['COPY --from=acme/evil:1 / /']);
    const bases = await discover(['FROM acme/base:1', 'COPY --from=acme/tools:1 /t /t'], { facts });
    expect(bases.length).toBe(2);
    const requests = world.requests();
    expect(requests.filter((line) => line.endsWith('_trust')).length).toBe(2);
    expect(requests.filter((line) => line.includes(' blobs/')).length).toBe(1);
    expect(new Set(requests).size).toBe(requests.length);
  });

  test('of an image of the engine is what the engine says', async () => {
    const id = `sha256:${'ab'.repeat(32)}`;
    await world.held(id, ['mine:1'], 'built', { Config: { OnBuild: ['COPY --from=acme/evil:1 / /'] } });
    const error = await refusal(discover(['FROM mine:1'], { facts }));
    expect(error.message).toMatch(/^Dockerfile:1 ONBUILD COPY --from=acme\/evil:1: /);
  });

  test('that is no instruction is refused at its FROM', async () => {
    await world.signed('acme/base:1', ['FROM acme/evil:1']);
    expect(await refusal(discover(['FROM acme/base:1'], { facts }))).toMatchObject({
      code: 'DOCKERFILE_INVALID',
      message: expect.stringContaining('Dockerfile:1'),
    });
  });

  test('that would go on for ever ends', async () => {
    let next = 0;
    const uses = (_: unknown, { triggersOf }: ImageUsesOptions): readonly ImageUse[] =>
      Array.from({ length: triggersOf.size + 1 }, (_each, i) => ({
        text: `acme/chain${i}:1`,
        line: 1,
        by: 'FROM' as const,
        triggers: true,
      }));
    for (; next < 11; next += 1)
      await world.signed(`acme/chain${next}:1`, [`COPY --from=acme/chain${next + 1}:1 / /`]);
    const error = await refusal(discover(['FROM acme/chain0:1'], { facts, uses }));
    expect(error).toMatchObject({ code: 'DOCKERFILE_INVALID' });
    expect(error.message).toContain('without end');
  });
});

describe('design 6: a build for several platforms', () => {
  test('reads the ONBUILD of each, and asks for the collection once', async () => {
    const amd64 = world.image('acme/base', 'amd64', ['COPY --from=acme/a:1 / /']);
    const arm64 = world.image('acme/base', 'arm64', ['COPY --from=acme/b:1 / /']);
    const both = world.index('acme/base', '1', { 'linux/amd64': amd64, 'linux/arm64': arm64 });
    await world.sign('acme/base', { 1: both });
    await world.signed('acme/a:1');
    await world.signed('acme/b:1');
    const targetPlatforms = ['linux/amd64', 'linux/arm64'];
    const bases = await discover(['FROM acme/base:1'], { targetPlatforms });
    expect(bases.map(({ text, targetPlatform }) => `${text} ${targetPlatform}`)).toEqual([
      'acme/base:1 linux/amd64',
      'acme/a:1 linux/amd64',
      'acme/base:1 linux/arm64',
      'acme/b:1 linux/arm64',
    ]);
    expect(new Set(bases.filter(({ text }) => text === 'acme/base:1').map(({ digest }) => digest))).toEqual(
      new Set([both.digest]),
    );
    expect(world.requests().filter((line) => line.endsWith('_trust')).length).toBe(3);
  });

  test('a named context that is an image brings its ONBUILD where a FROM takes it', async () => {
    await world.signed('acme/real:1', ['COPY --from=acme/evil:1 / /']);
    const contexts = new Map([['base', { text: 'acme/real:1', where: '--build-context base', by: 'image' }]]);
    const options = { namedContexts: new Set(['base']) };
    const error = await refusal(discover(['FROM base'], { contexts, options }));
    expect(error.message).toMatch(/^Dockerfile:1 ONBUILD COPY --from=acme\/evil:1: /);
  });
});
