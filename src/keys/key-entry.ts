/** A private key of this machine as it is listed, and the order of such a list. */
import type { KeyId, PublicKey } from '../trust/core/keys.ts';
import type { KeyLabels } from './key-file.ts';

/** One key file, as far as it can be known without its passphrase. */
export interface KeyEntry extends KeyLabels {
  /** The file's name without `.key`: Notary's canonical key ID, as long as the name is true. */
  readonly notaryKeyId: string;
  /** TUF key ID, the one that pins hold; only when the public half is known. */
  readonly tufKeyId?: KeyId;
  readonly publicKey?: PublicKey;
  /** Its path; `DTRUST_KEY` for the key that is in no file. */
  readonly file: string;
  /** Set for the key in DTRUST_KEY: there is no file. */
  readonly held?: true;
  /** `none`: the file is not encrypted. `unreadable`: no key file, or one that others may read. */
  readonly protection: 'passphrase' | 'none' | 'unreadable';
  /** Why it is unreadable. */
  readonly problem?: string;
}

/** Root keys first, then by role, repository and name; for `sort`. */
export function byRole(left: KeyEntry, right: KeyEntry): number {
  return compare(sortKey(left), sortKey(right));
}

function sortKey(entry: KeyEntry): readonly string[] {
  return [entry.role === 'root' ? '0' : '1', entry.role ?? '', entry.repository ?? '', entry.notaryKeyId];
}

function compare(left: readonly string[], right: readonly string[]): number {
  for (const [i, mine] of left.entries()) {
    const theirs = right[i] ?? '';
    if (mine !== theirs) return mine < theirs ? -1 : 1;
  }
  return 0;
}
