/** What makes a Dockerfile, line by line, and what is refused: with file, line and reason, whatever the builder does. */
import { describe, expect, test } from 'vitest';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import { UsageError } from '../../src/lib/errors.ts';
import { throwsCode } from '../helpers/throws-code.ts';
import { bytesOf } from './build-of.ts';

const parse = (text: string, grammar: 'buildkit' | 'classic' = 'buildkit') =>
  parseDockerfile(bytesOf(text), grammar, 'Dockerfile');

const refusal = (bytes: Uint8Array, grammar: 'buildkit' | 'classic' = 'buildkit'): string =>
  throwsCode(() => parseDockerfile(bytes, grammar, 'some/Dockerfile'), UsageError, 'DOCKERFILE_INVALID')
    .message;

describe('an unparsable Dockerfile is refused with file, line and reason', () => {
  test.each([
    ['a NUL', 'FROM a\nRUN x\0y\n', 'some/Dockerfile:2: the line holds a NUL character'],
    ['an unknown instruction', 'FROM a\n\nFRM b\n', 'some/Dockerfile:3: unknown instruction: FRM'],
    [
      'a keyword beyond ASCII',
      'FROM a\nWOR\u212aDIR /\n',
      'some/Dockerfile:2: unknown instruction: WOR\u212aDIR',
    ],
    ['no FROM', 'ARG A=b\n', 'some/Dockerfile: the file has no FROM'],
    ['an instruction before FROM', 'RUN x\nFROM a\n', 'some/Dockerfile:1: RUN stands before the first FROM'],
    [
      'as, spelt with a long s',
      'FROM a a\u017f b\n',
      'some/Dockerfile:1: FROM requires either one or three arguments',
    ],
    [
      'a flag beyond ASCII',
      'FROM a\nCOPY --from=\u00e0 x /\n',
      'some/Dockerfile:2: a character that is not printable ASCII',
    ],
    ['an unknown flag of ARG', 'ARG --x A=b\nFROM a\n', 'some/Dockerfile:1: unknown flag of ARG: --x'],
    [
      'a heredoc without an end',
      'FROM a\nRUN \\\n <<EOF\nx\n',
      'some/Dockerfile:2: unterminated heredoc: EOF',
    ],
    ['ONBUILD of nothing known', 'FROM a\nONBUILD FRM b\n', 'some/Dockerfile:2: unknown instruction: FRM'],
    ['a terminal sequence', 'FROM a\n\u001b[2J x\n', 'some/Dockerfile:2: unknown instruction: \\u001b[2J'],
  ])('%s', (_, text, message) => {
    expect(refusal(bytesOf(text))).toContain(message);
  });

  test('bytes that are no UTF-8, also in a comment', () => {
    expect(refusal(Uint8Array.of(...bytesOf('FROM a\n# '), 0xe9, 0x0a))).toContain('is not UTF-8');
    expect(refusal(Uint8Array.of(0xff, 0xfe, 0x46, 0))).toContain('is not UTF-8');
  });

  test('a line that the builders do not take, and one that they do', () => {
    expect(refusal(bytesOf(`FROM a\nRUN ${'x'.repeat(65_532)}\n`))).toMatch(
      /Dockerfile:2: the line is longer/,
    );
    expect(parse(`FROM a\nRUN ${'x'.repeat(65_530)}\n`).instructions).toHaveLength(2);
    expect(refusal(bytesOf(`FROM a\n${'#\n'.repeat(600_000)}`))).toContain('is longer than');
  });

  test('a name of the file that others chose is escaped', () => {
    const refused = throwsCode(
      () => parseDockerfile(bytesOf(''), 'buildkit', 'a\nb'),
      UsageError,
      'DOCKERFILE_INVALID',
    );
    expect(refused.message).toBe('a\\u000ab: the file has no FROM');
  });
});

describe('BuildKit: what only some BuildKits read that way', () => {
  test('blanks between << and the name announce a heredoc where the file is none without it', () => {
    const [, run, copy] = parse('FROM a\nRUN cat << EOF\nFROM b\nEOF\nCOPY --from=c / /\n').instructions;
    expect(run?.heredocs).toEqual([{ name: 'EOF', content: 'FROM b\n', chomp: false }]);
    expect(copy?.line).toBe(5);
    expect(parse('FROM a\nRUN x << 1\nRUN y\n').instructions.map(({ keyword }) => keyword)).toEqual([
      'FROM',
      'RUN',
      'RUN',
    ]);
  });

  test.each([
    ['an escape token behind # check', '# check=skip=all\n# escape=`\nFROM a\n'],
    ['a flag that the escape token splits', '# escape=`\nFROM a\nCOPY --chown=a`\u0020b x /\n'],
    ['a backslash in a flag beside another escape token', '# escape=`\nFROM a\nRUN --mount=target=C:\\x y\n'],
    ['# check twice', '# check=a\n# check=b\nFROM a\n'],
  ])('%s is refused', (_, text) => {
    expect(refusal(bytesOf(text))).toMatch(/Dockerfile:\d/);
  });

  test('flags of later BuildKits are read, and left to the builder', () => {
    const text =
      'FROM a\nCOPY --parents --exclude=x --exclude=y z /\nADD --unpack=false --keep-git-dir q /\nRUN --device=d --security=insecure x\n';
    expect(parse(text).instructions.flatMap(({ flags }) => flags.map(({ name }) => name))).toEqual([
      'parents',
      'exclude',
      'exclude',
      'unpack',
      'keep-git-dir',
      'device',
      'security',
    ]);
  });
});

describe('classic builder: its grammar', () => {
  test.each([
    ['RUN', 'RUN cat <<EOF\nEOF'],
    ['RUN, spaced', 'RUN cat << EOF\nEOF'],
    ['RUN, without tabs', 'RUN cat <<-"EOF"\nEOF'],
    ['COPY', 'COPY <<a <<b /\na\nb'],
    ['ADD', 'ADD 3<<a /\na'],
    ['ONBUILD', 'ONBUILD RUN <<EOF\nx\nEOF'],
  ])('a heredoc in %s is refused', (_, text) => {
    expect(refusal(bytesOf(`FROM a\n${text}\n`), 'classic')).toContain('heredocs require BuildKit');
  });

  test('two signs that announce nothing are none', () => {
    expect(parse('FROM a\nRUN echo $((1<<2)) "<<EOF"\n', 'classic').instructions).toHaveLength(2);
  });

  test.each([
    ['RUN --mount', 'RUN --mount=type=cache,target=/c x', 'the --mount option of RUN requires BuildKit'],
    ['COPY --link', 'COPY --link x /', 'the --link option of COPY requires BuildKit'],
    ['COPY --chmod', 'COPY --chmod=1 x /', 'the --chmod option of COPY requires BuildKit'],
    ['more behind JSON', 'CMD ["x"] y', 'more than blanks behind a JSON array'],
    ['a carriage return within a line', 'RUN a\rCOPY --from=b / /', 'a carriage return that ends no line'],
  ])('%s is refused', (_, text, reason) => {
    expect(refusal(bytesOf(`FROM a\n${text}\n`), 'classic')).toContain(reason);
  });

  test('a front end means nothing to it', () => {
    expect(parse('# syntax=x\nFROM a\n', 'classic').syntax).toBeUndefined();
    expect(refusal(bytesOf('// syntax=x\n'), 'classic')).toContain('unknown instruction: //');
  });
});
