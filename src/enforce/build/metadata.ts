/**
 * Which digest a build has produced, from the file that buildx writes for `--metadata-file` (protocol 5.1).
 *
 * Not all in that file comes from the producer. On the engine's own builder buildx pushes with the engine and then
 * writes what the registry says the tag is into `containerimage.digest`; a registry, or whoever pushes at the same
 * moment, can put any digest there. The producer's own are `containerimage.descriptor`, which an exporter of BuildKit
 * writes, and, from the engine's classic store, `containerimage.config.digest`, the image's ID. So a digest
 * counts when the descriptor names it; else when the manifest under it has that configuration; else only
 * when no engine was between (buildx joined the platforms of several builders and wrote its own digest).
 */
import { TrustError } from '../../lib/errors.ts';
import { JsonError, type JsonValue, parseStrictJson } from '../../lib/strict-json.ts';
import { type Digest, isSha256 } from '../../reference/digest.ts';

export interface BuiltDigest {
  readonly digest: Digest;
  /** The manifest under the digest counts only with this configuration. */
  readonly configDigest?: Digest;
}

/**
 * Reads the metadata file of a build that has pushed.
 *
 * @param engineBuilder whether the engine's own builder did the build (buildx's driver `docker`)
 * @throws TrustError DIGEST_UNCONFIRMED when the file names no digest of the producer's
 */
export function readBuiltDigest(bytes: Uint8Array, engineBuilder: boolean): BuiltDigest {
  const metadata = parse(bytes);
  const descriptor = metadata.get('containerimage.descriptor');
  if (descriptor instanceof Map) return { digest: digestIn(descriptor.get('digest')) };
  const digest = digestIn(metadata.get('containerimage.digest'));
  const config = metadata.get('containerimage.config.digest');
  if (typeof config === 'string' && isSha256(config)) return { digest, configDigest: config };
  if (!engineBuilder) return { digest };
  throw unconfirmed('buildx has the digest from the registry only, which may serve any');
}

function parse(bytes: Uint8Array): ReadonlyMap<string, JsonValue> {
  try {
    const value = parseStrictJson(bytes, 'build metadata', { numbers: 'finite', prototypeNames: 'keep' });
    if (value instanceof Map) return value;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw unconfirmed('its metadata file is no JSON', error);
  }
  throw unconfirmed('its metadata file is no JSON object');
}

function digestIn(value: JsonValue | undefined): Digest {
  if (typeof value === 'string' && isSha256(value)) return value;
  throw unconfirmed('its metadata file names no image');
}

function unconfirmed(problem: string, cause?: unknown): TrustError {
  return new TrustError({
    code: 'DIGEST_UNCONFIRMED',
    message: `nothing is signed: which digest the build has pushed cannot be told: ${problem}`,
    attack: 'arbitrary software',
    spec: 'protocol 5.1',
    cause,
  });
}
