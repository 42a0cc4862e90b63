/**
 * What the user calls an image by: a name, or an ID in full or shortened.
 *
 * A short ID can look like a name (`beef` is `docker.io/library/beef:latest` as well), and what docker would take it
 * for depends on what the engine holds: a name first, then an ID that begins so. So the engine is asked, once, and
 * from then on the full ID counts, which names the same image for ever.
 */
import type { LocalImage } from '../engine/local-image.ts';
import { EngineError } from '../lib/errors.ts';
import { digestHex, isSha256 } from '../reference/digest.ts';
import { assertNotTrustTag, parseReference, type Reference, withDefaultTag } from '../reference/reference.ts';
import type { Services } from './services.ts';

export type Named =
  | { readonly kind: 'reference'; readonly reference: Reference }
  | { readonly kind: 'id'; readonly image: LocalImage };

/** What docker may take for an image ID, in full or shortened. */
export const ID_LIKE = /^(?:sha256:)?([0-9a-f]{1,64})$/;

/**
 * Tells which of the two it is.
 * @throws UsageError REFERENCE_INVALID, TAG_RESERVED; EngineError IMAGE_NOT_FOUND for a full ID that the engine does
 * not hold, ENGINE_BROKEN for an answer that is neither, and others
 */
export async function nameOrId(services: Services, text: string): Promise<Named> {
  const hex = ID_LIKE.exec(text)?.[1];
  if (hex === undefined) return { kind: 'reference', reference: assertNotTrustTag(parseReference(text)) };
  const isFull = hex.length === 64;
  const engine = await services.engine();
  const image = await engine.inspectImage(text, { signal: services.context.signal });
  if (image === undefined) {
    if (!isFull) return { kind: 'reference', reference: assertNotTrustTag(parseReference(text)) };
    throw new EngineError({ code: 'IMAGE_NOT_FOUND', message: `no such image: ${text}` });
  }
  if (!isFull && carriesName(image, text)) return { kind: 'reference', reference: parseReference(text) };
  if (isSha256(image.id) && digestHex(image.id).startsWith(hex)) return { kind: 'id', image };
  throw new EngineError({
    code: 'ENGINE_BROKEN',
    message: `the engine answered for ${text} with another image: ${image.id}`,
  });
}

/** Whether the engine found it by its name: docker looks for names before IDs. */
function carriesName({ repoTags }: LocalImage, text: string): boolean {
  const { repository, tag } = withDefaultTag(parseReference(text));
  return repoTags.includes(`${repository.familiar}:${tag}`);
}
