/** The images that a build names: which are let through, what is asked for that, and how all others are refused. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AdmittedBase } from '../../src/commands/admit-bases.ts';
import type { DtrustError } from '../../src/lib/errors.ts';
import { type BaseWorld, openBaseWorld } from './base-world.ts';

let world: BaseWorld;

beforeAll(async () => {
  world = await openBaseWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

const facts = ({ text, admission, digest, reference }: AdmittedBase) => ({
  text,
  why: admission.why,
  digest,
  canonical: reference?.canonical,
});

async function refusal(work: Promise<unknown>): Promise<DtrustError> {
  return await work.then(
    () => expect.unreachable('it was admitted'),
    (error: DtrustError) => error,
  );
}

const trustRequests = () => world.requests().filter((line) => line.endsWith('manifests/_trust'));

describe('design 1: a tag is the digest that is signed for it', () => {
  test('each name once, whatever its spelling, in the order of the Dockerfile', async () => {
    const nginx = await world.signed('nginx:1.27');
    const app = await world.signed('ghcr.io/acme/app:2');
    const uses = [
      'nginx:1.27',
      'ghcr.io/acme/app:2',
      'docker.io/library/nginx:1.27',
      'index.docker.io/nginx:1.27',
    ];
    const admitted = await world.admit(uses);
    const canonical = 'docker.io/library/nginx:1.27';
    expect(admitted.map(facts)).toEqual([
      { text: 'nginx:1.27', why: 'verified', digest: nginx.digest, canonical },
      { text: 'ghcr.io/acme/app:2', why: 'verified', digest: app.digest, canonical: 'ghcr.io/acme/app:2' },
      { text: uses[2], why: 'verified', digest: nginx.digest, canonical },
      { text: uses[3], why: 'verified', digest: nginx.digest, canonical },
    ]);
    expect(trustRequests().sort()).toEqual([
      'GET acme/app manifests/_trust',
      'GET library/nginx manifests/_trust',
    ]);
    // BuildKit leaves the host as it was typed, so each use keeps its own spelling.
    const spelled = await world.admit(['ghcr.io/acme/app:2', 'GHCR.io:443/acme/app:2']);
    expect(spelled.map(({ reference }) => reference?.given)).toEqual([
      'ghcr.io/acme/app:2',
      'GHCR.io:443/acme/app:2',
    ]);
    expect(world.engineAsked()).toEqual([]);
  });

  test('a tag that is not given is latest, and never what the registry serves under it', async () => {
    const signed = await world.signed('acme/app');
    world.image('acme/app', 'latest', ['RUN other']);
    const [base] = await world.admit(['acme/app']);
    expect(base?.digest).toBe(signed.digest);
  });

  test('scratch is no image, and nothing is asked for it', async () => {
    expect(await world.admit(['scratch', { text: 'scratch', by: 'COPY --from' }])).toEqual([]);
    expect(world.requests()).toEqual([]);
    // The classic builder knows it in a FROM alone.
    const error = await refusal(
      world.admit([{ text: 'scratch', by: 'COPY --from' }], { grammar: 'classic' }),
    );
    expect(error.code).toBe('NO_TRUST_DATA');
  });
});

describe('design 7: one request for each repository', () => {
  test('several tags of one: the collection is opened once, cold by GET, warm by HEAD', async () => {
    const [a, b] = [world.image('acme/app', 'a'), world.image('acme/app', 'b')];
    await world.sign('acme/app', { a, b });
    const uses = ['acme/app:a', 'acme/app:b', { text: 'acme/app:a', platform: 'linux/arm64' }];
    await world.admit(uses);
    expect(trustRequests()).toEqual(['GET acme/app manifests/_trust']);
    await world.admit(uses);
    expect(trustRequests()).toEqual(['HEAD acme/app manifests/_trust']);
  });

  test('repositories are asked side by side, at most eight at a time', async () => {
    const names = Array.from({ length: 12 }, (_, i) => `acme/app${i}:1`);
    for (const name of names) await world.signed(name);
    let now = 0;
    let most = 0;
    let release: () => void = () => undefined;
    const full = new Promise<void>((resolve) => {
      release = resolve;
    });
    world.registry.switches.before = async ({ reference }) => {
      if (reference !== '_trust') return;
      now += 1;
      most = Math.max(most, now);
      if (now === 8) release();
      if (most < 8) await full;
      await new Promise(setImmediate);
      now -= 1;
    };
    expect((await world.admit(names)).length).toBe(12);
    expect(most).toBe(8);
  });
});

describe('protocol 8: a digest names bytes', () => {
  test('it passes, is said to be named, and is no more than looked at', async () => {
    const { digest } = world.image('acme/app', '1');
    const [base] = await world.admit([`acme/app@${digest}`]);
    expect(base).toMatchObject({ digest, admission: { why: 'named' } });
    expect(world.said).toContain(
      `acme/app@${digest} is used as named by its digest; no signature was asked for\n`,
    );
    expect(world.requests()).toEqual([]);
    world.said = '';
    await world.admit([`acme/app@${digest}`], { quiet: true });
    expect(world.said).toBe('');
  });

  test('with a tag that is signed for something else, that is said in one line', async () => {
    const signed = await world.signed('acme/app:1');
    const { digest } = world.image('acme/app', '1', ['RUN other']);
    const [base] = await world.admit([`acme/app:1@${digest}`], { quiet: true });
    expect(base?.digest).toBe(digest);
    expect(world.said).toBe(
      `dtrust: warning: acme/app:1 is signed for ${signed.digest}, not for ${digest}\n`,
    );
    expect(trustRequests()).toEqual(['GET acme/app manifests/_trust']);
  });
});

describe('design 6: one refusal names every image that may not be used, with file and line', () => {
  test('all are listed, the code is that of the first, each hint stands once', async () => {
    await world.signed('acme/good:1');
    await world.signed('acme/good2:1');
    const { digest } = world.image('acme/nobody', '1');
    const uses = [
      'acme/good:1',
      'acme/good2:missing',
      'acme/nobody:1',
      { text: 'UPPER', by: 'COPY --from' },
      'acme/nobody:1',
      'acme/good:_trust',
      { text: 'acme/good:1', platform: 'a/b/c/d' },
      { text: 'acme/good2:cache', where: '--cache-from', by: '--cache-from' },
    ];
    const error = await refusal(world.admit(uses));
    expect(error.code).toBe('TARGET_NOT_SIGNED');
    const lines = error.message.split('\n');
    expect(lines.map((line) => line.replace(/: .*/, ''))).toEqual([
      'Dockerfile:2 FROM acme/good2:missing',
      'Dockerfile:3 FROM acme/nobody:1',
      'Dockerfile:4 COPY --from=UPPER',
      'Dockerfile:5 FROM acme/nobody:1',
      'Dockerfile:6 FROM acme/good:_trust',
      'Dockerfile:7 FROM acme/good:1 (a/b/c/d)',
      '--cache-from acme/good2:cache',
      '7 of the 8 images that this build names are refused',
    ]);
    for (const code of ['NO_TRUST_DATA', 'REFERENCE_INVALID', 'TAG_RESERVED', 'PLATFORM_INVALID']) {
      expect(error.message).toContain(`(${code})`);
    }
    expect(new Set(error.hints).size).toBe(error.hints.length);
    expect(error.hints).toContain(
      `if nobody signs acme/nobody, make an exception for exactly these bytes: dtrust trust allow acme/nobody@${digest} --reason TEXT --until YYYY-MM-DD`,
    );
    expect(world.engineAsked()).toEqual([]);
  });

  test('one alone is one line', async () => {
    const error = await refusal(world.admit(['acme/nobody:1']));
    expect(error.message).toBe(
      'Dockerfile:1 FROM acme/nobody:1: no trust data for docker.io/acme/nobody in registry docker.io/acme/nobody',
    );
    expect(error.hints[0]).toBe('the registry has no acme/nobody:1 either');
  });

  test('what an author writes cannot draw on the terminal', async () => {
    const error = await refusal(world.admit([{ text: 'a\u001b[2Jb', where: 'x\nDockerfile:1' }]));
    expect(error.message).not.toMatch(/[\u001b\n]/);
  });

  test('a build that names more images than anybody means is refused before anything is asked', async () => {
    const error = await refusal(world.admit(Array.from({ length: 3000 }, (_, i) => `acme/app${i}`)));
    expect(error).toMatchObject({ code: 'DOCKERFILE_INVALID' });
    expect(error.message).toContain('Dockerfile:201: more than 200 different images');
    expect(world.requests()).toEqual([]);
    await world.signed('acme/one:1');
    expect((await world.admit(Array.from({ length: 3000 }, () => 'acme/one:1'))).length).toBe(3000);
  });
});

describe('protocol 7.3: a build needs a source that answers', () => {
  test('what was checked a moment ago does not do', async () => {
    await world.signed('acme/app:1');
    await world.admit(['acme/app:1']);
    world.registry.faults.push({ when: () => true, fault: { status: 503 } });
    const error = await refusal(world.admit(['acme/app:1']));
    expect(error.code).toBe('REGISTRY_UNAVAILABLE');
    expect(error.message).toMatch(/^Dockerfile:1 FROM acme\/app:1: /);
  });
});
