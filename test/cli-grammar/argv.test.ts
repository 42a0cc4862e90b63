import { describe, expect, test } from 'vitest';
import {
  applyAlias,
  assertPositionals,
  flagOn,
  flagValue,
  parseDockerArgv,
  stripContentTrustFlag,
} from '../../src/cli/argv.ts';
import { classify } from '../../src/cli/classify.ts';
import { CommandLineError } from '../../src/cli/pflag.ts';
import { hasCode, UsageError } from '../../src/lib/errors.ts';

/** `docker -D pull x` as an array; `''` stands for an empty argument. */
function words(line: string): string[] {
  return line.split(' ').map((word) => (word === "''" ? '' : word));
}

function caught(line: string): unknown {
  try {
    parseDockerArgv(words(line));
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('which command a line is', () => {
  test.each<[string, string, readonly string[]]>([
    ['pull x', 'pull', ['x']],
    ['image pull x', 'image pull', ['x']],
    ['image rmi x', 'image rm', ['x']],
    ['remove x', 'rm', ['x']],
    ['container ps -a', 'container ls', ['-a']],
    ['stack up s', 'stack deploy', ['s']],
    ['--config /x pull y', 'pull', ['y']],
    ['--config=/x pull y', 'pull', ['y']],
    ['--config pull pull y', 'pull', ['y']],
    ['--config ps pull y', 'pull', ['y']],
    ['-c ctx pull y', 'pull', ['y']],
    ['-cctx pull y', 'pull', ['y']],
    ['-c=ctx pull y', 'pull', ['y']],
    ['--log-level debug pull y', 'pull', ['y']],
    ['-l debug -D pull y', 'pull', ['y']],
    ['-Dl debug pull y', 'pull', ['y']],
    ['-DH tcp://x pull y', 'pull', ['y']],
    ['-H ps pull y', 'pull', ['y']],
    ['--tls pull y', 'pull', ['y']],
    ['--tls=false pull y', 'pull', ['y']],
    ['--debug pull pull', 'pull', ['pull']],
    ['-v pull x', 'pull', ['x']],
    ['--version pull x', 'pull', ['x']],
    ['-- pull x', 'pull', ['x']],
    ['-D -- pull x', 'pull', ['x']],
    ['--help=false pull x', 'pull', ['x']],
    ['image --help=false pull x', 'image pull', ['x']],
    ['image -- x pull y', 'image pull', ['y']],
    ['compose -f a -p b up -d', 'compose up', ['-d']],
    ['compose --file a up', 'compose up', []],
    ['compose -fps up', 'compose up', []],
    ['compose --file=ps up', 'compose up', []],
    ['compose --profile ps up', 'compose up', []],
    ['compose --verbose up', 'compose up', []],
    ['compose convert', 'compose config', []],
    ['buildx --builder ls build .', 'buildx build', ['.']],
    ['buildx -D b .', 'buildx build', ['.']],
    ['stack --orchestrator ps deploy s', 'stack deploy', ['s']],
    ['trust key ls', 'trust key list', []],
    ['trust inspect --pretty x', 'trust inspect', ['--pretty', 'x']],
    ['help pull', 'help', ['pull']],
    ['nope x', 'nope', ['x']],
    ["'' pull", '', ['pull']],
    ['- pull', '-', ['pull']],
    ['image nope pull', 'image nope', ['pull']],
    ['image', 'image', []],
    ['compose -f x', 'compose', []],
    ['compose -f up', 'compose', []],
    ['image -- pull x', 'image -- pull', ['x']],
  ])('`docker %s` is `%s`', (line, command, rest) => {
    const parsed = parseDockerArgv(words(line));
    expect(parsed.path.join(' ')).toBe(command);
    expect(parsed.rest).toEqual(rest);
    expect(words(line).slice(parsed.restAt)).toEqual(rest);
  });

  test.each([[[]], [['-v']], [['--version']], [['--help']], [['-D']], [['--']]])(
    '`docker` with %j and no command is passed on',
    (argv) => {
      const parsed = parseDockerArgv(argv);
      expect(parsed.path).toEqual([]);
      expect(classify(parsed.path).class).toBe('pass');
    },
  );

  test.each([
    ['-- -D pull x', 'a flag follows `--`'],
    ['-- -- pull x', 'a flag follows `--`'],
    ['-- --config ps pull x', 'a flag follows `--`'],
    ['run --new-flag alpine', 'unknown flag: --new-flag'],
    ['build --new-flag .', 'unknown flag: --new-flag'],
    ['buildx build --new-flag --help .', 'unknown flag: --new-flag'],
    ['container create --new-flag --help alpine', 'unknown flag: --new-flag'],
    ['compose --new-flag ps up', 'unknown flag: --new-flag'],
    ['compose --new-flag up ps', 'unknown flag: --new-flag'],
    ['compose --new-flag up', 'unknown flag: --new-flag'],
    ['compose -z ps up', "unknown shorthand flag: 'z' in -z"],
    ['buildx --new up ls', 'unknown flag: --new'],
    ['image -D pull x', "unknown shorthand flag: 'D' in -D"],
    ['image --config x pull y', 'unknown flag: --config'],
  ])('refuses `docker %s`: which command docker would run is not sure', (line, message) => {
    const error = caught(line);
    expect(error).toBeInstanceOf(UsageError);
    expect(hasCode(error, 'USAGE')).toBe(true);
    expect((error as Error).message).toContain(message);
  });

  test('does not mind a new flag where no verb brings an image in', () => {
    expect(classify(parseDockerArgv(['network', '--new', 'ls']).path).class).toBe('pass');
  });
});

describe('global flags', () => {
  test('keeps every value in order, last wins for those that count once', () => {
    const { globals } = parseDockerArgv(words('-H a --host=b --config /x --config /y -D --debug=false ps'));
    expect(globals.get('host')).toEqual(['a', 'b']);
    expect(flagValue(globals, 'config')).toBe('/y');
    expect(flagOn(globals, 'debug')).toBe(false);
    expect(flagOn(globals, 'tlsverify')).toBe(false);
  });

  test('does not read them behind the command: docker does not either', () => {
    const error = caught('pull --context x y');
    expect(error).toBeInstanceOf(CommandLineError);
    expect((error as CommandLineError).message).toBe('unknown flag: --context');
    expect(parseDockerArgv(words('exec c -H x')).globals.size).toBe(0);
  });
});

describe('flags of pull and push', () => {
  test.each<[string, Record<string, string[]>, string[]]>([
    ['pull x', {}, ['x']],
    ['pull -q x', { quiet: ['true'] }, ['x']],
    ['pull x -q', { quiet: ['true'] }, ['x']],
    ['pull -aq x', { 'all-tags': ['true'], quiet: ['true'] }, ['x']],
    ['pull -aq=false x', { 'all-tags': ['true'], quiet: ['false'] }, ['x']],
    ['pull --all-tags --quiet=0 x', { 'all-tags': ['true'], quiet: ['false'] }, ['x']],
    ['pull -q -q=f x', { quiet: ['true', 'false'] }, ['x']],
    ['pull --platform linux/arm64 x', { platform: ['linux/arm64'] }, ['x']],
    ['pull --platform=linux/arm64 x', { platform: ['linux/arm64'] }, ['x']],
    ['pull --platform -q x', { platform: ['-q'] }, ['x']],
    ['pull --platform= x', { platform: [''] }, ['x']],
    ['pull --platform a=b=c x', { platform: ['a=b=c'] }, ['x']],
    ['pull -- -q', {}, ['-q']],
    ['pull -- x --', {}, ['x', '--']],
    ['pull - x', {}, ['-', 'x']],
    ["pull ''", {}, ['']],
    ['push -a x', { 'all-tags': ['true'] }, ['x']],
    ['push --platform linux/amd64 -q x', { platform: ['linux/amd64'], quiet: ['true'] }, ['x']],
    ['image push x --quiet', { quiet: ['true'] }, ['x']],
  ])('`docker %s`', (line, flags, positionals) => {
    const parsed = parseDockerArgv(words(line));
    expect(Object.fromEntries(parsed.flags)).toEqual(flags);
    expect(parsed.positionals).toEqual(positionals);
    expect(parsed.readsFlags).toBe(true);
  });

  test.each([
    ['pull --nope x', 'unknown flag: --nope'],
    ['pull --q x', 'unknown flag: --q'],
    ['pull --quie x', 'unknown flag: --quie'],
    ['pull --nope=1 x', 'unknown flag: --nope'],
    ['pull -z x', "unknown shorthand flag: 'z' in -z"],
    ['pull -qz x', "unknown shorthand flag: 'z' in -z"],
    ['pull -q= x', "unknown shorthand flag: '=' in -="],
    ['pull -quiet x', "unknown shorthand flag: 'u' in -uiet"],
    ['pull -ü x', "unknown shorthand flag: 'Ã' in -ü"],
    ['pull --platform', 'flag needs an argument: --platform'],
    ['pull --=x y', 'bad flag syntax: --=x'],
    ['pull ---x y', 'bad flag syntax: ---x'],
    [
      'pull --quiet=maybe x',
      'invalid argument "maybe" for "-q, --quiet" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
    [
      'pull --disable-content-trust=x y',
      'invalid argument "x" for "--disable-content-trust" flag: strconv.ParseBool: parsing "x": invalid syntax',
    ],
    ['--nope pull x', 'unknown flag: --nope'],
    ['--config', 'flag needs an argument: --config'],
    ['-H', "flag needs an argument: 'H' in -H"],
    [
      '--debug=maybe pull',
      'invalid argument "maybe" for "-D, --debug" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
  ])("`docker %s` fails with docker's words and status 125", (line, message) => {
    const error = caught(line);
    expect(error).toBeInstanceOf(CommandLineError);
    expect(error).toMatchObject({ code: 'USAGE', message, exitStatus: 125 });
    expect((error as CommandLineError).usage).toMatch(/^docker /);
  });

  test('names the usage of the form that was typed', () => {
    expect(caught('image pull --nope')).toMatchObject({
      usage: 'docker image pull [OPTIONS] NAME[:TAG|@DIGEST]',
    });
    expect(caught('--nope')).toMatchObject({ usage: 'docker [OPTIONS] COMMAND [ARG...]' });
  });

  test.each(['pull', 'pull a b', 'push', 'image push a b', 'pull -- a --'])(
    '`docker %s` has the wrong number of arguments',
    (line) => {
      const parsed = parseDockerArgv(words(line));
      const name = parsed.path.join(' ');
      expect(() => assertPositionals(parsed)).toThrow(
        expect.objectContaining({
          code: 'USAGE',
          exitStatus: 1,
          message: `docker: 'docker ${name}' requires 1 argument`,
        }),
      );
    },
  );

  test.each([
    ['commit', 'at least 1 and at most 2 arguments'],
    ['container commit a b c', 'at least 1 and at most 2 arguments'],
    ['start', 'at least 1 argument'],
    ['run', 'at least 1 argument'],
  ])('`docker %s` requires %s', (line, requires) => {
    const parsed = parseDockerArgv(words(line));
    const name = parsed.path.join(' ');
    expect(() => assertPositionals(parsed)).toThrow(
      expect.objectContaining({ exitStatus: 1, message: `docker: 'docker ${name}' requires ${requires}` }),
    );
  });

  test('takes one argument', () => {
    const parsed = parseDockerArgv(['pull', 'x']);
    expect(assertPositionals(parsed)).toBe(parsed);
  });

  test('shows what cannot be printed as it is', () => {
    expect((caught('pull --\u001b[2Jx y') as Error).message).toBe('unknown flag: --\\u001b[2Jx');
  });
});

describe('--disable-content-trust', () => {
  test.each<[string, 'on' | 'off' | undefined]>([
    ['pull x', undefined],
    ['pull --disable-content-trust x', 'off'],
    ['pull x --disable-content-trust', 'off'],
    ['pull --disable-content-trust=true x', 'off'],
    ['pull --disable-content-trust=false x', 'on'],
    ['pull --disable-content-trust=false --disable-content-trust x', 'off'],
    ['pull --disable-content-trust --disable-content-trust=0 x', 'on'],
    ['pull --platform --disable-content-trust x', undefined],
    ['pull -- --disable-content-trust', undefined],
    ['push --disable-content-trust x', 'off'],
    ['run --disable-content-trust alpine', 'off'],
    ['run alpine --disable-content-trust', undefined],
    ['run alpine sh -c --disable-content-trust', undefined],
    ['run --name --disable-content-trust alpine', undefined],
    ['run -it --disable-content-trust=false alpine', 'on'],
    ['run -e --disable-content-trust alpine', undefined],
    ['run --net --disable-content-trust alpine', undefined],
    ['run -h --disable-content-trust alpine', undefined],
    ['run -itv --disable-content-trust alpine', undefined],
    ['plugin install --new-flag --disable-content-trust p', undefined],
    ['run -- --disable-content-trust', undefined],
    ['create --disable-content-trust alpine', 'off'],
    ['container create --disable-content-trust alpine', 'off'],
    ['build --disable-content-trust .', 'off'],
    ['build . --disable-content-trust', 'off'],
    ['build -t --disable-content-trust .', undefined],
    ['plugin install --disable-content-trust p', 'off'],
    ['exec c --disable-content-trust', undefined],
    ['exec --disable-content-trust c', undefined],
    ['compose up --disable-content-trust', undefined],
    ['compose --disable-content-trust', undefined],
    ['service create --disable-content-trust x', undefined],
    ['nope --disable-content-trust', undefined],
  ])('`docker %s` says %s', (line, expected) => {
    const error = caught(line);
    if (error !== undefined) expect(line).toBe('compose --disable-content-trust');
    else expect(parseDockerArgv(words(line)).contentTrust).toBe(expected);
  });

  test('is taken out where it was a flag and left where it was a value', () => {
    const line = words(
      '-D run --disable-content-trust=false --name --disable-content-trust alpine --disable-content-trust',
    );
    expect(stripContentTrustFlag(line, parseDockerArgv(line))).toEqual(
      words('-D run --name --disable-content-trust alpine --disable-content-trust'),
    );
  });

  test('is not a global flag', () => {
    expect(caught('--disable-content-trust pull x')).toMatchObject({
      message: 'unknown flag: --disable-content-trust',
    });
  });
});

describe('help', () => {
  test.each([
    'pull --help',
    'pull -h',
    'pull x --help',
    'pull -qh x',
    '--help pull x',
    '-h image pull x',
    'image --help pull',
    'pull --help=false --help',
    'run --help',
    'run --help alpine',
    'run -it --help',
    'run --help=false --help alpine',
    'build --help',
    'compose up --help',
    'compose up --help -d',
    'service create --help',
    'buildx bake --help',
    'model --help',
    'load --help',
    'trust sign --help',
    '--help trust sign',
  ])('`docker %s` only prints', (line) => expect(parseDockerArgv(words(line)).help).toBe(true));

  test.each([
    'pull --help=false x',
    '--help pull --help=false x',
    '--help image --help=false pull x',
    'pull --platform --help x',
    'pull -- --help',
    'run alpine --help',
    'run --name --help alpine',
    'run -h --help alpine',
    '--help run alpine',
    '--help create alpine',
    'container --help run alpine',
    'run --help --help=false alpine',
    'plugin install --new-flag --help p',
    'compose up --help --help=false',
    'compose up -d --help',
    'compose --help run x',
    '--help compose run x',
    'service create --name --help x',
    'load -i --help',
  ])('`docker %s` may do more than print', (line) => {
    expect(parseDockerArgv(words(line)).help).toBe(false);
  });
});

describe('aliases of config.json', () => {
  const builder = (target: string): ReadonlyMap<string, string> => new Map([['builder', target]]);

  test('buildx behind `builder` is what dtrust expects anyway', () => {
    expect(applyAlias(['builder', 'ls'], builder('buildx'))).toEqual(['builder', 'ls']);
    expect(applyAlias(['builder', 'ls'], new Map())).toEqual(['builder', 'ls']);
  });

  test.each([[['builder', 'ls']], [['builder']], [['build']], [['image', 'build']], [['builder', 'prune']]])(
    'another plugin behind it is refused for %j',
    (path) => expect(classify(applyAlias(path, builder('mine'))).class).toBe('not-yet'),
  );

  test.each([[['pull']], [['image', 'ls']], [['ps']], [['buildx', 'ls']]])('leaves %j alone', (path) => {
    expect(applyAlias(path, builder('mine'))).toBe(path);
  });
});
