/** `dtrust build` with BuildKit: what buildx is handed, what has been decided before, and what is kept after. */
import fs from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeTar } from '../../scripts/peers/tar.ts';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { BuildxStub, builderText, builds, ENGINE_BUILDER, runWithStdin } from './buildx-stub.ts';
import { digestOfText, type Machine, openStage, refused, type Stage, type StoredImage } from './harness.ts';

const REPO = 'acme/base';

let stage: Stage;
let docker: BuildxStub;
let original: Machine;
let machine: Machine;
let name: string;
let image: StoredImage;
let pinned: string;

const id = digestOfText('what the build makes');
const MADE = { 'containerimage.digest': id, 'containerimage.config.digest': id };

beforeAll(async () => {
  stage = await openStage();
  docker = new BuildxStub(path.join(stage.folder, 'buildx'));
  name = stage.name(REPO);
  image = stage.image(REPO, '1.0');
  pinned = `docker-image://${name}:1.0@${image.digest}`;
  const sim = new RepositorySimulator({ collection: name, nowMs: Date.now() });
  sim.putTarget(`${name}:1.0`, image);
  sim.publish();
  await stage.publish(REPO, sim.files());
  original = stage.machine({ env: { DTRUST_DOCKER: docker.program } }).pin(REPO, sim.pin());
  // The builder has been tried here before; what is about that begins without.
  docker.behave({ inspect: ENGINE_BUILDER });
  machine = original;
  await machine.succeed(['build', context(`FROM ${name}:1.0\n`)]);
  expect(kept('builders.json')).toContain('"proof":"all"');
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.calm();
  docker.behave({ inspect: ENGINE_BUILDER });
  machine = stage.machine({ like: original });
});

/** A folder in the machine's home. */
function context(dockerfile: string, file = 'Dockerfile'): string {
  const folder = path.join(machine.home, 'context');
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, file), dockerfile);
  return 'context';
}

/** The engine holds an image with this ID, as a build leaves it. */
function holds(image: string, ...tags: string[]): void {
  const held = { Id: image, RepoTags: [...tags], RepoDigests: [] };
  for (const each of [image, ...tags]) stage.engine.images.set(each, held);
}

function kept(file: string): string {
  const at = path.join(machine.config, 'trust', 'dtrust', file);
  return fs.existsSync(at) ? fs.readFileSync(at, 'utf8') : '';
}

const rulesOf = (call: ReturnType<BuildxStub['calls']>[number] | undefined) =>
  (call?.policy?.rules ?? []).map(({ action, selector, updates }) =>
    [action, selector.identifier, ...(updates === undefined ? [] : [updates.identifier])].join(' '),
  );

describe('design 3: the real docker is called', () => {
  test('for `buildx build` on the builder that was tried, the arguments as typed, under the policy', async () => {
    const folder = context(`FROM ${name}:1.0\n`);
    const run = await machine.succeed(['build', '--disable-content-trust=false', '-t', 'app:1', folder]);
    expect(run.stdout).toBe('built\n');
    const { real } = builds(docker.calls());
    expect(real).toHaveLength(1);
    const [call] = real;
    expect(call?.args.slice(0, -1)).toEqual(['buildx', 'build', '-t', 'app:1', folder, '--builder=default']);
    expect(call?.args.at(-1)).toMatch(/^--metadata-file=\/.*\/metadata\.json$/);
    expect(call?.contentTrust).toBe('0');
    expect(Object.keys(call?.variables ?? {})).toEqual(['EXPERIMENTAL_BUILDKIT_SOURCE_POLICY']);
    expect(rulesOf(call)).toEqual([
      'DENY docker-image://*',
      'DENY oci-layout://*',
      'DENY docker-image+blob://*',
      'DENY oci-layout+blob://*',
      `ALLOW docker-image://*@${image.digest}`,
      `CONVERT docker-image://${name}:1.0 ${pinned}`,
    ]);
    expect(fs.existsSync(path.dirname(call?.policyFile ?? '/'))).toBe(false);
    expect(stage.engineChanges()).toEqual([]);
  });

  test('with what it says and how it ends as its own', async () => {
    docker.behave({ inspect: ENGINE_BUILDER, status: 42, metadata: MADE });
    holds(id);
    const run = await machine.run(['build', context(`FROM ${name}:1.0\n`)]);
    expect(run).toMatchObject({
      status: 42,
      stdout: 'built\n',
      stderr: expect.stringContaining('#1 building'),
    });
    expect(kept('ledger.json')).toBe('');
  });

  test.each([[['image', 'build']], [['builder', 'build']], [['buildx', 'build']], [['buildx', 'b']]])(
    'for %j alike',
    async (command) => {
      await machine.succeed([...command, context(`FROM ${name}:1.0\n`)]);
      const { real } = builds(docker.calls());
      expect(real.map(({ args }) => args.slice(0, 4))).toEqual([
        ['buildx', 'build', 'context', '--builder=default'],
      ]);
    },
  );

  test('with global flags and flags of buildx where they stood', async () => {
    const host = `--host=${stage.engine.host}`;
    const args = [host, 'buildx', '--builder', 'default', 'build', context(`FROM ${name}:1.0\n`)];
    await machine.succeed(args, { DOCKER_HOST: undefined });
    const { real } = builds(docker.calls());
    expect(real[0]?.args.slice(0, 5)).toEqual([host, 'buildx', '--builder=default', 'build', 'context']);
  });

  test('with the file that the user wants the metadata in, written where he said', async () => {
    docker.behave({ inspect: ENGINE_BUILDER, metadata: MADE });
    holds(id);
    const args = ['build', '--metadata-file', 'meta.json', context(`FROM ${name}:1.0\n`)];
    await machine.succeed(args);
    expect(JSON.parse(fs.readFileSync(path.join(machine.home, 'meta.json'), 'utf8'))).toEqual(MADE);
  });

  test('for a check of the Dockerfile as well, which makes no image', async () => {
    holds(id);
    docker.behave({ inspect: ENGINE_BUILDER, metadata: MADE });
    for (const flag of ['--check', '--call=outline', '--print=targets']) {
      await machine.succeed(['build', flag, context(`FROM ${name}:1.0\n`)]);
      const { real } = builds(docker.calls());
      expect(real[0]?.args).toEqual(['buildx', 'build', flag, 'context', '--builder=default']);
    }
    expect(kept('ledger.json')).toBe('');
  });
});

describe('design 3: a builder is tried before anything is built on it', () => {
  beforeEach(() => fs.rmSync(path.join(machine.config, 'trust', 'dtrust', 'builders.json')));

  test('once for each builder, and again when it is another version', async () => {
    const folder = context(`FROM ${name}:1.0\n`);
    await machine.succeed(['build', folder]);
    expect(builds(docker.calls()).trials).toHaveLength(4);
    await machine.succeed(['build', folder]);
    expect(builds(docker.calls())).toMatchObject({ trials: [], real: [{}] });
    docker.behave({
      inspect: builderText({ name: 'default', driver: 'docker', endpoint: 'default', buildkit: 'v0.13.0' }),
    });
    await machine.succeed(['build', folder]);
    expect(builds(docker.calls()).trials).toHaveLength(4);
    await machine.succeed(['build', folder], { BUILDX_EXPERIMENTAL: '1' });
    expect(builds(docker.calls()).trials).toHaveLength(4);
  });

  test('without any image only what it refuses is seen; with one, the rest is tried then', async () => {
    await machine.succeed(['build', context('FROM scratch\nCOPY x /\n')]);
    expect(builds(docker.calls()).trials).toHaveLength(3);
    await machine.succeed(['build', context(`FROM ${name}:1.0\n`)]);
    expect(builds(docker.calls()).trials).toHaveLength(1);
  });

  test.each(['ignores', 'half', 'denies', 'fails'] as const)(
    'BUILDER_CANNOT_ENFORCE for one that %s: nothing is built, nothing remembered',
    async (policy) => {
      docker.behave({ inspect: ENGINE_BUILDER, policy });
      const args = ['build', context(`FROM ${name}:1.0\n`)];
      const run = await refused(machine, args, {
        code: 'BUILDER_CANNOT_ENFORCE',
        mayChange: /trust\/dtrust/,
      });
      expect(run.stderr).toContain(policy === 'half' ? 'the trial passed' : 'ERROR: ');
      expect(run.stderr).toContain('DOCKER_BUILDKIT=0');
      // Denied what was allowed: on containerd's store it may be another image under that name (an archive's).
      expect(run.stderr.includes('docker images --digests')).toBe(policy === 'denies');
      expect(builds(docker.calls()).real).toEqual([]);
      expect(kept('builders.json') === '').toBe(policy !== 'denies');
      docker.behave({ inspect: ENGINE_BUILDER, policy });
      await refused(machine, args, { code: 'BUILDER_CANNOT_ENFORCE', mayChange: /trust\/dtrust/ });
    },
  );

  test('not in a home that cannot be written to: it is tried each time', async () => {
    const folder = path.join(machine.config, 'trust', 'dtrust');
    fs.mkdirSync(path.join(folder, 'builders.json'), { recursive: true });
    for (const _ of [1, 2]) {
      await machine.succeed(['build', context(`FROM ${name}:1.0\n`)]);
      expect(builds(docker.calls()).trials).toHaveLength(4);
    }
  });

  test('several nodes are more than a trial reaches', async () => {
    docker.behave({ inspect: builderText({ name: 'm', driver: 'remote', endpoint: 'tcp://x', nodes: 2 }) });
    const args = ['buildx', 'build', context(`FROM ${name}:1.0\n`)];
    await refused(machine, args, { code: 'BUILDER_CANNOT_ENFORCE', mayChange: /trust\/dtrust/ });
    expect(builds(docker.calls())).toEqual({ trials: [], real: [] });
  });

  test('one that has to be made first is made of an image named by its digest, or not at all', async () => {
    const made = { name: 'm', driver: 'docker-container', endpoint: 'default', status: 'inactive' };
    const args = ['buildx', 'build', '--builder=m', context(`FROM ${name}:1.0\n`)];
    for (const options of [undefined, 'image="moby/buildkit:buildx-stable-1"', 'network="host"']) {
      docker.behave({ inspect: builderText({ ...made, ...(options && { options }) }) });
      await refused(machine, args, { code: 'BUILDER_CANNOT_ENFORCE', mayChange: /trust\/dtrust/ });
      expect(builds(docker.calls())).toEqual({ trials: [], real: [] });
    }
    const byDigest = `moby/buildkit@${digestOfText('buildkit')}`;
    docker.behave({ inspect: builderText({ ...made, options: `network="host" image="${byDigest}"` }) });
    const run = await machine.succeed(args);
    expect(run.stderr).toContain(`the builder m is made of ${byDigest}`);
    docker.behave({
      inspect: builderText({ ...made, driver: 'kubernetes', options: `image="${byDigest}"` }),
    });
    await refused(machine, args, { code: 'BUILDER_CANNOT_ENFORCE', mayChange: /trust\/dtrust/ });
  });

  test('a builder that there is not is said in the words of buildx', async () => {
    docker.behave({ inspect: '' });
    const run = await refused(machine, ['build', '--builder=nope', context(`FROM ${name}:1.0\n`)], {
      code: 'ENGINE_ERROR',
      mayChange: /trust\/dtrust/,
    });
    expect(run.stderr).toContain('no builder "nope" found');
    await refused(machine, ['build', '--builder=-x', 'context'], { code: 'USAGE' });
  });
});

describe('design 3: what nobody decided on', () => {
  test.each([
    ['a base', () => `FROM ${name}:2.0\n`],
    ['a file from another image', () => `FROM ${name}:1.0\nCOPY --from=${name}:2.0 /a /b\n`],
    ['a mount', () => `FROM ${name}:1.0\nRUN --mount=from=${name}:2.0,target=/x true\n`],
    ['a front end', () => `# syntax=${name}:2.0\nFROM ${name}:1.0\n`],
    ['a default of an argument', () => `ARG B=${name}:2.0\nFROM $B\n`],
  ])('is refused as %s before the builder is asked for anything', async (_, text) => {
    const run = await refused(machine, ['build', context(text())], {
      code: 'TARGET_NOT_SIGNED',
      mayChange: /trust/,
    });
    expect(run.stderr).toMatch(/Dockerfile:\d/);
    expect(builds(docker.calls())).toEqual({ trials: [], real: [] });
  });

  test.each<[string, string[], string]>([
    ['a build argument for the front end', ['--build-arg=BUILDKIT_SYNTAX=NAME:2.0'], 'TARGET_NOT_SIGNED'],
    ['a named context', ['--build-context=x=docker-image://NAME:2.0'], 'TARGET_NOT_SIGNED'],
    ['an image in a folder', ['--build-context=x=oci-layout://./x'], 'BUILD_CONTEXT_INVALID'],
    ['a cache of a tag', ['--cache-from=NAME:2.0'], 'TARGET_NOT_SIGNED'],
    ['a cache in a folder', ['--cache-from=type=local,src=x'], 'NOT_YET_ENFORCED'],
    ['a cache of a service', ['--cache-from=type=gha'], 'NOT_YET_ENFORCED'],
    ['a generator', ['--attest=type=sbom,generator=NAME:2.0'], 'TARGET_NOT_SIGNED'],
    ['an output that nobody knows', ['--output=type=moby,push=true'], 'NOT_YET_ENFORCED'],
  ])('is refused as %s', async (_, flags, code) => {
    const args = ['build', ...flags.map((flag) => flag.replace('NAME', name)), context(`FROM ${name}:1.0\n`)];
    await refused(machine, args, { code, mayChange: /trust/ });
    expect(builds(docker.calls())).toEqual({ trials: [], real: [] });
  });

  test('is all said at once', async () => {
    const text = `FROM ${name}:2.0 AS a\nFROM ${name}:3.0\nCOPY --from=a / /\n`;
    const run = await refused(machine, ['build', context(text)], {
      code: 'TARGET_NOT_SIGNED',
      mayChange: /trust/,
    });
    expect(run.stderr).toMatch(/Dockerfile:1.*2\.0[\s\S]*Dockerfile:2.*3\.0/);
  });

  test('is denied by the policy where dtrust did not find it: no rule lets it in', async () => {
    await machine.succeed(['build', context(`FROM ${name}:1.0\nRUN echo FROM ${name}:2.0\n`)]);
    const rules = rulesOf(builds(docker.calls()).real[0]);
    expect(rules.filter((rule) => !rule.startsWith('DENY'))).toHaveLength(2);
  });
});

describe('design 3: where images come from', () => {
  test('a named context, a front end and a generator get rules of their own', async () => {
    await machine.succeed([
      'build',
      `--build-context=x=docker-image://${name}:1.0`,
      `--build-arg=BUILDKIT_SYNTAX=${name}:1.0`,
      `--sbom=generator=${name}@${image.digest}`,
      context('FROM x\n'),
    ]);
    expect(rulesOf(builds(docker.calls()).real[0]).slice(4)).toEqual([
      `ALLOW docker-image://*@${image.digest}`,
      `CONVERT docker-image://${name}:1.0 ${pinned}`,
    ]);
  });

  test('a cache of a signed tag is imported by its digest', async () => {
    const given = [`--cache-from=type=registry,ref=${name}:1.0`, '--cache-from', `${name}:1.0`];
    await machine.succeed(['build', ...given, context('FROM scratch\nCOPY x /\n')]);
    const { real } = builds(docker.calls());
    const byDigest = `${name}@${image.digest}`;
    expect(real[0]?.args.slice(2, 5)).toEqual([
      `--cache-from=type=registry,ref=${byDigest}`,
      '--cache-from',
      byDigest,
    ]);
    expect(rulesOf(real[0]).filter((rule) => !rule.startsWith('DENY'))).toEqual([]);
  });

  test('a Dockerfile on stdin comes to docker byte for byte', async () => {
    const text = `FROM ${name}:1.0\n# \u00fc\r\n`;
    context('FROM nothing-of-this\n');
    for (const args of [
      ['build', '-f', '-', 'context'],
      ['build', '-'],
      ['buildx', 'build', '-f-', 'context'],
    ]) {
      const run = await runWithStdin(machine, args, text);
      expect(run, run.stderr).toMatchObject({ status: 0 });
      const { real } = builds(docker.calls());
      expect(Buffer.from(real[0]?.stdin ?? '', 'latin1').toString()).toBe(text);
      expect(rulesOf(real[0])).toContain(`CONVERT docker-image://${name}:1.0 ${pinned}`);
    }
    const refusal = await runWithStdin(machine, ['build', '-f', '-', 'context'], `FROM ${name}:2.0\n`);
    expect(refusal).toMatchObject({ status: 1, stderr: expect.stringContaining('(TARGET_NOT_SIGNED)') });
    expect(builds(docker.calls()).real).toEqual([]);
  });

  test('so does an archive, compressed or not, with the Dockerfile that -f names', async () => {
    const tar = makeTar([
      { path: 'Dockerfile', bytes: Buffer.from(`FROM ${name}:2.0\n`) },
      { path: 'sub/mine', bytes: Buffer.from(`FROM ${name}:1.0\n`) },
      { path: 'large', bytes: Buffer.alloc(700_000, 1) },
    ]);
    for (const archive of [tar, gzipSync(tar)]) {
      const run = await runWithStdin(machine, ['build', '-f', 'sub/mine', '-'], archive);
      expect(run, run.stderr).toMatchObject({ status: 0 });
      const { real } = builds(docker.calls());
      expect(Buffer.from(real[0]?.stdin ?? '', 'latin1').equals(archive)).toBe(true);
      const refusal = await runWithStdin(machine, ['build', '-'], archive);
      expect(refusal.stderr).toContain('(TARGET_NOT_SIGNED)');
    }
    expect(builds(docker.calls()).real).toEqual([]);
  });

  test.each<[string, string[], string]>([
    ['a repository that cannot be had', ['git://127.0.0.1:1/x.git'], 'BUILD_CONTEXT_INVALID'],
    ['no such folder', ['nowhere'], 'BUILD_CONTEXT_INVALID'],
    ['no such Dockerfile', ['-f', 'nowhere', 'context'], 'BUILD_CONTEXT_INVALID'],
    ['both on stdin', ['-f', '-', '-'], 'USAGE'],
    ['no Dockerfile', ['-f', 'context/empty', 'context'], 'DOCKERFILE_INVALID'],
  ])('%s is refused', async (_, args, code) => {
    context('FROM scratch\n');
    context('', 'empty');
    await refused(machine, ['build', ...args], { code });
    expect(builds(docker.calls())).toEqual({ trials: [], real: [] });
  });

  test("a user's own policy is merged, and what it allows is not", async () => {
    const file = path.join(machine.home, 'policy.json');
    const rule = (action: string, identifier: string) => ({ action, selector: { identifier } });
    fs.writeFileSync(
      file,
      JSON.stringify({
        rules: [rule('ALLOW', 'docker-image://*'), rule('DENY', 'git://*')],
      }),
    );
    const env = { EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: file };
    const run = await machine.succeed(['build', context(`FROM ${name}:1.0\n`)], env);
    expect(run.stderr).toContain('dtrust trust allow');
    const rules = rulesOf(builds(docker.calls()).real[0]);
    expect(rules.at(-1)).toBe('DENY git://*');
    expect(rules).not.toContain('ALLOW docker-image://*');
    fs.writeFileSync(file, '{');
    await refused(machine, ['build', 'context'], { code: 'USAGE', env, mayChange: /trust\/dtrust/ });
    await refused(machine, ['build', 'context'], {
      code: 'FILE_UNREADABLE',
      env: { EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: 'nowhere' },
    });
    expect(builds(docker.calls()).real).toEqual([]);
  });
});

describe('the ledger: what was built', () => {
  test('is noted by the ID that the engine holds, and may be built upon', async () => {
    docker.behave({ inspect: ENGINE_BUILDER, metadata: MADE });
    holds(id, 'app:1');
    await machine.succeed(['build', '-t', 'app:1', context(`FROM ${name}:1.0\n`)]);
    expect(kept('ledger.json')).toContain(`"image":"${id}","why":"built"`);
    docker.calls();
    stage.mark();
    await machine.succeed(['build', context('FROM app:1\n')]);
    const rules = rulesOf(builds(docker.calls()).real[0]);
    const local =
      /CONVERT docker-image:\/\/docker\.io\/library\/app:1 docker-image:\/\/(dtrust\.invalid\/local:\S+)/;
    const tag = local.exec(rules.join('\n'))?.[1] ?? '';
    expect(tag).toMatch(new RegExp(`^dtrust\\.invalid/local:${id.slice(7)}-[0-9a-f]{8}$`));
    expect(rules).toContain(`ALLOW docker-image://${tag}`);
    expect(rules).toContain(`ALLOW docker-image://${tag}@${id}`);
    expect(stage.engineChanges()).toEqual([`POST /images/${id}/tag`, `DELETE /images/${tag}`]);
    expect([...stage.engine.images.keys()].filter((each) => each.includes('dtrust.invalid'))).toEqual([]);
  });

  test('gets no name on the engine for a builder that does not obey', async () => {
    docker.behave({ inspect: ENGINE_BUILDER, metadata: MADE });
    holds(id, 'app:1');
    await machine.succeed(['build', context(`FROM ${name}:1.0\n`)]);
    fs.rmSync(path.join(machine.config, 'trust', 'dtrust', 'builders.json'));
    docker.behave({ inspect: ENGINE_BUILDER, policy: 'ignores' });
    await refused(machine, ['build', context('FROM app:1\n')], { code: 'BUILDER_CANNOT_ENFORCE' });
    expect(builds(docker.calls()).real).toEqual([]);
  });

  test('on another builder is no base: LOCAL_BASE', async () => {
    docker.behave({ inspect: ENGINE_BUILDER, metadata: MADE });
    const own = `${stage.name('acme/own')}:1`;
    holds(id, own);
    await machine.succeed(['build', context(`FROM ${name}:1.0\n`)]);
    docker.behave({ inspect: builderText({ name: 'm', driver: 'remote', endpoint: 'tcp://x' }) });
    const args = ['buildx', 'build', '--builder=m', context(`FROM ${own}\n`)];
    const run = await machine.run(args);
    expect(run).toMatchObject({ status: 1, stderr: expect.stringContaining('(LOCAL_BASE)') });
    expect(builds(docker.calls())).toEqual({ trials: [], real: [] });
  });

  test.each<[string, object | undefined, string]>([
    [
      'of a digest that the engine does not hold',
      { 'containerimage.config.digest': digestOfText('other') },
      '',
    ],
    ['of a digest that only a registry has said', { 'containerimage.digest': id }, ''],
    ['without a word from the builder', undefined, ''],
  ])('%s is not noted', async (_, metadata) => {
    docker.behave({ inspect: ENGINE_BUILDER, ...(metadata && { metadata }) });
    holds(id);
    const run = await machine.succeed(['build', context(`FROM ${name}:1.0\n`)]);
    expect(run.stderr).toContain('not noted as yours');
    expect(kept('ledger.json')).toBe('');
  });

  test('elsewhere than on the engine is not looked for there', async () => {
    docker.behave({ inspect: ENGINE_BUILDER, metadata: MADE });
    holds(id);
    const run = await machine.succeed(['build', '-o', 'out', context(`FROM ${name}:1.0\n`)]);
    expect(run.stderr).not.toContain('not noted');
    expect(kept('ledger.json')).toBe('');
  });

  test('of a base that was here before, which the classic store reports by its layers', async () => {
    const layers = ['a', 'b'].map(digestOfText);
    const chain = digestOfText(layers.join(' '));
    const named = `${name}@${image.digest}`;
    const held = {
      Id: digestOfText('config'),
      RepoTags: [],
      RepoDigests: [named],
      RootFS: { Layers: layers },
    };
    const uri = `pkg:docker/${encodeURIComponent(name)}@1.0?digest=${image.digest}`;
    const material = { uri, digest: { sha256: chain.slice('sha256:'.length) } };
    const metadata = { ...MADE, 'buildx.build.provenance': { materials: [material] } };
    docker.behave({ inspect: ENGINE_BUILDER, metadata });
    holds(id);
    const refusal = await machine.run(['build', context(`FROM ${name}:1.0\n`)]);
    expect(refusal).toMatchObject({ status: 1, stderr: expect.stringContaining('(BUILD_MATERIAL)') });
    expect(kept('ledger.json')).toBe('');
    stage.engine.images.set(named, held);
    await machine.succeed(['build', context(`FROM ${name}:1.0\n`)]);
    expect(kept('ledger.json')).toContain(`"image":"${id}","why":"built"`);
  });

  test('of a material that was not admitted is BUILD_MATERIAL, and not noted', async () => {
    const material = { uri: 'pkg:docker/evil@1', digest: { sha256: 'e'.repeat(64) } };
    const metadata = { ...MADE, 'buildx.build.provenance': { materials: [material] } };
    docker.behave({ inspect: ENGINE_BUILDER, metadata });
    holds(id);
    const run = await machine.run(['build', context(`FROM ${name}:1.0\n`)]);
    expect(run).toMatchObject({ status: 1, stderr: expect.stringContaining('(BUILD_MATERIAL)') });
    expect(run.stderr).toContain('pkg:docker/evil@1');
    expect(kept('ledger.json')).toBe('');
  });
});
