/**
 * The media types a registry client meets, in one place. Sources: OCI image specification 1.1 (media-types.md),
 * Docker's image manifest version 2, schema 2, and docs/specification.md for the trust data.
 */

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

/** The config of an artifact that has none (OCI image specification 1.1, "Guidance for an empty descriptor"). */
export const OCI_EMPTY = 'application/vnd.oci.empty.v1+json';

/** Protocol 3.1: what the manifest under `_trust` says it is. */
export const TRUST_ARTIFACT = 'application/vnd.dtrust.tuf.v1+json';
/** Protocol 4.6: what the manifest under `_trust-staged` says it is. */
export const STAGED_ARTIFACT = 'application/vnd.dtrust.tuf.staged.v1+json';
/** Protocol 3.1: one layer of it, a file of TUF metadata. */
export const TUF_METADATA = 'application/vnd.tuf.metadata+json';
/** Protocol 3.1: the annotation of a layer that names its file. */
export const TUF_FILENAME = 'tuf.io/filename';

export type ManifestKind = 'image' | 'index';

const KINDS: ReadonlyMap<string, ManifestKind> = new Map([
  [OCI_MANIFEST, 'image'],
  [DOCKER_MANIFEST, 'image'],
  [OCI_INDEX, 'index'],
  [DOCKER_LIST, 'index'],
]);

/** What kind of manifest a media type names; undefined for every other type, schema 1 among them. */
export function manifestKind(mediaType: string): ManifestKind | undefined {
  return KINDS.get(mediaType);
}

/** The Accept header of every manifest request: all four types, so that no registry converts. */
export const MANIFEST_ACCEPT = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(', ');
