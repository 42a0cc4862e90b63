/** `dtrust trust key generate NAME`: a key pair for a signer; the public half goes to who adds him. */
import { join } from 'node:path';
import { createEd25519Key } from '../keys/create.ts';
import { createNewFile } from '../keys/create-file.ts';
import { renderPublicHalf } from '../keys/public-half.ts';
import { KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { Context, ExitStatus } from './context.ts';
import { runOwn } from './run-own.ts';
import { assertSignerName } from './signer-name.ts';

const SYNTAX = {
  usage: 'dtrust trust key generate [OPTIONS] NAME',
  summary: 'Generate and load a signing key pair',
  flags: {
    dir: { type: 'string', describe: 'Directory for the public key, default is the current directory' },
  },
  least: 1,
  most: 1,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const name = assertSignerName(args.positionals[0] ?? '');
    const file = join(args.string('dir') ?? '.', `${name}.pub`);
    // Refused before a key is made: a key nobody can hand on would only be left over.
    if (context.fs.statSync(file, { throwIfNoEntry: false }) !== undefined) throw exists(file);
    context.out(`Generating key for ${name}...\n`);
    const [keys, passphrases] = await Promise.all([services.keys(), services.passphrases()]);
    const key = await createEd25519Key();
    const passphrase = await passphrases.choose({ role: name, keyId: key.notaryKeyId });
    const entry = await keys.save(key, { role: name }, passphrase);
    const pem = Buffer.from(renderPublicHalf(key.publicKey), 'utf8');
    if (!createNewFile(context.fs, file, pem)) throw exists(file);
    context.out(
      `Successfully generated and loaded private key ${entry.tufKeyId ?? ''}. Corresponding public key available: ${file}\n`,
    );
    return 0;
  });
}

function exists(file: string): KeyError {
  return new KeyError({
    code: 'KEY_EXISTS',
    message: `public key file already exists: ${escapeShort(file)}`,
    hints: ['Name another folder with --dir, or another signer.'],
  });
}
