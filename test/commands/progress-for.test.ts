import { describe, expect, test } from 'vitest';
import { progressFor } from '../../src/commands/pull-images.ts';
import type { Services } from '../../src/commands/services.ts';
import { readEnvironment } from '../../src/settings/environment.ts';

/** What a pull of one layer prints. */
function shown(isTerminal: boolean, quiet: boolean, raw: Readonly<Record<string, string>> = {}): string {
  let text = '';
  const context = {
    out: (more: string) => {
      text += more;
    },
    isTerminal: () => isTerminal,
    columns: () => 200,
    clock: { now: () => 0 },
    env: readEnvironment(raw),
  };
  const rest = { hideCounts: false, startSeconds: 0 };
  const progress = progressFor({ context } as unknown as Services, quiet);
  progress.show({ id: 'abc', status: 'Downloading', progress: { current: 5, total: 10, ...rest } });
  progress.show({ id: 'abc', status: 'Pull complete', progress: { current: 0, total: 0, ...rest } });
  return text;
}

describe('contract (Terminal): -q prints no progress; bars on a terminal, lines elsewhere', () => {
  test('a terminal has bars and a cursor that moves', () => {
    expect(shown(true, false)).toContain('\u001b[');
    expect(shown(true, false, { TERM: 'xterm' })).toContain('=>');
  });

  test('a pipe and a dumb terminal have lines', () => {
    const lines = shown(false, false);
    expect(lines).toContain('abc: Pull complete\n');
    expect(lines).not.toContain('\u001b');
    expect(shown(true, false, { TERM: 'dumb' })).toBe(lines);
  });

  test('-q has nothing', () => {
    expect(shown(true, true)).toBe('');
    expect(shown(false, true)).toBe('');
  });
});
