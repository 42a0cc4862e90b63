/** The one key that a text names: its key ID or the beginning of one, its file's name, or its role. */
import type { KeyEntry, KeyStore } from '../keys/key-store.ts';
import { KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';

/** @throws KeyError KEY_MISSING when no key or more than one is meant */
export function keyNamed(keys: KeyStore, text: string): KeyEntry {
  const entries = keys.list();
  const exact = entries.filter((each) => each.tufKeyId === text || each.notaryKeyId === text);
  const found = exact.length > 0 ? exact : entries.filter((each) => isMeant(each, text));
  const [only, another] = found;
  if (only !== undefined && another === undefined) return only;
  throw new KeyError({
    code: 'KEY_MISSING',
    message: `${only === undefined ? 'no key' : `${found.length} keys`} on this machine for ${escapeShort(text)}`,
    hints: ['See the keys that are here: dtrust trust key list'],
  });
}

/** At least 7 digits of an ID, as prompts show them. */
function isMeant(entry: KeyEntry, text: string): boolean {
  if (entry.role === text) return true;
  if (!/^[0-9a-f]{7,64}$/.test(text)) return false;
  return entry.notaryKeyId.startsWith(text) || (entry.tufKeyId?.startsWith(text) ?? false);
}
