/**
 * A pull by digest, and what the classic image store makes of a digest it already holds.
 *
 * On the classic store, when `name@D` is an index that was pulled for one platform, pulling it for another ends
 * with `name@D` still naming the old image: silently on engine 20.10 (tagging it then gives the name to the wrong
 * platform), with "cannot overwrite digest" on 26.1. So when the name stands at an image that this platform
 * cannot use, it is taken off that image first, which keeps its tags.
 *
 * After a pull and a tag, `rmi NAME:TAG` removes the digest's name too, on both stores: nothing is cleaned up
 * here. (Removing `name@D` by itself would take the tag with it on containerd's store.)
 */
import { EngineError } from '../lib/errors.ts';
import type { Admission } from '../reference/admission.ts';
import { formatPlatform, matchesPlatform, type Platform, runnablePlatforms } from '../reference/platform.ts';
import type { CallOptions, Engine } from './engine.ts';
import type { LocalImage } from './local-image.ts';

type Looking = Pick<Engine, 'inspectImage' | 'info'>;
type Handling = Looking & Pick<Engine, 'removeImage'>;

/** The name or ID under which the engine knows what an admission stands for. */
export function localName({ fetch }: Pick<Admission, 'fetch'>): string {
  return fetch.kind === 'imageId' ? fetch.id : `${fetch.repository.familiar}@${fetch.digest}`;
}

/** The image when the engine holds it for the wanted platform. */
export async function isPresentFor(
  admission: Admission,
  engine: Looking,
  options: CallOptions,
): Promise<LocalImage | undefined> {
  const image = await engine.inspectImage(localName(admission), options);
  if (image === undefined) return undefined;
  if (admission.platform === undefined && admission.fetch.kind === 'imageId') return image;
  return (await fits(image, admission.platform, engine, options)) ? image : undefined;
}

/**
 * Fetches and returns the image as the engine then holds it.
 * @throws EngineError IMAGE_NOT_FOUND, ENGINE_BROKEN, ENGINE_ERROR
 */
export async function pullByDigest(
  admission: Admission,
  engine: Handling,
  options: CallOptions,
  fetch: () => Promise<void>,
): Promise<LocalImage> {
  const name = localName(admission);
  const before = await engine.inspectImage(name, options);
  if (admission.fetch.kind === 'imageId') return before ?? missing(name, 'IMAGE_NOT_FOUND');
  const inTheWay = before?.store === 'classic' && !(await fits(before, admission.platform, engine, options));
  if (inTheWay) await takeNameOff(before, name, engine, options);
  await fetch();
  return (await engine.inspectImage(name, options)) ?? missing(name, 'ENGINE_BROKEN');
}

async function fits(
  image: LocalImage,
  wanted: Platform | undefined,
  engine: Looking,
  options: CallOptions,
): Promise<boolean> {
  if (wanted !== undefined) return matchesPlatform(wanted, image.platform);
  const { platform } = await engine.info(options);
  return runnablePlatforms(platform).some((each) => matchesPlatform(each, image.platform));
}

/** @throws EngineError ENGINE_ERROR when the name is all that keeps the other image */
async function takeNameOff(
  image: LocalImage,
  name: string,
  engine: Handling,
  options: CallOptions,
): Promise<void> {
  if (image.repoTags.length === 0) {
    throw new EngineError({
      code: 'ENGINE_ERROR',
      message: `${name} names an image for ${formatPlatform(image.platform)} here, and this engine does not replace it`,
      hints: [`Remove that image first: docker rmi ${name}`],
    });
  }
  await engine.removeImage(name, { ...options, noPrune: true });
}

function missing(name: string, code: 'IMAGE_NOT_FOUND' | 'ENGINE_BROKEN'): never {
  const what = code === 'IMAGE_NOT_FOUND' ? 'no such image' : 'the engine ended the pull without the image';
  throw new EngineError({ code, message: `${what}: ${name}` });
}
