/**
 * After a key was stolen that could sign snapshot and timestamp (protocol 2.5): every such key is replaced in one
 * publish, whatever has been published with it since.
 *
 * What is served is built upon when it verifies, with versions that go on from what was good; nothing of it is
 * remembered before it is replaced. When it does not verify, or lists roles that nobody can have, the newest state that is
 * known here takes its place.
 */
import { KeyError, TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import type { Edit } from '../trust/core/editor.ts';
import { isSameKey, type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import { openRemembered } from '../trust/offline.ts';
import { asItIsNow, openForPublishing, type PublishBase } from '../trust/publisher.ts';
import { openSettled } from '../trust/settled.ts';
import { type SignerRole, signersOf } from '../trust/signers.ts';
import { changeKeys, type KeysChanged, keysOfRole } from './change-keys.ts';
import { goodVersions } from './good-versions.ts';
import { forgetLost } from './lost-update.ts';
import { type NextKey, nextRepositoryKey, notePublished } from './next-key.ts';
import type { PublishTools } from './prepare.ts';
import { inPlaceOf, isAboutWhatIsServed } from './restore.ts';
import { assertNobodysKey, signerNamed } from './signers-keys.ts';
import { stateSeenBefore } from './state-seen-before.ts';

/** New keys by the signer's name. */
export type NewSignerKeys = ReadonlyMap<string, readonly PublicKey[]>;

export interface Recovered extends KeysChanged {
  /** Signers who can sign tags and no longer publish by themselves. */
  readonly withoutKey: readonly SignerRole[];
  /** Publishes from this machine that the state no longer holds, as sentences. */
  readonly lost: readonly string[];
  readonly onlineKey: PublicKey;
}

/**
 * Replaces all keys of snapshot and timestamp.
 *
 * @throws KeyError KEY_ROOT_MISSING, KEY_NOT_LISTED, KEY_EXISTS and others as `changeKeys`; TrustError, RegistryError,
 * NetworkError, LocalStateError as `changeKeys`
 */
export async function recoverKeys(tools: PublishTools, signers: NewSignerKeys): Promise<Recovered> {
  const recovering = recoveringTools(tools);
  const next = await nextOnlineKey(tools, recovering);
  const edits = (collection: VerifiedCollection): readonly Edit[] => [
    {
      kind: 'recover',
      gone: onlineKeys(collection),
      onlineKey: next.publicKey,
      signers: [...signers].map(([name, keys]) => ({ name, ...replacementFor(collection, name, keys) })),
      goodVersions: goodVersions(collection, {
        remembered: rememberedOf(tools),
        written: tools.journal.load().highest,
        pinnedTimestamp: tools.editOptions.pins.get(tools.repository.canonical)?.timestampVersion,
      }),
    },
  ];
  const changed = await changeKeys(recovering, { edits, next, roles: ['snapshot', 'timestamp'] });
  return {
    ...changed,
    onlineKey: next.publicKey,
    withoutKey: signersOf(changed.seen.trusted).filter(({ name }) => !signers.has(name)),
    lost: await forgetLost(tools, changed.seen),
  };
}

function recoveringTools(tools: PublishTools): PublishTools {
  const { memory } = tools.editOptions;
  const editOptions = {
    ...tools.editOptions,
    memory: asItIsNow(memory),
    versionJump: 'unsafe-ignored' as const,
  };
  const read = openForPublishing(editOptions);
  const said = new Set<string>();
  // It is read several times; what is said of it, once.
  const say = (line: string) => {
    if (!said.has(line)) tools.say(line);
    said.add(line);
  };
  return { ...tools, editOptions, recovering: { open: () => openOrKnown(tools, read, say) } };
}

/** What is served, where all of it can be built upon; else what is known here, in its place. */
async function openOrKnown(
  tools: PublishTools,
  read: () => Promise<PublishBase | undefined>,
  say: (line: string) => void,
): Promise<PublishBase | undefined> {
  const { source, signal } = tools;
  try {
    // While others publish, what is served can be refused for a moment: that is nothing to replace.
    const base = await openSettled(read, tools);
    await base?.verified.loadAll();
    return base;
  } catch (error) {
    if (!isAboutWhatIsServed(error)) throw error;
    const known = await stateKnown(tools);
    const digest = known && (await source.headState(signal));
    if (known === undefined || digest === undefined) throw error;
    const version = known.trusted.timestamp?.signed.version;
    say(
      `warning: what is served cannot be built upon (${error.code}): timestamp version ${version}, which is known here, takes its place`,
    );
    return inPlaceOf(digest, known);
  }
}

/** The newest state known here of which nothing is missing. */
async function stateKnown(tools: PublishTools): Promise<VerifiedCollection | undefined> {
  const options = { ...tools.editOptions, versionJump: 'unsafe-ignored' as const };
  const known = openRemembered(options, 'fetched');
  const remembered = rememberedOf(tools);
  if (known === undefined || remembered === undefined) return undefined;
  try {
    await known.loadAll();
    return known;
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    return await stateSeenBefore({ ...tools, editOptions: options }, known, remembered);
  }
}

/** A key that an interrupted rotation has left and that is listed already is in use: it is to be replaced as well. */
async function nextOnlineKey(tools: PublishTools, recovering: PublishTools): Promise<NextKey> {
  const { canonical } = tools.repository;
  const next = await nextRepositoryKey(tools, 'snapshot', canonical);
  if (next.fresh !== undefined) return next;
  const base = await recovering.recovering?.open();
  const isListed =
    base !== undefined && onlineKeys(base.verified).some((key) => isSameKey(key, next.publicKey));
  if (!isListed) return next;
  await notePublished(tools, next, canonical);
  return await nextRepositoryKey(tools, 'snapshot', canonical);
}

function onlineKeys(collection: VerifiedCollection): readonly PublicKey[] {
  const listed = [...keysOfRole(collection, 'snapshot'), ...keysOfRole(collection, 'timestamp')];
  return [...new Map(listed.map((key) => [tufKeyId(key), key])).values()];
}

/** @throws KeyError KEY_NOT_LISTED, KEY_EXISTS */
function replacementFor(
  collection: VerifiedCollection,
  name: string,
  keys: readonly PublicKey[],
): { readonly gone: readonly PublicKey[]; readonly keys: readonly PublicKey[] } {
  const { repository } = collection;
  const signer = signerNamed(collection, name);
  const kept = keys.find((key) => signer.keys.some((own) => isSameKey(own, key)));
  if (kept !== undefined) {
    throw new KeyError({
      code: 'KEY_EXISTS',
      message: `a recovery replaces every key, and ${tufKeyId(kept)} is the present key of ${escapeShort(name)}`,
      reference: repository.canonical,
      found: tufKeyId(kept),
      hints: [
        `After a recovery that was interrupted, see whether it was published: dtrust trust status ${repository.familiar}`,
        `For another one, ${escapeShort(name)} makes another key: dtrust trust key generate NAME`,
      ],
    });
  }
  assertNobodysKey(collection, { name, keys });
  return { gone: signer.keys, keys };
}

function rememberedOf({ editOptions, repository }: PublishTools) {
  const { memory, memoryScope } = editOptions;
  return memory.load(memory.collectionOf(repository.canonical) ?? repository.canonical, memoryScope);
}
