/** Arguments of dtrust's own commands: read strictly, and never half. */
import { describe, expect, test } from 'vitest';
import { byNaturalOrder } from '../../src/commands/natural-order.ts';
import { type OwnSyntax, parseOwn, renderOwnHelp } from '../../src/commands/own-options.ts';
import { renderTable } from '../../src/commands/table.ts';
import { UsageError } from '../../src/lib/errors.ts';
import { throwsCode } from '../helpers/throws-code.ts';

const SYNTAX: OwnSyntax = {
  usage: 'dtrust trust try [OPTIONS] NAME',
  summary: 'Try it',
  flags: {
    yes: { alias: 'y', type: 'boolean', describe: 'Do not ask' },
    format: { type: 'string', describe: 'How' },
    key: { type: 'string', describe: 'Which', repeatable: true },
  },
  least: 1,
  most: 2,
};

const refused = (...args: string[]) => throwsCode(() => parseOwn(SYNTAX, args), UsageError, 'USAGE');

describe('accepts', () => {
  test('flags before, between and behind', () => {
    const args = parseOwn(SYNTAX, ['-y', 'a', '--format', 'json', 'b', '--key', '1', '--key=2']);
    expect(args.positionals).toEqual(['a', 'b']);
    expect(args.on('yes')).toBe(true);
    expect(args.string('format')).toBe('json');
    expect(args.strings('key')).toEqual(['1', '2']);
  });

  test('words that look like numbers, switches turned off, and what stands behind --', () => {
    expect(parseOwn(SYNTAX, ['1.10']).positionals).toEqual(['1.10']);
    expect(parseOwn(SYNTAX, ['0x10', '007']).positionals).toEqual(['0x10', '007']);
    expect(parseOwn(SYNTAX, ['--yes=false', 'a']).on('yes')).toBe(false);
    expect(parseOwn(SYNTAX, ['--', '-y']).positionals).toEqual(['-y']);
  });

  test('--help without anything else', () => {
    expect(parseOwn(SYNTAX, ['--help']).help).toBe(true);
    expect(parseOwn(SYNTAX, ['-h', 'a']).help).toBe(true);
  });
});

describe('refuses', () => {
  test.each([
    [[]],
    [['a', 'b', 'c']],
    [['--frobnicate', 'a']],
    [['-z', 'a']],
    [['--no-yes', 'a']],
    [['--format']],
    [['a', '--format']],
    [['--toString', 'a']],
    [['--__proto__', 'x', 'a']],
    [['--constructor=x', 'a']],
  ])('%j', (args) => {
    expect(refused(...args).hints).toEqual([`Usage: ${SYNTAX.usage}`]);
  });

  test('one value given twice', () => {
    const args = parseOwn(SYNTAX, ['--format', 'a', '--format', 'b', 'x']);
    throwsCode(() => args.string('format'), UsageError, 'USAGE');
  });
});

test('help names every flag', () => {
  const text = renderOwnHelp(SYNTAX);
  expect(text).toMatch(/^Usage: {2}dtrust trust try/);
  for (const flag of ['-y, --yes', '    --format string', '    --key string']) expect(text).toContain(flag);
});

test('a table keeps its columns apart, and ends no line with spaces', () => {
  expect(
    renderTable(
      ['A', 'LONG'],
      [
        ['xxxx', 'y'],
        ['z', ''],
      ],
    ),
  ).toBe('A      LONG\nxxxx   y\nz\n');
});

test('tags are ordered as people order them', () => {
  const tags = ['10.0', '2.0', '1.0', 'latest', '1.0-rc1', 'a', 'B'];
  expect([...tags].sort(byNaturalOrder).slice(0, 4)).toEqual(['1.0', '1.0-rc1', '2.0', '10.0']);
  expect(byNaturalOrder('x', 'x')).toBe(0);
});
