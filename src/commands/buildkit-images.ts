/** Everything that a build with BuildKit takes from a registry, decided on: the Dockerfile's images and those beside it. */

import { flagValue } from '../cli/argv.ts';
import { parseDockerfile } from '../dockerfile/parse.ts';
import { type CacheSource, readCacheSource } from '../enforce/build/cache-sources.ts';
import { sbomGenerators } from '../enforce/build/generators.ts';
import { TrustError, UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { formatPlatform, normalizePlatform, parsePlatform } from '../reference/platform.ts';
import type { AdmittedBase, BaseWanted } from './admit-bases.ts';
import type { BuildOptions } from './build-options.ts';
import type { BuilderInUse } from './builder-in-use.ts';
import type { DockerfileFound } from './buildkit-dockerfile.ts';
import { type Discovery, discoverBases } from './discover-bases.ts';
import { openAhead } from './open-ahead.ts';
import type { Services } from './services.ts';

export interface BuildkitImages {
  /** To be allowed by the policy. */
  readonly bases: readonly AdmittedBase[];
  /** What stands in the place of each `--cache-from`, as it was typed. */
  readonly cacheFrom: ReadonlyMap<string, string>;
}

const CACHE = '--cache-from';
const IMAGE_CONTEXT = 'docker-image://';

/** What is known before the builder is. */
export interface ImagesAhead extends Pick<Discovery, 'dockerfile' | 'collections'> {
  readonly uses: Omit<Discovery['options'], 'buildPlatform'>;
}

/**
 * Reads the Dockerfile, and begins to ask for the trust data of what it names.
 * @throws UsageError DOCKERFILE_INVALID
 */
export function imagesAhead(
  services: Services,
  { buildArgs, target, pull, namedContexts }: BuildOptions,
  source: DockerfileFound,
): ImagesAhead {
  const dockerfile = parseDockerfile(source.bytes, 'buildkit', source.name);
  const uses = {
    buildArgs,
    ...(target === undefined ? {} : { target }),
    namedContexts: new Set(namedContexts.keys()),
  };
  const facts = { grammar: 'buildkit', pull } as const;
  return { dockerfile, uses, collections: openAhead(services, { dockerfile, options: uses, facts }) };
}

/**
 * Decides on all of it. Throws UsageError USAGE, NOT_YET_ENFORCED, BUILD_CONTEXT_INVALID, PLATFORM_INVALID and as
 * `discoverBases`; TrustError LOCAL_BASE.
 */
export async function buildkitImages(
  services: Services,
  options: BuildOptions,
  builder: BuilderInUse,
  { dockerfile, uses, collections }: ImagesAhead,
): Promise<BuildkitImages> {
  const caches = options.cacheFrom.map(readCacheSource);
  const contexts = imageContexts(options.namedContexts);
  const { pull, quiet } = options;
  const admitted = await discoverBases(
    services,
    { grammar: 'buildkit', engineIsBuilder: builder.isEngine, pull, quiet },
    {
      dockerfile,
      collections,
      options: { ...uses, buildPlatform: builder.platform },
      targetPlatforms: targetPlatforms(options, builder),
      others: [...caches.map(cacheWanted), ...generatorsWanted(options)],
      contexts,
    },
  );
  const ofCaches = admitted.filter(({ by }) => by === CACHE);
  return {
    bases: admitted.filter(({ by }) => by !== CACHE),
    cacheFrom: new Map(caches.map((each) => [each.given, pinnedCache(each, ofCaches)])),
  };
}

function targetPlatforms({ platforms }: BuildOptions, { platform }: BuilderInUse): readonly string[] {
  const here = parsePlatform(platform);
  const wanted = platforms.length === 0 ? ['local'] : platforms;
  return [
    ...new Set(
      wanted.map((text) =>
        formatPlatform(normalizePlatform(text === 'local' ? here : parsePlatform(text, here))),
      ),
    ),
  ];
}

/** `--build-context NAME=docker-image://...`: an image like all others. */
function imageContexts(named: ReadonlyMap<string, string>): ReadonlyMap<string, BaseWanted> {
  const contexts = new Map<string, BaseWanted>();
  for (const [name, place] of named) {
    if (/^oci-layout:/i.test(place)) throw layoutContext(name, place);
    if (!place.startsWith(IMAGE_CONTEXT)) continue;
    const by = '--build-context';
    contexts.set(name, {
      text: place.slice(IMAGE_CONTEXT.length),
      where: `${by} ${name}`,
      by,
      triggers: true,
    });
  }
  return contexts;
}

function layoutContext(name: string, place: string): UsageError {
  return new UsageError({
    code: 'BUILD_CONTEXT_INVALID',
    message: `--build-context ${escapeShort(name)}=${escapeShort(place)}: an image in a folder is signed by nobody`,
    hints: ['Push it and sign it, and name it as docker-image://NAME:TAG.'],
  });
}

function cacheWanted({ reference }: CacheSource): BaseWanted {
  return { text: reference, where: CACHE, by: CACHE };
}

function generatorsWanted({ flags }: BuildOptions): readonly BaseWanted[] {
  const generators = sbomGenerators(flagValue(flags, 'sbom'), flags.get('attest') ?? []);
  return generators.map((text) => ({ text, where: '--attest type=sbom', by: 'generator' }));
}

/** By its digest: whoever moves the tag meanwhile moves nothing. */
function pinnedCache(cache: CacheSource, admitted: readonly AdmittedBase[]): string {
  const found = admitted.find(({ text }) => text === cache.reference);
  const fetch = found?.admission.fetch;
  if (fetch?.kind === 'digest') return cache.with(`${fetch.repository.canonical}@${fetch.digest}`);
  throw new TrustError({
    code: 'LOCAL_BASE',
    message: `--cache-from ${escapeShort(cache.reference)} is an image of the engine; BuildKit would ask a registry for it`,
    spec: 'protocol 8',
    hints: ["Leave it out: the engine's own cache is used anyway."],
  });
}
