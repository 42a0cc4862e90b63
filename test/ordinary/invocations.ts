/** The invocations of invocations/*.txt, in order (invocations/README.md says how they are written). */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface Invocation {
  /** A command line for `sh`. */
  readonly line: string;
  /** Left out of the run with trust on. */
  readonly offOnly: boolean;
}

const FOLDER = path.join(import.meta.dirname, 'invocations');
const OFF_ONLY = 'off: ';

export function readInvocations(): readonly Invocation[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.txt'))
    .sort()
    .flatMap((name) => readFileSync(path.join(FOLDER, name), 'utf8').split('\n'))
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ line: line.replace(OFF_ONLY, ''), offOnly: line.startsWith(OFF_ONLY) }));
}
