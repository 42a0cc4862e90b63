import { describe, expect, test } from 'vitest';
import { waitNotice } from '../../src/commands/wait-notice.ts';

function said(isTerminal: boolean, ...waits: readonly number[]): string {
  let text = '';
  const notice = waitNotice({
    err: (line) => {
      text += line;
    },
    isTerminal: (fd) => isTerminal && fd === 2,
  });
  for (const wait of waits) notice(wait);
  return text;
}

describe('the line about a wait for the second read', () => {
  test('is said once on a terminal, in whole seconds', () => {
    expect(said(true, 8100, 8100)).toBe(
      'dtrust: published; looking once more in 9 s, to be sure that it stays\n',
    );
  });

  test.each([
    ['a wait that is over at once', true, 1100],
    ['a machine without a terminal', false, 8100],
  ])('is not said for %s', (_, isTerminal, waitMs) => {
    expect(said(isTerminal, waitMs)).toBe('');
  });
});
