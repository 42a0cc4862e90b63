/** `dtrust trust pin remove REPO`: the next use of the repository is then decided by memory, or as a first use. */
import { parseRepository } from '../reference/reference.ts';
import { removePin } from '../trust/pins.ts';
import type { Context, ExitStatus } from './context.ts';
import { runOwn } from './run-own.ts';

const SYNTAX = {
  usage: 'dtrust trust pin remove REPO',
  summary: 'Remove the pin of a repository',
  flags: {},
  least: 1,
  most: 1,
};

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const { canonical } = parseRepository(args.positionals[0] ?? '');
    const { fs, clock } = context;
    await removePin({ fs, clock, directory: services.trustDirectory }, canonical);
    context.out(`Removed the pin of ${canonical}\n`);
    return 0;
  });
}
