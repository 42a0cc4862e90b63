/**
 * The sources of `buildx imagetools create`, as buildx reads them (0.13): a reference, a digest alone, or the JSON of
 * a descriptor, the last two in the one repository that the whole command is about. Each ends as a digest: a tag is
 * worth what is signed for it, a digest what it names (protocol 8).
 */
import type { Member } from '../enforce/combined-index.ts';
import { RegistryError, TrustError, UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { JsonError, parseStrictJson } from '../lib/strict-json.ts';
import { type Digest, isSha256 } from '../reference/digest.ts';
import {
  assertNotTrustTag,
  parseReference,
  type Reference,
  type Repository,
  withDefaultTag,
} from '../reference/reference.ts';
import { fetchPlatform } from '../registry/image-platform.ts';
import { type Descriptor, parseDescriptor, parseManifest } from '../registry/manifest.ts';
import { sayWhatIsSigned } from './pull-images.ts';
import type { Services } from './services.ts';
import { signedDigest } from './signed-digest.ts';

/** One source as it was typed, or as a file has it. */
export type SourceNamed =
  | { readonly kind: 'reference'; readonly text: string; readonly reference: Reference }
  | { readonly kind: 'digest'; readonly text: string; readonly digest: Digest }
  | { readonly kind: 'descriptor'; readonly text: string; readonly descriptor: Descriptor };

export interface ImageSource {
  /** What the real command gets. */
  readonly pinned: string;
  readonly digest: Digest;
  /** The manifest itself, or those that its index lists. */
  readonly members: readonly Member[];
}

/** @throws UsageError USAGE, REFERENCE_INVALID, TAG_RESERVED */
export function readSource(text: string): SourceNamed {
  if (isSha256(text)) return { kind: 'digest', text, digest: text };
  if (!text.startsWith('{')) {
    return { kind: 'reference', text, reference: assertNotTrustTag(parseReference(text)) };
  }
  try {
    const descriptor = parseDescriptor(parseStrictJson(Buffer.from(text), 'descriptor'), 'the descriptor');
    return { kind: 'descriptor', text, descriptor };
  } catch (error) {
    if (!(error instanceof RegistryError || error instanceof JsonError)) throw error;
    throw new UsageError({
      code: 'USAGE',
      message: `${escapeShort(text)} is no descriptor: it needs mediaType, digest and size`,
      cause: error,
    });
  }
}

/**
 * The repository that a digest alone is looked for in.
 * @throws UsageError USAGE where the command names none, or several
 */
export function commonRepository(named: readonly SourceNamed[], tags: readonly Reference[]): Repository {
  const references = named.flatMap((each) => (each.kind === 'reference' ? [each.reference] : []));
  const all = new Map([...tags, ...references].map(({ repository }) => [repository.canonical, repository]));
  const [only, another] = all.values();
  if (only !== undefined && another === undefined) return only;
  const problem = only === undefined ? 'no repositories specified' : 'multiple repositories specified';
  throw new UsageError({
    code: 'USAGE',
    message: `${problem}, cannot infer the repository of a digest`,
    hints: ['Name the source in full: NAME@sha256:DIGEST'],
  });
}

/**
 * The source with the digest it stands for and what the registry has under that.
 * @throws TrustError as `signedDigest`, DIGEST_UNCONFIRMED where the registry has no such manifest; RegistryError,
 * NetworkError, LocalStateError
 */
export async function resolveSource(
  services: Services,
  named: SourceNamed,
  repositoryOfDigests: () => Repository,
): Promise<ImageSource> {
  if (named.kind !== 'reference') {
    const digest = named.kind === 'digest' ? named.digest : named.descriptor.digest;
    const repository = repositoryOfDigests();
    const members = await readMembers(services, repository, digest);
    const own =
      named.kind === 'descriptor' ? members.map((each) => described(each, named.descriptor)) : members;
    return { pinned: named.text, digest, members: own };
  }
  const { reference } = named;
  const { repository } = reference;
  const digest = await digestOfReference(services, reference);
  const members = await readMembers(services, repository, digest);
  return { pinned: `${repository.familiar}@${digest}`, digest, members };
}

async function digestOfReference(services: Services, reference: Reference): Promise<Digest> {
  const { digest, tag } = reference;
  if (digest === undefined) return await signedDigest(services, withDefaultTag(reference));
  // Protocol 8: the digest counts, and it is said when the tag beside it is signed for something else.
  if (tag !== undefined) await sayWhatIsSigned(services, { ...reference, tag }, digest);
  return digest;
}

async function readMembers(
  services: Services,
  repository: Repository,
  digest: Digest,
): Promise<readonly Member[]> {
  const { signal } = services.context;
  const client = await services.registry();
  const fetched = await client.getManifest(repository, digest, { signal });
  if (fetched === undefined) throw notThere(repository, digest);
  const manifest = parseManifest(fetched.bytes, fetched.mediaType);
  if (manifest.kind === 'index')
    return manifest.manifests.map((each) => ({ ...each, platform: each.platform }));
  const platform = await fetchPlatform(client, repository, manifest, signal);
  const { mediaType } = manifest;
  return [{ digest, sizeBytes: fetched.bytes.length, mediaType, platform, annotations: new Map() }];
}

/** A descriptor's own platform and annotations are the user's words for the manifest. */
function described(member: Member, { digest, platform, annotations }: Descriptor): Member {
  if (member.digest !== digest) return member;
  return { ...member, platform: platform ?? member.platform, annotations };
}

function notThere(repository: Repository, digest: Digest): TrustError {
  return new TrustError({
    code: 'DIGEST_UNCONFIRMED',
    message: `the registry has no manifest ${digest} in ${repository.canonical}`,
    spec: 'protocol 5.1',
    reference: repository.canonical,
    expected: digest,
    found: 'no such manifest',
  });
}
