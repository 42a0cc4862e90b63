/** What docker is called with: as typed, but for what has to be dtrust's. */
import { describe, expect, test } from 'vitest';
import { parseDockerArgv } from '../../../src/cli/argv.ts';
import { buildxArguments } from '../../../src/enforce/build/buildx-arguments.ts';

const OWN = ['--builder=default', '--metadata-file=/m'];

function argsFor(
  line: string,
  cacheFrom: Readonly<Record<string, string>> = {},
  metadataFile: string | undefined = '/m',
) {
  const parsed = parseDockerArgv(line.split(' '));
  return buildxArguments(parsed, {
    builder: 'default',
    cacheFrom: new Map(Object.entries(cacheFrom)),
    metadataFile,
  });
}

describe('design 3: docker is called', () => {
  test.each([
    ['build .', ['buildx', 'build', '.', ...OWN]],
    ['image build -t x .', ['buildx', 'build', '-t', 'x', '.', ...OWN]],
    ['builder build .', ['buildx', 'build', '.', ...OWN]],
    ['buildx b .', ['buildx', 'build', '.', ...OWN]],
    ['-D buildx --builder other build .', ['buildx', '--builder=other', 'build', '.', ...OWN]],
    ['build -t x -- .', ['buildx', 'build', '-t', 'x', ...OWN, '--', '.']],
    ['build --label -- . -q', ['buildx', 'build', '--label', '--', '.', '-q', ...OWN]],
    ['build --disable-content-trust=false -q .', ['buildx', 'build', '-q', '.', ...OWN]],
    [
      'build --build-arg --disable-content-trust .',
      ['buildx', 'build', '--build-arg', '--disable-content-trust', '.', ...OWN],
    ],
  ])('for `%s` with %j', (line, wanted) => expect(argsFor(line)).toEqual(wanted));

  test('with its own flags behind all others, so that none of those takes them back', () => {
    const args = argsFor('build . --builder= --metadata-file=mine --builder other');
    expect(args.slice(-2)).toEqual(OWN);
    expect(args).toContain('--metadata-file=mine');
  });

  test('without a file for the result where none is written', () => {
    expect(
      buildxArguments(parseDockerArgv(['build', '--check', '.']), {
        builder: 'b',
        cacheFrom: new Map(),
        metadataFile: undefined,
      }),
    ).toEqual(['buildx', 'build', '--check', '.', '--builder=b']);
  });

  test('with each cache by its digest, and nothing else that looks like one changed', () => {
    const args = argsFor('build --cache-from a:1 --cache-from=type=registry,ref=b --label a:1 .', {
      'a:1': 'a@D',
      'type=registry,ref=b': 'type=registry,ref=b@E',
    });
    expect(args.slice(2, -3)).toEqual([
      '--cache-from',
      'a@D',
      '--cache-from=type=registry,ref=b@E',
      '--label',
      'a:1',
    ]);
  });
});
