/**
 * The source policy under which BuildKit builds: what keeps every image out that was not decided on, whoever names it
 * (docs/adr/0017-source-policy.md).
 *
 * BuildKit reads the rules in order. The last ALLOW or DENY that matches counts; a CONVERT that matches changes the
 * source at once, and the rules are read anew. So: deny every image, allow each admitted digest under any name (a
 * digest names bytes, protocol 8), and convert each admitted tag to its digest. Whatever the Dockerfile, a front end or
 * an ONBUILD names that dtrust did not find is denied by the builder.
 *
 * Only the digest of an Admission gets in here. An image of the engine has no digest that BuildKit could ask a registry
 * for; it goes by a name of its own below `dtrust.invalid`, which no registry can have (RFC 2606).
 */
import assert from 'node:assert';
import { TrustError } from '../../lib/errors.ts';
import { type Admission, assertAdmission } from '../../reference/admission.ts';
import { type Digest, digestHex } from '../../reference/digest.ts';
import { dockerSpelling, type Reference, withDefaultTag } from '../../reference/reference.ts';

/** A rule in BuildKit's own JSON. */
export interface PolicyRule {
  readonly action: 'ALLOW' | 'DENY' | 'CONVERT';
  readonly selector: Readonly<Record<string, unknown>> & { readonly identifier: string };
  readonly updates?: Readonly<Record<string, unknown>> & { readonly identifier?: string };
}

/** One image that the build may use. */
export interface PolicyImage {
  readonly admission: Admission;
  /** What it is named by, canonical; where it has a tag and no digest, that tag is converted. */
  readonly reference?: Reference | undefined;
}

export interface PolicyOptions {
  readonly images: readonly PolicyImage[];
  /** The user's own rules that may stand (user-policy.ts): conversions first, denials last. */
  readonly user?: { readonly converts: readonly PolicyRule[]; readonly denies: readonly PolicyRule[] };
  /** Tells the names of this build's local images from those of any other. */
  readonly nonce: string;
}

const IMAGE = 'docker-image://';
/** Schemes that bring an image or a part of one in; the last two are of BuildKit 0.24. */
const IMAGE_SCHEMES = [IMAGE, 'oci-layout://', 'docker-image+blob://', 'oci-layout+blob://'];
export const LOCAL_REPOSITORY = 'dtrust.invalid/local';

/** Every image refused. */
export const DENY_IMAGES: readonly PolicyRule[] = IMAGE_SCHEMES.map((scheme) => ({
  action: 'DENY',
  selector: { identifier: `${scheme}*` },
}));

/**
 * The rules for a build.
 * @throws TrustError LOCAL_BASE when one name stands for two images
 */
export function sourcePolicy({ images, user, nonce }: PolicyOptions): readonly PolicyRule[] {
  const allows = new Set(images.flatMap(({ admission }) => allowedIdentifiers(admission, nonce)));
  return [
    ...(user?.converts ?? []),
    ...DENY_IMAGES,
    ...[...allows].map((identifier): PolicyRule => ({ action: 'ALLOW', selector: { identifier } })),
    ...conversions(images, nonce),
    ...(user?.denies ?? []),
  ];
}

/** The policy as BuildKit reads it. */
export function renderPolicy(rules: readonly PolicyRule[]): Uint8Array {
  return Buffer.from(JSON.stringify({ rules }), 'utf8');
}

/** The tag under which an image of the engine is named for this build. */
export function localTag(id: Digest, nonce: string): string {
  return `${digestHex(id)}-${nonce}`;
}

/** What `name` is to be built from, as BuildKit names a source. */
export function sourceOf({ admission, reference }: PolicyImage, nonce: string): string {
  const { fetch } = assertAdmission(admission);
  if (fetch.kind === 'imageId') return `${IMAGE}${LOCAL_REPOSITORY}:${localTag(fetch.id, nonce)}`;
  const { canonical } = fetch.repository;
  const tag = reference?.tag === undefined ? '' : `:${reference.tag}`;
  return `${IMAGE}${canonical}${tag}@${fetch.digest}`;
}

function allowedIdentifiers(admission: Admission, nonce: string): readonly string[] {
  const { fetch } = assertAdmission(admission);
  if (fetch.kind === 'digest') return [`${IMAGE}*@${fetch.digest}`];
  const name = sourceOf({ admission }, nonce);
  // Containerd's store: BuildKit finds the image by its name and goes on with the digest, which is its ID there.
  return [name, `${name}@${fetch.id}`];
}

function conversions(images: readonly PolicyImage[], nonce: string): readonly PolicyRule[] {
  const targets = new Map<string, string>();
  for (const image of images) {
    if (image.reference === undefined || image.reference.digest !== undefined) continue;
    const reference = withDefaultTag(image.reference);
    const target = sourceOf({ ...image, reference }, nonce);
    // BuildKit leaves the host of a name as it was typed.
    for (const spelling of [reference.canonical, dockerSpelling(reference)]) {
      const name = `${IMAGE}${spelling}`;
      assert(target !== name, 'a conversion leads away from its name');
      const before = targets.get(name);
      if (before !== undefined && before !== target) throw twoImages(image.reference);
      targets.set(name, target);
    }
  }
  return [...targets].map(([identifier, target]) => ({
    action: 'CONVERT',
    selector: { identifier },
    updates: { identifier: target },
  }));
}

/** Two platforms of one build: the policy knows names, not platforms. */
function twoImages({ familiar, repository }: Reference): TrustError {
  return new TrustError({
    code: 'LOCAL_BASE',
    message: `${familiar} stands for two images in this build: BuildKit gets one of them for all platforms`,
    spec: 'protocol 8',
    reference: repository.canonical,
    hints: ['Build one platform at a time, or name the images by digest.'],
  });
}
