/** Which front end a file asks for, and which one a build asks for. */
import { describe, expect, test } from 'vitest';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import { UsageError } from '../../src/lib/errors.ts';
import { throwsCode } from '../helpers/throws-code.ts';
import { bytesOf, takenBy } from './build-of.ts';

const syntaxOf = (text: string) => parseDockerfile(bytesOf(text), 'buildkit', 'Dockerfile').syntax;

describe('BuildKit: the front end of a file', () => {
  test.each([
    ['the directive', '# syntax=docker/dockerfile:1\nFROM a\n', 'docker/dockerfile:1', 1],
    ['no blanks, capitals', '#SYNTAX=x\nFROM a\n', 'x', 1],
    ['up to the first blank', '#  syntax =  x y z  \nFROM a\n', 'x', 1],
    ['behind the escape directive', '# escape=`\n# syntax=x\nFROM a\n', 'x', 2],
    [
      'behind # check, which only later BuildKits go on after',
      '# check=skip=all\n# syntax=x\nFROM a\n',
      'x',
      2,
    ],
    ['behind a shebang', '#!/usr/bin/env docker\n# syntax=x\nFROM a\n', 'x', 2],
    ['behind a byte-order mark, where only later BuildKits look', '\ufeff# syntax=x\nFROM a\n', 'x', 1],
    ['CRLF', '# syntax=x\r\nFROM a\r\n', 'x', 1],
    ['slashes', '// syntax=x y\nanything: at all\n', 'x', 1],
    ['slashes behind a shebang', '#!x\n//syntax=x\n<html>\n', 'x', 2],
    ['JSON', '{"other": 1, "syntax": "x"}', 'x', 1],
    ['JSON in any case', ' {"Syntax": "x"}\n', 'x', 1],
  ])('%s', (_, text, value, line) => {
    expect(syntaxOf(text)).toEqual({ value, line });
  });

  test.each([
    ['indented', ' # syntax=x\nFROM a\n'],
    ['behind a comment', '# a comment\n# syntax=x\nFROM a\n'],
    ['behind an empty line', '\n# syntax=x\nFROM a\n'],
    ['behind an instruction', 'FROM a\n# syntax=x\n'],
  ])('none: %s', (_, text) => {
    expect(syntaxOf(text)).toBeUndefined();
    expect(takenBy(text)).toEqual([`${text.split('\n').indexOf('FROM a') + 1} FROM a`]);
  });

  test('a file of another language names nothing but its front end', () => {
    expect(takenBy('// syntax=reg.io/mine\nimage: evil\n')).toEqual(['1 syntax reg.io/mine']);
  });

  test('JSON that names two is refused', () => {
    throwsCode(() => takenBy('{"syntax": "x", "SYNTAX": "y"}'), UsageError, 'DOCKERFILE_INVALID');
  });

  test('a Dockerfile is read beside its front end', () => {
    expect(takenBy('# syntax=x\nFROM a\n')).toEqual(['1 syntax x', '2 FROM a']);
    throwsCode(() => takenBy('# syntax=x\nanything: at all\n'), UsageError, 'DOCKERFILE_INVALID');
  });
});

describe('BuildKit: BUILDKIT_SYNTAX', () => {
  const text = '# syntax=x\nFROM a\n';

  test('the build argument wins over the directive', () => {
    expect(takenBy(text, { args: { BUILDKIT_SYNTAX: ' y:1 --flag ' } })).toEqual([
      '0 syntax y:1',
      '2 FROM a',
    ]);
    expect(takenBy('FROM a\n', { args: { BUILDKIT_SYNTAX: 'y' } })).toEqual(['0 syntax y', '1 FROM a']);
  });

  test('an empty one is refused: BuildKit would ask for the front end of that name', () => {
    throwsCode(() => takenBy(text, { args: { BUILDKIT_SYNTAX: ' ' } }), UsageError, 'DOCKERFILE_INVALID');
    throwsCode(() => takenBy('# syntax= \nFROM a\n'), UsageError, 'DOCKERFILE_INVALID');
  });

  test('an ARG of that name asks for nothing', () => {
    expect(takenBy('ARG BUILDKIT_SYNTAX=y\nFROM a\n')).toEqual(['2 FROM a']);
  });

  test('a named context stands in for the front end', () => {
    expect(takenBy(text, { contexts: ['x'] })).toEqual(['2 FROM a']);
  });
});
