/**
 * A public key that somebody else has sent in a file, for commands that list it. Which key it is, is said before anything
 * is asked for or published: a file that was exchanged on its way would make its sender a signer, or an owner.
 */
import { readSignerKey } from '../keys/signer-key-file.ts';
import { escapeShort } from '../lib/escape.ts';
import { type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import { type Context, note } from './context.ts';

/** @throws LocalStateError FILE_UNREADABLE; KeyError KEY_FILE_INVALID, KEY_UNSUPPORTED */
export function readGivenKey(context: Context, file: string): PublicKey {
  const key = readSignerKey(context.fs, file, context.clock.now());
  note(
    context,
    `the key in ${escapeShort(file)} is ${tufKeyId(key)}; its owner sees his with: dtrust trust key list`,
  );
  return key;
}
