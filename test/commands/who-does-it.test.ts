/** Who does a command line: docker, untouched or with trust switched off; dtrust; or nobody. */
import { describe, expect, test } from 'vitest';
import { parseDockerArgv } from '../../src/cli/argv.ts';
import { NOT_BUILT } from '../../src/cli/table.ts';
import { COMMAND_NAMES } from '../../src/commands/command-modules.ts';
import { type Route, route } from '../../src/commands/route.ts';
import { UsageError } from '../../src/lib/errors.ts';
import { throwsCode } from '../helpers/throws-code.ts';

interface Given {
  readonly contentTrust?: string;
  readonly aliases?: Readonly<Record<string, string>>;
}

function routeOf(line: string, { contentTrust, aliases = {} }: Given = {}): Route {
  const parsed = parseDockerArgv(line === '' ? [] : line.split(' '));
  return route({ parsed, contentTrust, aliases: () => new Map(Object.entries(aliases)) });
}

describe('contract (Passing on): words that are docker’s own', () => {
  test.each([
    '',
    '--version',
    '-v',
    'version',
    'info',
    'help',
    'help pull',
    '--help',
    'pull --help',
    'push --help',
    'image pull --help',
    'run --help',
    'build --help',
    'compose up --help',
    'completion bash',
    '__complete pull ',
    '__completeNoDesc image ',
    'docker-cli-plugin-metadata',
  ])('contract (Passing on): `docker %s` reaches docker, trust on or off', (line) => {
    for (const contentTrust of [undefined, '1', '0']) {
      expect(routeOf(line, { contentTrust: contentTrust ?? '' })).toEqual({ kind: 'untouched' });
    }
  });

  test('contract (Passing on): its own version is `trust version`', () => {
    expect(routeOf('trust version')).toEqual({ kind: 'own', command: 'trust version' });
  });

  test('a command that brings no image in is docker’s, whatever its flags are', () => {
    for (const line of [
      'ps -a',
      'images',
      'exec -it c sh',
      'rmi x:1',
      'tag a b',
      'login ghcr.io',
      'logs -f c',
    ]) {
      expect(routeOf(line)).toEqual({ kind: 'untouched' });
    }
  });
});

describe('contract (Passing on): global flags before the command', () => {
  const flags = [
    '--config /c',
    '--context=c',
    '-c c',
    '-D',
    '--debug=true',
    '-H unix:///s',
    '-Hunix:///s',
    '-l debug',
    '--log-level=info',
    '--tls',
    '--tlscacert ca.pem',
    '--tlscert c.pem',
    '--tlskey k.pem',
    '--tlsverify=false',
  ];

  test.each(flags)('`docker %s` changes nothing about who does the command', (flag) => {
    expect(routeOf(`${flag} pull x`)).toEqual({ kind: 'own', command: 'pull' });
    expect(routeOf(`${flag} image push x`)).toEqual({ kind: 'own', command: 'push' });
    expect(routeOf(`${flag} ps`)).toEqual({ kind: 'untouched' });
    expect(routeOf(`${flag} container run x`)).toEqual({ kind: 'own', command: 'run' });
    throwsCode(() => routeOf(`${flag} load x`), UsageError, 'NOT_YET_ENFORCED');
    expect(routeOf(`${flag} run x`, { contentTrust: '0' })).toEqual({ kind: 'plain' });
  });
});

describe('contract (Passing on): an alias of config.json', () => {
  test.each(['build .', 'image build .', 'builder build .', 'builder prune'])(
    '`docker %s` is not taken for what it usually is when `builder` stands for another plugin',
    (line) => {
      throwsCode(() => routeOf(line, { aliases: { builder: 'mine' } }), UsageError, 'NOT_YET_ENFORCED');
    },
  );

  test('buildx behind `builder` leaves what brings no image in to docker', () => {
    expect(routeOf('builder prune', { aliases: { builder: 'buildx' } })).toEqual({ kind: 'untouched' });
  });

  test('is not looked for where no command can have one', () => {
    const aliases = () => {
      throw new Error('config.json was read');
    };
    const parsed = parseDockerArgv(['ps']);
    expect(route({ parsed, contentTrust: undefined, aliases })).toEqual({ kind: 'untouched' });
  });
});

describe('what could bring an image in unverified', () => {
  const lines = ['import x', 'bake', 'compose up', 'service create x', 'load -i x.tar'];

  test.each(lines)('`docker %s` is NOT_YET_ENFORCED while trust is on, with a way on', (line) => {
    for (const contentTrust of ['', '1', 'ture']) {
      const error = throwsCode(() => routeOf(line, { contentTrust }), UsageError, 'NOT_YET_ENFORCED');
      expect(error.hints.join()).toMatch(/dtrust|DOCKER_CONTENT_TRUST=0/);
    }
  });

  test.each(lines)('`docker %s` is docker’s, with trust off for it, once it is switched off', (line) => {
    expect(routeOf(line, { contentTrust: '0' })).toEqual({ kind: 'plain' });
  });

  test('the flag switches off what docker lets it, for that call', () => {
    expect(routeOf('run --disable-content-trust alpine')).toEqual({ kind: 'plain' });
    expect(routeOf('pull --disable-content-trust x')).toEqual({ kind: 'plain' });
    const enforced = { kind: 'own', command: 'run' };
    expect(routeOf('run --disable-content-trust=false alpine', { contentTrust: '0' })).toEqual(enforced);
    expect(routeOf('run alpine --disable-content-trust')).toEqual(enforced);
  });

  test('what nobody knows is run after a line that says so, escaped', () => {
    expect(routeOf('frobnicate x')).toMatchObject({
      kind: 'warned',
      line: expect.stringContaining('frobnicate'),
    });
    expect(routeOf('frob\u001b[2J')).toMatchObject({ line: expect.not.stringContaining('\u001b') });
  });
});

describe('the trust commands', () => {
  test('are dtrust’s own, trust on or off, help too', () => {
    for (const contentTrust of ['', '0']) {
      for (const name of COMMAND_NAMES.filter((each) => each.startsWith('trust'))) {
        expect(routeOf(name, { contentTrust })).toEqual({ kind: 'own', command: name });
        expect(routeOf(`${name} --help`, { contentTrust })).toEqual({ kind: 'own', command: name });
      }
    }
  });

  test.each(NOT_BUILT.flatMap(({ commands }) => commands.map((each) => each.replace(/\|\S+/g, ''))))(
    '`%s`, which is to come, is refused and never handed to docker',
    (line) => {
      for (const contentTrust of ['', '0']) {
        const error = throwsCode(() => routeOf(line, { contentTrust }), UsageError, 'NOT_YET_ENFORCED');
        expect(error.hints.length).toBeGreaterThan(0);
      }
    },
  );
});
