/** What is said once a repository was signed for the first time: which root key, where it lies, how to keep it. */
import type { KeyEntry } from '../keys/key-store.ts';
import type { PublicKey } from '../trust/core/keys.ts';
import { tufKeyId } from '../trust/core/keys.ts';

export interface Initialised {
  readonly repository: string;
  readonly rootKey: PublicKey;
  /** Listed beside it. */
  readonly otherRootKeys: readonly PublicKey[];
  /** The file the root key lies in. */
  readonly rootFile: string | undefined;
  readonly newRootKey: boolean;
  readonly pinLine: string;
}

/** Lines for stderr. */
export function initialisedLines(made: Initialised): readonly string[] {
  const lines = [`Root key ${tufKeyId(made.rootKey)} now vouches for ${made.repository}`];
  if (made.rootFile !== undefined) lines.push(`Root key file: ${made.rootFile}`);
  for (const other of made.otherRootKeys) {
    lines.push(
      `So does root key ${tufKeyId(other)}: each of them alone can change keys, also when another is lost`,
    );
  }
  if (made.newRootKey) {
    lines.push(
      'Back your keys up now, away from this machine: dtrust trust key backup FILE (whoever loses the root key cannot change keys or renew the root any more)',
    );
    if (made.otherRootKeys.length === 0) {
      lines.push(
        `Better, have a second one: elsewhere, dtrust trust key generate root; then here, dtrust trust threshold --add-key root.pub root 1 ${made.repository}`,
      );
    }
  }
  lines.push(`Others trust it with: ${made.pinLine}`);
  return lines;
}

/** The file of a key, among entries that were just stored and those that were there. */
export function fileOfKey(entries: readonly KeyEntry[], key: PublicKey): string | undefined {
  const id = tufKeyId(key);
  return entries.find((entry) => entry.tufKeyId === id)?.file;
}
