/**
 * Whether a container may be started: its image was decided on when dtrust made it, comes from here, or is signed now
 * under the name that the container was made from.
 */
import type { Exception } from '../enforce/exceptions.ts';
import type { LedgerEntry, LedgerReason } from '../enforce/ledger.ts';
import type { LocalContainer } from '../engine/local-container.ts';
import { EngineError, UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { parseReference, withDefaultTag } from '../reference/reference.ts';
import { currentExceptions, sayAllowed } from './allowed-tag.ts';
import { entriesFor } from './ledger-of.ts';
import type { Services } from './services.ts';
import { signedNow, type Under, unverified } from './vouched-image.ts';

/**
 * The container that the user names; its full ID names it from then on.
 * @throws EngineError CONTAINER_NOT_FOUND and others
 */
export async function containerNamed(services: Services, name: string): Promise<LocalContainer> {
  const engine = await services.engine();
  const container = await engine.inspectContainer(name, { signal: services.context.signal });
  if (container !== undefined) return container;
  throw new EngineError({
    code: 'CONTAINER_NOT_FOUND',
    message: `no such container: ${escapeShort(name)}`,
    hints: ['List them: docker ps --all'],
  });
}

/**
 * Why the container may be started; `allowed` only where nothing that lasts longer than an exception says so.
 * @throws TrustError IMAGE_UNVERIFIED; EngineError IMAGE_NOT_FOUND when the image is gone; LocalStateError
 */
export async function verifyContainer(
  services: Services,
  container: LocalContainer,
  name: string,
): Promise<LedgerReason> {
  const entries = await entriesFor(services, container.imageId);
  const lasting = entries.find(({ why }) => why !== 'allowed');
  const entry = lasting ?? entries.find((each) => vouches(services, each));
  if (entry !== undefined) return entry.why;
  const engine = await services.engine();
  const image = await engine.inspectImage(container.imageId, { signal: services.context.signal });
  if (image?.id !== container.imageId) throw gone(container, name);
  const tried: string[] = [];
  const admission = await signedNow(services, image, { under: madeFrom(container), tried });
  if (admission === undefined) throw unverified(image, tried, name);
  return 'verified';
}

/** Of an image that was allowed. An exception counts for as long as it lasts, also for containers that were made under it. */
function vouches(services: Services, entry: LedgerEntry): boolean {
  const isFor = ({ repository, digest }: Exception) => entry.reference === `${repository}@${digest}`;
  const exception = currentExceptions(services).find(isFor);
  if (exception !== undefined) sayAllowed(services, entry.reference, exception);
  return exception !== undefined;
}

/** The name that the container was made from; undefined for an ID, which names no repository. */
function madeFrom({ image }: LocalContainer): Under | undefined {
  if (/^(?:sha256:)?[0-9a-f]+$/.test(image)) return undefined;
  try {
    const reference = parseReference(image);
    const { repository } = reference;
    return reference.digest === undefined
      ? { repository, tag: withDefaultTag(reference).tag }
      : { repository };
  } catch (error) {
    // What is no reference cannot have been verified as one; then any name of the image will do.
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

function gone({ imageId }: LocalContainer, name: string): EngineError {
  return new EngineError({
    code: 'IMAGE_NOT_FOUND',
    message: `the image of ${escapeShort(name)} is not here any more, and nothing is known of it: ${imageId}`,
    hints: ['Make the container anew from an image that is signed: dtrust run NAME:TAG'],
  });
}
