/**
 * One state of a collection as one OCI image manifest (protocol 3.1, 3.2): written and read here.
 *
 * Reading guarantees: every layer is a metadata file with a name of its own that TUF could have given it, a
 * sha256 digest and a size; bytes that came along were hashed. What the files say is nobody's word yet. Whatever
 * else stands under the tag (an image, an index, garbage) is TRUST_DATA_INVALID, never "no trust data".
 */
import { RegistryError, TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { digestOf, isSha256 } from '../reference/digest.ts';
import { type Tag, TRUST_TAG } from '../reference/reference.ts';
import type { FetchedManifest } from '../registry/client.ts';
import { type Descriptor, type Manifest, parseManifest } from '../registry/manifest.ts';
import {
  OCI_EMPTY,
  OCI_MANIFEST,
  TRUST_ARTIFACT,
  TUF_FILENAME,
  TUF_METADATA,
} from '../registry/media-types.ts';
import type { SourceFile, SourceState } from './source.ts';

/** What one kind of manifest is: under which tag, how it says so, and which files it lists. */
export interface StateForm {
  readonly tag: Tag;
  readonly artifactType: string;
  isFileName(name: string): boolean;
  /** The refusal of something else under the tag. */
  refuse(place: string, found: string, cause?: unknown): TrustError;
}

/** The current state of a collection. */
export const TRUST_FORM: StateForm = {
  tag: TRUST_TAG,
  artifactType: TRUST_ARTIFACT,
  isFileName: isMetadataFileName,
  refuse: notTrustData,
};

/** What registries are bound to accept (OCI distribution 1.1.1, "Pushing manifests"). */
export const MAX_STATE_BYTES = 4 * 1024 * 1024;
/** The config of the manifest: an empty JSON object. */
export const EMPTY_CONFIG: Uint8Array = Buffer.from('{}');

/** Files up to this size ride along, smallest first, ... */
const MAX_INLINE_FILE_BYTES = 64 * 1024;
/** ... as long as all of them together stay below this: every changed warm check reads them. */
const MAX_INLINE_BYTES = 256 * 1024;
const MAX_NAME_LENGTH = 400;

/**
 * The state that a manifest read from the trust tag lists.
 * @param place for messages: `ghcr.io/acme/app:_trust`
 * @throws TrustError TRUST_DATA_INVALID, or as the form refuses
 */
export function parseState(
  fetched: FetchedManifest,
  place: string,
  form: StateForm = TRUST_FORM,
): SourceState {
  const refuse = (found: string, cause?: unknown) => form.refuse(place, found, cause);
  const manifest = parseAsManifest(fetched, refuse);
  // Protocol 3.1: one image manifest, with this artifact type and an empty config.
  if (manifest.kind !== 'image') throw refuse('an image index');
  if (manifest.artifactType !== form.artifactType || manifest.mediaType !== OCI_MANIFEST) {
    const type = manifest.artifactType ?? manifest.config.mediaType;
    throw refuse(`an image or another artifact (${escapeShort(type, 100)})`);
  }
  if (manifest.config.mediaType !== OCI_EMPTY || manifest.config.digest !== digestOf(EMPTY_CONFIG)) {
    throw refuse('an artifact with a config');
  }
  const files = new Map<string, SourceFile>();
  for (const layer of manifest.layers) {
    const file = fileOf(layer, form, refuse);
    // [Two layers of one name: one reader takes the first, another the last.]
    if (files.has(file.name)) throw refuse(`a manifest that lists ${file.name} twice`);
    files.set(file.name, file);
  }
  if (files.size === 0) throw refuse('a manifest without files');
  const { dateMs } = fetched;
  return Object.freeze({ digest: fetched.digest, files, ...(dateMs === undefined ? {} : { dateMs }) });
}

type Refuse = (found: string, cause?: unknown) => TrustError;

function parseAsManifest(fetched: FetchedManifest, refuse: Refuse): Manifest {
  try {
    return parseManifest(fetched.bytes, fetched.mediaType);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    throw refuse('no manifest that can be read', error);
  }
}

function fileOf(layer: Descriptor, form: StateForm, refuse: Refuse): SourceFile {
  const name = layer.annotations.get(TUF_FILENAME) ?? '';
  if (layer.mediaType !== TUF_METADATA) {
    throw refuse(`a layer of type ${escapeShort(layer.mediaType, 100)}`);
  }
  if (!form.isFileName(name)) throw refuse(`a file called '${escapeShort(name, 100)}'`);
  if (!isSha256(layer.digest) || layer.sizeBytes === 0) {
    throw refuse(`${name} without content or with a digest that is not sha256`);
  }
  const inline = layer.data;
  if (inline !== undefined && digestOf(inline) !== layer.digest) {
    throw refuse(`${name} with embedded bytes that are not those its digest names`);
  }
  return Object.freeze({
    name,
    digest: layer.digest,
    lengthBytes: layer.sizeBytes,
    ...(inline === undefined ? {} : { inline }),
  });
}

const FILE_NAME = /^([1-9][0-9]{0,15})\.([A-Za-z0-9._~%-]+)\.json$/;

/**
 * Whether a name is one that consistent snapshots give: `timestamp.json`, `7.root.json`,
 * `9.targets%2Freleases.json`. Such a name is one path segment that is never `.` or `..`, and one role has one
 * spelling. [`../../x` as a file name.]
 */
export function isMetadataFileName(name: string): boolean {
  if (name === 'timestamp.json') return true;
  const match = name.length <= MAX_NAME_LENGTH ? FILE_NAME.exec(name) : null;
  const [, version = '', encoded = ''] = match ?? [];
  if (match === null || !Number.isSafeInteger(Number(version))) return false;
  const role = decodeName(encoded);
  return role !== undefined && role !== 'timestamp' && !/(?:^|\/)\.{0,2}(?:\/|$)|[\\\p{C}]/u.test(role);
}

/** The name a percent-encoding stands for, when it is the one encoding of that name. */
function decodeName(encoded: string): string | undefined {
  let name: string;
  try {
    name = decodeURIComponent(encoded);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
  const again = encodeURIComponent(name).replace(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return again === encoded ? name : undefined;
}

/**
 * The manifest that lists these files. The same files give the same bytes. A file whose name no state may list is left
 * out: it was not listed before either, and with it nobody could read the state any more. [A signer delegates to a role
 * called `../x`, and the owner's next publish would lock everybody out.]
 * @param inline whether small files ride along in their descriptors
 * @throws TrustError METADATA_TOO_LARGE when the manifest would be larger than registries accept
 */
export function buildState(
  files: ReadonlyMap<string, Uint8Array>,
  inline: boolean,
  form: StateForm = TRUST_FORM,
): Uint8Array {
  const names = [...files.keys()].filter((name) => form.isFileName(name)).sort();
  const inlined = inline ? smallFiles(files) : new Set<string>();
  const layers = names.map((name) => {
    const bytes = files.get(name) ?? new Uint8Array();
    return {
      mediaType: TUF_METADATA,
      digest: digestOf(bytes),
      size: bytes.length,
      annotations: { [TUF_FILENAME]: name },
      ...(inlined.has(name) ? { data: Buffer.from(bytes).toString('base64') } : {}),
    };
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: form.artifactType,
    config: { mediaType: OCI_EMPTY, digest: digestOf(EMPTY_CONFIG), size: EMPTY_CONFIG.length, data: 'e30=' },
    layers,
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  if (bytes.length > MAX_STATE_BYTES) {
    throw new TrustError({
      code: 'METADATA_TOO_LARGE',
      message: `a manifest of ${files.size} metadata files is larger than registries accept`,
      spec: 'protocol 3.1',
    });
  }
  return bytes;
}

/** Smallest first, so that timestamp, snapshot and roots ride along when a large targets file cannot. */
function smallFiles(files: ReadonlyMap<string, Uint8Array>): ReadonlySet<string> {
  const chosen = new Set<string>();
  let total = 0;
  for (const [name, bytes] of [...files].sort((a, b) => a[1].length - b[1].length)) {
    total += bytes.length;
    if (bytes.length > MAX_INLINE_FILE_BYTES || total > MAX_INLINE_BYTES) break;
    chosen.add(name);
  }
  return chosen;
}

/** The refusal of what stands under the trust tag and is no trust data. */
export function notTrustData(place: string, found: string, cause?: unknown): TrustError {
  return new TrustError({
    code: 'TRUST_DATA_INVALID',
    message: `${place} holds ${found}, not the trust data of a collection`,
    spec: 'protocol 3.1',
    reference: place,
    expected: TRUST_ARTIFACT,
    found,
    cause,
    hints: [
      'somebody with write access replaced the trust data; the owner puts it back with: dtrust trust restore REPO',
    ],
  });
}
