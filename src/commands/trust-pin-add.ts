/** `dtrust trust pin add REPO KEYID[,KEYID]`: what the owner's `pin export` prints, run on another machine. */
import { parseRepository } from '../reference/reference.ts';
import { addPin, parsePin } from '../trust/pins.ts';
import type { Context, ExitStatus } from './context.ts';
import { runOwn } from './run-own.ts';

const SYNTAX = {
  usage: 'dtrust trust pin add [OPTIONS] REPO KEYID[,KEYID...]',
  summary: 'Say which root keys a repository must start from',
  flags: {
    threshold: { type: 'number', describe: 'How many of the keys must have signed (default: all of them)' },
    'root-version': { type: 'number', describe: 'Least version of the root (default 1)' },
    'timestamp-version': { type: 'number', describe: 'Least version of the timestamp (default 1)' },
  },
  least: 2,
  most: 2,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const { canonical } = parseRepository(args.positionals[0] ?? '');
    const number = <Name extends string>(member: Name, flag: string) => {
      const text = args.string(flag);
      return (text === undefined ? {} : { [member]: text }) as { readonly [key in Name]?: string };
    };
    const pin = parsePin({
      keyIds: args.positionals[1] ?? '',
      ...number('threshold', 'threshold'),
      ...number('rootVersion', 'root-version'),
      ...number('timestampVersion', 'timestamp-version'),
    });
    const { fs, clock } = context;
    const outcome = await addPin({ fs, clock, directory: services.trustDirectory }, canonical, pin);
    context.out(`${OUTCOMES[outcome]} ${canonical}\n`);
    return 0;
  });
}

const OUTCOMES = { added: 'Pinned', raised: 'Raised the pin of', unchanged: 'Already pinned:' } as const;
