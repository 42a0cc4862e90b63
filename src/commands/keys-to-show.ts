/** The keys of this machine for commands that only show them. */
import type { KeyStore } from '../keys/key-store.ts';
import { hasCode } from '../lib/errors.ts';
import { note } from './context.ts';
import type { Services } from './services.ts';

/**
 * The key store; the key in DTRUST_KEY is unlocked where the environment has its passphrase too. Nobody is asked for
 * one, and a wrong one is a warning.
 *
 * @throws KeyError KEY_FILE_INVALID, KEY_UNSUPPORTED, KEY_ROOT_REFUSED; LocalStateError CONFIG_INVALID, FILE_UNREADABLE
 */
export async function keysToShow(services: Services): Promise<KeyStore> {
  const { context } = services;
  const { repositoryPassphrase, repositoryPassphraseFile } = context.env;
  // An empty one is none, as everywhere.
  if (!repositoryPassphrase && !repositoryPassphraseFile) return await services.keys();
  try {
    return await services.signingKeys();
  } catch (error) {
    if (!hasCode(error, 'KEY_PASSPHRASE')) throw error;
    note(context, `warning: ${error.message}`);
    return await services.keys();
  }
}
