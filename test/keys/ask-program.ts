/** Asks one question on the terminal and prints the outcome to stdout as JSON. Run by tty-terminal.test.ts. */
import { writeSync } from 'node:fs';
import { createTerminal } from '../../src/keys/tty-terminal.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { DtrustError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { Interrupted } from '../../src/lib/interrupted.ts';

const [kind = '', label = 'Question? '] = process.argv.slice(2);
const { CI, DTRUST_PROMPT, ASK_LOCK = '', ASK_STDERR, ASK_SIGNAL } = process.env;

// As main does it: a signal aborts what is going on, and the exit status says so.
const stop = new AbortController();
if (ASK_SIGNAL === 'aborts') process.on('SIGTERM', () => stop.abort(new Interrupted('SIGTERM')));

const terminal = createTerminal({
  fs: realFileSystem,
  clock: systemClock,
  environment: { ci: CI, prompt: DTRUST_PROMPT },
  lockPath: ASK_LOCK,
  platform: process.platform,
  pid: process.pid,
  signal: stop.signal,
  ...(ASK_STDERR === 'terminal' ? { isStderrTerminal: () => true } : {}),
});

const questions: Record<string, () => Promise<unknown>> = {
  secret: async () => (await terminal.askSecret(label))?.reveal() ?? null,
  yes: () => terminal.askYesNo(label),
  line: async () => (await terminal.askLine(label)) ?? null,
  twice: async () => (await terminal.askNewSecret({ first: label, repeat: 'Again? ' }))?.reveal() ?? null,
  can: async () => terminal.canPrompt(),
};

try {
  const answer = await questions[kind]?.();
  writeSync(1, `answer=${JSON.stringify(answer)}\n`);
} catch (error) {
  if (error instanceof Interrupted) {
    writeSync(1, 'interrupted\n');
    process.exitCode = error.exitStatus;
  } else {
    if (!(error instanceof DtrustError)) throw error;
    writeSync(1, `code=${error.code} ${error.message}\n`);
    process.exitCode = 1;
  }
}
