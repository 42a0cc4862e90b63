/** The entry of the bundle for `dtrust pull` (docs/adr/0001-chunks.md). */
import type { Outcome } from './context.ts';
import * as pull from './pull.ts';
import { type Call, runCommand } from './run-command.ts';

/** Runs `dtrust pull`; nothing is thrown. */
export async function runPull(call: Call): Promise<Outcome> {
  return await runCommand(pull, call);
}
