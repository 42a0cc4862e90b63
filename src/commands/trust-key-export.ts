/** `dtrust trust key export KEY`: the public half as PEM, for whoever adds the signer or verifies elsewhere. */
import type { Context, ExitStatus } from './context.ts';
import { keyNamed } from './key-named.ts';
import { runOwn } from './run-own.ts';

const SYNTAX = {
  usage: 'dtrust trust key export KEY',
  summary: 'Print the public half of a key (a key ID, 7 digits of it or more, or a role) as PEM',
  flags: {},
  least: 1,
  most: 1,
};

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const [keys, passphrases] = await Promise.all([services.keys(), services.passphrases()]);
    context.out(await keys.exportPublic(keyNamed(keys, args.positionals[0] ?? ''), passphrases));
    return 0;
  });
}
