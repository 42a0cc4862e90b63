/**
 * A tag that is about to be used on this machine: what is signed for it, and whether the engine holds that.
 *
 * For an image that is here, trust data checked a moment ago is not asked for again (DTRUST_RECHECK), and a source
 * that cannot be reached is no obstacle for a day (protocol 7.3), both with the remembered files verified again,
 * expiry included. For an image that is not here the source is always asked.
 */
import { type AdmittedTag, admitTag } from '../enforce/admit.ts';
import type { Engine } from '../engine/engine.ts';
import type { LocalImage } from '../engine/local-image.ts';
import { HOUR_MS } from '../lib/clock.ts';
import { RegistryError, TrustError } from '../lib/errors.ts';
import type { Platform } from '../reference/platform.ts';
import type { Repository, Tag } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { isUnreachable, isWithinGrace, openRemembered } from '../trust/offline.ts';
import { note } from './context.ts';
import { openFor, openOptionsFor, printWarnings, sourceFor } from './open-collection.ts';
import { parseRecheck } from './recheck.ts';
import type { Services } from './services.ts';

export interface TagInUse {
  readonly repository: Repository;
  readonly tag: Tag;
  readonly platform: Platform | undefined;
  /** The source is asked whatever is remembered, and must answer (`--pull always`). */
  readonly mustAsk: boolean;
}

export interface SignedTag {
  readonly admitted: AdmittedTag;
  /** The image, where the engine holds it. */
  readonly present: LocalImage | undefined;
}

/** Protocol 7.3: offline-grace. */
const GRACE_MS = 24 * HOUR_MS;

/**
 * What is signed for the tag.
 * @throws UsageError USAGE (DTRUST_RECHECK); TrustError, RegistryError, NetworkError, LocalStateError as
 * `openCollection` and `VerifiedCollection.resolve`; EngineError
 */
export async function signedTag(services: Services, wanted: TagInUse): Promise<SignedTag> {
  const { repository, tag, platform, mustAsk } = wanted;
  const { signal, env } = services.context;
  const recheckMs = parseRecheck(env.recheck);
  if (!mustAsk) {
    const held = await heldAsRemembered(services, wanted, recheckMs);
    if (held !== undefined) return held;
  }
  let admitted: AdmittedTag;
  try {
    const source = await sourceFor(services, repository);
    const collection = await openFor(services, repository, source, { purpose: 'use' });
    printWarnings(services, collection);
    admitted = await admitTag(collection, repository, tag, platform);
  } catch (error) {
    if (mustAsk || !isUnreachable(error)) throw error;
    const held = await heldAsRemembered(services, wanted, GRACE_MS);
    if (held === undefined) throw error;
    note(
      services.context,
      `warning: ${repository.host} cannot be reached (${error.code}); ${repository.familiar}:${tag} was verified ${held.minutesAgo} min ago`,
    );
    return held;
  }
  const engine = await services.engine();
  return { admitted, present: await engine.presentImage(admitted.admission, { signal }) };
}

interface HeldTag extends SignedTag {
  readonly present: LocalImage;
  readonly minutesAgo: number;
}

/** The tag by what is remembered, where its last good check is young enough and the engine holds the image. */
async function heldAsRemembered(
  services: Services,
  { repository, tag, platform }: TagInUse,
  youngerThanMs: number,
): Promise<HeldTag | undefined> {
  const { startTimeMs, signal } = services.context;
  const source = await sourceFor(services, repository);
  const options = await openOptionsFor(services, repository, source, { purpose: 'use', mayAsk: false });
  let collection: VerifiedCollection | undefined;
  let admitted: AdmittedTag;
  try {
    collection = openRemembered(options);
    if (!isWithinGrace(collection?.lastCheckMs, startTimeMs, youngerThanMs)) return undefined;
    if (collection === undefined) return undefined;
    admitted = await admitTag(collection, repository, tag, platform);
  } catch (error) {
    // What is remembered says no, or not enough: then the source is asked, and its answer counts.
    if (error instanceof TrustError || error instanceof RegistryError) return undefined;
    throw error;
  }
  const engine: Engine = await services.engine();
  const present = await engine.presentImage(admitted.admission, { signal });
  if (present === undefined) return undefined;
  const minutesAgo = Math.floor((startTimeMs - (collection.lastCheckMs ?? startTimeMs)) / 60_000);
  return { admitted, present, minutesAgo };
}
