/** `dtrust trust GROUP`: what is listed is what can be typed behind it. */
import { describe, expect, test } from 'vitest';
import { parseDockerArgv } from '../../src/cli/argv.ts';
import type { Context } from '../../src/commands/context.ts';
import { run } from '../../src/commands/trust-help.ts';

async function shown(...argv: string[]): Promise<string> {
  let text = '';
  const parsed = parseDockerArgv(argv);
  const out = (more: string) => {
    text += more;
  };
  expect(await run({ parsed, out } as unknown as Context)).toBe(0);
  return text;
}

describe('the list of commands', () => {
  test.each([
    ['key', 'generate', 'private keys'],
    ['signer', 'remove', 'who else may sign'],
    ['pin', 'export', 'which root keys'],
  ])('of trust %s says what it is for, and names commands without the group', async (group, verb, about) => {
    const text = await shown('trust', group);
    expect(text).toContain(about);
    expect(text).toMatch(new RegExp(`^ {2}${verb} `, 'm'));
    expect(text).not.toMatch(new RegExp(`^ {2}${group} `, 'm'));
    expect(text).toContain(`Run 'dtrust trust ${group} COMMAND --help'`);
  });

  test('of trust itself names them with their group', async () => {
    const text = await shown('trust');
    expect(text).toContain('\n  key generate ');
    expect(text).toContain("Run 'dtrust trust COMMAND --help'");
  });
});
