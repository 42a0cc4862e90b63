/**
 * One publish of all changes of a command, and the look at it as a client before anybody is told that it is done.
 */
import { TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { Interrupted } from '../lib/interrupted.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { createCollection, type Edit, editCollection, type TargetEntry } from '../trust/core/editor.ts';
import { pinFor } from '../trust/core/pin.ts';
import { journalChanges } from '../trust/journal.ts';
import { renderPinLine } from '../trust/pins.ts';
import { openForPublishing, publish } from '../trust/publisher.ts';
import { openSettled } from '../trust/settled.ts';
import { signersOf as signersInState } from '../trust/signers.ts';
import { openCollection } from '../trust/updater.ts';
import { verifyKeysAsSeen } from './keys-as-seen.ts';
import type { Prepared, PublishTools } from './prepare.ts';
import { fileOfKey, initialisedLines } from './report-initialised.ts';

/**
 * Publishes the edits and returns the collection as a client then sees it. `verifyBase` may refuse each state that they
 * are about to be applied to: others may have published since they were decided on. Where keys are missing
 * and the command stages (protocol 4.6), it ends there and does not come back.
 *
 * @throws TrustError PUBLISH_CONFLICT, TARGET_MISMATCH when a client does not find what was published, and whatever
 * the new state would be refused for; KeyError; RegistryError TRUST_TAG_IMMUTABLE and others; NetworkError;
 * LocalStateError
 */
export async function publishEdits(
  tools: PublishTools,
  prepared: Prepared,
  edits: readonly Edit[],
  verifyBase?: (base: VerifiedCollection) => Promise<void>,
): Promise<VerifiedCollection> {
  const { source, editOptions, journal, clock, random, signal } = tools;
  const all = prepared.kind === 'existing' ? [...prepared.again, ...edits] : edits;
  if (prepared.kind === 'existing' && prepared.short && tools.staging !== undefined) {
    return await tools.staging.stage(tools, prepared, all);
  }
  // Written before the first byte is published: a repository whose keys are lost would be lost with them.
  const stored = prepared.kind === 'new' ? await prepared.keys.store() : [];
  const read = openForPublishing(editOptions);
  const publishing = publish({
    source,
    open: tools.recovering?.open ?? (() => openSettled(read, tools)),
    build: async (base, { turnSeconds, highestVersions }) => {
      const terms = { turnSeconds, highestVersions, nowMs: clock.now() };
      if (base !== undefined) {
        await verifyBase?.(base);
        if (prepared.kind === 'existing') {
          verifyKeysAsSeen(prepared.collection, base, all, prepared.signers);
        }
        const current = { trusted: base.trusted, files: await base.loadAll() };
        return await editCollection(current, all, { ...terms, signers: signersOf(prepared) });
      }
      if (prepared.kind === 'existing') throw gone(tools);
      const { rootKey, targetsKey, onlineKey } = prepared.keys;
      const collection = tools.repository.canonical;
      const { otherRootKeys = [] } = prepared;
      const keys = { rootKeys: [rootKey], otherRootKeys, targetsKey, onlineKey };
      return await createCollection({ collection, ...keys, ...terms, targets: targetsOf(all) });
    },
    journal,
    changes: journalChanges(all),
    settles: prepared.kind === 'existing' ? prepared.settles : [],
    clock,
    random,
    signal,
    ...(tools.onWait && { onWait: tools.onWait }),
  });
  const { state, attempts } = await sayWhenStopped(tools, publishing);
  tools.debug(`published timestamp version ${state.versions.get('timestamp')} in ${attempts} attempts`);
  const seen = await openSettled(() => openCollection(tools.clientOptions), tools);
  await verifyPublished(seen, all);
  for (const line of state.warnings) tools.say(`warning: ${line}`);
  if (prepared.kind === 'new') reportInitialised(tools, prepared, seen, stored);
  return seen;
}

/** Who stops a publish is told that it may stand all the same: the write may have arrived. */
async function sayWhenStopped<T>({ say, repository }: PublishTools, publishing: Promise<T>): Promise<T> {
  try {
    return await publishing;
  } catch (error) {
    if (error instanceof Interrupted) {
      say(
        `stopped while publishing; to see what stands: dtrust trust inspect --pretty ${repository.familiar}`,
      );
    }
    throw error;
  }
}

function signersOf(prepared: Prepared) {
  if (prepared.kind === 'existing') return prepared.signers;
  const { rootKey, targetsKey, onlineKey } = prepared.keys;
  return [rootKey, targetsKey, onlineKey];
}

function targetsOf(edits: readonly Edit[]): readonly TargetEntry[] {
  return edits.flatMap((edit) => (edit.kind === 'putTarget' ? [edit.target] : []));
}

/** What was published is what a client finds; the last edit of a path decides. */
async function verifyPublished(seen: VerifiedCollection, edits: readonly Edit[]): Promise<void> {
  const wanted = new Map<string, string | undefined>();
  for (const edit of edits) {
    if (edit.kind === 'putTarget') wanted.set(edit.target.path, edit.target.sha256);
    if (edit.kind === 'removeTarget') wanted.set(edit.path, undefined);
  }
  verifySigners(seen, edits);
  if (wanted.size === 0) return;
  const found = new Map((await seen.listTargets('passed-over')).map(({ path, sha256 }) => [path, sha256]));
  for (const [path, sha256] of wanted) {
    if (found.get(path) === sha256) continue;
    throw new TrustError({
      code: 'TARGET_MISMATCH',
      message: `${escapeShort(path)} was published, but a client finds it ${found.get(path) ?? 'unsigned'}: somebody else has changed it since`,
      reference: path,
      expected: sha256 ?? 'not signed',
      found: found.get(path) ?? 'not signed',
      hints: [`See what is signed now: dtrust trust inspect --pretty ${escapeShort(path)}`],
    });
  }
}

function verifySigners({ trusted, repository }: VerifiedCollection, edits: readonly Edit[]): void {
  const wanted = new Map<string, boolean>();
  for (const edit of edits) {
    if (edit.kind === 'addSigner' || edit.kind === 'removeSigner') {
      wanted.set(edit.name, edit.kind === 'addSigner');
    }
  }
  const found = new Set(signersInState(trusted).map(({ name }) => name));
  for (const [name, listed] of wanted) {
    if (found.has(name) === listed) continue;
    throw new TrustError({
      code: 'PUBLISH_CONFLICT',
      message: `the change of signer ${escapeShort(name)} was published, but a client does not find it: somebody else has changed it since`,
      reference: repository.canonical,
      hints: [`See who may sign now: dtrust trust signer list ${repository.familiar}`],
    });
  }
}

function reportInitialised(
  tools: PublishTools,
  prepared: Prepared & { readonly kind: 'new' },
  seen: VerifiedCollection,
  stored: Awaited<ReturnType<typeof prepared.keys.store>>,
): void {
  const rootKey = prepared.keys.rootKey.publicKey;
  const version = seen.trusted.timestamp?.signed.version ?? 1;
  const lines = initialisedLines({
    repository: tools.repository.canonical,
    rootKey,
    otherRootKeys: prepared.otherRootKeys ?? [],
    rootFile: fileOfKey(stored, rootKey) ?? tools.keys.find(rootKey)?.file,
    newRootKey: prepared.keys.newRootKeyId !== undefined,
    pinLine: renderPinLine(tools.repository.canonical, pinFor(seen.trusted.root, version)),
  });
  for (const line of lines) tools.say(line);
}

function gone({ repository }: PublishTools): TrustError {
  return new TrustError({
    code: 'TRUST_DATA_GONE',
    message: `the trust data of ${repository.canonical} was there a moment ago and is gone`,
    spec: 'protocol 4.4',
    reference: repository.canonical,
    hints: [
      `Look at the tag _trust in the registry; to begin anew deliberately: dtrust trust init ${repository.canonical}`,
    ],
  });
}
