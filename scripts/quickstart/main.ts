/** `npm run quickstart`, run by scripts/quickstart.sh: sets the stage, tells the story, clears everything away. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Narrator, StepFailed } from './narrator.ts';
import { StageMissing, setStage } from './stage.ts';
import { tellStory } from './story.ts';

const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Rejects when somebody ends the quickstart, so that it is cleared away like any other end. */
class Interrupted extends Error {
  readonly status: number;
  constructor(status: number) {
    super('interrupted');
    this.status = status;
  }
}

function interruption(): Promise<never> {
  return new Promise((_, reject) => {
    for (const [signal, status] of Object.entries(signals)) {
      process.on(signal, () => reject(new Interrupted(status)));
    }
  });
}

function report(error: unknown): number {
  if (error instanceof Interrupted) return error.status;
  if (error instanceof StageMissing || error instanceof StepFailed) {
    process.stderr.write(`\nquickstart: ${error.message}\n`);
    return 1;
  }
  process.stderr.write(`\nquickstart: ${error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
}

const isColoured = process.stdout.isTTY === true && (process.env.NO_COLOR ?? '') === '';
const narrator = new Narrator((text) => void process.stdout.write(text), isColoured);
const folder = mkdtempSync(path.join(os.tmpdir(), 'dtrust-quickstart-'));
const interrupted = interruption();
const staging = setStage(folder, narrator);
let status = 0;
try {
  const stage = await Promise.race([staging, interrupted]);
  await Promise.race([tellStory(stage, folder, narrator), interrupted]);
} catch (error) {
  status = report(error);
} finally {
  // Interrupted while the stage was being set: it is waited for, or its daemons would stay behind.
  const stage = await staging.catch(() => undefined);
  await stage?.clearAway();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(status);
