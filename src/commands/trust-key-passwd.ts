/** `dtrust trust key passwd KEY`: the same key under another passphrase. */
import type { Context, ExitStatus } from './context.ts';
import { keyNamed } from './key-named.ts';
import { runOwn } from './run-own.ts';

const SYNTAX = {
  usage: 'dtrust trust key passwd KEY',
  summary: 'Change the passphrase of a key (a key ID, 7 digits of it or more, or a role)',
  flags: {},
  least: 1,
  most: 1,
};

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const [keys, passphrases] = await Promise.all([services.keys(), services.passphrases()]);
    const entry = keyNamed(keys, args.positionals[0] ?? '');
    await keys.passwd(entry, passphrases);
    context.out(`Passphrase changed for key ${entry.tufKeyId ?? entry.notaryKeyId}\n`);
    return 0;
  });
}
