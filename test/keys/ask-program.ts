/** Asks one question on the terminal and prints the outcome to stdout as JSON. Run by tty-terminal.test.ts. */
import { writeSync } from 'node:fs';
import { createTerminal } from '../../src/keys/tty-terminal.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { DtrustError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';

const [kind = '', label = 'Question? '] = process.argv.slice(2);
const { CI, DTRUST_PROMPT, ASK_LOCK = '', ASK_STDERR } = process.env;

const terminal = createTerminal({
  fs: realFileSystem,
  clock: systemClock,
  environment: { ci: CI, prompt: DTRUST_PROMPT },
  lockPath: ASK_LOCK,
  platform: process.platform,
  pid: process.pid,
  ...(ASK_STDERR === 'terminal' ? { isStderrTerminal: () => true } : {}),
});

const questions: Record<string, () => Promise<unknown>> = {
  secret: async () => (await terminal.askSecret(label))?.reveal() ?? null,
  yes: () => terminal.askYesNo(label),
  twice: async () => (await terminal.askNewSecret({ first: label, repeat: 'Again? ' }))?.reveal() ?? null,
  can: async () => terminal.canPrompt(),
};

try {
  const answer = await questions[kind]?.();
  writeSync(1, `answer=${JSON.stringify(answer)}\n`);
} catch (error) {
  if (!(error instanceof DtrustError)) throw error;
  writeSync(1, `code=${error.code} ${error.message}\n`);
  process.exitCode = error.code === 'PROMPT_INTERRUPTED' ? 130 : 1;
}
