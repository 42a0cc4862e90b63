/** The classic builder's cache, used where it is safe; and the images of a build, noted as built here. */
import {
  type BuildTrace,
  imagesBuilt,
  judgeCache,
  type Parents,
  strangerBelow,
} from '../enforce/build/classic-cache.ts';
import { isFor, loadLedger, recordImages } from '../enforce/ledger.ts';
import { hasCode, TrustError } from '../lib/errors.ts';
import type { Digest } from '../reference/digest.ts';
import type { ClassicBases } from './classic-bases.ts';
import { note } from './context.ts';
import { engineId, ledgerStore } from './ledger-of.ts';
import type { Services } from './services.ts';

export interface Beginning {
  readonly parents: Parents;
  readonly mayUseCache: boolean;
  readonly isBuilt: (image: Digest) => boolean;
}

const MOST_SHOWN = 3;

/**
 * What the engine holds before the build, and whether its cache can bring in nothing that was not built here.
 * @throws LocalStateError LEDGER_DAMAGED, MEMORY_NEWER; EngineError
 */
export async function beginClassicBuild(
  services: Services,
  bases: ClassicBases,
  noCache: boolean,
): Promise<Beginning> {
  const { context } = services;
  const engine = await services.engine();
  const [id, info, parents] = await Promise.all([
    engineId(services),
    engine.info({ signal: context.signal }),
    engine.imageParents({ signal: context.signal }),
  ]);
  const built = new Set(
    loadLedger(ledgerStore(services))
      .filter((entry) => entry.why === 'built' && isFor(entry, id, entry.image))
      .map(({ image }) => image),
  );
  const isBuilt = (image: Digest) => built.has(image);
  if (noCache) return { parents, mayUseCache: false, isBuilt };
  const { ids, fromScratch } = bases;
  const { serverVersion } = info;
  const verdict = judgeCache({ parents, bases: ids, fromScratch, serverVersion, isBuilt });
  if (!verdict.use) note(context, noCacheLine(verdict));
  return { parents, mayUseCache: verdict.use, isBuilt };
}

function noCacheLine(verdict: Exclude<ReturnType<typeof judgeCache>, { readonly use: true }>): string {
  const without = "the engine's build cache is not used";
  if (verdict.why === 'engine') {
    return `${without}: this engine may take any loaded image for a step upon scratch (CVE-2024-24557)`;
  }
  const { images } = verdict;
  const shown = images.slice(0, MOST_SHOWN).join(', ');
  const more = images.length > MOST_SHOWN ? ` and ${images.length - MOST_SHOWN} more` : '';
  return `${without}: it could take images that were not built here with dtrust (${shown}${more}); remove them with docker rmi to have it back`;
}

/** What came of the build, by what the engine said. */
export interface Ending {
  readonly stages: readonly Digest[];
  readonly printed: ReadonlySet<string>;
  /** What was asked for, for the ledger. */
  readonly reference: string;
}

/**
 * Notes the images that the build made; where that cannot be kept, they are made all the same.
 * @throws TrustError BUILD_MATERIAL for an image that the build took and nobody decided on
 * @throws LocalStateError LEDGER_DAMAGED, MEMORY_NEWER; EngineError
 */
export async function noteBuilt(
  services: Services,
  { ids: bases, admissions, caches }: ClassicBases,
  { parents: before, isBuilt }: Beginning,
  { stages, printed, reference }: Ending,
): Promise<void> {
  const { context } = services;
  const engine = await services.engine();
  const after = await engine.imageParents({ signal: context.signal });
  const trace: BuildTrace = { before, after, bases, caches: idsOf(caches), stages, printed, isBuilt };
  const stranger = strangerBelow(trace);
  if (stranger !== undefined) throw tookStranger(stranger);
  const id = await engineId(services);
  if (id === '') {
    if (stages.length > 0) note(context, 'the image is not noted as yours: the engine has no ID');
    return;
  }
  if ([...admissions, ...caches.map(({ admission }) => admission)].some(({ why }) => why === 'allowed')) {
    // As for a commit: an entry of the ledger has no end, it would outlast the exception.
    note(context, 'an image of this build is allowed for a time only, so the result is not noted as yours');
    return;
  }
  const images = imagesBuilt(trace).filter((image) => !isBuilt(image));
  try {
    const entries = images.map((image) => ({ engine: id, image, why: 'built' as const, reference }));
    await recordImages(ledgerStore(services), entries, { engine: id, images: after });
  } catch (error) {
    if (!hasCode(error, 'FILE_UNWRITABLE', 'DISK_FULL', 'LOCK_TIMEOUT')) throw error;
    const last = stages.at(-1);
    if (last === undefined) return;
    note(context, `the image is not noted as yours (${error.code}); to run it: dtrust trust accept ${last}`);
  }
}

const idsOf = (caches: ClassicBases['caches']): ReadonlySet<Digest> => new Set(caches.map(({ id }) => id));

function tookStranger(image: Digest): TrustError {
  return new TrustError({
    code: 'BUILD_MATERIAL',
    message: `the build took ${image} from the engine's cache, which was not built here and which nobody decided on`,
    spec: 'protocol 8',
    reference: image,
    expected: 'images that were decided on, and what was built upon them here',
    found: image,
    hints: ['Build it again with --no-cache; what was built now does not run under dtrust.'],
  });
}
