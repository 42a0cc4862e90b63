/**
 * What another program has put together from images, held against the images it was told to take (protocol 5.1).
 *
 * buildx and docker read their sources from a registry and do not hash all that they read, so what comes out is looked
 * at before it is signed: an index that names each manifest of the sources, as they stand there, and nothing
 * else. [A registry that serves other bytes for a digest has an image of its own put into the index.]
 */
import { TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { Digest } from '../reference/digest.ts';
import { formatPlatform, matchesPlatform, type Platform } from '../reference/platform.ts';
import type { Descriptor, Manifest } from '../registry/manifest.ts';

/** A manifest that the index may name. */
export interface Member {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly platform: Platform | undefined;
  readonly annotations: ReadonlyMap<string, string>;
}

export interface Expected {
  readonly members: readonly Member[];
  /** Annotations that the command line adds, as typed: `[TYPE[PLATFORM]:]KEY=VALUE`. */
  readonly annotations?: readonly string[];
  /** Only some platforms were asked for: members may be missing. */
  readonly some?: boolean;
}

/**
 * Returns its argument when it is an index of exactly these members.
 * @throws TrustError DIGEST_UNCONFIRMED
 */
export function verifyCombined(index: Manifest, expected: Expected): Manifest {
  if (index.kind !== 'index') throw unconfirmed('it is no index');
  for (const entry of index.manifests) {
    if (!isNamed(entry, expected)) {
      throw unconfirmed(`it names ${describe(entry)}, which none of the sources does`, entry.digest);
    }
  }
  const named = new Set(index.manifests.map(({ digest }) => digest));
  const missing = expected.members.find(({ digest }) => !named.has(digest));
  if (missing !== undefined && expected.some !== true) {
    throw unconfirmed(`it does not name ${missing.digest}, which a source does`);
  }
  return index;
}

/** buildx joins entries of one digest, so their annotations may come from several sources. */
function isNamed(entry: Descriptor, { members, annotations = [] }: Expected): boolean {
  const same = members.filter(
    (member) =>
      entry.digest === member.digest &&
      entry.sizeBytes === member.sizeBytes &&
      entry.mediaType === member.mediaType,
  );
  return (
    same.some((member) => samePlatform(entry.platform, member.platform)) &&
    [...entry.annotations].every(
      ([name, value]) =>
        same.some((member) => member.annotations.get(name) === value) ||
        annotations.some((typed) => typed === `${name}=${value}` || typed.endsWith(`:${name}=${value}`)),
    )
  );
}

/** A platform read from an image has no version of the system, which the index may leave out or not. */
function samePlatform(found: Platform | undefined, wanted: Platform | undefined): boolean {
  if (found === undefined || wanted === undefined) return found === wanted;
  return matchesPlatform(found, wanted);
}

function describe({ digest, platform }: Descriptor): string {
  return platform === undefined ? digest : `${digest} for ${escapeShort(formatPlatform(platform))}`;
}

function unconfirmed(problem: string, found?: string): TrustError {
  return new TrustError({
    code: 'DIGEST_UNCONFIRMED',
    message: `nothing is signed: what was put together is not what was named: ${problem}`,
    attack: 'arbitrary software',
    spec: 'protocol 5.1',
    expected: 'an index of the manifests of the sources, and no others',
    ...(found === undefined ? {} : { found }),
  });
}
