/** `dtrust trust version`: dtrust's own version; `dtrust --version` and `dtrust version` are docker's. */
import type { Context, ExitStatus } from './context.ts';
import { runOwn } from './run-own.ts';
import { VERSION } from './version.ts';

const SYNTAX = {
  usage: 'dtrust trust version',
  summary: 'Print the version of dtrust',
  flags: {},
  least: 0,
  most: 0,
};

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async () => {
    context.out(`dtrust ${VERSION}\n`);
    return 0;
  });
}
