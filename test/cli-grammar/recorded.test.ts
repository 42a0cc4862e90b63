/**
 * The records of docker's command trees are what the programs say, and the releases fit together: what the table
 * and the flag tables are held to is neither made up nor out of date.
 */
import { describe, expect, test } from 'vitest';
import { parseHelp } from '../../scripts/record/help-text.ts';
import { makeRecord, RECORDS } from '../../scripts/record/records.ts';
import { walkTree } from '../../scripts/record/tree.ts';
import { needPeers, type Peer } from '../helpers/peers.ts';
import { flagsOf, RECORDINGS } from './recordings.ts';

const treeOf = (record: string) => RECORDINGS.get(record) ?? new Map();

for (const made of RECORDS) {
  const peers: readonly Peer[] = [`docker ${made.cli}`, ...(made.plugin === undefined ? [] : [made.plugin])];
  const needed = await needPeers(...peers);
  describe.skipIf(needed.skip)(needed.title(`the record ${made.name}`), () => {
    test('is what the program says today', { timeout: 240_000 }, async () => {
      const said = await makeRecord(made);
      expect(said.size).toBeGreaterThan(30);
      expect(Object.fromEntries(said)).toEqual(Object.fromEntries(treeOf(made.name)));
    });
  });
}

describe('the releases beside one another', () => {
  /** What later releases took away. */
  const GONE: readonly [reason: string, command: RegExp][] = [
    ['content trust left with 29', /^trust( |$)/],
    ['not shown by the engine that 29.8 was asked with', /^(checkpoint|volume update)( |$)/],
  ];

  test.each([
    ['cli-20.10', 'cli-26.1'],
    ['cli-26.1', 'cli-28.2'],
    ['cli-28.2', 'cli-29.8'],
  ])('what %s has, %s has, or it is known to be gone', (older, newer) => {
    const missing = [...treeOf(older)]
      .filter(([command, recorded]) => recorded.hidden === undefined && !treeOf(newer).has(command))
      .filter(([command]) => !GONE.some(([, commands]) => commands.test(command)));
    expect(missing.map(([command]) => command)).toEqual([]);
  });

  test('buildx and Compose inside the record of 29.8 say what their own records say', () => {
    const inside = [...treeOf('cli-29.8')].filter(([command]) => /^(buildx|compose)( |$)/.test(command));
    expect(inside.length).toBeGreaterThan(40);
    for (const [command, recorded] of inside) {
      const own = treeOf('buildx-0.13').get(command) ?? treeOf('compose-2.26').get(command);
      expect(own?.usage, command).toBe(recorded.usage);
      // Its own record has the experimental ones as well.
      expect(flagsOf(own), command).toEqual(expect.arrayContaining([...flagsOf(recorded)]));
    }
  });

  test('`builder` is buildx by another name, where buildx is', () => {
    const tree = treeOf('buildx-0.13');
    const shown = [...tree].filter(([command, { hidden }]) => /^buildx( |$)/.test(command) && !hidden);
    expect(shown.length).toBeGreaterThan(15);
    for (const [command, recorded] of shown) {
      expect(tree.get(command.replace('buildx', 'builder')), command).toEqual(recorded);
    }
  });

  test('no flag of a command took a value in one release and none in another', () => {
    const kinds = new Map<string, string>();
    for (const [record, tree] of RECORDINGS) {
      for (const [command, recorded] of tree) {
        for (const flag of flagsOf(recorded)) {
          const name = flag.replace(/=$/, '').split('/').at(-1);
          const kind = flag.endsWith('=') ? 'a value' : 'no value';
          const before = kinds.get(`${command} --${name}`) ?? kind;
          expect(kind, `${record}: ${command} --${name}`).toBe(before);
          kinds.set(`${command} --${name}`, kind);
        }
      }
    }
    expect(kinds.size).toBeGreaterThan(1000);
  });
});

describe('reading a help text', () => {
  const TEXT = [
    'Do something',
    '',
    'Usage:  docker thing [OPTIONS] NAME',
    '',
    'Aliases:',
    '  docker thing, docker t',
    '',
    'Options:',
    '  -a, --all               Everything, as with',
    '                          --nothing or in words',
    '      --filter filter     By what',
    '      --bare',
    '      --long-name string',
    '                          On a line of its own',
    '',
    'Management Commands:',
    '  group*      A plugin',
    'Commands:',
    '  verb        Do it',
    '  on          More words',
    '              over two lines',
    '',
    "Run 'docker thing COMMAND --help' for more information on a command.",
  ].join('\n');

  test('finds usage, aliases, flags with their kinds, and commands', () => {
    expect(parseHelp(TEXT)).toEqual({
      usage: 'docker thing [OPTIONS] NAME',
      aliases: 'docker thing, docker t',
      flags: ['a/all', 'filter=', 'bare', 'long-name='],
      commands: ['group', 'verb', 'on'],
    });
  });

  test('is undefined for what is none', () => {
    expect(parseHelp('docker: unknown command: docker frob')).toBeUndefined();
    expect(parseHelp('')).toBeUndefined();
  });

  test('finds hidden commands and flags by trying the names that are known', async () => {
    const says: Readonly<Record<string, string>> = {
      '--help': 'Usage:  docker [OPTIONS] COMMAND\n\nCommands:\n  shown    Shown\n',
      'shown --help': 'Usage:  docker shown [OPTIONS]\n\nOptions:\n  -a, --all   All\n',
      'secret --help': 'Usage:  docker secret [OPTIONS]\n',
      // A command that there is not: the help of the one above.
      'absent --help': 'Usage:  docker [OPTIONS] COMMAND\n\nCommands:\n  shown    Shown\n',
      'shown --old': 'flag needs an argument: --old',
      'shown --bare': 'requires 1 argument',
      'shown --none': 'unknown flag: --none',
    };
    const known = {
      commands: ['shown', 'secret', 'absent'],
      flags: new Map([['shown', ['all', 'old', 'bare', 'none']]]),
    };
    const tree = await walkTree(async (args) => says[args.join(' ')] ?? '', [''], known);
    expect(Object.fromEntries(tree)).toEqual({
      '': { usage: 'docker [OPTIONS] COMMAND', flags: '' },
      secret: { usage: 'docker secret [OPTIONS]', flags: '', hidden: true },
      shown: { usage: 'docker shown [OPTIONS]', flags: 'a/all', hiddenFlags: 'bare old=' },
    });
  });
});
