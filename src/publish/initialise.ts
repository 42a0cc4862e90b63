/**
 * The keys of a repository that is signed for the first time.
 *
 * The root key is the user's one root key, for all repositories (docs/specification.md, rule 2.1); the repository key
 * and the online key are this repository's own. Keys are made and their passphrases chosen before the image is
 * uploaded; they are written to disk before anything is published, and found again there when the publish then
 * fails: no repository without its keys, no second set of keys for one that was begun.
 */
import { createEd25519Key, createRootKey } from '../keys/create.ts';
import type { KeyEntry, KeyStore } from '../keys/key-store.ts';
import type { Passphrases } from '../keys/passphrases.ts';
import type { PrivateKey } from '../keys/private-key.ts';
import type { Secret } from '../keys/secret.ts';
import { KeyError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { sideBySide } from '../lib/settle.ts';
import type { Repository } from '../reference/reference.ts';
import { type KeyId, tufKeyId } from '../trust/core/keys.ts';
import type { Signer } from '../trust/core/signer.ts';
import type { CurrentKeys, OwnRole } from '../trust/current-keys.ts';

export interface NewKeysRequest {
  readonly repository: Repository;
  readonly keys: KeyStore;
  readonly passphrases: Passphrases;
  /** Which of several keys of a kind is in use. */
  readonly currentKeys: Pick<CurrentKeys, 'current' | 'next'>;
  /** Whether a person is at the terminal. */
  readonly canPrompt: boolean;
  /** DTRUST_INIT=1: a machine may make a repository, and a root key, without a person. */
  readonly unattended: boolean;
  /** Whether other root keys are to be listed beside this user's: then nobody is told that they could be. */
  readonly hasOtherRootKeys: boolean;
}

/** Keys that are ready to sign; `store` writes those that are new. */
export interface CollectionKeys {
  readonly rootKey: Signer;
  readonly targetsKey: Signer;
  readonly onlineKey: Signer;
  /** Set when the root key is new. */
  readonly newRootKeyId?: KeyId;
  /** Writes the new keys and returns their entries. @throws KeyError, LocalStateError as KeyStore.save */
  store(): Promise<readonly KeyEntry[]>;
}

interface PreparedKey {
  readonly signer: Signer;
  readonly unsaved?: { readonly key: PrivateKey; readonly role: string; readonly passphrase: Secret };
}

/**
 * Finds or makes the three keys, unlocked.
 *
 * @throws KeyError KEY_ROOT_MISSING without a terminal (unless DTRUST_INIT=1), KEY_PASSPHRASE,
 * KEY_PASSPHRASE_MISSING, KEY_PASSPHRASE_SHORT, KEY_FILE_*, PROMPT_DECLINED; LocalStateError
 */
export async function prepareCollectionKeys(request: NewKeysRequest): Promise<CollectionKeys> {
  const { keys, repository } = request;
  // A key in DTRUST_KEY is a signer's; a repository that is begun gets keys that are on disk.
  const all = keys.files();
  const present = all.filter((entry) => entry.protection !== 'unreadable');
  const root = keyInUse(request, 'root', present);
  if (!request.canPrompt && !request.unattended) throw nobodyToInitialise(repository, root);
  if (root === undefined) await assertAllReadable(request, all);
  // In this order a person is asked: root first, as Docker asks.
  const rootKey = await prepare(request, 'root', root);
  const targetsKey = await prepare(request, 'targets', keyInUse(request, 'targets', present));
  const onlineKey = await prepare(request, 'snapshot', keyInUse(request, 'snapshot', present));
  const chosen = [rootKey, targetsKey, onlineKey];
  return {
    rootKey: rootKey.signer,
    targetsKey: targetsKey.signer,
    onlineKey: onlineKey.signer,
    ...(rootKey.unsaved === undefined ? {} : { newRootKeyId: tufKeyId(rootKey.signer.publicKey) }),
    store: () => storeAll(request, chosen),
  };
}

/**
 * Of several keys of a kind the one that the last rotation has put in the place of the others (docs/files.md); never
 * one that is still to be published anywhere, unless there is no other.
 */
function keyInUse(
  { currentKeys, repository }: NewKeysRequest,
  role: OwnRole,
  present: readonly KeyEntry[],
): KeyEntry | undefined {
  const own = role === 'root' ? { role } : { role, repository: repository.canonical };
  const those = present.filter(
    (entry) => entry.role === role && (role === 'root' || entry.repository === repository.canonical),
  );
  const current = currentKeys.current(own);
  const next = currentKeys.next(own)?.keyId;
  return (
    those.find(({ notaryKeyId }) => notaryKeyId === current) ??
    those.find(({ notaryKeyId }) => notaryKeyId !== next) ??
    those[0]
  );
}

/**
 * A key file that cannot be read may be the root key: it is mended, not replaced by a second one, which would split
 * this user's repositories between two root keys. Opening it says what is wrong with it.
 */
async function assertAllReadable(
  { keys, passphrases }: NewKeysRequest,
  entries: readonly KeyEntry[],
): Promise<void> {
  const unreadable = entries.find((entry) => entry.protection === 'unreadable');
  if (unreadable !== undefined) await keys.load(unreadable, passphrases);
}

async function prepare(
  { keys, passphrases, repository, hasOtherRootKeys }: NewKeysRequest,
  role: 'root' | 'targets' | 'snapshot',
  present: KeyEntry | undefined,
): Promise<PreparedKey> {
  if (present !== undefined) return { signer: await keys.load(present, passphrases) };
  const key = role === 'root' ? await createRootKey() : await createEd25519Key();
  const labels = role === 'root' ? { role } : { role, repository: repository.canonical };
  const told = role === 'root' && !hasOtherRootKeys ? beginWithTwo(repository) : undefined;
  const passphrase = await passphrases.choose({ ...labels, keyId: key.notaryKeyId }, told);
  return { signer: key, unsaved: { key, role, passphrase } };
}

/** Protocol 2.1: the one moment at which a person can still begin with two root keys, and nothing is made yet. */
function beginWithTwo({ familiar }: Repository): string {
  return (
    'Your root key is made now; whoever loses it cannot change keys any more. To begin with two, of which one may be ' +
    'lost, press Ctrl-C (nothing is lost by it), run `dtrust trust key generate root` on another machine, and here: ' +
    `dtrust trust init --second-root-key root.pub ${escapeShort(familiar)}`
  );
}

/** Side by side: each key's passphrase is derived twice, to write it and to read it back. */
async function storeAll(
  { keys, repository }: NewKeysRequest,
  all: readonly PreparedKey[],
): Promise<readonly KeyEntry[]> {
  const unsaved = all.flatMap((each) => each.unsaved ?? []);
  return await sideBySide(
    unsaved.map(({ key, role, passphrase }) => {
      const labels = role === 'root' ? { role } : { role, repository: repository.canonical };
      return keys.save(key, labels, passphrase);
    }),
  );
}

function nobodyToInitialise({ canonical }: Repository, root: KeyEntry | undefined): KeyError {
  const what = root === undefined ? 'there is no root key on this machine' : 'nobody is here to confirm it';
  return new KeyError({
    code: 'KEY_ROOT_MISSING',
    message: `${escapeShort(canonical)} has no trust data yet, and without a terminal none is begun: ${what}`,
    reference: canonical,
    hints: [
      `Run once on a person's machine: dtrust trust init ${canonical}`,
      'To begin it here all the same: DTRUST_INIT=1, with both DOCKER_CONTENT_TRUST_*_PASSPHRASE variables set.',
    ],
  });
}
