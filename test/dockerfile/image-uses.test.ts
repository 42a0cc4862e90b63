/** What a build takes from elsewhere: stages, variables, mounts, front ends, ONBUILD, named contexts. */
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/lib/errors.ts';
import { throwsCode } from '../helpers/throws-code.ts';
import { takenBy, usesOf } from './build-of.ts';

describe('issue 4.5: what a BuildKit build takes', () => {
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
