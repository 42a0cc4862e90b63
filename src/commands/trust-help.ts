/** `dtrust trust`, `dtrust trust key`, `... signer`, `... pin` by themselves: what there is below them. */
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { Context, ExitStatus } from './context.ts';
import { renderTable } from './table.ts';

const COMMANDS: readonly (readonly [path: string, summary: string])[] = [
  ['inspect', 'Show what is signed in a repository, and by which keys'],
  ['sign', 'Sign an image that is in the registry'],
  ['revoke', 'Take the signature off a tag, or off all tags'],
  ['init', 'Make a repository ready for signing, deliberately'],
  ['refresh', 'Renew the expiry of trust data'],
  ['status', 'Show until when trust data is good, and who can renew it'],
  ['restore', 'Publish the state known here again, when the registry lost or changed it'],
  ['stage', 'Keep a change that takes keys of several machines, for others to sign'],
  ['cosign', 'Look at what others have staged, and sign it'],
  ['rotate root', 'Put a new root key in the place of yours'],
  ['rotate targets', 'Put a new repository key in the place of the old one'],
  ['rotate online', 'Put a new online key in the place of the old one'],
  ['rotate signer', 'Put new keys of a signer in the place of those he has'],
  ['rotate --recover', 'After a theft, replace every key that can publish'],
  ['threshold', 'Say how many keys must sign the root, or what is released'],
  ['allow', 'Let a digest that nobody signed be used under its tag, for a while'],
  ['accept', 'Let an image of this engine run that nobody signed'],
  ['version', 'Print the version of dtrust'],
  ['key generate', 'Make a key pair for signing'],
  ['key load', 'Load a private key from a file'],
  ['key list', 'List the private keys on this machine'],
  ['key export', 'Print the public half of a key'],
  ['key passwd', 'Change the passphrase of a key'],
  ['key forget', 'Remove remembered passphrases from the keychain of this system'],
  ['key backup', 'Copy all private keys into one file, under one passphrase'],
  ['key restore', 'Put the keys of a backup back'],
  ['signer add', 'Let somebody else sign, with a key of his own'],
  ['signer remove', 'Take that right away'],
  ['signer list', 'List who may sign beside the owner'],
  ['pin add', 'Say which root keys a repository must start from'],
  ['pin list', 'List the pins of this machine'],
  ['pin remove', 'Remove the pin of a repository'],
  ['pin export', 'Print the line that pins a repository elsewhere'],
];

const GROUPS: Readonly<Record<string, string>> = {
  key: 'Make, keep and copy the private keys of this machine',
  signer: 'Say who else may sign in a repository',
  pin: 'Say which root keys repositories must start from',
};

export async function run(context: Context): Promise<ExitStatus> {
  const group = context.parsed.path.slice(1).join(' ');
  const stranger = context.parsed.rest.find((arg) => arg !== '--help' && arg !== '-h');
  if (stranger !== undefined) {
    throw new UsageError({
      code: 'USAGE',
      message: `no such command: dtrust trust ${escapeShort([group, stranger].join(' ').trim())}`,
      hints: ['See what there is: dtrust trust --help'],
    });
  }
  const below = COMMANDS.filter(([path]) => group === '' || path.startsWith(`${group} `));
  const prefix = ['dtrust trust', group].join(' ').trim();
  const about = GROUPS[group] ?? 'Keep and check signatures on images';
  context.out(`Usage:  ${prefix} COMMAND\n\n${about}\n\nCommands:\n`);
  context.out(
    renderTable(
      ['', ''],
      // Under a group without the group: 'dtrust trust pin COMMAND' is what is then typed.
      below.map(([path, summary]) => [`  ${group === '' ? path : path.slice(group.length + 1)}`, summary]),
    ).slice(1),
  );
  context.out(`\nRun '${prefix} COMMAND --help' for more information on a command.\n`);
  return 0;
}
