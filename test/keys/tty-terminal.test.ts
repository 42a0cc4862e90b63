import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hasScript, PtyRun } from './pty.ts';

const program = join(import.meta.dirname, 'ask-program.ts');
const ask = `"${process.execPath}" "${program}"`;

let folder: string;
let runs: PtyRun[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dtrust-terminal-'));
  runs = [];
});
afterEach(() => {
  for (const run of runs) run.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a command line on a terminal. `$ASK` asks, `$OUT` is a file for its stdout. */
function onTerminal(command: string, env: Record<string, string> = {}): PtyRun {
  const ownPaths = { ASK: ask, OUT: outFile(), ASK_LOCK: join(folder, 'lock', 'prompt') };
  const run = new PtyRun(command.replaceAll('$ASK', ask), { ...ownPaths, ...env });
  runs.push(run);
  return run;
}

const outFile = (): string => join(folder, 'out');
const out = (): string => readFileSync(outFile(), 'utf8');

const usable = hasScript();
const title = (text: string): string => (usable ? text : `${text} [skipped: needs script of util-linux]`);

describe.skipIf(!usable)(title('contract (Terminal): questions on a real terminal'), () => {
  test('a secret is asked and read on the terminal with echo off, and stdin and stdout stay free', async () => {
    const run = onTerminal(
      `printf 'build context' | ( $ASK secret 'Enter passphrase: ' > $OUT; printf 'stdin=%s\\n' "$(cat)" )`,
    );
    await run.waitFor('Enter passphrase: ');
    run.type('corréct horse\r');
    const shown = await run.shown();
    expect(out()).toBe('answer="corréct horse"\n');
    expect(shown).not.toContain('horse');
    expect(shown).toContain('stdin=build context');
  });

  test('Ctrl-C ends with status 130 and echo as it was', async () => {
    const run = onTerminal('$ASK secret > $OUT; echo "status=$?"; stty -a');
    await run.waitFor('Question? ');
    run.type('half a secr\x03');
    const shown = await run.shown();
    expect(shown).toContain('status=130');
    expect(shown).toMatch(/[^-]icanon[^-]* echo /s);
    expect(out()).toBe('interrupted\n');
    expect(shown).not.toContain('half');
  });

  test.each([
    ['kills', {}],
    ['aborts', { ASK_SIGNAL: 'aborts' }],
  ])('a SIGTERM that %s in the middle of a question leaves echo as it was', async (_, env) => {
    const run = onTerminal('sh -c \'echo $$ > $OUT; exec $ASK secret\'; echo "status=$?"; stty -a', env);
    await run.waitFor('Question? ');
    process.kill(Number(out()), 'SIGTERM');
    const shown = await run.shown();
    expect(shown).toContain('status=143');
    expect(shown).toMatch(/[^-]icanon[^-]* echo /s);
  });

  test('a terminal that hangs up in the middle of a question is end of input', async () => {
    const run = onTerminal(`trap '' HUP; $ASK secret > $OUT; echo done >> $OUT`);
    await run.waitFor('Question? ');
    run.stop();
    await run.shown();
    await expect.poll(out, { timeout: 10_000 }).toContain('done');
    expect(out()).toBe('answer=null\ndone\n');
  });

  test.each([
    ['y\r', true],
    ['YES\r', true],
    ['nooo\x7f\x7f\x7f\x7fyes\r', true],
    ['n\r', false],
    ['yes please\r', false],
    ['\r', false],
    ['\x04', false],
  ])('typing %j answers a question with %j', async (typed, answer) => {
    const run = onTerminal('$ASK yes > $OUT; echo "status=$?"');
    await run.waitFor('Question? ');
    run.type(typed);
    expect(await run.shown()).toContain('status=0');
    expect(out()).toBe(`answer=${answer}\n`);
  });

  test('a yes or no is shown while it is typed', async () => {
    const run = onTerminal('$ASK yes > $OUT');
    await run.waitFor('Question? ');
    run.type('yes\r');
    expect(await run.shown()).toContain('Question? yes');
  });

  test.each([
    ['  re-point x\x7f\r', 're-point'],
    ['\r', ''],
    ['\x1b[31mred\r', 'red'],
    ['\x04', null],
  ])('typing %j as a line gives %j', async (typed, answer) => {
    const run = onTerminal('$ASK line > $OUT; echo "status=$?"');
    await run.waitFor('Question? ');
    run.type(typed);
    expect(await run.shown()).toContain('status=0');
    expect(out()).toBe(`answer=${JSON.stringify(answer)}\n`);
  });

  test('end of input at a secret is no secret', async () => {
    const run = onTerminal('$ASK secret > $OUT');
    await run.waitFor('Question? ');
    run.type('\x04');
    await run.shown();
    expect(out()).toBe('answer=null\n');
  });

  test('what was typed before the question does not answer it', async () => {
    const run = onTerminal('echo ready; read line; $ASK yes > $OUT');
    await run.waitFor('ready');
    run.type('first\ry\r');
    await run.waitFor('Question? ');
    run.type('n\r');
    await run.shown();
    expect(out()).toBe('answer=false\n');
  });

  test('a new secret is asked for twice, until it is long enough and the same', async () => {
    const run = onTerminal('$ASK twice > $OUT');
    await run.waitFor('Question? ');
    run.type('short\r');
    await run.waitFor('Passphrase is too short: it takes 8 characters or more.');
    await run.waitFor('Question? ');
    run.type('long enough\r');
    await run.waitFor('Again? ');
    run.type('long enouhg\r');
    await run.waitFor('Passphrases do not match. Please retry.');
    await run.waitFor('Question? ');
    run.type('long enough\r');
    await run.waitFor('Again? ');
    run.type('long enough\r');
    expect(await run.shown()).not.toContain('enough');
    expect(out()).toBe('answer="long enough"\n');
  });

  test('three new secrets that are too short are refused', async () => {
    const run = onTerminal('$ASK twice > $OUT; echo "status=$?"');
    for (let i = 0; i < 3; i += 1) {
      await run.waitFor('Question? ');
      run.type('seven77\r');
    }
    expect(await run.shown()).toContain('status=1');
    expect(out()).toContain('code=KEY_PASSPHRASE_SHORT');
  });

  test('a process in the background does not ask', async () => {
    const run = onTerminal('set -m; $ASK secret > $OUT & wait $!; echo "status=$?"');
    expect(await run.shown()).toContain('status=1');
    expect(out()).toContain(
      'code=PROMPT_UNAVAILABLE nobody can be asked: this process is not in the foreground',
    );
  });

  test.each([
    ['CI is set', { CI: 'true' }, ''],
    ['DTRUST_PROMPT is never', { DTRUST_PROMPT: 'never' }, ''],
    ['stderr is no terminal', {}, '2>/dev/null'],
  ])('nothing is asked when %s', async (reason, env, redirect) => {
    const run = onTerminal(`$ASK secret > $OUT ${redirect}; echo "status=$?"`, env);
    const shown = await run.shown();
    expect(shown).not.toContain('Question?');
    expect(out()).toBe(`code=PROMPT_UNAVAILABLE nobody can be asked: ${reason}\n`);
  });

  test('a person is asked when CI is false', async () => {
    const run = onTerminal('$ASK can > $OUT', { CI: 'false' });
    await run.shown();
    expect(out()).toBe('answer=true\n');
  });

  test('two processes of one user ask one after the other', async () => {
    const run = onTerminal("$ASK secret 'First or second? ' & $ASK secret 'First or second? '; wait");
    await run.waitFor('First or second? ');
    run.type('aaaa\r');
    await run.waitFor('answer="aaaa"');
    await run.waitFor('First or second? ');
    run.type('bbbb\r');
    await run.waitFor('answer="bbbb"');
    expect((await run.shown()).match(/First or second\? /g)).toHaveLength(2);
  });
});

describe.skipIf(!usable)(title('the folder of the lock'), () => {
  test('keeps its mode when it is there', async () => {
    mkdirSync(join(folder, 'lock'), { mode: 0o755 });
    const run = onTerminal('$ASK yes > $OUT');
    await run.waitFor('Question? ');
    expect(readdirSync(join(folder, 'lock'))).toEqual(['prompt']);
    run.type('y\r');
    await run.shown();
    expect(statSync(join(folder, 'lock')).mode & 0o777).toBe(0o755);
    expect(readdirSync(join(folder, 'lock'))).toEqual([]);
  });

  test('does not stop a question when it cannot be made', async () => {
    writeFileSync(join(folder, 'lock'), 'a file');
    const run = onTerminal('$ASK yes > $OUT');
    await run.waitFor('Question? ');
    run.type('y\r');
    await run.shown();
    expect(out()).toBe('answer=true\n');
  });
});

test('contract (Terminal): without a terminal nothing is asked', () => {
  const env = { PATH: process.env.PATH, ASK_LOCK: join(folder, 'lock'), ASK_STDERR: 'terminal' };
  // A session of its own has no controlling terminal, whatever this test was started from.
  const child = spawnSync('setsid', ['--wait', process.execPath, program, 'secret'], {
    env,
    encoding: 'utf8',
  });
  expect(child.status).toBe(1);
  expect(child.stdout).toBe('code=PROMPT_UNAVAILABLE nobody can be asked: /dev/tty cannot be opened\n');
});
