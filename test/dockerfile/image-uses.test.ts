/** What a build takes from elsewhere: stages, variables, mounts, front ends, ONBUILD, named contexts. */
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/lib/errors.ts';
import { throwsCode } from '../helpers/throws-code.ts';
import { takenBy, usesOf } from './build-of.ts';

describe('BuildKit: what a build takes', () => {
  test('FROM, COPY --from and RUN --mount=from name images; a name of a stage is none', () => {
    const text = [
      'FROM golang:1 AS build',
      'RUN --mount=type=cache,target=/c --mount=from=busybox,target=/b make',
      'FROM alpine',
      'COPY --from=build /a /a',
      'COPY --from=BUILD /a /a',
      'COPY --from=0 /a /a',
      'COPY --from=nginx:1 /a /a',
      'RUN --mount=type=bind,from=build,target=/b true',
    ].join('\n');
    expect(takenBy(text)).toEqual([
      '1 FROM golang:1',
      '2 RUN --mount busybox',
      '3 FROM alpine',
      '7 COPY --from nginx:1',
    ]);
  });

  test('only an image that is built upon runs its triggers', () => {
    const uses = usesOf('FROM a\nCOPY --from=b / /\n');
    expect(uses.map(({ text, triggers }) => [text, triggers])).toEqual([
      ['a', true],
      ['b', false],
    ]);
  });

  test('stages that the target does not need are not asked for', () => {
    const text = 'FROM a AS one\nFROM b AS two\nFROM c AS three\nCOPY --from=one / /\nFROM two AS four\n';
    expect(takenBy(text)).toEqual(['2 FROM b']);
    expect(takenBy(text, { target: 'THREE' })).toEqual(['1 FROM a', '3 FROM c']);
    throwsCode(() => takenBy(text, { target: 'five' }), UsageError, 'DOCKERFILE_INVALID');
  });

  test('a heredoc hides what looks like an instruction, and ends where its name stands', () => {
    const text = 'FROM a\nRUN <<EOF\nFROM hidden\n EOF\nEOF\nCOPY --from=b / /\n';
    expect(takenBy(text)).toEqual(['1 FROM a', '6 COPY --from b']);
  });
});

describe('BuildKit: variables', () => {
  test('where BuildKits differ, both readings are resolved', () => {
    // An ARG with no value before FROM: 0.13 has it empty, later ones leave the platform as it is.
    expect(takenBy('ARG TARGETARCH\nFROM a${TARGETARCH}\n')).toEqual(['2 FROM a', '2 FROM aamd64']);
    expect(takenBy('FROM a:x$TARGETSTAGE AS b\n')).toEqual(['1 FROM a:x', '1 FROM a:xb']);
    expect(takenBy('FROM a:x$TARGETSTAGE\n')).toEqual(['1 FROM a:x', '1 FROM a:xdefault']);
    expect(takenBy('FROM a:x$TARGETSTAGE AS b\nFROM c\n', { target: 'b' })).toEqual([
      '1 FROM a:x',
      '1 FROM a:xb',
    ]);
  });

  test('a reading that a builder could not go on with does not count, unless neither does', () => {
    expect(takenBy('ARG BUILDPLATFORM\nFROM --platform=$BUILDPLATFORM a\n')).toEqual([
      '2 FROM a [linux/amd64]',
    ]);
    expect(takenBy('FROM a-$TARGETSTAGE\n')).toEqual(['1 FROM a-default']);
    throwsCode(() => takenBy('FROM $X\n'), UsageError, 'DOCKERFILE_INVALID');
    const refused = throwsCode(() => takenBy('ARG V\nFROM a:$V\n'), UsageError, 'DOCKERFILE_INVALID');
    expect(refused.message).toBe(
      'Dockerfile:2: FROM a:$V: a: is neither a stage before it nor the name of an image',
    );
    throwsCode(() => takenBy('FROM A\n'), UsageError, 'DOCKERFILE_INVALID');
  });

  test.each([
    'COPY --from=$X / /',
    'COPY --from="$X" / /',
    'RUN --mount=from=${X},target=/x y',
    'RUN --mount=from=$ x',
  ])('no BuildKit expands %s', (command) => {
    const refused = throwsCode(
      () => takenBy(`ARG X=b\nFROM a\n${command}\n`),
      UsageError,
      'DOCKERFILE_INVALID',
    );
    expect(refused.message).toContain('Dockerfile:3: ');
  });

  test.each([
    ['nested without end', `FROM ${'${A:-'.repeat(60)}a${'}'.repeat(60)}\n`],
    ['growing without end', `ARG A=${'x'.repeat(60)}\n${'ARG A=$A$A$A$A$A$A$A$A\n'.repeat(12)}FROM a\n`],
    ['a pattern on a long value', `ARG A=${'a'.repeat(4_000)}\nFROM a\${A//*a*a*a*b/x}\n`],
    ['an empty pattern', 'FROM a${A#}\n'],
    ['a pattern with a colon', 'FROM a${A:#x}\n'],
    ['a dollar in a replacement', "ARG A=b\nFROM ${A//b/'$'0}\n"],
  ])('%s is refused', (_, text) => {
    throwsCode(() => takenBy(text), UsageError, 'DOCKERFILE_INVALID');
  });
});

describe('BuildKit: named contexts', () => {
  const text = 'FROM alpine AS base\nCOPY --from=busybox / /\nFROM base\nCOPY --from=nginx / /\n';

  test('a context stands in for an image of its name, in whatever form', () => {
    expect(takenBy(text, { contexts: ['docker.io/library/alpine:latest', 'nginx'] })).toEqual([
      '2 COPY --from busybox',
    ]);
    expect(takenBy('FROM docker.io/library/alpine\n', { contexts: ['alpine'] })).toEqual([]);
    expect(takenBy('FROM alpine:3\n', { contexts: ['alpine'] })).toEqual(['1 FROM alpine:3']);
  });

  test('a context stands in for a stage; what the stage copies from is asked for all the same', () => {
    expect(takenBy(text, { contexts: ['base'] })).toEqual(['2 COPY --from busybox', '4 COPY --from nginx']);
  });

  test('scratch and context are never replaced', () => {
    expect(takenBy('FROM context\n', { contexts: ['context', 'scratch'] })).toEqual(['1 FROM context']);
  });

  test('the triggers of a context run', () => {
    const build = {
      contexts: ['alpine', 'base'],
      triggersOf: { alpine: ['COPY --from=x / /'], base: ['COPY --from=y / /'] },
    };
    expect(takenBy('FROM alpine\n', build)).toEqual(['1 COPY --from x']);
    expect(takenBy('FROM a AS base\nFROM base\n', build)).toEqual(['2 COPY --from y']);
  });
});

describe('BuildKit: ONBUILD of the base', () => {
  test('what a trigger takes is resolved, though BuildKit 0.13 refuses it', () => {
    const triggers = [
      'RUN x',
      'COPY --from=b / /',
      'RUN --mount=from=c,target=/c <<EOF\nCOPY --from=d / /\nEOF',
    ];
    expect(takenBy('FROM a\n', { triggersOf: { a: triggers } })).toEqual([
      '1 FROM a',
      '1 COPY --from b',
      '1 RUN --mount c',
    ]);
  });

  test('a trigger can need a stage that nothing else needs', () => {
    const build = { triggersOf: { a: ['COPY --from=tools / /'] } };
    expect(takenBy('FROM b AS tools\nFROM a\n', build)).toEqual(['1 FROM b', '2 FROM a']);
  });

  test('triggers of images that are only copied from, or of stages not needed, do not run', () => {
    const build = { triggersOf: { a: ['COPY --from=x / /'] } };
    expect(takenBy('FROM a\nFROM b\nCOPY --from=a / /\n', build)).toEqual(['2 FROM b', '3 COPY --from a']);
  });

  test('triggers of a stage run in the stage that is built upon it, once', () => {
    const text = 'FROM a AS one\nONBUILD COPY --from=x / /\nFROM one AS two\nFROM two\n';
    expect(takenBy(text)).toEqual(['1 FROM a', '3 COPY --from x']);
    expect(takenBy(text, { target: 'one' })).toEqual(['1 FROM a']);
  });

  test.each(['FROM x', 'MAINTAINER x', 'COPY --from=x', 'RUN x\nRUN y', ''])(
    '%j is no trigger',
    (trigger) => {
      const build = { triggersOf: { a: [trigger] } };
      const refused = throwsCode(() => takenBy('FROM b\nFROM a\n', build), UsageError, 'DOCKERFILE_INVALID');
      expect(refused.message).toContain('Dockerfile:2: ');
    },
  );
});

describe('BuildKit: stages', () => {
  test('stages that need themselves are refused: some of them kill a BuildKit', () => {
    const texts = [
      'FROM a AS x\nCOPY --from=x / /\n',
      'FROM a AS x\nCOPY --from=y / /\nFROM x AS y\n',
      'FROM a AS x\nCOPY --from=1 / /\nFROM b\nCOPY --from=0 / /\nFROM c\n',
    ];
    for (const text of texts) {
      expect(throwsCode(() => takenBy(text), UsageError, 'DOCKERFILE_INVALID').message).toContain('circular');
    }
  });

  test('of two stages of a name the last is taken, wherever it is asked for', () => {
    expect(takenBy('FROM a AS x\nFROM b AS x\nFROM c\nCOPY --from=x / /\n')).toEqual([
      '2 FROM b',
      '3 FROM c',
    ]);
    expect(takenBy('FROM a AS x\nFROM x AS y\nFROM b AS x\nFROM y\n')).toEqual(['1 FROM a']);
  });

  test('numbers beyond the stages are refused', () => {
    throwsCode(
      () => takenBy('FROM a\nCOPY --from=b / /\nCOPY --from=1 / /\n'),
      UsageError,
      'DOCKERFILE_INVALID',
    );
  });

  test('many stages are no work without end', () => {
    const stages = Array.from({ length: 5_000 }, (_, i) => `FROM a AS s${i}\nCOPY --from=s${i - 1} / /\n`);
    const text = `FROM b AS s-1\n${stages.join('')}`;
    expect(usesOf(text)).toHaveLength(5_001);
  });
});
