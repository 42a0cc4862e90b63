/** `dtrust trust key load FILE`: a private key made elsewhere; counts as loaded once it was read back. */
import { loadForeignKey } from '../keys/load-foreign.ts';
import { escapeShort } from '../lib/escape.ts';
import { type Context, type ExitStatus, note } from './context.ts';
import { keepInUse } from './keys-in-use.ts';
import { runOwn } from './run-own.ts';
import { assertSignerName } from './signer-name.ts';

const SYNTAX = {
  usage: 'dtrust trust key load [OPTIONS] KEYFILE',
  summary: 'Load a private key file for signing',
  flags: { name: { type: 'string', describe: 'Name for the loaded key (default "signer")' } },
  least: 1,
  most: 1,
} as const;

/** What the file's headers say is anybody's word, and a root key is what everything else depends on. */
const IS_ROOT =
  'warning: the file says that this is a root key, and it counts as one of yours from now on: whoever sent it to you ' +
  'has it as well. Under a name of a signer it does not: --name NAME';

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const path = args.positionals[0] ?? '';
    const given = args.string('name');
    const name = given === undefined ? undefined : assertRole(given);
    context.out(`Loading key from "${escapeShort(path)}"...\n`);
    const [keys, passphrases] = await Promise.all([services.keys(), services.passphrases()]);
    const { fs, platform } = context;
    const foreign = await loadForeignKey({ fs, path, platform, passphrases });
    const role = name ?? foreign.role ?? 'signer';
    const labels = { role, ...(foreign.repository === undefined ? {} : { repository: foreign.repository }) };
    if (name === undefined && role === 'root') note(context, IS_ROOT);
    const passphrase = await passphrases.choose({ ...labels, keyId: foreign.key.notaryKeyId });
    await keepInUse([{ key: foreign.key, labels, inUse: false }], keys.files(), services.currentKeys);
    const entry = await keys.save(foreign.key, labels, passphrase);
    context.out(`Successfully imported key ${entry.tufKeyId ?? ''} from ${escapeShort(path)}\n`);
    return 0;
  });
}

/** A root key may be loaded under its role; every other name is a signer's. */
function assertRole(name: string): string {
  return name === 'root' || name === 'targets' || name === 'snapshot' ? name : assertSignerName(name);
}
