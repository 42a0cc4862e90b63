/**
 * Putting back what the registry has lost (docs/specification.md, rule 4.4): the state that this machine has verified
 * last is published again, its versions raised above the highest ever seen, over whatever is under the tag now, as
 * long as that is no valid successor of it.
 */
import { hasCode, TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { Digest } from '../reference/digest.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { editCollection } from '../trust/core/editor.ts';
import { openRemembered } from '../trust/offline.ts';
import { MAX_TURN_SECONDS } from '../trust/publish-turn.ts';
import { openForPublishing, type PublishBase, publish } from '../trust/publisher.ts';
import { openSettled } from '../trust/settled.ts';
import { openCollection } from '../trust/updater.ts';
import type { PublishTools } from './prepare.ts';
import { servedVersions } from './served-versions.ts';
import { unlockSigningKeys } from './signing-keys.ts';

/** What there is to put back, and what it would replace. */
export interface Restorable {
  readonly known: VerifiedCollection;
  /** Why what is served now is refused. */
  readonly refusal: TrustError;
  /** How far what is served has come by its signed timestamp, when it has one: further than what is known, perhaps. */
  readonly served: ReadonlyMap<string, number>;
}

/**
 * Looks at what is served and at what is known.
 *
 * @throws TrustError NO_TRUST_DATA when nothing is remembered, PUBLISH_CONFLICT when what is served verifies,
 * VERSION_JUMP when it does and is far ahead of what is known;
 * LocalStateError MEMORY_DAMAGED and others; RegistryError, NetworkError
 */
export async function findRestorable(tools: PublishTools): Promise<Restorable> {
  const { editOptions, repository } = tools;
  const known = openRemembered(editOptions, 'fetched');
  if (known === undefined) {
    throw new TrustError({
      code: 'NO_TRUST_DATA',
      message: `nothing is remembered here of ${repository.canonical} that could be put back`,
      spec: 'protocol 4.4',
      reference: repository.canonical,
      hints: ['Run this on a machine that has verified the repository before and holds its keys.'],
    });
  }
  try {
    // While others publish, what is served can be refused for a moment: that is nothing to replace.
    await openSettled(openForPublishing(editOptions), tools);
  } catch (error) {
    if (!isAboutWhatIsServed(error)) throw error;
    return { known, refusal: error, served: await servedVersions(tools.source, known, tools.signal) };
  }
  throw nothingToRestore(tools);
}

/**
 * Publishes the known state again and returns the collection as a client then sees it.
 *
 * @throws KeyError KEY_MISSING and others; TrustError PUBLISH_CONFLICT when somebody else has put it right meanwhile,
 * ROLE_MISSING when a role is neither remembered nor to be had; RegistryError; NetworkError; LocalStateError
 */
export async function restore(
  tools: PublishTools,
  { known, served }: Restorable,
): Promise<VerifiedCollection> {
  const { source, journal, keys, passphrases, clock, random, signal } = tools;
  const current = { trusted: known.trusted, files: await known.loadAll() };
  const signers = await unlockSigningKeys({
    collection: known,
    keys,
    passphrases,
    targets: false,
    nowMs: clock.now(),
  });
  await publish({
    source,
    open: () => openOrReplace(tools, known),
    build: async (base, { turnSeconds, highestVersions }) => {
      if (base !== undefined && base !== known) throw nothingToRestore(tools);
      const highest = new Map(known.highest);
      for (const [role, version] of [...highestVersions, ...served]) {
        highest.set(role, Math.max(version, highest.get(role) ?? 0));
      }
      return await editCollection(current, [], {
        signers,
        nowMs: clock.now(),
        turnSeconds: known.trusted.snapshot?.signed.extension?.turnSeconds ?? turnSeconds,
        highestVersions: highest,
      });
    },
    journal,
    changes: [{ kind: 'other', what: 'restore' }],
    clock,
    random,
    signal,
    ...(tools.onWait && { onWait: tools.onWait }),
  });
  return await openCollection(tools.clientOptions);
}

/** What is under the tag: a valid state to be left alone, or something to be replaced, with `known` as its base. */
async function openOrReplace(
  { editOptions, source, signal }: PublishTools,
  known: VerifiedCollection,
): Promise<PublishBase | undefined> {
  try {
    return await openForPublishing(editOptions)();
  } catch (error) {
    if (!isAboutWhatIsServed(error)) throw error;
  }
  const digest = await source.headState(signal);
  return digest === undefined ? undefined : inPlaceOf(digest, known);
}

/** The known state as the base of a publish over something that is not built upon. */
export function inPlaceOf(digest: Digest, known: VerifiedCollection): PublishBase {
  return {
    verified: known,
    digest,
    // Of nobody's publish: whatever lies there is not built upon.
    timestampSha256: '',
    history: [],
    turnSeconds: known.trusted.snapshot?.signed.extension?.turnSeconds ?? MAX_TURN_SECONDS,
    versions: known.highest,
  };
}

/**
 * Whether a refusal says that what is served is no good. A state that is far ahead of this machine is valid, and so are
 * those that others are writing right now: what they published would be lost.
 */
export function isAboutWhatIsServed(error: unknown): error is TrustError {
  return error instanceof TrustError && !hasCode(error, 'VERSION_JUMP', 'PUBLISH_CONFLICT');
}

function nothingToRestore({ repository }: PublishTools): TrustError {
  return new TrustError({
    code: 'PUBLISH_CONFLICT',
    message: `the trust data of ${escapeShort(repository.canonical)} in the registry verifies: there is nothing to put back`,
    spec: 'protocol 4.4',
    reference: repository.canonical,
    hints: [`Look at it: dtrust trust inspect --pretty ${repository.familiar}`],
  });
}
