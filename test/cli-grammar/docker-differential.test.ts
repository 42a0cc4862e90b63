/**
 * dtrust's reading of the command line beside that of real clients: which command, which arguments, and never
 * something passed on that docker carries out as a request for an image.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ParsedArgv } from '../../src/cli/argv.ts';
import { parseDockerArgv } from '../../src/cli/argv.ts';
import { classify } from '../../src/cli/classify.ts';
import { CommandLineError } from '../../src/cli/pflag.ts';
import { UsageError } from '../../src/lib/errors.ts';
import { cliPlugin, dockerCli, needPeers } from '../helpers/peers.ts';
import { type Observed, type ObservedDocker, observeDocker } from './docker-peer.ts';

/** Requests that bring an image in, or take one out unsigned. */
const BRINGS_IN =
  /^POST \/(images\/create|images\/load|images\/[^?]*\/push|containers\/create|build(\?|$)|services\/|plugins\/(pull|create)|session|swarm\/join)/;

function read(args: readonly string[]): ParsedArgv | UsageError {
  try {
    return parseDockerArgv(args);
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
}

/** What dtrust would make of the line while trust is on. */
function verdictOn(parsed: ParsedArgv | UsageError): 'error' | 'switched off' | 'passed on' | 'kept' {
  if (parsed instanceof UsageError) return 'error';
  if (parsed.contentTrust === 'off') return 'switched off';
  const { class: outcome } = classify(parsed.path, parsed.rest);
  return parsed.help || outcome === 'pass' || outcome === 'unknown' ? 'passed on' : 'kept';
}

/** The image docker asks its engine for, as `name:tag`. */
function pulled(seen: Observed): string | undefined {
  const asked = seen.asked.find((line) => line.startsWith('POST /images/create?'));
  if (asked === undefined) return undefined;
  const query = new URLSearchParams(asked.slice(asked.indexOf('?')));
  return query.get('fromImage') ?? '';
}

const LINES = [
  ...[
    'pull a/x',
    'image pull a/x',
    'pull -q a/x',
    'pull a/x -q',
    'pull -aq=false a/x',
    'pull -- a/x',
    '-D pull a/x',
  ],
  ...[
    '--version pull a/x',
    '-v pull a/x',
    '-- pull a/x',
    'image -- x pull a/y',
    'image -- pull a/x',
    '-- -- pull a/x',
  ],
  ...['image --help=false pull a/x', '--help pull --help=false a/x', '--help pull a/x', '-h image pull a/x'],
  ...[
    'image --help x pull',
    'pull --help a/x',
    'pull -h a/x',
    'pull --help=false a/x',
    '--config pull pull a/x',
  ],
  ...[
    '-lfatal pull a/x',
    '-l fatal pull a/x',
    '--log-level=fatal pull a/x',
    '-Dl fatal pull a/x',
    '-- -D pull a/x',
  ],
  ...[
    '--tls=false pull a/x',
    '--debug=false pull a/x',
    'image -D pull a/x',
    'image -D x pull a/y',
    'pull help',
  ],
  ...[
    'pull --platform -q a/x',
    'pull --platform linux/amd64 a/x',
    'pull --platform= a/x',
    'pull a/x --platform',
  ],
  ...[
    'pull --nope a/x',
    'pull -z a/x',
    'pull -qz a/x',
    'pull -q= a/x',
    'pull --q a/x',
    'pull ---x a/x',
    'pull --=x a/x',
  ],
  ...[
    'pull --quiet=maybe a/x',
    'pull --disable-content-trust=x a/y',
    'pull',
    'pull a b',
    '--nope pull a/x',
    '-z pull',
  ],
  ...[
    '--debug=maybe pull a/x',
    '--config',
    '-H',
    'pull --context a b',
    'pull -D a/x',
    'help pull',
    'help image pull',
  ],
  ...[
    'push a/x',
    'push -q a/x',
    'image push a/x',
    'push --disable-content-trust a/x',
    'image nope',
    'nope',
    'image help',
  ],
  ...[
    'run alpine',
    '--help run alpine',
    'container --help run alpine',
    'run -h --help alpine',
    'run --name --help alpine',
  ],
  ...[
    'run --help alpine',
    'run --help --help=false alpine',
    'run alpine --help',
    'create alpine',
    '--help create alpine',
  ],
  ...[
    'run --net --disable-content-trust alpine',
    'run alpine --disable-content-trust',
    'run --disable-content-trust alpine',
  ],
  ...[
    'ps',
    'ps --all',
    'images',
    'image rmi x',
    'remove x',
    'stack up',
    'service scale',
    'builder prune -f',
    'start x',
  ],
  ...[
    'commit x',
    'tag x y',
    'save x',
    'load',
    'import -',
    'system dial-stdio --help',
    '__complete pull a',
    '__complete run',
  ],
];

const VOCABULARY = [
  ...[
    'pull',
    'pull',
    'push',
    'image',
    'image',
    'run',
    'create',
    'container',
    'ps',
    'help',
    'a/x',
    'b/y',
    '--',
    '-',
  ],
  ...[
    '-q',
    '-a',
    '-aq',
    '-qz',
    '-h',
    '-D',
    '-v',
    '-l',
    '-lfatal',
    '-Dlfatal',
    '-t',
    '--help',
    '--help=false',
  ],
  ...[
    '--version',
    '--debug',
    '--log-level',
    '--platform',
    '--quiet',
    '--quiet=false',
    '--disable-content-trust',
  ],
  ...['--disable-content-trust=false', '--name', '--net', '', '-q=', '-q=f', '--nope', 'fatal'],
];

for (const version of ['20.10', '26.1', '28'] as const) {
  const needed = await needPeers(`docker ${version}`);
  describe.skipIf(needed.skip)(needed.title(`beside docker ${version}`), () => {
    let docker: ObservedDocker;
    beforeAll(async () => {
      docker = await observeDocker(await dockerCli(version));
    });
    afterAll(() => docker.stop());

    async function compare(args: readonly string[]): Promise<void> {
      const seen = await docker.run(args);
      const parsed = read(args);
      const verdict = verdictOn(parsed);
      const brought = seen.asked.filter((line) => BRINGS_IN.test(line));
      expect(verdict === 'passed on' ? brought : []).toEqual([]);
      // Docker checks the logging level before it reads on.
      if (seen.stderr.includes('Unable to parse logging level')) return;
      if (parsed instanceof CommandLineError) {
        // What dtrust calls an error of docker's is one, in the same words.
        const words = [parsed.message];
        // Flags that this one does not have yet: `push --platform`, and `run -q` and `create -q`.
        if (version !== '28') words.push('unknown flag: --platform');
        if (version === '20.10') words.push("unknown shorthand flag: 'q'", 'unknown flag: --quiet');
        // Nor may it ask the engine here for everything.
        words.push('" requires API version ');
        // It looks at some values as it reads them, and may stumble there before it comes to what dtrust refuses.
        if (/docker (container )?(run|create)/.test(parsed.usage)) words.push('invalid argument "');
        expect(
          words.some((text) => seen.stderr.includes(text)),
          seen.stderr,
        ).toBe(true);
        expect([1, parsed.exitStatus]).toContain(seen.status);
      } else if (!(parsed instanceof UsageError) && isPull(parsed)) {
        const image = pulled(seen);
        if (parsed.help) expect(seen.stdout + seen.stderr).toMatch(/Usage:\s+docker (image )?pull/);
        if (parsed.help || parsed.positionals.length !== 1) expect(image).toBeUndefined();
        else if (image !== undefined) expect(image).toContain(parsed.positionals[0]);
      }
    }

    test.each(LINES)('reads `docker %s` as it does', async (line) => {
      await compare(line.split(' '));
    });

    test('reads any line as it does', { timeout: 120_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.constantFrom(...VOCABULARY), { minLength: 1, maxLength: 6 }), compare),
        { numRuns: 120 },
      );
    });

    test('asks for exactly the image that dtrust reads, and says the same about wrong numbers', async () => {
      expect(pulled(await docker.run(['image', '--', 'x', 'pull', 'a/y']))).toContain('a/y');
      expect((await docker.run(['pull'])).status).toBe(1);
      expect((await docker.run(['pull', '-z'])).status).toBe(125);
    });
  });
}

function isPull(parsed: ParsedArgv): boolean {
  const outcome = classify(parsed.path, parsed.rest);
  return outcome.class === 'enforced' && outcome.command === 'pull';
}

const withPlugins = await needPeers('docker 26.1', 'buildx', 'compose');
describe.skipIf(withPlugins.skip)(withPlugins.title('beside docker 26.1 with buildx and Compose'), () => {
  let docker: ObservedDocker;
  beforeAll(async () => {
    docker = await observeDocker(await dockerCli('26.1'), {
      buildx: await cliPlugin('buildx'),
      compose: await cliPlugin('compose'),
    });
  });
  afterAll(() => docker.stop());

  test.each(
    [
      [
        'compose up',
        'compose --verbose up',
        'compose --no-ansi up',
        'compose -v up',
        'compose --verbose create',
      ],
      ['compose --dry-run up', 'compose --workdir ps up', 'compose -p ps up', 'compose --compatibility up'],
      [
        'compose --parallel 2 up',
        'compose --help up',
        '--help compose up',
        '-D compose up',
        'compose convert',
      ],
      [
        'buildx --builder ls build',
        'buildx b',
        'builder build',
        'image build',
        'build',
        'buildx bake',
        'buildx f',
      ],
    ].flat(),
  )('`docker %s --help` is about the command that dtrust reads', async (line) => {
    const parsed = parseDockerArgv(line.split(' '));
    const seen = await docker.run([...line.split(' '), '--help']);
    const usage = /Usage:\s+(?:docker )([a-z -]+)/.exec(seen.stdout + seen.stderr)?.[1]?.trim();
    const verb = parsed.path.at(-1) ?? '';
    expect(usage?.split(' '), usage).toContain(verb);
  });

  test.each(['compose --new-flag up', 'compose nope', 'buildx nope', 'buildx --new ls'])(
    '`docker %s` is not passed on',
    (line) => {
      const parsed = read(line.split(' '));
      if (parsed instanceof UsageError) expect(parsed.code).toBe('USAGE');
      else expect(classify(parsed.path, parsed.rest).class).toBe('not-yet');
    },
  );

  test.each([
    'buildx ls',
    'buildx version',
    'compose version',
    'compose ls',
    'buildx create --name x',
    'buildx inspect',
  ])('`docker %s`, which is passed on, asks the engine for nothing', async (line) => {
    expect(classify(line.split(' ').slice(0, 2)).class).toBe('pass');
    const seen = await docker.run(line.split(' '));
    // `POST /grpc` is the channel to the builder; starting one would show as a container.
    expect(seen.asked.filter((asked) => BRINGS_IN.test(asked))).toEqual([]);
  });

  test('`docker buildx create --bootstrap`, which is refused, asks for the image of a builder', async () => {
    const line = ['buildx', 'create', '--driver', 'docker-container', '--bootstrap'];
    const parsed = parseDockerArgv(line);
    expect(classify(parsed.path, parsed.rest).class).toBe('not-yet');
    const seen = await docker.run(line);
    expect(seen.asked.join('\n')).toMatch(/images\/create|containers/);
  });
});
