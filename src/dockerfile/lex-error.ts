/** A word that cannot be read. It never leaves this folder: whoever asked for the word knows the line and refuses. */
import type { Refuse } from './invalid.ts';

export class LexError extends Error {
  override readonly name = 'LexError';
}

/** What `read` gives; where the word cannot be read, a refusal with the reason. */
export function orRefuse<T>(read: () => T, refuse: Refuse): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof LexError)) throw error;
    return refuse(error.message);
  }
}
