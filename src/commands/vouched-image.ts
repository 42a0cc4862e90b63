/**
 * Who vouches for an image that the engine holds and that is asked for by its ID, or that a container was made of.
 *
 * Its names on the engine are only where to look: whoever may talk to the engine gives names as he likes, a loaded
 * archive brings its own, and every local build has some. What counts is a digest that stands for exactly this image
 * (containerd's store: the ID itself; the classic store: the digest under which the engine fetched or pushed it) and
 * that is signed now.
 */
import { admitLocal, admitSignedImage } from '../enforce/admit.ts';
import { isOwn } from '../enforce/ledger.ts';
import type { LocalImage } from '../engine/local-image.ts';
import { NetworkError, RegistryError, TrustError, UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { Admission } from '../reference/admission.ts';
import { type Digest, isSha256 } from '../reference/digest.ts';
import { isReservedTag, isTag, parseReference, type Repository } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import type { TargetFound } from '../trust/core/search.ts';
import { askSource } from './ask-source.ts';
import { entriesFor } from './ledger-of.ts';
import type { Services } from './services.ts';

/** Which of an image's names count: all, or those of one repository, or one tag of it. */
export interface Under {
  readonly repository: Repository;
  readonly tag?: string | undefined;
}

export interface Vouching {
  /** The source is asked whatever is remembered, and must answer (protocol 7.3). */
  readonly mustAsk?: boolean;
}

interface Looking extends Vouching {
  readonly under?: Under | undefined;
  /** Filled with why each place said no. */
  readonly tried: string[];
}

/** More than anybody gives one image on purpose; each costs a request. */
const MOST_REPOSITORIES = 5;

/**
 * The admission of an image by its ID: it is in the ledger, or signed.
 * @throws TrustError IMAGE_UNVERIFIED; LocalStateError, EngineError
 */
export async function vouchedImage(
  services: Services,
  image: LocalImage,
  { mustAsk = false }: Vouching = {},
): Promise<Admission> {
  const entry = (await entriesFor(services, image.id)).find(isOwn);
  if (entry !== undefined) return admitLocal(image.id, entry.reference);
  const tried: string[] = [];
  const admission = await signedNow(services, image, { tried, mustAsk });
  if (admission === undefined) throw unverified(image, tried);
  return admission;
}

/** The admission of an image that is signed now under one of its names; undefined, and why in `tried`, when none is. */
export async function signedNow(
  services: Services,
  image: LocalImage,
  { under, tried, mustAsk = false }: Looking,
): Promise<Admission | undefined> {
  const places = placesOf(await withStore(services, image), under);
  for (const { repository, digest } of places.slice(0, MOST_REPOSITORIES)) {
    try {
      const target = await askSource(services, {
        repository,
        mustAsk,
        mayAsk: false,
        find: (collection) => findSigned(collection, repository, digest, under?.tag),
        isHere: () => Promise.resolve(true),
      });
      return admitSignedImage(image.id, target);
    } catch (error) {
      const said =
        error instanceof TrustError || error instanceof RegistryError || error instanceof NetworkError;
      if (!said) throw error;
      tried.push(`${escapeShort(repository.familiar)}: ${error.code}`);
    }
  }
  return undefined;
}

/**
 * An image's own description tells its store only in part, and on containerd's store other digests than the ID stand for
 * other images: there the engine's word counts.
 */
async function withStore(services: Services, image: LocalImage): Promise<LocalImage> {
  const { store } = await (await services.engine()).info({ signal: services.context.signal });
  return store === 'containerd' ? { ...image, store } : image;
}

interface Place {
  readonly repository: Repository;
  readonly digest: Digest;
}

/** Repositories with the digest that this image has there. */
function placesOf(image: LocalImage, under: Under | undefined): readonly Place[] {
  const { store, id } = image;
  if (under === undefined) return namedPlaces(image);
  // There the ID is the digest in every repository, whatever names the image still has.
  if (store === 'containerd') return [{ repository: under.repository, digest: id }];
  return namedPlaces(image).filter(({ repository }) => repository.canonical === under.repository.canonical);
}

function namedPlaces({ store, id, repoDigests }: LocalImage): readonly Place[] {
  return repoDigests.flatMap((name): Place[] => {
    try {
      const { repository, digest } = parseReference(name);
      if (digest === undefined || !isSha256(digest)) return [];
      return store === 'classic' || digest === id ? [{ repository, digest }] : [];
    } catch (error) {
      // A name that is none, `<none>@sha256:...` for example, is no place to look.
      if (error instanceof UsageError) return [];
      throw error;
    }
  });
}

/** The signed entry with this digest: of this tag, or of any. */
async function findSigned(
  collection: VerifiedCollection,
  repository: Repository,
  digest: Digest,
  tag: string | undefined,
): Promise<TargetFound> {
  const prefix = `${repository.canonical}:`;
  const targets =
    tag === undefined ? await collection.listTargets() : [await collection.resolve(`${prefix}${tag}`)];
  const found = targets.find(({ path, sha256 }) => {
    const name = path.slice(prefix.length);
    return path.startsWith(prefix) && isTag(name) && !isReservedTag(name) && sha256 === digest;
  });
  if (found !== undefined) return found;
  throw new TrustError({
    code: 'TARGET_NOT_SIGNED',
    message: `${digest} is not signed ${tag === undefined ? 'under any tag' : `as ${escapeShort(tag)}`} in ${repository.familiar}`,
    spec: 'protocol 2.2',
    reference: repository.canonical,
  });
}

/** The refusal, with the names it has and where they led. */
export function unverified(image: LocalImage, tried: readonly string[], container?: string): TrustError {
  const names = image.repoTags.slice(0, MOST_REPOSITORIES).map((name) => escapeShort(name));
  const called = names.length === 0 ? 'without a name' : `named ${names.join(', ')} here`;
  const looked = tried.length === 0 ? 'no repository is known for it' : tried.join('; ');
  return new TrustError({
    code: 'IMAGE_UNVERIFIED',
    message: `nobody vouches for the image ${container === undefined ? '' : `of ${escapeShort(container)}, `}${image.id}, ${called} (${looked})`,
    spec: 'protocol 8',
    reference: image.id,
    expected: 'a signed digest, or an entry in the ledger',
    found: looked,
    hints: [
      'If it was fetched, name it as it was: NAME:TAG, or NAME@sha256:DIGEST.',
      `If you know where it comes from, say so once: dtrust trust accept ${image.id}`,
    ],
  });
}
