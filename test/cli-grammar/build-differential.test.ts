/**
 * dtrust's reading of `docker build` beside that of real clients: the same words for what is wrong, the same number
 * of contexts, and for the old builder, which hands its options to the engine one by one, the same value for each.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { flagOn, flagValue, type ParsedArgv, parseDockerArgv } from '../../src/cli/argv.ts';
import { classify } from '../../src/cli/classify.ts';
import { COMMAND_FLAGS } from '../../src/cli/flags.ts';
import { CommandLineError } from '../../src/cli/pflag.ts';
import { UsageError } from '../../src/lib/errors.ts';
import { cliPlugin, dockerCli, needPeers } from '../helpers/peers.ts';
import { type Observed, type ObservedDocker, observeDocker } from './docker-peer.ts';

const ASKS = /^POST \/(build(\?|$)|grpc|session|images\/create|containers\/create)/;
const COMPLAINS = /unknown flag: --(\S+)|unknown shorthand flag: '(.)' in/;

function read(args: readonly string[]): ParsedArgv | UsageError {
  try {
    return parseDockerArgv(args);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
}

/** What holds for every builder; returns what dtrust read where docker went on to build. */
function compare(parsed: ParsedArgv | UsageError, seen: Observed): ParsedArgv | undefined {
  const asked = seen.asked.filter((line) => ASKS.test(line));
  // It looks at some values as it reads them, and may stumble there before it comes to what follows.
  const stumbles = seen.stderr.includes('invalid argument "');
  if (parsed instanceof UsageError) {
    expect(asked).toEqual([]);
    expect([1, 125]).toContain(seen.status);
    const said = stumbles || seen.stderr.includes(parsed.message);
    // A flag of the other builder, which dtrust knows and this docker does not, may stand before.
    expect(said || isFlagOfAnother(seen), `${parsed.message}\n${seen.stderr}`).toBe(true);
    return undefined;
  }
  expect(classify(parsed.path, parsed.rest)).toEqual({ class: 'enforced', command: 'build' });
  if (parsed.help) {
    expect(asked).toEqual([]);
    expect(
      stumbles || isFlagOfAnother(seen) || /Usage:\s+docker \S*\s?build/.test(seen.stdout + seen.stderr),
    ).toBe(true);
    return undefined;
  }
  if (COMPLAINS.test(seen.stderr)) {
    expect(isFlagOfAnother(seen), seen.stderr).toBe(true);
    return undefined;
  }
  expect(seen.stderr).not.toMatch(/bad flag syntax|flag needs an argument|strconv\.ParseBool/);
  if (parsed.positionals.length === 1) return asked.length > 0 ? parsed : undefined;
  expect(asked).toEqual([]);
  expect(seen.stderr).toMatch(/requires (exactly )?1 argument|invalid argument "/);
  return undefined;
}

/** Docker does not know a flag that is in dtrust's table, which is that of all builders. */
function isFlagOfAnother(seen: Observed): boolean {
  const [, name, short] = COMPLAINS.exec(seen.stderr) ?? [];
  const table = COMMAND_FLAGS.get('build');
  if (name !== undefined) return table?.byName.has(name.split('=')[0] ?? '') === true;
  return short !== undefined && table?.byShort.has(short) === true;
}

const LINES = [
  'build ctx',
  'build -t a ctx',
  'build -ta ctx',
  'build -t=a ctx',
  'build --tag a ctx',
  'build --tag=a --tag b:2 ctx',
  'build ctx -t a',
  'build ctx -- -t',
  'build -- ctx',
  'build -- ctx -t a',
  'build -t -q ctx',
  'build -q -t a ctx',
  'build -qt a ctx',
  'build -qta ctx',
  'build -q=false ctx',
  'build --quiet=0 --no-cache --pull ctx',
  'build --rm=false --force-rm ctx',
  'build -f ctx/Dockerfile ctx',
  'build -fctx/Dockerfile ctx',
  'build --file=ctx/Dockerfile ctx',
  'build --target x ctx',
  'build --target=x --target y ctx',
  'build --build-arg A=1 --build-arg B=x=y ctx',
  'build --label a=b --label=c ctx',
  'build -m 100m -c 3 ctx',
  'build -m100m -c3 ctx',
  'build --network none --cpuset-cpus 0 ctx',
  'build --cache-from a,b --cache-from c ctx',
  'build --add-host a:1.2.3.4 ctx',
  'build --security-opt x ctx',
  'build --disable-content-trust ctx',
  'build --disable-content-trust=false -t a ctx',
  'build --nope ctx',
  'build -z ctx',
  'build -qz ctx',
  'build --targ x ctx',
  'build --tags a ctx',
  'build --ta a ctx',
  'build ---x ctx',
  'build --=x ctx',
  'build --quiet=maybe ctx',
  'build -t',
  'build ctx --target',
  'build',
  'build ctx ctx2',
  'build -- ctx ctx2',
  'build --help',
  'build ctx --help',
  'build -h',
  'build -t --help ctx',
  'image build -t a ctx',
  'image build --nope ctx',
  '-D build -t a ctx',
  'builder build -t a ctx',
];

const VOCABULARY = [
  ...['ctx', 'ctx', 'ctx', 'ctx2', 'nope', '--', '-t', '-t', '-ta', '-t=b', '--tag', '--tag=c', 'a', 'b:2'],
  ...[
    '-q',
    '-qt',
    '-q=false',
    '--quiet=0',
    '--no-cache',
    '--pull',
    '--pull=false',
    '--rm=false',
    '--force-rm',
  ],
  ...[
    '-f',
    '-fctx/Dockerfile',
    '--file=ctx/Dockerfile',
    '--target',
    '--target=x',
    '--build-arg',
    '--build-arg=A=1',
  ],
  ...[
    '-c',
    '-c3',
    '-m',
    '-m100m',
    '--label',
    'k=v',
    '--network',
    '--network=none',
    '--disable-content-trust',
  ],
  ...[
    '--nope',
    '-z',
    '-qz',
    '--help',
    '--help=false',
    '-h',
    '--ta',
    '--quiet=maybe',

    '--compress',
  ],
];

for (const version of ['20.10', '26.1', '28'] as const) {
  const needed = await needPeers(`docker ${version}`);
  describe.skipIf(needed.skip)(needed.title(`the old builder of docker ${version}`), () => {
    let docker: ObservedDocker;
    beforeAll(async () => {
      docker = await observeDocker(await dockerCli(version));
    });
    afterAll(() => docker.stop());

    async function check(args: readonly string[]): Promise<void> {
      const seen = await docker.run(args, { DOCKER_BUILDKIT: '0' });
      const parsed = compare(read(args), seen);
      const sent = seen.asked.find((line) => line.startsWith('POST /build?'));
      if (parsed === undefined || sent === undefined) return;
      const query = new URLSearchParams(sent.slice(sent.indexOf('?')));
      const { flags } = parsed;
      const all = (name: string) => flags.get(name) ?? [];
      expect(query.getAll('t')).toEqual(all('tag'));
      expect(query.get('target') ?? '').toBe(flagValue(flags, 'target') ?? '');
      expect(query.get('q') === '1').toBe(flagOn(flags, 'quiet'));
      expect(query.get('nocache') === '1').toBe(flagOn(flags, 'no-cache'));
      expect(query.get('pull') === '1').toBe(flagOn(flags, 'pull'));
      expect(query.get('forcerm') === '1').toBe(flagOn(flags, 'force-rm'));
      expect(query.get('rm') !== '0').toBe(!flags.has('rm') || flagOn(flags, 'rm'));
      expect(query.get('cpushares') ?? '0').toBe(flagValue(flags, 'cpu-shares') ?? '0');
      const names = (given: readonly string[]) =>
        [...new Set(given.map((each) => each.split('=')[0]))].sort();
      const keys = (json: string | null) => Object.keys(JSON.parse(json ?? '{}') ?? {}).sort();
      expect(keys(query.get('buildargs'))).toEqual(names(all('build-arg')));
      expect(keys(query.get('labels'))).toEqual(names(all('label')));
    }

    test.each(LINES)('reads `docker %s` as it does', async (line) => {
      await check(line.split(' '));
    });

    test('reads any line as it does', { timeout: 120_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('build', 'image build'),
          fc.array(fc.constantFrom(...VOCABULARY), { minLength: 1, maxLength: 7 }),
          async (command, words) => await check([...command.split(' '), ...words]),
        ),
        { numRuns: 40 },
      );
    });

    test('hands on the names, target and arguments that dtrust reads', async () => {
      const line = 'build -qta --tag=b:2 --target x --build-arg A=1 --no-cache ctx';
      const seen = await docker.run(line.split(' '), { DOCKER_BUILDKIT: '0' });
      const [sent = ''] = seen.asked;
      expect(sent).toMatch(/^POST \/build\?/);
      expect(sent).toMatch(/t=a&t=b%3A2/);
      expect(sent).toMatch(/target=x/);
    });
  });
}

const withBuildx = await needPeers('docker 26.1', 'buildx');
describe.skipIf(withBuildx.skip)(withBuildx.title('buildx behind docker 26.1'), () => {
  let docker: ObservedDocker;
  beforeAll(async () => {
    docker = await observeDocker(await dockerCli('26.1'), { buildx: await cliPlugin('buildx') });
  });
  afterAll(() => docker.stop());

  async function check(args: readonly string[]): Promise<ParsedArgv | undefined> {
    return compare(read(args), await docker.run(args));
  }

  test.each([
    ...LINES,
    'buildx build --load --builder default ctx',
    'buildx --builder default build ctx',
    'buildx b -t a ctx',
    'buildx build -o type=docker ctx',
    'buildx build --platform linux/amd64,linux/arm64 --platform linux/arm ctx',
    'buildx build --build-context a=b --secret id=x --ssh default ctx',
    'buildx build --provenance=false --sbom false ctx',
    'buildx build --progress plain --metadata-file m ctx',
    'buildx build --detach ctx',
    'buildx build --root x ctx',
    'buildx build --server-config x ctx',
    'buildx build --invoke x ctx',
    'builder --builder default build ctx',
  ])('reads `docker %s` as it does', async (line) => {
    await check(line.split(' '));
  });

  test('reads any line as it does', { timeout: 120_000 }, async () => {
    const words = [...VOCABULARY, '--load', '-o', '--output=type=docker', '--platform', '--secret', 'id=x'];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('build', 'buildx build', 'buildx b', 'builder build', 'image build'),
        fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 7 }),
        async (command, line) => void (await check([...command.split(' '), ...line])),
      ),
      { numRuns: 40 },
    );
  });

  test('goes on to build what dtrust reads as a build', async () => {
    expect(await check(['buildx', 'build', '-t', 'a', 'ctx'])).toMatchObject({ positionals: ['ctx'] });
  });

  test('builds with a server of its own where it is told to, and dtrust does not know that flag', async () => {
    const experimental = { BUILDX_EXPERIMENTAL: '1' };
    for (const flags of [['--detach'], ['--root', 'r'], ['--server-config', 's']]) {
      const line = ['buildx', 'build', ...flags, 'nope'];
      expect(read(line)).toBeInstanceOf(CommandLineError);
      expect((await docker.run([...line, '--help'], experimental)).stdout).toContain(flags[0]);
    }
  });
});
