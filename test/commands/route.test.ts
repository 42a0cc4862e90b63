/** What becomes of a command line, trust on and off. */
import { describe, expect, test } from 'vitest';
import { parseDockerArgv } from '../../src/cli/argv.ts';
import { CANNOT, NOT_YET } from '../../src/cli/table.ts';
import { type Route, route } from '../../src/commands/route.ts';
import { UsageError } from '../../src/lib/errors.ts';
import { throwsCode } from '../helpers/throws-code.ts';

function routeOf(line: string, contentTrust?: string, aliases: Readonly<Record<string, string>> = {}): Route {
  const parsed = parseDockerArgv(line === '' ? [] : line.split(' '));
  return route({ parsed, contentTrust, aliases: () => new Map(Object.entries(aliases)) });
}

const refusedWith = (line: string, contentTrust?: string, aliases: Readonly<Record<string, string>> = {}) =>
  throwsCode(() => routeOf(line, contentTrust, aliases), UsageError, 'NOT_YET_ENFORCED');

describe('trust on', () => {
  test.each([
    ['pull x', 'pull'],
    ['image pull x', 'pull'],
    ['-D push x', 'push'],
    ['run x', 'run'],
    ['container run x', 'run'],
    ['container create x', 'create'],
    ['trust inspect x', 'trust inspect'],
    ['trust view x', 'trust inspect'],
    ['trust key ls', 'trust key list'],
    ['trust', 'trust'],
  ])('%s is done by dtrust', (line, command) => {
    expect(routeOf(line)).toEqual({ kind: 'own', command });
  });

  test.each([
    '',
    'ps',
    'images -a',
    'exec x pull',
    'pull --help',
    'run --help',
    'help pull',
    '--version',
    'version',
  ])('%j is docker, untouched', (line) => {
    expect(routeOf(line)).toEqual({ kind: 'untouched' });
  });

  test('every command of the table that is not yet enforced is refused, by each of its names', () => {
    const lines = NOT_YET.flatMap(({ commands }) => commands).map((command) =>
      command
        .split(' ')
        .map((word) => word.split('|').at(-1))
        .join(' '),
    );
    expect(lines.length).toBeGreaterThan(30);
    for (const line of lines) expect(refusedWith(line).hints).toHaveLength(1);
  });

  test('every command of the table that cannot be enforced is refused while trust is on, and says so', () => {
    const lines = CANNOT.flatMap(({ commands }) => commands).map((each) => each.replace(/\|\S+/g, ''));
    expect(lines.length).toBeGreaterThan(20);
    for (const line of lines) {
      const error = throwsCode(() => routeOf(line), UsageError, 'CANNOT_BE_ENFORCED');
      expect(error.message).toMatch(/ is not run while content trust is on: /);
      expect(error.hints).toHaveLength(1);
      expect(routeOf(line, '0')).toEqual({ kind: 'plain' });
    }
  });

  test('a verb of its own that is to come is refused whether trust is on or off, and says so', () => {
    for (const contentTrust of [undefined, '0']) {
      expect(refusedWith('trust promote x', contentTrust).message).toBe(
        '`trust promote` is not run: it is not built yet',
      );
    }
    expect(refusedWith('load x').message).toMatch(/^`load` is not run while content trust is on: /);
  });

  test('a `trust` command that there is not is a wrong command line, with what may have been meant', () => {
    for (const contentTrust of [undefined, '0']) {
      const error = throwsCode(() => routeOf('trust key exprot x', contentTrust), UsageError, 'USAGE');
      expect(error.message).toBe('there is no command `dtrust trust key exprot`');
      expect(error.hints).toEqual([
        'Did you mean `dtrust trust key export`?',
        'Run `dtrust trust key --help` for the commands that there are.',
      ]);
    }
    const both = throwsCode(() => routeOf('trust add x'), UsageError, 'USAGE');
    expect(both.hints[0]).toBe('Did you mean `dtrust trust signer add`, or `dtrust trust pin add`?');
    const none = throwsCode(() => routeOf('trust frob\u001b[31m'), UsageError, 'USAGE');
    expect(none.hints).toHaveLength(1);
    expect(none.message).not.toContain('\u001b');
  });

  test('buildx behind `builder` is a build as any other, and another plugin there is refused', () => {
    for (const line of ['build .', 'builder build .', 'image build .', 'buildx build .']) {
      expect(routeOf(line, undefined, { builder: 'buildx' })).toEqual({ kind: 'own', command: 'build' });
    }
    refusedWith('build .', undefined, { builder: 'mine' });
  });

  test('a command nobody knows runs after one line, which shows no escape sequence', () => {
    const found = routeOf('frob\u001b[31m x');
    expect(found).toMatchObject({ kind: 'warned' });
    expect(found.kind === 'warned' && found.line).not.toContain('\u001b');
  });

  test('an unknown command below one that brings images in is refused', () => {
    refusedWith('compose frobnicate');
    refusedWith('buildx frobnicate');
  });
});

describe('trust off', () => {
  test.each(['pull x', 'push x', 'run x', 'build .', 'compose up', 'load'])(
    '%s is docker with trust off',
    (line) => {
      expect(routeOf(line, '0')).toEqual({ kind: 'plain' });
    },
  );

  test('by the flag, where docker reads it as that', () => {
    expect(routeOf('pull --disable-content-trust x')).toEqual({ kind: 'plain' });
    expect(routeOf('run --disable-content-trust x')).toEqual({ kind: 'plain' });
    expect(routeOf('run x --disable-content-trust')).toEqual({ kind: 'own', command: 'run' });
    expect(routeOf('pull --disable-content-trust=false x', '0')).toEqual({ kind: 'own', command: 'pull' });
  });

  test('the trust tree stays its own', () => {
    expect(routeOf('trust inspect x', '0')).toEqual({ kind: 'own', command: 'trust inspect' });
  });

  test('a command nobody knows runs without the warning that it is not checked: nothing is', () => {
    expect(routeOf('frobnicate x', '0')).toEqual({ kind: 'untouched' });
    expect(routeOf('system frobnicate', 'false')).toEqual({ kind: 'untouched' });
    expect(routeOf('frobnicate x', 'no')).toMatchObject({ kind: 'warned' });
  });

  test('what brings no image in stays untouched', () => {
    expect(routeOf('ps', '0')).toEqual({ kind: 'untouched' });
  });
});
