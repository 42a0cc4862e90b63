/** What the classic builder gets: every image pinned, one instruction to a line, or a refusal. */
import { describe, expect, test } from 'vitest';
import type { ImageUse } from '../../src/dockerfile/image-use.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import { serialiseForClassic } from '../../src/dockerfile/serialise-classic.ts';
import { UsageError } from '../../src/lib/errors.ts';
import { throwsCode } from '../helpers/throws-code.ts';
import { type Build, bytesOf, optionsOf, takenBy } from './build-of.ts';

const HEX = 'e'.repeat(64);
/** Of an image that the engine has: its digits alone. */
const ID = 'f'.repeat(64);
const pinned = ({ text }: ImageUse): string =>
  text.includes('@') ? text : text === 'local' ? ID : `reg.io/${text.replace(/:.*/, '')}@sha256:${HEX}`;

function sent(text: string, build: Build = {}, pin = pinned): readonly string[] {
  const file = parseDockerfile(bytesOf(text), 'classic', 'Dockerfile');
  const written = serialiseForClassic(file, optionsOf({ ...build, grammar: 'classic' }), pin);
  expect(written.endsWith('\n')).toBe(true);
  return written.slice(0, -1).split('\n');
}

const refused = (text: string, build: Build = {}): string =>
  throwsCode(() => sent(text, build), UsageError, 'DOCKERFILE_INVALID').message;

describe('classic builder: what is sent is the parsed Dockerfile serialised again, images pinned', () => {
  test('FROM and COPY --from are pinned; stages, scratch and the rest stay', () => {
    const text = [
      '# a comment',
      '# syntax=evil',
      'ARG V=3',
      'FROM --platform=linux/arm64 alpine:$V AS Build',
      'RUN a \\',
      '  # b',
      '  && c',
      'FROM build',
      'COPY --chown="a b" --from=busybox:1 ["x", "/"]',
      'COPY --from=0 x /',
      'FROM scratch',
      'COPY --from=BUILD x /',
      'FROM local',
    ].join('\n');
    expect(sent(text)).toEqual([
      '# escape=\\',
      'ARG V=3',
      `FROM --platform=linux/arm64 reg.io/alpine@sha256:${HEX} AS build`,
      'RUN a   && c',
      'FROM build',
      `COPY --chown=a\\ b --from=reg.io/busybox@sha256:${HEX} ["x", "/"]`,
      'COPY --from=0 x /',
      'FROM scratch',
      'COPY --from=BUILD x /',
      `FROM ${ID}`,
    ]);
  });

  test('the escape directive is kept', () => {
    expect(sent('# escape=`\nFROM local\nRUN dir C:\\ `\n x\n')).toEqual([
      '# escape=`',
      `FROM ${ID}`,
      'RUN dir C:\\  x',
    ]);
  });

  test('nothing behind the target is sent', () => {
    const text = 'FROM local AS one\nFROM evil AS two\nCOPY --from=evil2 / /\n';
    expect(sent(text, { target: 'ONE' })).toEqual(['# escape=\\', `FROM ${ID} AS one`]);
    expect(takenBy(text, { target: 'one', grammar: 'classic' })).toEqual(['1 FROM local']);
  });

  test('a line that would be continued in its new place is refused', () => {
    expect(refused('FROM local\nRUN x\\ \\')).toContain('Dockerfile:2: ');
  });

  test('a stage that is called like a pinned ID is refused: the builder would take it for the image', () => {
    expect(refused(`FROM alpine AS ${ID}\nFROM local\n`)).toContain('a stage has the name of a pinned image');
    expect(
      refused(`FROM alpine AS ${ID}\nCOPY --from=local / /\nFROM scratch\nCOPY --from=local / /\n`),
    ).toContain('a stage has the name of a pinned image');
  });

  test('what is no pin never gets into it', () => {
    expect(() => sent('FROM alpine\n', {}, ({ text }) => text)).toThrow('an image of a build is pinned');
    expect(() => sent('FROM alpine\n', {}, () => `x@sha256:${HEX} AS y`)).toThrow(
      'an image of a build is pinned',
    );
  });
});

describe('classic builder: what a build takes', () => {
  test('all stages up to the target, needed or not; a later stage is an image', () => {
    const text = 'FROM a\nCOPY --from=later / /\nFROM b AS later\nFROM c\n';
    expect(takenBy(text, { grammar: 'classic' })).toEqual([
      '1 FROM a',
      '2 COPY --from later',
      '3 FROM b',
      '4 FROM c',
    ]);
  });

  test('it sets no platforms, lets the proxy arguments through and expands names of ARGs', () => {
    const build: Build = { grammar: 'classic', args: { HTTP_PROXY: 'p', A: 'given', NOT: 'x' } };
    expect(takenBy('ARG N=A\nARG $N=x\nFROM ${HTTP_PROXY}/$A${TARGETARCH}${NOT}\n', build)).toEqual([
      '3 FROM p/given',
    ]);
    expect(takenBy('ARG A=x\nARG A B=$A\nFROM a$B$A\n', { grammar: 'classic' })).toEqual(['3 FROM ax']);
    expect(refused('FROM --platform=$BUILDPLATFORM a\n')).toContain('empty platform');
  });

  test.each([
    ['a stage name twice', 'FROM a AS x\nFROM b AS X\n'],
    ['a stage by a number to come', 'FROM a\nCOPY --from=0 / /\n'],
    ['a target by number', 'FROM a\n', { target: '0' }],
    ['COPY --from=scratch', 'FROM a\nCOPY --from=scratch / /\n'],
    ['COPY --from=$X', 'ARG X=b\nFROM a\nCOPY --from=$X / /\n'],
    ['a base of several words', 'ARG X="a AS b"\nFROM $X\n'],
  ])('%s is refused', (_, text, build: Build = {}) => {
    expect(refused(text, build)).toMatch(/^Dockerfile/);
  });
});

describe('classic builder: ONBUILD', () => {
  test('a trigger that copies from a tag is refused: it stands in the image, where nothing can be pinned', () => {
    const build = { triggersOf: { alpine: ['RUN x', 'COPY --from=evil:1 / /'] } };
    expect(takenBy('FROM alpine\n', { ...build, grammar: 'classic' })).toEqual([
      '1 FROM alpine',
      '1 COPY --from evil:1',
    ]);
    expect(refused('FROM alpine\n', build)).toContain(
      'Dockerfile:1: an ONBUILD trigger of the base copies from evil:1',
    );
  });

  test('a trigger that copies from a digest is as good as pinned, if that digest is what was admitted', () => {
    const build = { triggersOf: { local: [`COPY --from=x@sha256:${HEX} / /`] } };
    expect(sent('FROM local\n', build)).toEqual(['# escape=\\', `FROM ${ID}`]);
    const other = (): string =>
      throwsCode(() => sent('FROM local\n', build, () => ID), UsageError, 'DOCKERFILE_INVALID').message;
    expect(other()).toContain('cannot be given pinned');
  });

  test('triggers of a stage run where another stage is built upon it, and are kept as they are', () => {
    expect(refused('FROM local AS a\nONBUILD COPY --from=evil / /\nFROM a\n')).toContain('Dockerfile:3: ');
    expect(sent('FROM local\nONBUILD COPY --from=other / /\n')).toContain('ONBUILD COPY --from=other / /');
  });

  test.each([
    ['FROM', 'FROM evil'],
    ['nothing', ' # x'],
    ['two instructions', 'RUN x\nCOPY --from=evil / /'],
    ['ONBUILD', 'ONBUILD RUN x'],
    ['a heredoc', 'RUN <<EOF\nx\nEOF'],
  ])('a trigger of %s is refused', (_, trigger) => {
    expect(refused('FROM local\n', { triggersOf: { local: [trigger] } })).toContain('Dockerfile:1: ');
  });
});
