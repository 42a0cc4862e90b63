/** The images that a classic build names: decided on, fetched where the engine lacks them, and how each is pinned. */
import { classicBuild } from '../dockerfile/classic-uses.ts';
import type { Dockerfile } from '../dockerfile/dockerfile.ts';
import type { ImageUse, ImageUsesOptions } from '../dockerfile/image-use.ts';
import { serialiseForClassic } from '../dockerfile/serialise-classic.ts';
import { localName } from '../engine/pull.ts';
import type { Admission } from '../reference/admission.ts';
import { type Digest, digestHex } from '../reference/digest.ts';
import { formatPlatform, normalizePlatform, parsePlatform } from '../reference/platform.ts';
import type { AdmittedBase, BaseWanted } from './admit-bases.ts';
import type { BuildOptions } from './build-options.ts';
import { discoverBases } from './discover-bases.ts';
import { fetchBases } from './fetch-bases.ts';
import type { Services } from './services.ts';

export interface ClassicBases {
  /** The Dockerfile with every image pinned. */
  readonly text: string;
  readonly admissions: readonly Admission[];
  /** Image IDs on the engine of what is built upon or copied from. */
  readonly ids: ReadonlySet<Digest>;
  readonly fromScratch: boolean;
  /** What the engine holds of `--cache-from`. */
  readonly caches: readonly HeldCache[];
  /** Signed tags, to be named as docker with content trust names them. */
  readonly tagged: readonly AdmittedBase[];
}

export interface HeldCache {
  /** Pinned. */
  readonly name: string;
  readonly id: Digest;
  readonly admission: Admission;
}

const CACHE = '--cache-from';

/**
 * Decides on them all, and has the engine hold what is built upon.
 * @throws UsageError DOCKERFILE_INVALID and as `discoverBases`; EngineError
 */
export async function classicBases(
  services: Services,
  options: BuildOptions,
  dockerfile: Dockerfile,
  platform: string | undefined,
): Promise<ClassicBases> {
  const here = formatPlatform((await (await services.engine()).info()).platform);
  const target = platform === undefined ? here : formatPlatform(normalizePlatform(parsePlatform(platform)));
  const uses = {
    buildArgs: options.buildArgs,
    ...(options.target === undefined ? {} : { target: options.target }),
    buildPlatform: here,
    namedContexts: new Set<string>(),
  };
  const admitted = await discoverBases(
    services,
    { grammar: 'classic', engineIsBuilder: true, pull: options.pull, quiet: options.quiet },
    { dockerfile, options: uses, targetPlatforms: [target], others: cacheWanted(options) },
  );
  const bases = admitted.filter(({ by }) => by !== CACHE);
  const all: ImageUsesOptions = {
    ...uses,
    grammar: 'classic',
    targetPlatform: target,
    triggersOf: new Map(
      bases.filter(({ onBuild }) => onBuild.length > 0).map(({ text, onBuild }) => [text, onBuild]),
    ),
  };
  // Written before anything is fetched: what cannot be pinned is refused first.
  const text = serialiseForClassic(dockerfile, all, (use) => pinnedText(bases, use));
  return {
    text,
    ids: await fetchBases(services, bases, options.quiet),
    admissions: bases.map(({ admission }) => admission),
    fromScratch: classicBuild(dockerfile, all).stages.some(
      ({ base }) => !('by' in base) && base.name === 'scratch',
    ),
    caches: await heldCaches(
      services,
      admitted.filter(({ by }) => by === CACHE),
    ),
    tagged: signedNames(bases),
  };
}

function cacheWanted({ cacheFrom }: BuildOptions): readonly BaseWanted[] {
  const names = cacheFrom.flatMap((each) => each.split(',')).filter((each) => each !== '');
  return [...new Set(names)].map((text) => ({ text, where: CACHE, by: CACHE }));
}

function pinnedText(bases: readonly AdmittedBase[], use: ImageUse): string {
  const found = bases.find(({ text, platform }) => text === use.text && platform === use.platform);
  if (found === undefined) throw new TypeError(`an image of the build was not decided on: ${use.text}`);
  return pinnedName(found.admission);
}

/**
 * What the engine knows it by. An image of the engine by its bare ID: with `sha256:` before it, an engine that lost the
 * image meanwhile would take that for the name of a repository, and fetch it.
 */
function pinnedName(admission: Admission): string {
  return admission.fetch.kind === 'imageId' ? digestHex(admission.fetch.id) : localName(admission);
}

/** The names that signed tags are to have, each once. */
function signedNames(bases: readonly AdmittedBase[]): readonly AdmittedBase[] {
  const signed = bases.flatMap((base): [string, AdmittedBase][] =>
    base.admission.why === 'verified' && base.reference?.tag !== undefined && base.digest !== undefined
      ? [[base.reference.canonical, base]]
      : [],
  );
  return [...new Map(signed).values()];
}

/** As docker does, what the engine does not hold is passed over. */
async function heldCaches(
  services: Services,
  caches: readonly AdmittedBase[],
): Promise<readonly HeldCache[]> {
  const engine = await services.engine();
  const { signal } = services.context;
  const held: HeldCache[] = [];
  for (const { admission } of caches) {
    const image = await engine.presentImage(admission, { signal });
    if (image !== undefined) held.push({ name: pinnedName(admission), id: image.id, admission });
  }
  return held;
}
