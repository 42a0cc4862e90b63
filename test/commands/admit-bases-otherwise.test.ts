/** Images of a build that are let through without a signature: of the ledger, by an exception, by a person's word. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DtrustError } from '../../src/lib/errors.ts';
import { noTerminal } from '../keys/helpers.ts';
import { type BaseWorld, openBaseWorld } from './base-world.ts';

const ID = `sha256:${'3f1a'.repeat(16)}`;
const OTHER = `sha256:${'beef'.repeat(16)}`;

let world: BaseWorld;

beforeAll(async () => {
  world = await openBaseWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

async function refusal(work: Promise<unknown>): Promise<DtrustError> {
  return await work.then(
    () => expect.unreachable('it was admitted'),
    (error: DtrustError) => error,
  );
}

describe('the ledger: an image that comes from here may be built on, by its full ID', () => {
  test.each(['accepted', 'committed', 'built'] as const)(
    '%s: no registry is asked, and it is said',
    async (why) => {
      await world.held(ID, ['mine:dev'], why, { Config: { OnBuild: ['RUN make'] } });
      const uses = [{ text: 'mine:dev', triggers: true }, 'docker.io/library/mine:dev'];
      const [base, again] = await world.admit(uses);
      expect(base).toMatchObject({ localImageId: ID, admission: { why: 'local' }, onBuild: ['RUN make'] });
      expect(base?.digest).toBeUndefined();
      expect(again).toMatchObject({ localImageId: ID, onBuild: [] });
      expect(world.requests()).toEqual([]);
      expect(world.said).toBe(`dtrust: mine:dev is ${ID}, ${why} here; no signature was asked for\n`);
    },
  );

  test.each(['verified', 'named', 'allowed', undefined] as const)(
    'a name on the engine is nothing by itself: %s',
    async (why) => {
      // Somebody's entry that may be used, so that the engine is asked at all.
      await world.held(OTHER, ['other:1'], 'accepted');
      await world.held(ID, ['mine:dev'], why);
      expect((await refusal(world.admit(['mine:dev']))).code).toBe('NO_TRUST_DATA');
    },
  );

  test('an entry for another engine, or a name that has moved to another image, does not count', async () => {
    await world.held(ID, ['mine:dev'], 'accepted', { engine: 'ANOTHER:ENGINE' });
    expect((await refusal(world.admit(['mine:dev']))).code).toBe('NO_TRUST_DATA');
    await world.held(ID, ['mine:dev'], 'accepted');
    expect(await world.admit(['mine:dev'])).toMatchObject([{ localImageId: ID }]);
    await world.held(OTHER, ['mine:dev']);
    expect((await refusal(world.admit(['mine:dev']))).code).toBe('NO_TRUST_DATA');
  });

  test('with --pull, or for another platform, docker asks the registry, and so does dtrust', async () => {
    await world.held(ID, ['mine:dev'], 'accepted');
    const arm = { text: 'mine:dev', platform: 'linux/arm64' };
    expect((await refusal(world.admit(['mine:dev'], { pull: true }))).code).toBe('NO_TRUST_DATA');
    expect((await refusal(world.admit([arm]))).code).toBe('NO_TRUST_DATA');
    expect((await world.admit([{ text: 'mine:dev', platform: 'linux/386' }]).catch((e) => e)).code).toBe(
      'NO_TRUST_DATA',
    );
    expect(await world.admit([{ text: 'mine:dev', platform: 'linux/x86_64' }])).toMatchObject([
      { localImageId: ID },
    ]);
  });

  test('a builder that cannot see it: LOCAL_BASE names both ways on; what is signed is used', async () => {
    await world.held(ID, ['mine:dev', 'acme/app:1'], 'accepted');
    const error = await refusal(world.admit(['mine:dev'], { engineIsBuilder: false }));
    expect(error).toMatchObject({ code: 'LOCAL_BASE', reference: 'docker.io/library/mine:dev', found: ID });
    expect(error.message).toMatch(/^Dockerfile:1 FROM mine:dev: /);
    expect(error.hints).toEqual([
      'Push it signed: dtrust push mine:dev',
      "Or build with the engine's own builder: --builder default",
    ]);
    const { digest } = await world.signed('acme/app:1');
    expect(await world.admit(['acme/app:1'], { engineIsBuilder: false })).toMatchObject([{ digest }]);
  });

  test('without such entries the engine is not asked', async () => {
    await world.held(ID, ['mine:dev'], 'verified');
    await refusal(world.admit(['mine:dev']));
    expect(world.engineAsked()).toEqual([]);
  });
});

describe('design 6: short IDs are read as the builder reads them', () => {
  test('BuildKit takes 3f1a for a name, whatever the engine holds', async () => {
    await world.held(ID, [], 'accepted');
    const { digest } = await world.signed('3f1a');
    expect(await world.admit(['3f1a'])).toMatchObject([
      { digest, reference: { canonical: 'docker.io/library/3f1a:latest' } },
    ]);
    expect((await refusal(world.admit(['3f1a'.repeat(16)]))).code).toBe('REFERENCE_INVALID');
  });

  test('classic takes it for the ID of what the engine holds, which somebody has to vouch for', async () => {
    await world.held(ID, [], 'accepted', { Config: { OnBuild: ['RUN a'] } });
    const short = { text: '3f1a', triggers: true };
    const [base] = await world.admit([short], { grammar: 'classic' });
    expect(base).toMatchObject({ localImageId: ID, admission: { why: 'local' }, onBuild: ['RUN a'] });
    expect(base?.reference).toBeUndefined();
    await world.held(OTHER, []);
    const error = await refusal(world.admit([OTHER, 'beef'], { grammar: 'classic' }));
    expect(error.code).toBe('IMAGE_UNVERIFIED');
    expect(error.message).toContain('Dockerfile:2 FROM beef: ');
  });

  test('protocol 7.3: by its ID too, what was checked a moment ago does not do', async () => {
    const signed = await world.signed('acme/app:1');
    await world.held(ID, ['acme/app:1'], undefined, { RepoDigests: [`acme/app@${signed.digest}`] });
    const byId = () => world.admit(['3f1a3f1a'], { grammar: 'classic' });
    expect(await byId()).toMatchObject([{ localImageId: ID, admission: { why: 'verified' } }]);
    world.registry.faults.push({ when: () => true, fault: { status: 503 } });
    expect((await refusal(byId())).code).toBe('IMAGE_UNVERIFIED');
  });

  test('classic finds a name where the engine has no such ID', async () => {
    const { digest } = await world.signed('cafe');
    expect(await world.admit(['cafe'], { grammar: 'classic' })).toMatchObject([{ digest }]);
  });
});

describe('contract (Terminal): an exception is for exactly its digest, and is said whenever it is used', () => {
  test('the tag that stands for it now passes, whatever the engine has under the name', async () => {
    const { digest } = world.image('upstream/base', '1');
    const until = await world.allow('upstream/base', digest);
    await world.held(OTHER, ['upstream/base:1']);
    const [base] = await world.admit(['upstream/base:1'], { quiet: true });
    expect(base).toMatchObject({ digest, admission: { why: 'allowed' } });
    expect(world.said).toBe(
      `dtrust: upstream/base:1 is not signed; ${digest} is allowed until ${until}: nobody signs it\n`,
    );
    expect(world.engineAsked()).toEqual([]);
  });

  test('other bytes under the tag, another repository, and a repository with trust data do not', async () => {
    const { digest } = world.image('upstream/base', '1');
    world.image('upstream/copy', '1');
    await world.allow('upstream/base', digest);
    world.image('upstream/base', '1', ['RUN other']);
    const error = await refusal(world.admit(['upstream/base:1', 'upstream/copy:1']));
    expect(error.message.match(/NO_TRUST_DATA/g)?.length).toBe(2);
    const allowed = world.image('acme/app', '2');
    await world.sign('acme/app', { 1: world.image('acme/app', '1') });
    await world.allow('acme/app', allowed.digest);
    expect((await refusal(world.admit(['acme/app:2']))).code).toBe('TARGET_NOT_SIGNED');
  });
});

describe('protocol 6.4: first uses are asked about one after the other, in the order of the Dockerfile', () => {
  /** A terminal where each question must be over before the next begins. */
  function asking(answers: readonly boolean[]): readonly string[] {
    const seen: string[] = [];
    let open = 0;
    let at = 0;
    world.terminal = {
      ...noTerminal,
      canPrompt: () => true,
      say: (text) => {
        expect(open).toBe(0);
        seen.push(text.split('\n')[0] ?? '');
      },
      askYesNo: async (question) => {
        open += 1;
        await new Promise(setImmediate);
        open -= 1;
        seen.push(question);
        return answers[at++] ?? expect.unreachable('asked once too often');
      },
    };
    return seen;
  }
  const questions = (seen: readonly string[]) => seen.filter((line) => line.startsWith('Trust this key'));

  test('each repository once, and the answers are remembered', async () => {
    const names = ['acme/c:1', 'acme/a:1', 'acme/b:1'];
    for (const name of names) await world.signed(name, [], false);
    const seen = asking([true, true, true]);
    const uses = [...names, 'acme/c:1', { text: 'acme/c:1', platform: 'linux/arm64' }];
    expect((await world.admit(uses)).length).toBe(5);
    expect(questions(seen)).toEqual(
      ['c', 'a', 'b'].map((each) => `Trust this key for docker.io/acme/${each}? [y/N] `),
    );
    // What belongs to a question stands right above it.
    const above = seen.slice(0, seen.indexOf(questions(seen)[0] ?? ''));
    expect(above[0]).toContain('docker.io/acme/c');
    expect(above.join()).not.toContain('acme/a');
    asking([]);
    expect((await world.admit(uses)).length).toBe(5);
  });

  test('a no ends the questions, and nothing is built', async () => {
    for (const name of ['acme/a:1', 'acme/b:1']) await world.signed(name, [], false);
    const seen = asking([false]);
    const error = await refusal(world.admit(['acme/a:1', 'acme/b:1']));
    expect(error.code).toBe('FIRST_USE_DECLINED');
    expect(error.message).toContain(
      'Dockerfile:2 FROM acme/b:1: first use of docker.io/acme/b: you are asked',
    );
    expect(questions(seen).length).toBe(1);
  });

  test('nobody is asked where the build is refused anyhow', async () => {
    await world.signed('acme/a:1', [], false);
    const seen = asking([]);
    const error = await refusal(world.admit(['acme/a:1', 'acme/nobody:1']));
    expect(error.code).toBe('FIRST_USE_REFUSED');
    expect(error.message).toContain('(NO_TRUST_DATA)');
    expect(seen).toEqual([]);
  });

  test('without a terminal they are refused, and the key received is not shown', async () => {
    for (const name of ['acme/a:1', 'acme/b:1']) await world.signed(name, [], false);
    const error = await refusal(world.admit(['acme/a:1', 'acme/b:1']));
    expect(error.code).toBe('FIRST_USE_REFUSED');
    expect(`${error.message}${error.hints.join()}`).not.toMatch(/[0-9a-f]{64}/);
    expect(error.hints).toContain('dtrust trust pin add docker.io/acme/b <KEYID>');
  });

  test('a digest with a tag asks nobody', async () => {
    const { digest } = await world.signed('acme/a:1', [], false);
    const seen = asking([]);
    expect(await world.admit([`acme/a:1@${digest}`])).toMatchObject([{ digest }]);
    expect(seen).toEqual([]);
  });
});
