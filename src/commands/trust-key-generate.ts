/**
 * `dtrust trust key generate NAME`: a key pair for a signer; the public half goes to who adds him. Under the name
 * `root` it is a root key, to be listed beside another one: `trust init --second-root-key`.
 */
import { join } from 'node:path';
import { createEd25519Key, createRootKey } from '../keys/create.ts';
import { createNewFile } from '../keys/create-file.ts';
import { renderPublicHalf } from '../keys/public-half.ts';
import { hasCode, KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { type Context, type ExitStatus, note } from './context.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';
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
    const given = args.positionals[0] ?? '';
    const name = given === 'root' ? given : assertSignerName(given);
    const file = join(args.string('dir') ?? '.', `${name}.pub`);
    // Refused before a key is made: a key nobody can hand on would only be left over.
    if (context.fs.statSync(file, { throwIfNoEntry: false }) !== undefined) throw exists(file);
    const [keys, passphrases] = await Promise.all([services.keys(), services.passphrases()]);
    if (name === 'root') await assertMayMakeRoot(services);
    context.out(`Generating key for ${name}...\n`);
    const key = name === 'root' ? await createRootKey() : await createEd25519Key();
    const passphrase = await passphrases.choose({ role: name, keyId: key.notaryKeyId });
    const entry = await keys.save(key, { role: name }, passphrase);
    const pem = Buffer.from(renderPublicHalf(key.publicKey), 'utf8');
    writePublicHalf(context, file, pem, entry.tufKeyId ?? name);
    context.out(
      `Successfully generated and loaded private key ${entry.tufKeyId ?? ''}. Corresponding public key available: ${file}\n`,
    );
    if (name === 'root') note(context, listedBeside(file));
    return 0;
  });
}

/**
 * One root key on a machine, and none without a person.
 * @throws KeyError KEY_EXISTS, KEY_ROOT_MISSING, and what is wrong with a file that may be a root key
 */
async function assertMayMakeRoot(services: Services): Promise<void> {
  const [keys, passphrases, terminal] = await Promise.all([
    services.keys(),
    services.passphrases(),
    services.terminal(),
  ]);
  const files = keys.files();
  const unreadable = files.find(({ protection }) => protection === 'unreadable');
  if (unreadable !== undefined) await keys.load(unreadable, passphrases);
  const present = files.find(({ role }) => role === 'root');
  if (present !== undefined) {
    throw new KeyError({
      code: 'KEY_EXISTS',
      message: `there is a root key on this machine: ${escapeShort(present.tufKeyId ?? present.file)}`,
      hints: [
        'Its public half: dtrust trust key export root',
        'A second root key is made on another machine.',
      ],
    });
  }
  if (terminal.canPrompt() || services.context.env.init === '1') return;
  throw new KeyError({
    code: 'KEY_ROOT_MISSING',
    message: 'without a terminal no root key is made',
    hints: ["Run it on a person's machine: dtrust trust key generate root"],
  });
}

/** The key is here by now: what cannot be written says how to get its public half later. */
function writePublicHalf({ fs }: Context, file: string, pem: Uint8Array, key: string): void {
  try {
    if (createNewFile(fs, file, pem)) return;
  } catch (error) {
    if (!hasCode(error, 'DISK_FULL', 'FILE_UNWRITABLE')) throw error;
    error.hints = [
      ...error.hints,
      `The key is made and stays; its public half, once there is room: dtrust trust key export ${key}`,
    ];
    throw error;
  }
  throw exists(file);
}

/** Protocol 2.1: what a root key that was made by itself is for. */
function listedBeside(file: string): string {
  const shown = escapeShort(file);
  return (
    `to list it beside the root key of another machine, take ${shown} there: dtrust trust init --second-root-key ` +
    `${shown} REPO, or for a repository that is begun: dtrust trust threshold --add-key ${shown} root 1 REPO`
  );
}

function exists(file: string): KeyError {
  return new KeyError({
    code: 'KEY_EXISTS',
    message: `public key file already exists: ${escapeShort(file)}`,
    hints: ['Name another folder with --dir, or another signer.'],
  });
}
