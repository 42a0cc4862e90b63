/**
 * What is signed after a build: by the digest that its producer named, confirmed in the registry, all tags of a repository
 * in one publish; and what stops the build before it begins.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Services } from '../../src/commands/services.ts';
import { prepareSignAfterBuild } from '../../src/commands/sign-after-build.ts';
import { type OutputFlags, readOutputs } from '../../src/enforce/build/outputs.ts';
import { DtrustError, KeyError, NetworkError, RegistryError, TrustError } from '../../src/lib/errors.ts';
import { startFakeEngine } from '../helpers/fake-engine.ts';
import { type Begun, type CommandWorld, openWorld } from './command-world.ts';

let world: CommandWorld;
let home: string;
let app: Begun;
let other: Begun;

beforeAll(async () => {
  world = await openWorld();
  home = world.home();
  app = await world.begin(home, 'app');
  other = await world.begin(home, 'other', [], app.root);
});
afterAll(() => world.close());

interface Build {
  readonly tags: readonly string[];
  readonly metadata?: object | undefined;
  readonly engineBuilder?: boolean;
  readonly quiet?: boolean;
  readonly flags?: Partial<OutputFlags>;
  readonly env?: Readonly<Record<string, string>>;
  readonly home?: string;
  /** Happens when all is prepared. */
  readonly built?: () => void;
}

/** A build with these tags and --push; `built` says whether it has begun. */
async function build({ tags, metadata, quiet = false, flags = {}, env = {}, ...rest }: Build) {
  let begun = false;
  let signs = false;
  const outcome = await world.act(rest.home ?? home, ['ps'], { env }, async (context) => {
    const services = new Services(context);
    try {
      const outputs = readOutputs({ tags, outputs: [], push: true, load: false, ...flags });
      const signing = await prepareSignAfterBuild(services, outputs, { quiet });
      begun = true;
      signs = signing !== undefined;
      rest.built?.();
      const bytes = metadata === undefined ? undefined : Buffer.from(JSON.stringify(metadata));
      await signing?.sign(bytes, { engineBuilder: rest.engineBuilder ?? true });
    } finally {
      await services.close();
    }
  });
  return { ...outcome, begun, signs };
}

const described = (digest: string, tagged = digest) => ({
  'containerimage.descriptor': { digest },
  'containerimage.digest': tagged,
});

function image(repository: string, tag: string, text: string) {
  const { digest, bytes } = world.registry.putImage(repository, tag, text);
  const { config } = JSON.parse(Buffer.from(bytes).toString()) as { config: { digest: string } };
  return { digest, config: config.digest };
}

async function signed(begun: Begun, tag: string): Promise<string | undefined> {
  const targets = await (await world.open(begun)).listTargets('passed-over');
  return targets.find(({ path }) => path === `${begun.name}:${tag}`)?.sha256;
}

function hintsOf(error: unknown): readonly string[] {
  return error instanceof DtrustError ? error.hints : [];
}

describe('protocol 5.1: what a build has pushed is signed by the digest of its producer', () => {
  test('all tags of a repository in one publish, with the lines of a push on stderr', async () => {
    const { digest } = image('app', 'a', 'one');
    image('app', 'b', 'one');
    world.registry.log.length = 0;
    const run = await build({ tags: [`${app.name}:a`, `${app.name}:b`], metadata: described(digest) });
    expect(run).toMatchObject({ error: undefined, out: '' });
    expect(run.err).toBe(
      `Signing and pushing trust metadata\nSuccessfully signed ${app.name}:a\nSuccessfully signed ${app.name}:b\n`,
    );
    expect([await signed(app, 'a'), await signed(app, 'b')]).toEqual([digest, digest]);
    const requests = world.registry.requests(
      ({ method, reference }) => method === 'PUT' && reference === '_trust',
    );
    expect(requests).toEqual(['PUT manifests/_trust']);
    const read = world.registry.requests(
      ({ method, reference }) => method === 'GET' && /^[ab]$/.test(reference),
    );
    expect(read).toEqual([]);
  });

  test('with -q nothing is said', async () => {
    const { digest } = image('app', 'quiet', 'quiet');
    const run = await build({ tags: [`${app.name}:quiet`], metadata: described(digest), quiet: true });
    expect(run).toMatchObject({ error: undefined, out: '', err: '' });
    expect(await signed(app, 'quiet')).toBe(digest);
  });

  test('an index as the index', async () => {
    const { digest, bytes, mediaType } = world.registry.putImage('app', 'amd64', 'of an index');
    const manifests = [
      { mediaType, digest, size: bytes.length, platform: { os: 'linux', architecture: 'amd64' } },
    ];
    const type = 'application/vnd.oci.image.index.v1+json';
    const text = JSON.stringify({ schemaVersion: 2, mediaType: type, manifests });
    const index = world.registry.putManifest('app', 'index', text, type);
    await build({ tags: [`${app.name}:index`], metadata: described(index), engineBuilder: false });
    expect(await signed(app, 'index')).toBe(index);
  });

  test('a tag that was moved since is worth a warning, and nothing else', async () => {
    const { digest } = image('app', 'moved', 'mine');
    const moved = image('app', 'moved', 'of somebody else');
    const run = await build({ tags: [`${app.name}:moved`], metadata: described(digest, moved.digest) });
    expect(run.err).toContain(`points at ${moved.digest} already`);
    expect(await signed(app, 'moved')).toBe(digest);
  });

  test('on the classic store, what buildx has from the tag counts with the configuration that was built', async () => {
    const mine = image('app', 'classic', 'mine');
    const metadata = { 'containerimage.digest': mine.digest, 'containerimage.config.digest': mine.config };
    expect((await build({ tags: [`${app.name}:classic`], metadata })).error).toBeUndefined();
    expect(await signed(app, 'classic')).toBe(mine.digest);
    const evil = image('app', 'classic', 'of somebody else');
    const raced = { ...metadata, 'containerimage.digest': evil.digest };
    const run = await build({ tags: [`${app.name}:classic`], metadata: raced });
    expect(run.error).toBeInstanceOf(TrustError);
    expect(run.error).toMatchObject({ code: 'DIGEST_UNCONFIRMED', spec: 'protocol 5.1' });
    expect(await signed(app, 'classic')).toBe(mine.digest);
    expect(hintsOf(run.error)).toEqual([
      expect.stringContaining(`dtrust trust sign ${app.name}:classic@sha256:DIGEST`),
    ]);
  });

  test('on the classic store, another registry may have the image under another digest: the engine knows it', async () => {
    const mine = image('app', 'twice', 'twice');
    const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: mine.config, size: 1 };
    const type = 'application/vnd.oci.image.manifest.v1+json';
    const text = JSON.stringify({ schemaVersion: 2, mediaType: type, config, layers: [] });
    const there = world.registry.putManifest('other', 'twice', text, type);
    const engine = await startFakeEngine({});
    engine.images.set(mine.config, {
      Id: mine.config,
      RepoTags: [],
      RepoDigests: [`${app.name}@${mine.digest}`, `${other.name}@${there}`],
    });
    const metadata = { 'containerimage.digest': mine.digest, 'containerimage.config.digest': mine.config };
    const tags = [`${app.name}:twice`, `${other.name}:twice`];
    const run = await build({ tags, metadata, env: { DOCKER_HOST: engine.host } });
    await engine.stop();
    expect(run.error).toBeUndefined();
    const scoped = { ...other, name: other.name };
    expect([await signed(app, 'twice'), await signed(scoped, 'twice')]).toEqual([mine.digest, there]);
  });

  test.each<[string, object | undefined]>([
    ['no metadata file', undefined],
    ['a metadata file without a digest', {}],
    ['a digest that the registry does not have', described(`sha256:${'0'.repeat(64)}`)],
  ])('%s signs nothing, and says what is in the registry', async (_, metadata) => {
    image('app', 'none', 'none');
    const before = world.tag('app');
    const run = await build({ tags: [`${app.name}:none`], metadata });
    expect(run.error).toMatchObject({ code: 'DIGEST_UNCONFIRMED' });
    expect(hintsOf(run.error)).toEqual([
      expect.stringMatching(/in the registry but not signed.*dtrust trust sign .*:none@sha256:DIGEST$/),
    ]);
    expect(world.tag('app')).toBe(before);
  });

  test('where one of two repositories fails the other is signed, and the line for the rest is exact', async () => {
    const { digest } = image('app', 'both', 'both');
    image('other', 'both', 'both');
    const fails = () =>
      world.registry.faults.push({
        when: ({ method, repository }) => method === 'PUT' && repository === 'app',
        fault: { status: 403, code: 'DENIED' },
        times: 1_000,
      });
    const tags = [`${app.name}:both`, `${other.name}:both`];
    const run = await build({ tags, metadata: described(digest), built: fails });
    world.registry.faults.length = 0;
    expect(run.error).toBeInstanceOf(RegistryError);
    expect(run.err).toContain(`cannot sign ${app.name}: `);
    expect(await signed(other, 'both')).toBe(digest);
    expect(await signed(app, 'both')).toBeUndefined();
    const lines = hintsOf(run.error).filter((line) => line.includes('not signed'));
    expect(lines).toEqual([
      `The image is in the registry but not signed; once this is mended: dtrust trust sign ${app.name}:both@${digest}`,
    ]);
  });

  test('a push by digest alone signs nothing and says so', async () => {
    const outputs = [`type=image,name=${app.name},push=true,push-by-digest=true`];
    const run = await build({ tags: [], flags: { outputs, push: false } });
    expect(run).toMatchObject({ error: undefined, begun: true, signs: false, out: '' });
    expect(run.err).toMatch(/^dtrust: .*by its digest alone.* not signed\n$/);
  });
});

describe('design 6, push: keys, passphrases, source and expiry are checked before the build begins', () => {
  const tags = () => [`${app.name}:1.0`];
  const WRONG = { DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: 'wrong' };

  async function neverBegun(
    run: Awaited<ReturnType<typeof build>>,
    type: unknown,
    code: string,
  ): Promise<void> {
    expect(run.error).toBeInstanceOf(type);
    expect(run).toMatchObject({ begun: false, error: { code } });
  }

  test('a wrong passphrase', async () => {
    await neverBegun(await build({ tags: tags(), env: WRONG }), KeyError, 'KEY_PASSPHRASE');
  });

  test('no key for one of several repositories', async () => {
    const stranger = world.home(home);
    await world.succeed(stranger, ['trust', 'inspect', other.name]);
    const third = await world.begin(world.home(), 'third');
    const pin = ['trust', 'pin', 'add', third.name, third.pin.keyIds[0] ?? ''];
    await world.succeed(stranger, pin);
    const run = await build({ home: stranger, tags: [...tags(), `${third.name}:1`] });
    await neverBegun(run, KeyError, 'KEY_MISSING');
  });

  test('a registry that is down', async () => {
    world.registry.faults.push({ when: () => true, fault: 'cut-short', times: 1_000 });
    const run = await build({ tags: tags() });
    world.registry.faults.length = 0;
    await neverBegun(run, NetworkError, 'NETWORK_BROKEN');
  });

  test('a first root key for two repositories at once', async () => {
    const tags = [`${world.name('new1')}:1`, `${world.name('new2')}:1`];
    const run = await build({ home: world.home(), tags, env: { DTRUST_INIT: '1' } });
    await neverBegun(run, KeyError, 'KEY_ROOT_MISSING');
    expect(hintsOf(run.error)).toEqual([expect.stringContaining(`dtrust trust init ${world.name('new1')}`)]);
    expect(world.tag('new1')).toBeUndefined();
  });
});
