/** A `docker` on a stage's PATH that does what a test says, and notes its calls as the stage's own does. */
import fs from 'node:fs';
import path from 'node:path';
import type { Stage } from './harness.ts';

/** `body` is sh, with the arguments as docker got them; `dockerCalls` lists the calls. */
export function stubDocker(stage: Stage, body: string): void {
  const script = [
    '#!/bin/sh',
    `call="${path.join(stage.binFolder, 'calls')}/$(date +%s%N)$$"`,
    'for each in "$@"; do printf \'%s\\0\' "$each"; done > "$call.argv"',
    'env > "$call.env"',
    body,
    '',
  ].join('\n');
  const file = path.join(stage.binFolder, 'docker');
  fs.rmSync(file);
  fs.writeFileSync(file, script, { mode: 0o755 });
}
