/**
 * When the classic builder's cache may be used, and which images a build left behind: pure.
 *
 * That cache goes by names and not by content. For a step upon an image it takes any child of that image whose recorded
 * configuration says the same command; upon `scratch`, before engines 24.0.9 and 25.0.2 (CVE-2024-24557), any image
 * without a parent. And `docker load` sets parents and configurations to what the archive says (seen on engine 20.10:
 * such an image is taken as the result of a RUN). So an archive that nobody accepted could stand in for a step. The
 * cache is used only where every image that it could take was built here under enforcement; else the build runs
 * without it.
 */
import type { Digest } from '../../reference/digest.ts';

/** Of every image of the engine, the one it was built upon; undefined for one that has none there. */
export type Parents = ReadonlyMap<Digest, Digest | undefined>;

export interface CacheQuestion {
  readonly parents: Parents;
  /** Images that stages begin with. */
  readonly bases: ReadonlySet<Digest>;
  /** Whether a stage begins with `scratch`. */
  readonly fromScratch: boolean;
  readonly serverVersion: string;
  /** Built here under enforcement. */
  readonly isBuilt: (image: Digest) => boolean;
}

export type CacheVerdict =
  | { readonly use: true }
  | { readonly use: false; readonly why: 'engine' }
  | { readonly use: false; readonly why: 'images'; readonly images: readonly Digest[] };

/** Whether nothing but what was built here can be a hit. */
export function judgeCache(question: CacheQuestion): CacheVerdict {
  const { parents, bases, fromScratch, serverVersion, isBuilt } = question;
  if (fromScratch && !guardsScratch(serverVersion)) return { use: false, why: 'engine' };
  const strangers = [...parents].filter(([image, parent]) => {
    if (parent === undefined || isBuilt(image)) return false;
    // What begins with nothing can go on with a child of anything that was built from nothing.
    return fromScratch || descendsFrom(image, bases, parents);
  });
  if (strangers.length === 0) return { use: true };
  return { use: false, why: 'images', images: strangers.map(([image]) => image) };
}

/** Whether the engine takes only images that it built itself for a step upon `scratch`; an unknown version does not. */
function guardsScratch(version: string): boolean {
  const [, major = 0, minor = 0, patch = 0] = (/^(\d+)\.(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  if (major === 24) return minor > 0 || patch >= 9;
  return major > 25 || (major === 25 && (minor > 0 || patch >= 2));
}

function descendsFrom(image: Digest, bases: ReadonlySet<Digest>, parents: Parents): boolean {
  const seen = new Set<Digest>();
  for (let at = parents.get(image); at !== undefined && !seen.has(at); at = parents.get(at)) {
    if (bases.has(at)) return true;
    seen.add(at);
  }
  return false;
}

export interface BuildTrace {
  readonly before: Parents;
  readonly after: Parents;
  readonly bases: ReadonlySet<Digest>;
  /** Images of `--cache-from`, decided on as well: a build that finds all its steps in one becomes that image. */
  readonly caches: ReadonlySet<Digest>;
  /** What the engine named as the images of stages, beside the output, where nothing in the build can write. */
  readonly stages: readonly Digest[];
  /** The short IDs that lines of the output name as the images of steps. */
  readonly printed: ReadonlySet<string>;
  readonly isBuilt: (image: Digest) => boolean;
}

/**
 * The images that the build made, parents first: those of its stages, and those of its steps, which a program in the
 * build can print too. So a step's image counts only if it was not there before and everything below it is known.
 */
export function imagesBuilt(trace: BuildTrace): readonly Digest[] {
  const { before, after, bases, stages, printed, isBuilt } = trace;
  const found = new Set<Digest>(stages.filter((image) => !bases.has(image)));
  const isKnown = (image: Digest) => bases.has(image) || found.has(image) || isBuilt(image);
  for (let grows = true; grows; ) {
    grows = false;
    for (const [image, parent] of after) {
      if (found.has(image) || before.has(image) || bases.has(image)) continue;
      const isStep = printed.has(shortId(image)) && parent !== undefined && isKnown(parent);
      const isBelow = [...found].some((each) => after.get(each) === image);
      if (!isStep && !isBelow) continue;
      found.add(image);
      grows = true;
    }
  }
  return [...found];
}

/**
 * Of the images that the stages became, and what they were built upon, the first that was there before and was neither
 * decided on nor built here: the cache took it all the same.
 */
export function strangerBelow(trace: Omit<BuildTrace, 'printed'>): Digest | undefined {
  const { before, after, bases, caches, stages, isBuilt } = trace;
  const isDecided = (image: Digest) => bases.has(image) || caches.has(image);
  for (const stage of stages) {
    const seen = new Set<Digest>();
    for (
      let at: Digest | undefined = stage;
      at !== undefined && !isDecided(at) && !seen.has(at);
      at = after.get(at)
    ) {
      if (before.has(at) && !isBuilt(at)) return at;
      seen.add(at);
    }
  }
  return undefined;
}

/** Adds the short IDs that a part of the output names as images of steps. */
export function noteSteps(text: string, printed: Set<string>): void {
  for (const [, id = ''] of text.matchAll(/^ ---> ([0-9a-f]{12})$/gm)) printed.add(id);
}

const shortId = (image: Digest): string => image.slice('sha256:'.length, 'sha256:'.length + 12);
