/** What the comparison of ordinary invocations lets pass, and what it does not. */
import { describe, expect, test } from 'vitest';
import { differenceOf, explain, type Row, readTable } from './differences.ts';
import { readInvocations } from './invocations.ts';
import { maskLines } from './mask.ts';

const row = (command: string, docker: string, dtrust: string): Row => ({
  command,
  place: 'stdout',
  docker,
  dtrust,
});

describe('how two texts differ', () => {
  test.each([
    [[], [], undefined],
    [['a'], ['a'], undefined],
    [['a', 'b'], ['a', 'c'], { docker: ['b'], dtrust: ['c'] }],
    [['a', 'b', 'c'], ['b'], { docker: ['a', 'c'], dtrust: [] }],
    [['a'], ['x', 'a', 'y'], { docker: [], dtrust: ['x', 'y'] }],
    [['a', 'b'], ['b', 'a'], { docker: ['a'], dtrust: ['a'] }],
    [['a'], ['a', 'a'], { docker: [], dtrust: ['a'] }],
  ])('%j and %j', (docker, dtrust, found) => {
    expect(differenceOf(docker, dtrust)).toEqual(found);
  });
});

describe('a row of the table', () => {
  const rows = [row('docker pull …', 'old …', 'new …'), row('docker pull …', '', 'more (…)')];

  test('explains whole lines of the command and the place that it names', () => {
    const hunk = { docker: ['old 1'], dtrust: ['new 1', 'more (x)'] };
    expect(explain('docker pull x', 'stdout', hunk, rows)).toEqual(rows);
    expect(explain('docker pull x', 'stderr', hunk, rows)).toBeUndefined();
    expect(explain('docker push x', 'stdout', hunk, rows)).toBeUndefined();
    expect(explain('docker pull x', 'stdout', { docker: [''], dtrust: ['more (x)'] }, rows)).toEqual([
      rows[1],
    ]);
  });

  test.each([
    { docker: ['old 1'], dtrust: [] },
    { docker: [], dtrust: ['new 1'] },
    { docker: ['old 1', 'older'], dtrust: ['new 1'] },
    { docker: ['older'], dtrust: [] },
    { docker: [], dtrust: ['old 1'] },
    { docker: ['old 1'], dtrust: ['and new 1'] },
    { docker: [], dtrust: ['more [x]'] },
    { docker: ['new 1'], dtrust: [] },
  ])('explains nothing else: %j', (hunk) => {
    expect(explain('docker pull x', 'stdout', hunk, rows)).toBeUndefined();
  });

  test('is read from docs/differences.md, with its code and its bars', () => {
    const table = readTable();
    expect(table.length).toBeGreaterThan(20);
    for (const { command, place, docker, dtrust } of table) {
      expect(command).toMatch(/^…?([A-Z_]+=\d )?docker/);
      expect(place).toMatch(/^(stdout|stderr|status)$/);
      expect(docker === '' && dtrust === '').toBe(false);
      // A side that may be anything is only for mistakes that are typed in full.
      if (docker === '…' || dtrust === '…') expect(command).not.toContain('…');
    }
  });
});

describe('masking', () => {
  const id = 'ab'.repeat(32);
  test.each([
    [`sha256:${id}`, 'sha256:<id>'],
    [`${id.slice(0, 12)}  x`, '<id>  x'],
    ['Up 3 seconds', 'Up <time>'],
    ['Exited (0) About a minute ago', 'Exited (0) <time>'],
    ['2026-01-02T03:04:05.678Z one', '<time> one'],
    ['1.2kB (virtual 3.45MB)', '<size> (virtual <size>)'],
    ['0.00%', '<percent>'],
    ['NAME         STATUS   ', 'NAME  STATUS'],
    ['brave_newton', '<name>'],
    ['127.0.0.1:5000/team/app:1.0', '$R/app:1.0'],
  ])('%s', (text, masked) => {
    expect(maskLines('docker ps', text, [['127.0.0.1:5000/team', '$R']])).toEqual([masked]);
  });

  test.each(['app:1.0', 'exit status 7', 'No such container: web', 'hello', '8080:80', 'abc123'])(
    '%s stays',
    (text) => expect(maskLines('docker ps', text, [])).toEqual([text]),
  );

  test('a digest that all runs have keeps its name', () => {
    const names = [[`sha256:${id}`, '<digest of app:1.0>']] as const;
    expect(maskLines('docker pull x', `x@sha256:${id}\nsha256:${'cd'.repeat(32)}\n`, names)).toEqual([
      'x@<digest of app:1.0>',
      'sha256:<id>',
    ]);
  });

  test('lines of progress are left out, and what has no order is sorted', () => {
    const text = `${id.slice(0, 12)}: Download complete\n${id.slice(0, 12)}: Pull complete\n`;
    expect(maskLines('docker pull x', text, [])).toEqual(['<id>: Pull complete']);
    expect(maskLines('docker system prune -f', 'b\na\n', [])).toEqual(['a', 'b']);
    expect(maskLines('docker ps', 'b\na\n', [])).toEqual(['b', 'a']);
    expect(maskLines('docker build .', '#2 DONE 0.1s\n\n#3 [2/2] RUN x\n#1 [1/2] FROM y\n', [])).toEqual([
      '#<n> [1/2] FROM y',
      '#<n> [2/2] RUN x',
    ]);
  });
});

test('there are at least 120 invocations for a run with trust on', () => {
  const lines = readInvocations()
    .filter(({ offOnly }) => !offOnly)
    .map(({ line }) => line);
  expect(lines.length).toBeGreaterThan(250);
  expect(lines.every((line) => line.includes('docker'))).toBe(true);
});
