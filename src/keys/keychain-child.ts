/**
 * The program that asks the keychain of the system, once, and ends: one request as JSON on stdin, one answer as JSON
 * on stdout. Run as a child by keychain.ts, which says why; a bundle of its own, so that nothing else is loaded.
 *
 * keytar is not packed: it is found in the node_modules folders above this file, or not at all. It is asked for by
 * `import`, which, unlike `require`, looks neither at NODE_PATH nor in the home folder.
 */
import { readFileSync, writeSync } from 'node:fs';
import type { KeychainAnswer, KeychainRequest } from './keychain.ts';

/** What passphrases are kept under, beside the ID of the key. */
const SERVICE = 'dtrust';
const STDIN = 0;
const STDOUT = 1;

// Whoever waits gives up sooner; this is for when he was killed, so that no process is left behind a dialog. Killed,
// because an exit would wait for the thread that hangs.
const LIFETIME_MS = 5000;

type Keytar = typeof import('keytar');

async function answer(request: KeychainRequest): Promise<KeychainAnswer> {
  const keytar = await loadKeytar();
  if (keytar === undefined) return { problem: 'module' };
  try {
    return await ask(keytar, request);
  } catch (error) {
    // The system's own words: no such service, a locked keychain, a refused dialog.
    if (error instanceof Error) return { problem: 'failed', message: error.message };
    throw error;
  }
}

async function ask(
  keytar: Keytar,
  { operation, account, passphrase }: KeychainRequest,
): Promise<KeychainAnswer> {
  switch (operation) {
    case 'get': {
      const found = await keytar.getPassword(SERVICE, account);
      return found === null ? {} : { passphrase: found };
    }
    case 'set':
      await keytar.setPassword(SERVICE, account, passphrase ?? '');
      return {};
    case 'remove':
      return { removed: await keytar.deletePassword(SERVICE, account) };
    case 'accounts':
      return { accounts: (await keytar.findCredentials(SERVICE)).map((each) => each.account) };
  }
}

/** The package, when it was installed and its native part and the libraries that one needs can be loaded. */
async function loadKeytar(): Promise<Keytar | undefined> {
  try {
    return (await import('keytar')).default;
  } catch (error) {
    // ERR_MODULE_NOT_FOUND, and what keytar throws when the system refuses its library.
    if (error instanceof Error) return undefined;
    throw error;
  }
}

setTimeout(() => process.kill(process.pid, 'SIGKILL'), LIFETIME_MS).unref();
const request = JSON.parse(readFileSync(STDIN, 'utf8')) as KeychainRequest;
writeSync(STDOUT, JSON.stringify(await answer(request)));
