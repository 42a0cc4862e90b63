/**
 * Signing what somebody else has staged (docs/specification.md, rule 4.6): look at it, sign exactly what was shown, and
 * publish it once every role has the signatures it takes; else put it back with one more.
 */
import { rootRefused } from '../keys/held-key.ts';
import type { KeyStore } from '../keys/key-store.ts';
import { KeyError, TrustError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { canonicalJson } from '../trust/core/canonical-json.ts';
import type { CurrentState } from '../trust/core/edits.ts';
import { isSameKey, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import { metadataFileName, parseSignedJson } from '../trust/core/metadata.ts';
import type { Signer } from '../trust/core/signer.ts';
import { fileReplaced, type StagedState } from '../trust/core/staged.ts';
import { completeStaged, type StagedView, signStaged, viewStaged } from '../trust/core/staged-view.ts';
import type { TrustedMetadata } from '../trust/core/trusted-metadata.ts';
import { openForPublishing, publish } from '../trust/publisher.ts';
import { openSettled } from '../trust/settled.ts';
import { describeKeys, keysListed } from '../trust/signers.ts';
import type { StagedStore } from '../trust/staged-store.ts';
import { openCollection } from '../trust/updater.ts';
import type { PublishTools } from './prepare.ts';
import { idOf, putStaged } from './stage.ts';
import { unsigned } from './staged-words.ts';

export interface FoundStaged {
  readonly collection: VerifiedCollection;
  readonly view: StagedView;
}

/**
 * What waits for signatures, checked against the verified current state.
 *
 * @throws TrustError STAGED_ABSENT, STAGED_INVALID, STAGED_OUTDATED, everything that the state that would come of it
 * would be refused for, and as `openCollection`; RegistryError; NetworkError; LocalStateError
 */
export async function findStaged(tools: PublishTools, store: StagedStore): Promise<FoundStaged> {
  const { repository, clock, signal } = tools;
  const collection = await openSettled(() => openCollection(tools.editOptions), tools);
  const current = { trusted: collection.trusted, files: await collection.loadAll() };
  const record = await store.read(signal);
  if (record?.kind !== 'waiting') throw absent(tools, 'nothing waits for signatures');
  try {
    const terms = { nowMs: clock.now(), highestVersions: collection.highest };
    return { collection, view: await viewStaged(current, record.state, terms) };
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    const isMoved = error.code === 'STAGED_OUTDATED';
    if (isMoved && rolesPublished(current, record.state) > 0)
      throw absent(tools, 'what was staged last is published');
    error.reference = repository.canonical;
    error.hints = [
      `This is about what is staged for ${repository.familiar}, which only \`trust cosign\` and \`trust status\` look at. Stage the change again: dtrust trust stage COMMAND...`,
    ];
    throw error;
  }
}

/** Which of the keys on this machine have something to add, and which have signed already. */
export interface OwnKeys {
  readonly toSign: readonly PublicKey[];
  readonly signed: readonly PublicKey[];
}

/** @throws KeyError KEY_MISSING when none of the keys here counts, KEY_ROOT_REFUSED for a root key in DTRUST_KEY */
export function ownKeys({ keys, repository }: PublishTools, view: StagedView): OwnKeys {
  const rootKeys = [view.current.trusted, view.wouldBe].flatMap((trusted) => rootKeysOf(trusted));
  // A root key is a person's, in this way of signing too.
  if (rootKeys.some((key) => keys.find(key)?.held === true)) throw rootRefused();
  const toSign: PublicKey[] = [];
  const signed: PublicKey[] = [];
  for (const quorum of view.roles.flatMap(({ quorums }) => quorums)) {
    signed.push(...quorum.signed.filter((key) => keys.has(key)));
    const missing = quorum.role.threshold - quorum.signed.length;
    const here = unsigned(quorum).filter((key) => keys.has(key));
    // A root has two quorums: a key that is in both is taken for both.
    const chosen = here.filter((key) => isAmong(toSign, key));
    const more = here.filter((key) => !isAmong(toSign, key));
    toSign.push(...more.slice(0, Math.max(0, missing - chosen.length)));
  }
  if (toSign.length > 0 || signed.length > 0 || view.complete) return { toSign, signed };
  const accepted = view.roles.flatMap(({ quorums }) => quorums.flatMap(unsigned));
  const distinct = accepted.filter((key, at) => accepted.findIndex((other) => isSameKey(key, other)) === at);
  throw new KeyError({
    code: 'KEY_MISSING',
    message: `cannot sign what is staged for ${repository.canonical}: none of the keys that count is on this machine; accepted: ${describeKeys(view.wouldBe, distinct).map(escapeText).join(', ')}`,
    reference: repository.canonical,
    expected: `private key of one of: ${distinct.map(tufKeyId).join(', ')}`,
    found: 'none of them',
    hints: [
      'Run this where that key is; to see the keys that are here: dtrust trust key list',
      'If you have one of these keys in a file: dtrust trust key load FILE',
    ],
  });
}

function rootKeysOf({ root }: TrustedMetadata): readonly PublicKey[] {
  return keysListed(root.signed.roles.root.keyids, root.signed.keys);
}

function isAmong(keys: readonly PublicKey[], key: PublicKey): boolean {
  return keys.some((other) => isSameKey(key, other));
}

/** The keys here that sign snapshot and timestamp of the new state; undefined when they do not suffice. */
export function onlineKeysHere(keys: KeyStore, { wouldBe }: StagedView): readonly PublicKey[] | undefined {
  const { roles, keys: table } = wouldBe.root.signed;
  const chosen: PublicKey[] = [];
  for (const { keyids, threshold } of [roles.snapshot, roles.timestamp]) {
    const here = keysListed(keyids, table).filter((key) => keys.has(key));
    if (here.length < threshold) return undefined;
    chosen.push(...here.slice(0, threshold));
  }
  return chosen;
}

export type Cosigned =
  | { readonly kind: 'published'; readonly seen: VerifiedCollection }
  /** Put back; `complete`: nothing is missing but somebody with an online key. */
  | { readonly kind: 'waiting'; readonly view: StagedView };

/**
 * Signs what was shown, and publishes it or puts it back.
 *
 * @throws TrustError STAGED_CHANGED when the tag holds something else by now, STAGED_OUTDATED, PUBLISH_CONFLICT; KeyError
 * KEY_PASSPHRASE and others of loading a key; RegistryError; NetworkError; LocalStateError
 */
export async function cosign(
  tools: PublishTools,
  store: StagedStore,
  { view }: FoundStaged,
  { toSign }: OwnKeys,
): Promise<Cosigned> {
  const { keys, passphrases, clock } = tools;
  const signers = await load(tools, toSign);
  const terms = { nowMs: clock.now(), highestVersions: new Map() };
  const signed = await viewStaged(view.current, await signStaged(view, signers), terms);
  const online = signed.complete ? onlineKeysHere(keys, signed) : undefined;
  // Passphrases are asked before anything is sent.
  const onlineSigners = online && (await load({ keys, passphrases }, online));
  await assertStillThere(tools, store, view.id);
  if (onlineSigners === undefined) {
    return { kind: 'waiting', view: toSign.length === 0 ? signed : await putBack(tools, store, signed) };
  }
  return { kind: 'published', seen: await publishStaged(tools, signed, onlineSigners) };
}

function putBack(tools: PublishTools, store: StagedStore, view: StagedView): Promise<StagedView> {
  return putStaged(tools, store, view, (id) => {
    throw stagedChanged(tools.repository.familiar, view.id, id ?? 'nothing that could be published');
  });
}

async function load(
  { keys, passphrases }: Pick<PublishTools, 'keys' | 'passphrases'>,
  wanted: readonly PublicKey[],
): Promise<readonly Signer[]> {
  const distinct = new Map(wanted.map((key) => [tufKeyId(key), key]));
  const signers: Signer[] = [];
  for (const key of distinct.values()) signers.push(await keys.load(key, passphrases));
  return signers;
}

/** Rule 4.6: nothing is signed or published but what the tag still holds, with whatever signatures by now. */
async function assertStillThere(
  { repository, signal }: PublishTools,
  store: StagedStore,
  id: string,
): Promise<void> {
  const found = idOf(await store.read(signal));
  if (found !== id) throw stagedChanged(repository.familiar, id, found ?? 'nothing');
}

/** The error for a tag that holds something else than what was to be signed. */
export function stagedChanged(familiar: string, expected: string, found: string): TrustError {
  return new TrustError({
    code: 'STAGED_CHANGED',
    message: `what is staged for ${familiar} is not what was to be signed; nothing was signed`,
    spec: 'protocol 4.6',
    expected: escapeText(expected),
    found,
    hints: [`See what is staged now: dtrust trust cosign --show ${familiar}`],
  });
}

async function publishStaged(
  tools: PublishTools,
  view: StagedView,
  signers: readonly Signer[],
): Promise<VerifiedCollection> {
  const { source, editOptions, journal, clock, random, signal } = tools;
  const read = openForPublishing(editOptions);
  try {
    await publish({
      source,
      open: () => openSettled(read, tools),
      build: async (base, { turnSeconds, highestVersions }) => {
        if (base === undefined) throw conflict(tools);
        const current = { trusted: base.trusted, files: await base.loadAll() };
        const terms = { signers, nowMs: clock.now(), turnSeconds, highestVersions };
        return await completeStaged(current, view.state, terms);
      },
      journal,
      changes: [{ kind: 'other', what: `what was staged as ${view.id}` }],
      clock,
      random,
      signal,
      ...(tools.onWait && { onWait: tools.onWait }),
    });
  } catch (error) {
    // Another cosigner may have published the very same at the same moment.
    const isMoved = error instanceof TrustError && error.code === 'STAGED_OUTDATED';
    if (!isMoved || !(await isPublishedNow(tools, view.state))) throw error;
  }
  const seen = await openSettled(() => openCollection(tools.clientOptions), tools);
  const files = await seen.loadAll();
  if (!isPublished({ trusted: seen.trusted, files }, view.state)) throw conflict(tools);
  return seen;
}

async function isPublishedNow(tools: PublishTools, state: StagedState): Promise<boolean> {
  const seen = await openSettled(() => openCollection(tools.editOptions), tools);
  return isPublished({ trusted: seen.trusted, files: await seen.loadAll() }, state);
}

/** Whether the current files of all staged roles are the staged ones. */
function isPublished(current: CurrentState, state: StagedState): boolean {
  return (
    state.collection === current.trusted.collection && rolesPublished(current, state) === state.roles.size
  );
}

/** Of how many staged roles the current file is the staged one, by what is signed. */
function rolesPublished({ trusted, files }: CurrentState, { roles }: StagedState): number {
  return [...roles].filter(([role, { version, bytes }]) => {
    if (fileReplaced(trusted, role)?.version !== version) return false;
    const now = role === 'root' ? trusted.root.bytes : files.get(metadataFileName(role, version));
    return now !== undefined && isSameSigned(now, bytes, role);
  }).length;
}

function isSameSigned(left: Uint8Array, right: Uint8Array, role: string): boolean {
  const [one, other] = [left, right].map((bytes) => canonicalJson(parseSignedJson(bytes, role)));
  return one !== undefined && other !== undefined && Buffer.compare(one, other) === 0;
}

function absent({ repository }: PublishTools, what: string): TrustError {
  return new TrustError({
    code: 'STAGED_ABSENT',
    message: `${what}: there is nothing to sign for ${repository.canonical}`,
    spec: 'protocol 4.6',
    reference: repository.canonical,
    hints: [`See what is published: dtrust trust inspect --pretty ${repository.familiar}`],
  });
}

function conflict({ repository }: PublishTools): TrustError {
  return new TrustError({
    code: 'PUBLISH_CONFLICT',
    message: `what was staged was published, but a client does not find it: somebody else has changed ${repository.canonical} since`,
    spec: 'protocol 4.6',
    reference: repository.canonical,
    hints: [`See what is published: dtrust trust inspect --pretty ${repository.familiar}`],
  });
}
