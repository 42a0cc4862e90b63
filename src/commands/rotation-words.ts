/** What the commands that change keys say once it is done, and what they say to whoever lacks a key. */
import { hasCode } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { KeysChanged } from '../publish/change-keys.ts';
import type { PublishTools } from '../publish/prepare.ts';
import { sayPinLine } from './new-pin-line.ts';

/** Where the new key lies, and the new pin line. */
export function sayChanged(tools: PublishTools, { seen, file }: KeysChanged): void {
  if (file !== undefined) tools.say(`new key file: ${escapeShort(file)}; back it up`);
  sayPinLine(tools, seen);
}

/**
 * Runs `work`; a failure for want of other people's keys also says how they sign in turn.
 * @param command what was typed, from `rotate` or `threshold` on
 */
export async function withStagingHint<T>(command: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Without any key here there is nothing to begin with.
    if (hasCode(error, 'KEY_ROOT_MISSING', 'KEY_MISSING') && /^\d+ of them$/.test(error.found ?? '')) {
      error.hints = [
        // What is said of staging in general is said here of this command.
        ...error.hints.filter((hint) => !hint.includes('dtrust trust stage COMMAND')),
        `If others hold the keys that are missing, let them sign in turn: dtrust trust stage ${command}`,
      ];
    }
    throw error;
  }
}
