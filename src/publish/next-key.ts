/**
 * The new key of a rotation: made here, or the one that an interrupted rotation has left.
 *
 * It is made in memory and asked for nothing until all that the publish needs is known to be here; then it is written
 * down which key it is, then its file, then the publish begins. Wherever that ends, the same command goes on with the
 * same key.
 */
import { createEd25519Key, createRootKey } from '../keys/create.ts';
import type { PrivateKey } from '../keys/private-key.ts';
import { KeyError } from '../lib/errors.ts';
import { isSameKey, notaryKeyId, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import type { OwnKey } from '../trust/current-keys.ts';
import type { PublishTools } from './prepare.ts';

type Tools = Pick<PublishTools, 'keys' | 'passphrases' | 'currentKeys' | 'terminal' | 'unattended'>;

export interface NextKey {
  readonly own: OwnKey;
  readonly publicKey: PublicKey;
  /** The private half while it is in no file. */
  readonly fresh?: PrivateKey;
}

/**
 * The key of a rotation of a repository's own key that was interrupted, else a new one.
 * @throws LocalStateError MEMORY_DAMAGED, MEMORY_NEWER, FILE_UNREADABLE; KeyError of `KeyStore.load`
 */
export async function nextRepositoryKey(
  tools: Tools,
  role: 'targets' | 'snapshot',
  repository: string,
): Promise<NextKey> {
  const own = { role, repository };
  const begun = await keyCalled(tools, tools.currentKeys.next(own)?.keyId);
  if (begun !== undefined) return { own, publicKey: begun };
  const fresh = await createEd25519Key();
  return { own, publicKey: fresh.publicKey, fresh };
}

/**
 * The root key to go over to, for these repositories with their present root keys: that of a rotation which was
 * interrupted; else the one in use, where none of them lists it yet; else a new one.
 *
 * @throws KeyError KEY_ROOT_MISSING without a terminal (unless DTRUST_INIT=1); LocalStateError as above
 */
export async function nextRootKey(
  tools: Tools,
  listed: ReadonlyMap<string, readonly PublicKey[]>,
): Promise<NextKey> {
  const own = { role: 'root' } as const;
  const begun = tools.currentKeys.next(own);
  const left = await keyCalled(tools, begun?.keyId);
  const unfinished = begun?.repositories.some((name) => listed.has(name)) === true;
  if (left !== undefined && unfinished) return { own, publicKey: left };
  const inUse = left ?? (await keyCalled(tools, tools.currentKeys.current(own)));
  const isListed = [...listed.values()].some((keys) => keys.some((key) => inUse && isSameKey(key, inUse)));
  if (inUse !== undefined && !isListed) return { own, publicKey: inUse };
  // contract (Keys): without a terminal no root key is ever made.
  if (!tools.terminal.canPrompt() && !tools.unattended) throw nobodyHere();
  const fresh = await createRootKey();
  return { own, publicKey: fresh.publicKey, fresh };
}

/** The public half of a key that is here, by the ID its file is named after. */
async function keyCalled(
  { keys, passphrases }: Tools,
  id: string | undefined,
): Promise<PublicKey | undefined> {
  const entry = id === undefined ? undefined : keys.files().find(({ notaryKeyId: name }) => name === id);
  // A file that is there and cannot be read says why: a second key would be made in its place.
  return entry && (entry.publicKey ?? (await keys.load(entry, passphrases)).publicKey);
}

/**
 * Writes down which key it is and, where it is new, its file; returns the path of that.
 *
 * @param all the repositories of the whole command, which a rotation that begins here is for
 * @throws KeyError KEY_PASSPHRASE_MISSING, KEY_PASSPHRASE_SHORT, PROMPT_DECLINED and others of `KeyStore.save`;
 * LocalStateError
 */
export async function storeNextKey(
  { keys, passphrases, currentKeys }: Tools,
  { own, publicKey, fresh }: NextKey,
  repository: string,
  all: readonly string[],
): Promise<string | undefined> {
  const keyId = idOf(publicKey);
  const unsaved = fresh !== undefined && !keys.has(publicKey) ? fresh : undefined;
  const passphrase = unsaved && (await passphrases.choose({ ...own, keyId }));
  const begun = currentKeys.next(own);
  const waiting = begun?.keyId === keyId ? begun.repositories : all;
  if (begun?.keyId !== keyId || !waiting.includes(repository)) {
    await currentKeys.begin(own, { keyId, repositories: [...new Set([...waiting, repository])] });
  }
  if (unsaved === undefined || passphrase === undefined) return undefined;
  return (await keys.save(unsaved, own, passphrase)).file;
}

/** It is listed in this repository. @throws LocalStateError */
export async function notePublished({ currentKeys }: Tools, key: NextKey, repository: string): Promise<void> {
  await currentKeys.publishedIn(key.own, idOf(key.publicKey), repository);
}

/** What the key's file is named after. */
function idOf(key: PublicKey): string {
  const id = notaryKeyId(key);
  if (id === undefined) throw new RangeError(`a key that was made here has an ID: ${tufKeyId(key)}`);
  return id;
}

function nobodyHere(): KeyError {
  return new KeyError({
    code: 'KEY_ROOT_MISSING',
    message: 'a new root key is made on a terminal, and there is none',
    hints: [
      'Run it on a terminal, or with DTRUST_INIT=1 and DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE set.',
      'To go over to a root key that somebody has already: dtrust trust rotate root --key FILE.pub REPO',
    ],
  });
}
