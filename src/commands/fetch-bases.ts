/** Has the engine hold the images that a classic build takes, each by its digest. */
import type { LocalImage } from '../engine/local-image.ts';
import { localName } from '../engine/pull.ts';
import { TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { Digest } from '../reference/digest.ts';
import { formatPlatform } from '../reference/platform.ts';
import type { AdmittedBase } from './admit-bases.ts';
import { pullBytes } from './pull-images.ts';
import type { Services } from './services.ts';

/**
 * One after the other, for they share the display; what is there already is not fetched. Gives the IDs that the engine
 * has for them.
 *
 * @throws TrustError BUILD_MATERIAL for another ONBUILD than the one that was looked at; EngineError
 */
export async function fetchBases(
  services: Services,
  bases: readonly AdmittedBase[],
  quiet: boolean,
): Promise<ReadonlySet<Digest>> {
  const ids = new Set<Digest>();
  for (const base of onceEach(bases)) {
    const image = await heldImage(services, base, quiet);
    assertSameTriggers(base, image);
    ids.add(image.id);
  }
  return ids;
}

async function heldImage(services: Services, base: AdmittedBase, quiet: boolean): Promise<LocalImage> {
  const { admission, reference } = base;
  const engine = await services.engine();
  const { signal } = services.context;
  const present = await engine.presentImage(admission, { signal });
  if (present !== undefined) return present;
  // An image of the engine that is gone is not fetched, whatever it was called.
  if (reference === undefined) return await engine.pull(admission, { signal });
  const { platform } = admission;
  return await pullBytes(services, engine, { reference, platform, allTags: false, quiet }, admission);
}

/** One of those that name the same bytes, for the same platform and purpose, under the same name. */
function onceEach(bases: readonly AdmittedBase[]): readonly AdmittedBase[] {
  const key = ({ admission, reference, by }: AdmittedBase) =>
    JSON.stringify([localName(admission), admission.platform, reference?.canonical, by]);
  return [...new Map(bases.map((base) => [key(base), base])).values()];
}

/**
 * An index stands for one image for each platform, and an engine can run several: what counts is the ONBUILD of the one
 * that it holds.
 */
function assertSameTriggers({ by, text, where, onBuild }: AdmittedBase, held: LocalImage): void {
  if (by !== 'FROM' || JSON.stringify(onBuild) === JSON.stringify(held.onBuild)) return;
  throw new TrustError({
    code: 'BUILD_MATERIAL',
    message: `${where}: the engine holds ${escapeShort(text)} for ${formatPlatform(held.platform)}, with other ONBUILD instructions than those that were looked at`,
    spec: 'protocol 8',
    expected: JSON.stringify(onBuild),
    found: JSON.stringify(held.onBuild),
    hints: ['Name the platform, with --platform, or remove that image from the engine first.'],
  });
}
