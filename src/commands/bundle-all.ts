/** The entry of the bundle for dtrust's own commands, save the pull (docs/adr/0001-chunks.md). */
import { commandNamed } from './command-modules.ts';
import type { Outcome } from './context.ts';
import { type Call, runCommand } from './run-command.ts';

/** Runs the command of that name; nothing is thrown. */
export async function runNamed(name: string, call: Call): Promise<Outcome> {
  return await runCommand(await commandNamed(name), call);
}
