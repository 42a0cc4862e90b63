/** A publish waits out a turn before it is sure (protocol 4.2). Who sits at a terminal is told, when it takes a while. */
import { type Context, note } from './context.ts';

/** Shorter waits are over before a line about them is read. */
const LEAST_MS = 3000;

/** Takes the length of each wait, and says it at most once; without a terminal nothing is said. */
export function waitNotice(context: Pick<Context, 'err' | 'isTerminal'>): (waitMs: number) => void {
  let said = false;
  return (waitMs) => {
    if (said || waitMs < LEAST_MS || !context.isTerminal(2)) return;
    said = true;
    note(context, `published; looking once more in ${Math.ceil(waitMs / 1000)} s, to be sure that it stays`);
  };
}
