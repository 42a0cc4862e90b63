/**
 * How far the trust data in the registry has come, although as a whole it is refused: a timestamp that the known root's
 * keys have signed says it, whatever is wrong with the files beside it. Versions below it would be refused by every
 * machine that has seen more than this one.
 */
import { TrustError } from '../lib/errors.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { MAX_TIMESTAMP_BYTES } from '../trust/core/limits.ts';
import { TrustedMetadata } from '../trust/core/trusted-metadata.ts';
import type { Source } from '../trust/source.ts';

/**
 * The versions of timestamp and snapshot that are served and signed; empty when nothing of the kind is served.
 * @throws RegistryError, NetworkError
 */
export async function servedVersions(
  source: Source,
  known: VerifiedCollection,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  try {
    const file = (await source.fetchState(signal))?.files.get('timestamp.json');
    if (file === undefined) return new Map();
    const { digest, lengthBytes } = file;
    if (lengthBytes > MAX_TIMESTAMP_BYTES) return new Map();
    const bytes = await source.fetchFile({ digest, lengthBytes, maxBytes: MAX_TIMESTAMP_BYTES }, signal);
    const { collection, root, startTimeMs } = known.trusted;
    const options = { startTimeMs, collection, expiry: 'unsafe-ignored' as const };
    const trusted = new TrustedMetadata(root.bytes, options);
    trusted.finishRoot();
    trusted.updateTimestamp(bytes);
    const timestamp = trusted.timestamp?.signed;
    if (timestamp === undefined) return new Map();
    return new Map([
      ['timestamp', timestamp.version],
      ['snapshot', timestamp.snapshot.version],
    ]);
  } catch (error) {
    // No trust data, or none that the known root vouches for: it says nothing about versions.
    if (error instanceof TrustError) return new Map();
    throw error;
  }
}
