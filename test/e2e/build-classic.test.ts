/** `dtrust build` with the classic builder: what the engine is sent, what is refused before, and what is noted. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readTar } from '../../src/enforce/build/context/tar-reader.ts';
import { archive, fill, member, pax, readAtOf } from '../enforce/build/context/archives.ts';
import { type FakeImage, type FakeRequest, sendJson, writeMessages } from '../helpers/fake-engine.ts';
import { RepositorySimulator } from '../helpers/repository-simulator.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import {
  digestOfText,
  type Machine,
  openStage,
  type Refusal,
  type Run,
  refused,
  type Stage,
  type StoredImage,
  startProgram,
} from './harness.ts';
import { NODE } from './program.ts';

const REPO = 'acme/base';
const MADE = digestOfText('what was built');
const STEP = digestOfText('a step of it');
const BUILD = 'POST /build';

let stage: Stage;
let original: Machine;
let machine: Machine;
let name: string;
let image: StoredImage;
let pinned: string;
/** The folder that is built. */
let folder: string;

beforeAll(async () => {
  stage = await openStage();
  name = stage.name(REPO);
  image = stage.image(REPO, '1.0');
  stage.image(REPO, 'unsigned', 'nobody signed this');
  pinned = `${name}@${image.digest}`;
  const sim = new RepositorySimulator({ collection: name, nowMs: Date.now() });
  sim.putTarget(`${name}:1.0`, image);
  sim.publish();
  await stage.publish(REPO, sim.files());
  original = stage.machine().pin(REPO, sim.pin());
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.calm();
  machine = stage.machine({ like: original });
  folder = path.join(machine.home, 'context');
  fs.mkdirSync(folder);
  stage.override(builder());
});

interface Answer {
  readonly messages?: readonly object[];
  /** What the engine has more afterwards, by its parent. */
  readonly made?: Readonly<Record<string, string>>;
}

const put = (Id: string, more: object = {}): void => {
  stage.engine.images.set(Id, { Id, RepoTags: [], RepoDigests: [], ...more } as FakeImage);
};

/** A builder that makes one step, or does as it is told. */
function builder({ messages, made = { [STEP]: image.id, [MADE]: STEP } }: Answer = {}) {
  return async (
    request: FakeRequest,
    response: Parameters<Parameters<Stage['override']>[0]>[1],
  ): Promise<boolean> => {
    if (request.method !== 'POST' || !request.path.startsWith('/build')) return false;
    await request.body;
    for (const [id, ParentId] of Object.entries(made)) put(id, { ParentId });
    const said = messages ?? [
      { stream: 'Step 1/1 : X\n' },
      { aux: { ID: MADE } },
      { stream: 'Successfully built\n' },
    ];
    writeMessages(response, ...said);
    response.end();
    return true;
  };
}

const inAMonth = (): string => new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10);

const lastBuild = (): FakeRequest => {
  const found = stage.engine.requests.findLast((each) => each.path.startsWith('/build'));
  if (found === undefined) throw new Error('the engine was asked for no build');
  return found;
};

/** The archive that was sent: each member's content by its path, in order. */
const sentFiles = async (): Promise<ReadonlyMap<string, string>> => {
  const bytes = await lastBuild().body;
  return new Map(
    readTar(readAtOf(bytes)).map(({ path: each, type, offset, size, linkTo }) => [
      each,
      type === 'file' ? bytes.toString('utf8', offset, offset + size) : `${type} ${linkTo ?? ''}`.trim(),
    ]),
  );
};

/** Runs dtrust with bytes on its stdin; its own folder is the home. */
async function fed(args: readonly string[], input: Buffer | string): Promise<Run> {
  const file = path.join(stage.folder, 'stdin');
  fs.writeFileSync(file, input);
  const words = [NODE, stage.program, ...args].map((each) => `'${each}'`).join(' ');
  const env = machine.environment();
  return await startProgram(['/bin/sh', '-c', `exec ${words} < '${file}'`], { env, cwd: machine.home }).done;
}

describe('design 3: what reaches the engine is what was decided on', () => {
  test('the Dockerfile pinned, last, under a name of its own, and everything else as it was', async () => {
    fill(folder, {
      Dockerfile: `# a comment\nARG V=1.0\nFROM ${name}:$V AS one\nRUN echo \\\n  two\nFROM scratch\nCOPY --from=one /a /b\n`,
      '.dockerignore': 'secret\n',
      secret: 'no',
      'a/b': 'yes',
      blocks: 'x'.repeat(1024),
    });
    fs.symlinkSync('a/b', path.join(folder, 'link'));
    const run = await machine.succeed(['build', '-t', 'mine', 'context']);
    expect(stage.engineChanges()).toEqual(['POST /images/create', BUILD, `POST /images/${pinned}/tag`]);
    expect(lastBuild().headers).toMatchObject({ 'x-registry-config': Buffer.from('{}').toString('base64') });
    const files = await sentFiles();
    const dockerfile = lastBuild().query.get('dockerfile') ?? '';
    expect([...files.keys()]).toEqual([
      'Dockerfile',
      'a',
      'a/b',
      'blocks',
      'link',
      '.dockerignore',
      dockerfile,
    ]);
    expect(dockerfile).toMatch(/^\.dockerfile\.[0-9a-f]{20}$/);
    expect(files.get(dockerfile)).toBe(
      `# escape=\\\nARG V=1.0\nFROM ${pinned} AS one\nRUN echo   two\nFROM scratch\nCOPY --from=one /a /b\n`,
    );
    expect(files.get('.dockerignore')).toBe(`secret\n\n${dockerfile}\n`);
    expect(files.get('Dockerfile')).toContain(`FROM ${name}:$V AS one`);
    expect(files.get('link')).toBe('symlink a/b');
    expect(run.stdout).toMatch(/daemon +[\d.]+k?B\r\r\nStep 1\/1 : X\nSuccessfully built\n$/);
    expect(run.stderr).toBe(`Tagging ${pinned} as ${name}:1.0\n`);
  });

  test('`docker build` says that this builder is to go, where docker does', async () => {
    fill(folder, { Dockerfile: 'FROM scratch\nLABEL a=b\n' });
    const says = (version: string, env = {}) =>
      machine.succeed(['build', '-q', 'context'], {
        FAKE_DOCKER_SAYS: `Docker version ${version}, build 0`,
        ...env,
      });
    const off = await says('26.1.5', { DOCKER_BUILDKIT: '0' });
    expect(off.stderr).toContain(
      'DEPRECATED: The legacy builder is deprecated and will be removed in a future release.\n',
    );
    expect(off.stderr).toContain('            environment-variable.\n\n');
    expect(off.stdout).toBe(`${MADE}\n`);
    expect((await says('28.2.2')).stderr).toContain('            https://docs.docker.com/go/buildx/\n\n');
    expect((await says('20.10.24')).stderr).toBe('');
  });

  test('the engine asks for no registry: --pull asks the trust data, which a build does anyhow', async () => {
    fill(folder, { Dockerfile: `FROM ${name}:1.0\n` });
    await machine.succeed(['build', '--pull', 'context']);
    expect(lastBuild().query.has('pull')).toBe(false);
  });

  test('--cache-from takes what is signed and here, by its digest', async () => {
    fill(folder, { Dockerfile: `FROM ${name}:1.0\n` });
    await machine.succeed(['build', '--cache-from', `${name}:1.0`, 'context']);
    expect(JSON.parse(lastBuild().query.get('cachefrom') ?? '')).toEqual([pinned]);
  });

  test('--compress sends it so, and --iidfile gets the image', async () => {
    fill(folder, { Dockerfile: `FROM ${name}:1.0\n` });
    await machine.succeed(['build', '--compress', '--iidfile', 'id', 'context']);
    const names = readTar(readAtOf(gunzipSync(await lastBuild().body))).map((each) => each.path);
    expect(names).toEqual(['Dockerfile', '.dockerignore', lastBuild().query.get('dockerfile')]);
    const kept = () => fs.readFileSync(path.join(machine.home, 'id'), 'utf8');
    expect(kept()).toBe(MADE);
    // docker: with --quiet what is printed is what is kept.
    expect((await machine.succeed(['build', '-q', '--iidfile', 'id', 'context'])).stdout).toBe(`${MADE}\n`);
    expect(kept()).toBe(`${MADE}\n`);
  });

  test('a Dockerfile on stdin comes alone, and one beside a folder is no part of it', async () => {
    expect(await fed(['build', '-'], `FROM ${name}:1.0\n`)).toMatchObject({ status: 0 });
    expect([...(await sentFiles()).keys()]).toEqual(['.dockerignore', lastBuild().query.get('dockerfile')]);
    fill(folder, { a: 'a' });
    expect(await fed(['build', '-f', '-', 'context'], `FROM ${name}:1.0\n`)).toMatchObject({ status: 0 });
    expect([...(await sentFiles()).keys()]).toEqual([
      'a',
      '.dockerignore',
      lastBuild().query.get('dockerfile'),
    ]);
  });
});

describe('refused, with nothing built, fetched or left behind', () => {
  const refusal = (args: readonly string[], expected: Refusal) =>
    refused(machine, ['build', ...args], { mayChange: /trust\/dtrust\//, ...expected });

  test.each([
    ['an image that nobody signed', 'FROM NAME:unsigned\n', 'TARGET_NOT_SIGNED', 'Dockerfile:1'],
    [
      'one that is copied from',
      'FROM NAME:1.0\nRUN true\nCOPY --from=NAME:unsigned / /\n',
      'TARGET_NOT_SIGNED',
      'Dockerfile:3',
    ],
    ['one behind an argument', 'ARG A=unsigned\nFROM NAME:$A\n', 'TARGET_NOT_SIGNED', 'Dockerfile:2'],
    [
      'a heredoc, which this builder does not have',
      'FROM NAME:1.0\nRUN <<EOF\nx\nEOF\n',
      'DOCKERFILE_INVALID',
      'Dockerfile:2',
    ],
    ['what is no Dockerfile', 'HELLO\n', 'DOCKERFILE_INVALID', 'Dockerfile:1'],
    ['an empty one', '', 'DOCKERFILE_INVALID', 'Dockerfile'],
  ])('%s', async (_, text, code, where) => {
    fill(folder, { Dockerfile: text.replaceAll('NAME', name) });
    const { stderr } = await refusal(['context'], { code });
    expect(stderr).toContain(where);
  });

  test('protocol 8: an image that the cache took and nobody decided on is no build of yours', async () => {
    fill(folder, { Dockerfile: `FROM ${name}:1.0\nRUN x\n` });
    await machine.succeed(['pull', '-q', `${name}:1.0`]);
    // There before, but shown only to the second look: as if it had come between.
    put(STEP);
    stage.override(builder({ made: { [STEP]: image.id, [MADE]: STEP } }));
    const run = await refusal(['-t', 'mine', 'context'], {
      code: 'BUILD_MATERIAL',
      engine: [BUILD],
      stdout: /Step/,
    });
    expect(run.error.found).toBe(STEP);
    expect(fs.existsSync(path.join(machine.config, 'trust/dtrust/ledger.json'))).toBe(false);
  });

  test('protocol 8: a base that the engine holds with another ONBUILD than the one that was looked at', async () => {
    const Config = { OnBuild: ['COPY --from=elsewhere / /'] };
    put(image.id, { RepoDigests: [pinned], Config });
    stage.engine.images.set(pinned, stage.engine.images.get(image.id) as FakeImage);
    fill(folder, { Dockerfile: `FROM ${name}:1.0\n` });
    const run = await refusal(['context'], { code: 'BUILD_MATERIAL' });
    expect(run.error).toMatchObject({ expected: '[]', found: JSON.stringify(Config.OnBuild) });
  });

  test('what an ONBUILD of the base copies from, which cannot be pinned', async () => {
    const base = digestOfText('a base with triggers');
    put(base, { Config: { OnBuild: [`COPY --from=${name}:1.0 /a /b`] }, RepoTags: ['base:1'] });
    await machine.succeed(['trust', 'accept', base]);
    fill(folder, { Dockerfile: `FROM ${base}\n` });
    const { stderr } = await refusal(['context'], { code: 'DOCKERFILE_INVALID' });
    expect(stderr).toContain('ONBUILD');
  });

  test.each([
    ['--cache-from', 'TARGET_NOT_SIGNED', ['--cache-from', 'NAME:unsigned', 'context']],
    ['a context that is not there', 'BUILD_CONTEXT_INVALID', ['nowhere']],
    ['a context that is a file', 'BUILD_CONTEXT_INVALID', ['context/Dockerfile']],
    ['a context on the web', 'BUILD_CONTEXT_INVALID', ['https://127.0.0.1:1/context.tar.gz']],
    ['a repository that would be an option', 'BUILD_CONTEXT_INVALID', ['git@-oProxyCommand=x:a/b.git']],
    [
      'a commit that would be an option',
      'BUILD_CONTEXT_INVALID',
      ['https://127.0.0.1:1/a.git#--upload-pack=x'],
    ],
    ['a repository that does not answer', 'BUILD_CONTEXT_INVALID', ['git://127.0.0.1:1/a.git']],
    ['a Dockerfile that is not there', 'BUILD_CONTEXT_INVALID', ['-f', 'nope', 'context']],
    ['a platform that is none', 'PLATFORM_INVALID', ['--platform', '///', 'context']],
    ['the tag of the trust data', 'TAG_RESERVED', ['-t', 'NAME:_trust', 'context']],
  ])('%s', async (_, code, args) => {
    fill(folder, { Dockerfile: `FROM ${name}:1.0\n` });
    await refusal(
      args.map((each) => each.replace('NAME', name)),
      { code },
    );
  });

  test.each([
    [['--secret', 'id=x', 'context'], 'unknown flag: --secret'],
    [['--mount', 'x', 'context'], 'unknown flag: --mount'],
    [['-t', 'UPPER', 'context'], 'invalid argument "UPPER" for "-t, --tag" flag'],
    [
      ['--cpu-quota', 'x', 'context'],
      'invalid argument "x" for "--cpu-quota" flag: strconv.ParseInt: parsing "x": invalid syntax',
    ],
  ])('as docker refuses it, with its status: %j', async (args, text) => {
    fill(folder, { Dockerfile: `FROM ${name}:1.0\n` });
    const run = await machine.run(['build', ...args]);
    expect(run).toMatchObject({ status: 125, stdout: '' });
    expect(run.stderr).toContain(`${text}`);
    expect(stage.engineChanges()).toEqual([]);
  });

  test('a file name that is not UTF-8, by name', async () => {
    const outside = fill(temporaryFolder(), { Dockerfile: `FROM ${name}:1.0\n` });
    fs.writeFileSync(Buffer.from(`${outside}/bad-\xff`, 'latin1'), '');
    const { stderr } = await refusal([outside], { code: 'BUILD_CONTEXT_INVALID' });
    expect(stderr).toContain('bad-');
  });

  const good = () => member({ name: 'Dockerfile', content: `FROM ${name}:1.0\n` });
  test.each<[string, () => Buffer]>([
    ['two Dockerfiles', () => archive(good(), good())],
    ['one more under another spelling', () => archive(good(), member({ name: './Dockerfile' }))],
    ['one more by a way round', () => archive(good(), member({ name: 'a/../Dockerfile' }))],
    ['one more from the root', () => archive(good(), member({ name: '/Dockerfile' }))],
    [
      'one more in a pax header',
      () => archive(good(), pax({ path: 'Dockerfile' }), member({ name: 'harmless' })),
    ],
    [
      'one more in a long name',
      () =>
        archive(
          good(),
          member({ name: 'x', flag: 'L', content: 'Dockerfile\0' }),
          member({ name: 'harmless' }),
        ),
    ],
    ['one more in other letters', () => archive(good(), member({ name: 'dockerfile' }))],
    ['a folder of its name', () => archive(good(), member({ name: 'Dockerfile/', flag: '5' }))],
    [
      'a symlink',
      () =>
        archive(
          member({ name: 'Dockerfile', flag: '2', linkTo: 'other' }),
          member({ name: 'other', content: 'FROM x' }),
        ),
    ],
    [
      'a hard link',
      () =>
        archive(
          member({ name: 'other', content: 'FROM x' }),
          member({ name: 'Dockerfile', flag: '1', linkTo: 'other' }),
        ),
    ],
    ['none at all', () => archive(member({ name: 'other', content: 'FROM x' }))],
    [
      'two .dockerignore',
      () => archive(good(), member({ name: '.dockerignore' }), member({ name: './.dockerignore' })),
    ],
    [
      'a .dockerignore that is a link',
      () => archive(good(), member({ name: '.dockerignore', flag: '2', linkTo: '/etc/passwd' })),
    ],
    ['a path that leads out', () => archive(good(), member({ name: '../x' }))],
    ['a damaged archive', () => archive(good()).subarray(0, 520)],
    ['bytes that only begin as gzip', () => Buffer.from([0x1f, 0x8b, 0x08, 1, 2, 3, 4, 5, 6, 7, 8, 9])],
  ])('an archive with %s', async (_, make) => {
    stage.mark();
    const run = await fed(['build', '-'], make());
    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toContain('(BUILD_CONTEXT_INVALID)');
    expect(stage.engineChanges()).toEqual([]);
  });

  test.each(['bzip2', 'xz', 'gzip', 'zstd'])('an archive in %s is unpacked first', async (program) => {
    const packed = execFileSync(program, ['-c'], {
      input: archive(member({ name: 'a', content: 'x' }), good()),
    });
    expect(await fed(['build', '-'], packed)).toMatchObject({ status: 0 });
    expect([...(await sentFiles()).keys()].slice(0, 2)).toEqual(['a', 'Dockerfile']);
  });

  test('a compression without its program', async () => {
    const packed = execFileSync('xz', ['-c'], { input: archive(good()) });
    machine = stage.machine({ like: machine, env: { PATH: stage.binFolder } });
    const run = await fed(['build', '-'], packed);
    expect(run.status).toBe(1);
    expect(run.stderr).toContain('the program xz is not here (BUILD_CONTEXT_INVALID)');
  });
});

describe('what was built', () => {
  const ledger = () => fs.readFileSync(path.join(machine.config, 'trust/dtrust/ledger.json'), 'utf8');

  test('is noted as yours, with its steps, and a later build may go on from it', async () => {
    fill(folder, { Dockerfile: `FROM ${name}:1.0\nRUN x\n` });
    await machine.succeed(['build', '-t', 'mine', 'context']);
    expect(lastBuild().query.has('nocache')).toBe(false);
    for (const id of [MADE, STEP]) expect(ledger()).toContain(`"image":"${id}","why":"built"`);
    expect(ledger()).not.toContain(`"image":"${image.id}"`);
    await machine.succeed(['build', 'context']);
    expect(lastBuild().query.has('nocache')).toBe(false);
    fill(folder, { Dockerfile: `FROM ${MADE}\n` });
    await machine.succeed(['build', 'context']);
    const files = await sentFiles();
    expect(files.get(lastBuild().query.get('dockerfile') ?? '')).toBe(`# escape=\\\nFROM ${MADE.slice(7)}\n`);
  });

  test('upon an image that is allowed for a time is not', async () => {
    const allowed = stage.image('acme/allowed', '1.0');
    const digest = `${stage.name('acme/allowed')}@${allowed.digest}`;
    await machine.succeed(['trust', 'allow', digest, '--reason', 'a test', '--until', inAMonth()]);
    fill(folder, { Dockerfile: `FROM ${stage.name('acme/allowed')}:1.0\n` });
    stage.override(builder({ made: { [MADE]: allowed.id } }));
    const run = await machine.succeed(['build', 'context']);
    expect(run.stderr).toContain('is allowed for a time only, so the result is not noted as yours');
    expect(fs.existsSync(path.join(machine.config, 'trust/dtrust/ledger.json'))).toBe(false);
  });

  test('and is gone from the engine is forgotten', async () => {
    fill(folder, { Dockerfile: `FROM ${name}:1.0\nRUN x\n` });
    await machine.succeed(['build', 'context']);
    expect(ledger()).toContain(STEP);
    stage.engine.images.delete(STEP);
    const next = digestOfText('what was built next');
    stage.override(builder({ messages: [{ aux: { ID: next } }], made: { [next]: image.id } }));
    await machine.succeed(['build', 'context']);
    expect(ledger()).toContain(next);
    expect(ledger()).toContain(MADE);
    expect(ledger()).not.toContain(STEP);
  });

  test('is built without the cache where that could take a stranger', async () => {
    fill(folder, { Dockerfile: `FROM ${name}:1.0\nRUN x\n` });
    await machine.succeed(['pull', '-q', `${name}:1.0`]);
    const stranger = digestOfText('loaded, and says it is a child of the base');
    put(stranger, { ParentId: image.id });
    const run = await machine.succeed(['build', 'context']);
    expect(lastBuild().query.get('nocache')).toBe('1');
    expect(run.stderr).toContain(
      `the engine's build cache is not used: it could take images that were not built here with dtrust (${stranger})`,
    );
  });

  test('ends as docker does when it fails, and its steps are still noted', async () => {
    fill(folder, { Dockerfile: `FROM ${name}:1.0\nRUN x\n` });
    const message = "The command '/bin/sh -c x' returned a non-zero code: 42";
    const messages = [
      { stream: ` ---> ${STEP.slice(7, 19)}\n` },
      { error: message, errorDetail: { code: 42, message } },
    ];
    stage.override(builder({ messages, made: { [STEP]: image.id } }));
    const run = await machine.run(['build', '--iidfile', 'id', 'context']);
    expect(run).toMatchObject({ status: 42, stderr: `${message}\n` });
    expect(run.stdout).toContain(` ---> ${STEP.slice(7, 19)}\n`);
    expect(ledger()).toContain(STEP);
    const quiet = await machine.run(['build', '-q', 'context']);
    expect(quiet).toMatchObject({ status: 42, stdout: '' });
    expect(quiet.stderr).toContain(` ---> ${STEP.slice(7, 19)}\n${message}\n`);
  });

  test('contract (Terminal): Ctrl-C ends the build on the engine too, with 130', async () => {
    fill(folder, { Dockerfile: `FROM ${name}:1.0\n` });
    let closed: Promise<void> | undefined;
    const begun = new Promise<void>((resolve) => {
      stage.override(async (request, response) => {
        if (!request.path.startsWith('/build')) return false;
        await request.body;
        closed = new Promise((gone) => response.once('close', gone));
        writeMessages(response, { stream: 'Step 1/1 : X\n' });
        resolve();
        return true;
      });
    });
    const { child, done } = machine.start(['build', 'context']);
    await begun;
    child.kill('SIGINT');
    expect(await done).toMatchObject({ status: 130 });
    await closed;
    expect(fs.existsSync(path.join(machine.config, 'trust/dtrust/ledger.json'))).toBe(false);
  });

  test('an engine that refuses the build says why', async () => {
    fill(folder, { Dockerfile: `FROM ${name}:1.0\n` });
    stage.override(async (request, response) => {
      if (!request.path.startsWith('/build')) return false;
      await request.body;
      sendJson(response, 400, { message: 'squash is only supported with experimental mode' });
      return true;
    });
    const run = await machine.run(['build', 'context']);
    expect(run.status).toBe(1);
    expect(run.stderr).toContain('squash is only supported with experimental mode (ENGINE_ERROR)');
  });
});
