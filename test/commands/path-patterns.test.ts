/** `--path` of `trust signer add`: what is a pattern for tags, and what no tag could match. */
import { describe, expect, test } from 'vitest';
import { isMatchedBy, parsePathPattern } from '../../src/commands/path-patterns.ts';
import { UsageError } from '../../src/lib/errors.ts';
import { parseRepository } from '../../src/reference/reference.ts';
import { throwsCode } from '../helpers/throws-code.ts';

const HUB = parseRepository('acme/app');
const OWN = 'docker.io/acme/app';
const parse = (text: string, names = [OWN]) => parsePathPattern(text, HUB, names);

describe('protocol 2.2: patterns for target paths', () => {
  test.each([
    ['dev-*', `${OWN}:dev-*`],
    ['*', `${OWN}:*`],
    ['1.?', `${OWN}:1.?`],
    ['acme/app:dev-*', `${OWN}:dev-*`],
    [`${OWN}:dev-*`, `${OWN}:dev-*`],
  ])('%s is %s', (text, pattern) => expect(parse(text)).toBe(pattern));

  test('another repository that the collection speaks for can be named', () => {
    expect(parse('docker.io/acme/lib:1.*', ['docker.io/acme/*'])).toBe('docker.io/acme/lib:1.*');
  });

  test('a port is no tag', () => {
    const repository = parseRepository('[::1]:5000/app');
    const pattern = parsePathPattern('dev-*', repository, [repository.canonical]);
    expect(pattern).toBe(`${repository.canonical}:dev-*`);
    expect(isMatchedBy(`${repository.canonical}:dev-1`, pattern)).toBe(true);
    expect(isMatchedBy(`${repository.canonical}:1.0`, pattern)).toBe(false);
  });

  test.each([
    '',
    ':',
    'dev/*',
    '-x',
    '.x',
    'dev *',
    'dev-[12]',
    'other/app:dev-*',
    'ghcr.io/acme/app:dev',
    'a'.repeat(129),
  ])('no tag can match %j', (text) => {
    throwsCode(() => parse(text), UsageError, 'USAGE');
  });
});
