/** One image that a build names: from its text to an admission. */
import { admitDigest, admitTag } from '../enforce/admit.ts';
import type { LocalImage } from '../engine/local-image.ts';
import { DtrustError, EngineError, hasCode, TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { Settled } from '../lib/settle.ts';
import type { Admission } from '../reference/admission.ts';
import type { Digest } from '../reference/digest.ts';
import {
  formatPlatform,
  matchesPlatform,
  normalizePlatform,
  type Platform,
  parsePlatform,
  runnablePlatforms,
} from '../reference/platform.ts';
import {
  assertNotTrustTag,
  parseReference,
  type Reference,
  type Tag,
  withDefaultTag,
} from '../reference/reference.ts';
import type { TargetFound } from '../trust/core/search.ts';
import type { BaseWanted, BuilderFacts } from './admit-bases.ts';
import { allowedInRegistry } from './allowed-tag.ts';
import type { BaseCollections } from './base-collections.ts';
import { note } from './context.ts';
import { ID_LIKE, nameOrId } from './name-or-id.ts';
import { ownImage } from './own-image.ts';
import { sayWhatIsSigned } from './pull-images.ts';
import type { Services } from './services.ts';
import { vouchedImage } from './vouched-image.ts';

export interface BaseRead {
  /** The same for all spellings of one image on one platform. */
  readonly key: string;
  readonly text: string;
  /** Absent for what the engine has to tell: it may be an ID. */
  readonly reference?: Reference;
  readonly platform: Platform;
  /** Whether the use itself names the platform. */
  readonly platformGiven: boolean;
}

export interface Decided {
  readonly reference?: Reference;
  readonly admission: Admission;
  readonly digest?: Digest;
  readonly localImageId?: Digest;
  /** What was signed, for a tag that is. */
  readonly target?: TargetFound;
  readonly image?: LocalImage;
}

/** What a text names, with every default filled in; settled with the UsageError of one that names nothing. */
export function readBase(
  { text, platform, targetPlatform }: BaseWanted,
  facts: Pick<BuilderFacts, 'grammar' | 'platform'>,
): Settled<BaseRead> {
  try {
    const here = parsePlatform(targetPlatform ?? facts.platform);
    const wanted = platform === undefined || platform === '' ? here : parsePlatform(platform, here);
    const common = { text, platform: wanted, platformGiven: platform !== undefined && platform !== '' };
    const suffix = `for ${formatPlatform(normalizePlatform(wanted))}${common.platformGiven ? '' : ', by default'}`;
    // BuildKit knows no IDs: `3f1a` is docker.io/library/3f1a:latest there, whatever the engine holds.
    if (facts.grammar === 'classic' && ID_LIKE.test(text)) {
      return { value: { key: `${text} ${suffix}`, ...common } };
    }
    const reference = assertNotTrustTag(parseReference(text));
    return { value: { key: `${reference.canonical} ${suffix}`, ...common, reference } };
  } catch (error) {
    if (!(error instanceof DtrustError)) throw error;
    return { reason: error };
  }
}

/**
 * Signed, named by its digest, an exception, or held by the engine and in the ledger; else refused.
 * @throws as `admitBases`
 */
export async function decideBase(
  services: Services,
  facts: BuilderFacts,
  collections: BaseCollections,
  base: BaseRead,
): Promise<Decided> {
  let { reference } = base;
  if (reference === undefined) {
    const named = await nameOrId(services, base.text);
    if (named.kind === 'id') return await decideImage(services, named.image);
    reference = named.reference;
  }
  const { digest } = reference;
  if (digest !== undefined) {
    return await decideNamed(services, facts, collections, { ...base, reference: { ...reference, digest } });
  }
  return await decideTag(services, facts, collections, { ...base, reference: withDefaultTag(reference) });
}

/** An image of the engine, by its ID. */
async function decideImage(services: Services, image: LocalImage): Promise<Decided> {
  const admission = await vouchedImage(services, image, { mustAsk: true });
  return { admission, localImageId: image.id, image };
}

/** Protocol 8: a digest names bytes. */
async function decideNamed(
  services: Services,
  { quiet }: BuilderFacts,
  collections: BaseCollections,
  base: BaseRead & { readonly reference: Reference & { readonly digest: Digest } },
): Promise<Decided> {
  const { reference } = base;
  const { repository, tag, digest } = reference;
  if (!quiet) {
    note(
      services.context,
      `${reference.familiar} is used as named by its digest; no signature was asked for`,
    );
  }
  if (tag !== undefined) {
    await sayWhatIsSigned(services, { ...reference, tag }, digest, () => collections.open(repository));
  }
  return { reference, admission: admitDigest(reference, wantedPlatform(base)), digest };
}

async function decideTag(
  services: Services,
  facts: BuilderFacts,
  collections: BaseCollections,
  base: BaseRead & { readonly reference: Reference & { readonly tag: Tag } },
): Promise<Decided> {
  const { reference } = base;
  const own = facts.engineIsBuilder && !facts.pull ? await ownBase(services, base) : undefined;
  if (own !== undefined) return own;
  const { repository, tag } = reference;
  const platform = wantedPlatform(base);
  try {
    const collection = await collections.open(repository);
    const { admission, digest, target } = await admitTag(collection, repository, tag, platform);
    return { reference, admission, digest, target };
  } catch (error) {
    if (hasCode(error, 'NO_TRUST_DATA')) {
      const admission = await allowedInRegistry(services, reference, platform);
      if (admission?.fetch.kind === 'digest') return { reference, admission, digest: admission.fetch.digest };
    }
    throw (await localBase(services, facts, base, error)) ?? error;
  }
}

/** An image that docker would take from the engine, where the ledger knows it. */
async function ownBase(
  services: Services,
  base: BaseRead & { readonly reference: Reference & { readonly tag: Tag } },
): Promise<Decided | undefined> {
  // The engine's builder passes over an image for another platform and asks the registry.
  const fits = (image: LocalImage) =>
    runnablePlatforms(base.platform).some((each) => matchesPlatform(each, image.platform));
  const own = await ownImage(services, base.reference, fits);
  if (own === undefined) return undefined;
  const { admission, image } = own;
  return { reference: base.reference, admission, localImageId: image.id, image };
}

/** LOCAL_BASE, where the image is there, for a builder that cannot see it. */
async function localBase(
  services: Services,
  { engineIsBuilder }: BuilderFacts,
  base: BaseRead & { readonly reference: Reference & { readonly tag: Tag } },
  error: unknown,
): Promise<TrustError | undefined> {
  if (engineIsBuilder || !hasCode(error, 'NO_TRUST_DATA', 'TARGET_NOT_SIGNED')) return undefined;
  let own: Decided | undefined;
  try {
    own = await ownBase(services, base);
  } catch (failure) {
    // No engine need be there for such a builder; the refusal stands.
    if (failure instanceof EngineError) return undefined;
    throw failure;
  }
  if (own === undefined) return undefined;
  const { familiar, canonical, repository, tag } = base.reference;
  const name = `${escapeShort(repository.familiar)}:${tag}`;
  return new TrustError({
    code: 'LOCAL_BASE',
    message: `${escapeShort(familiar)} is an image of this engine, which the chosen builder cannot see, and it is not signed in its registry`,
    spec: 'protocol 8',
    reference: canonical,
    expected: 'a signed tag',
    found: own.localImageId ?? '',
    hints: [
      `Push it signed: dtrust push ${name}`,
      "Or build with the engine's own builder: --builder default",
    ],
    cause: error,
  });
}

function wantedPlatform({ platform, platformGiven }: BaseRead): Platform | undefined {
  return platformGiven ? platform : undefined;
}
