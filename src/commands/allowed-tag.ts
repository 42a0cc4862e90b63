/**
 * A tag of a repository without trust data, where an exception was made for what it stands for (`trust allow`).
 *
 * The tag is a pointer that anybody may have moved: first the engine's, then the registry's, and it counts only where
 * it points at exactly the digest of an exception. That digest is what is fetched and used. Each use is said.
 */
import { admitAllowed } from '../enforce/admit.ts';
import { type Exception, isCurrent, loadExceptions } from '../enforce/exceptions.ts';
import type { LocalImage } from '../engine/local-image.ts';
import { escapeShort } from '../lib/escape.ts';
import type { Admission } from '../reference/admission.ts';
import type { Platform } from '../reference/platform.ts';
import type { Reference, Tag } from '../reference/reference.ts';
import { note } from './context.ts';
import type { Services } from './services.ts';

export interface AllowedTag {
  readonly admission: Admission;
  /** The image, where the engine holds it. */
  readonly present: LocalImage | undefined;
}

export interface TagAsked {
  readonly reference: Reference & { readonly tag: Tag };
  readonly platform: Platform | undefined;
  /** The registry is asked even where the engine has the tag. */
  readonly mustAsk: boolean;
}

/** The exceptions that count now. @throws LocalStateError ALLOW_INVALID */
export function currentExceptions(services: Services): readonly Exception[] {
  const { fs, startTimeMs } = services.context;
  const all = loadExceptions({ fs, directory: services.trustDirectory });
  return all.filter((each) => isCurrent(each, startTimeMs));
}

/**
 * The admission of the tag; undefined where no exception covers what it stands for.
 * @throws LocalStateError ALLOW_INVALID; RegistryError, NetworkError, EngineError
 */
export async function allowedTag(
  services: Services,
  { reference, platform, mustAsk }: TagAsked,
): Promise<AllowedTag | undefined> {
  const { repository, tag } = reference;
  const exceptions = currentExceptions(services).filter((each) => each.repository === repository.canonical);
  if (exceptions.length === 0) return undefined;
  const engine = await services.engine();
  const { signal } = services.context;
  const name = `${repository.familiar}:${tag}`;
  for (const exception of mustAsk ? [] : exceptions) {
    const admission = admitAllowed(repository, tag, exception.digest, platform);
    const present = await engine.presentImage(admission, { signal });
    if (present?.repoTags.includes(name) !== true) continue;
    sayAllowed(services, name, exception);
    return { admission, present };
  }
  const admission = await allowedInRegistry(services, reference, platform);
  return admission && { admission, present: await engine.presentImage(admission, { signal }) };
}

/**
 * The same by the registry's tag alone, for what no engine need hold.
 * @throws LocalStateError ALLOW_INVALID; RegistryError, NetworkError
 */
export async function allowedInRegistry(
  services: Services,
  { repository, tag }: Reference & { readonly tag: Tag },
  platform: Platform | undefined,
): Promise<Admission | undefined> {
  const exceptions = currentExceptions(services).filter((each) => each.repository === repository.canonical);
  if (exceptions.length === 0) return undefined;
  const client = await services.registry();
  const served = await client.headManifest(repository, tag, { signal: services.context.signal });
  const exception = exceptions.find(({ digest }) => digest === served?.claimedDigest);
  if (exception === undefined) return undefined;
  sayAllowed(services, `${repository.familiar}:${tag}`, exception);
  return admitAllowed(repository, tag, exception.digest, platform);
}

/** On stderr, whenever an exception lets something through, also with `-q`. */
export function sayAllowed(services: Services, name: string, { digest, until, reason }: Exception): void {
  const why = escapeShort(reason, 500);
  note(services.context, `${escapeShort(name)} is not signed; ${digest} is allowed until ${until}: ${why}`);
}
