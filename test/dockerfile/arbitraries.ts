/** Dockerfiles and words made at random, from the pieces that matter to how they are read. */
import fc from 'fast-check';
import type { Build } from './build-of.ts';

/** The same ones at each run: what these tests say does not hang on chance. */
export function sampleOf<T>(arbitrary: fc.Arbitrary<T>, numRuns: number): readonly T[] {
  return fc.sample(arbitrary, { numRuns, seed: 20_260 });
}

const joined = (pieces: readonly string[], maxLength: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...pieces), { maxLength }).map((parts) => parts.join(''));

/** What `anyWord` can refer to. */
export const WORD_ENV = { A: 'abcabc', B: '', C: 'x/y:z', D: 'a*b?c', LONG: 'foo.bar.baz' };

export const anyWord = joined(
  // biome-ignore format: one piece beside the other
  [
    '$', '{', '}', 'A', 'B', 'C', 'D', 'LONG', 'U', ':', '-', '+', '?', '#', '%', '/', '*', '\\', '`', '"', "'", ' ',
    'a', 'b', '.', '${A', '${LONG', '${U', '$A', '${B:-', '//', '##', '%%', '\u00e9', '\t', '\ufeff',
  ],
  14,
);

// biome-ignore format: one piece beside the other
const PIECES = [
  'FROM ', 'RUN ', 'COPY ', 'ADD ', 'ARG ', 'ENV ', 'LABEL ', 'ONBUILD ', 'HEALTHCHECK ', 'CMD ', 'SHELL ', 'VOLUME ',
  'USER ', 'WORKDIR ', 'EXPOSE ', 'MAINTAINER ', 'STOPSIGNAL ', 'ENTRYPOINT ', 'from ', 'alpine', 'a', 'b', ' AS ',
  'x', '\n', '\n', '\n', '\r\n', ' ', '\t', '\\', '\\\n', '\\\\', '`', '`\n', '#', '# c\n', '# escape=`\n',
  '# check=skip=all\n', '//syntax=q\n', '--from=', '--platform=', '--mount=', '--chown=', '--link', '--',
  '--chown="a b\\c" ', "--chown=\\'", 'type=bind', ',', 'from=', '"', "'", '[', ']', '["a","b"]', '["a", 1]', '{"a":1}',
  '=', '$A', '${A}', '${A:-x}', 'K=V', 'CMD', 'NONE', '\ufeff', '\u00a0', '\u0085', '\u2028', '\v', '0', '/',
];

const HEREDOC_PIECES = [
  '<<EOF',
  '<<-E',
  '<<"EOF"',
  "<<'E'",
  '3<<F',
  '<<',
  '<<<',
  '-',
  'EOF\n',
  'E\n',
  '\tE\n',
];

const START = fc.constantFrom(
  'FROM a\n',
  'ARG A=b\nFROM $A AS x\n',
  '# escape=`\nFROM a AS b\n',
  '# syntax=z\n# escape=\\\nFROM a AS b\n',
  '\ufeff# syntax=d\nFROM a\n',
  '#!x\n# syntax=q\nFROM a\n',
);

const LINE_START = fc.constantFrom(
  // biome-ignore format: one piece beside the other
  ...[
    '', '', 'RUN ', 'COPY ', 'COPY a b', 'COPY --chown=q a ', 'FROM a', 'ONBUILD RUN x', 'ONBUILD COPY a b', 'ARG a',
    'ENV a ', 'CMD ', 'LABEL a=b', 'HEALTHCHECK CMD ',
  ],
);

/** Text that is now and then a Dockerfile: for how lines, words, flags and heredocs are read. */
export function anyFile(heredocs: 'heredocs' | 'no heredocs'): fc.Arbitrary<string> {
  const pieces = heredocs === 'heredocs' ? [...PIECES, ...HEREDOC_PIECES, ...HEREDOC_PIECES] : PIECES;
  const line = fc.tuple(LINE_START, joined(pieces, 8)).map((parts) => parts.join(''));
  return fc.tuple(START, fc.array(line, { maxLength: 4 })).map(([start, lines]) => start + lines.join('\n'));
}

const ARG_NAME = fc.constantFrom(
  'X',
  'Y',
  'TARGETARCH',
  'BUILDPLATFORM',
  'TARGETPLATFORM',
  'TARGETSTAGE',
  'HTTP_PROXY',
);

const ARG_LINE = fc
  .tuple(
    ARG_NAME,
    fc.option(fc.constantFrom('alpine', '$Y', 'a', '"x/${Y:-z}"', 'linux/arm64', "'q'"), { nil: undefined }),
  )
  .map(([name, value]) => `ARG ${name}${value === undefined ? '' : `=${value}`}`);

const BASE = fc.constantFrom(
  // biome-ignore format: one piece beside the other
  ...[
    'alpine', 'busybox:1', 'reg.io:5000/x/y', 'scratch', 'a', 'b', 'c', 'A', 'a', 'b', '${X:-alpine}', '"${X:-b}"', "'a'",
    'reg.io/${Y:+y}${Y:-n}', 'x${X%:*}', 'x${Y/a/b}', 'x-$TARGETARCH', '${TARGETVARIANT:-none}', '${HTTP_PROXY:-p}',
    '${TARGETSTAGE:-t}', '\\a', 'y${Y#*/}', `nginx@sha256:${'a'.repeat(64)}`,
  ],
);

const PLATFORM = fc.constantFrom(
  '',
  '',
  '',
  '--platform=$BUILDPLATFORM ',
  '--platform=linux/arm64 ',
  '--platform=${TARGETPLATFORM} ',
  '--platform=linux/${TARGETARCH:-amd64} ',
);

const SOURCE = fc.constantFrom('a', 'b', 'c', 'A', 'alpine', 'nginx:1', 'scratch', '0', '1', '+0', '01');

const COMMAND = fc.oneof(
  SOURCE.map((source) => `COPY --from=${source} / /`),
  SOURCE.map((source) => `RUN --mount=type=bind,from=${source},target=/m true`),
  fc
    .tuple(SOURCE, SOURCE)
    .map(
      ([one, two]) => `RUN --mount=from=${one},target=/m --mount='type=cache,"from=${two}",target=/n' true`,
    ),
  fc.constantFrom(
    'RUN --mount=type=cache,target=/c true',
    'RUN <<EOF\nCOPY --from=hidden / /\nEOF',
    'ENV X=z',
    'ARG X',
    'ONBUILD RUN x',
    'ONBUILD COPY --from=0 / /',
    '# c',
    'RUN x \\\n # c\n\n y',
  ),
);

const STAGE = fc
  .tuple(
    PLATFORM,
    BASE,
    fc.option(fc.constantFrom('a', 'b', 'c', 'B', 'alpine', 'scratch'), { nil: undefined }),
    fc.array(COMMAND, { maxLength: 3 }),
  )
  .map(([platform, base, name, commands]) =>
    [`FROM ${platform}${base}${name === undefined ? '' : ` AS ${name}`}`, ...commands].join('\n'),
  );

/** A build of several stages, mostly one that could be: for which images it takes. */
export const anyBuild: fc.Arbitrary<{ readonly text: string; readonly build: Build }> = fc.record({
  text: fc
    .tuple(fc.array(ARG_LINE, { maxLength: 3 }), fc.array(STAGE, { minLength: 1, maxLength: 4 }))
    .map(([args, stages]) => `${[...args, ...stages].join('\n')}\n`),
  build: fc.record({
    args: fc.dictionary(ARG_NAME, fc.constantFrom('alpine', 'b', 'linux/arm/v7', 'host/x:1'), { maxKeys: 2 }),
    target: fc.constantFrom('', '', '', 'a', 'B'),
    targetPlatform: fc.constantFrom('linux/amd64', 'linux/arm/v7', 'linux/arm64'),
    triggersOf: fc.constantFrom(
      {},
      {},
      { alpine: ['RUN x', 'COPY --from=a / /'] },
      { 'busybox:1': ['COPY --from=0 / /'] },
    ),
  }),
});
