/** The modules that there are, the table that says which there must be, and the versions that must agree. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { classify } from '../../src/cli/classify.ts';
import { ENFORCED } from '../../src/cli/table.ts';
import { COMMAND_NAMES, commandNamed } from '../../src/commands/command-modules.ts';
import { USER_AGENT, VERSION } from '../../src/commands/version.ts';

/** `trust inspect|view` is two paths of one command. */
function pathsOf(command: string): readonly (readonly string[])[] {
  return command
    .split(' ')
    .reduce<string[][]>(
      (paths, word) => paths.flatMap((before) => word.split('|').map((name) => [...before, name])),
      [[]],
    );
}

const enforced = ENFORCED.flatMap(({ commands }) => commands.flatMap(pathsOf));

test('every enforced command has a module, and every module is an enforced command', () => {
  const named = enforced.map((each) => {
    const found = classify(each);
    return found.class === 'enforced' ? found.command : `${each.join(' ')} is ${found.class}`;
  });
  expect([...new Set(named)].sort()).toEqual([...COMMAND_NAMES].sort());
});

describe('a module', () => {
  test.each(COMMAND_NAMES)('%s can be loaded and run', async (name) => {
    const command = await commandNamed(name);
    expect(command.run).toBeTypeOf('function');
  });

  test('that is not there is a bug, not a refusal', async () => {
    await expect(commandNamed('frobnicate')).rejects.toThrow(/has a module/);
  });
});

test('the version is that of package.json', () => {
  const text = fs.readFileSync(path.join(import.meta.dirname, '..', '..', 'package.json'), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  expect(VERSION).toBe(version);
  expect(USER_AGENT).toBe(`dtrust/${version}`);
});
