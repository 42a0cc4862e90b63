/** What the builder says that it has used, held against what the build was allowed to use. */
import { chainIdOf } from '../enforce/build/chain-id.ts';
import { hasProvenance, verifyMaterials } from '../enforce/build/provenance.ts';
import { localTag } from '../enforce/build/source-policy.ts';
import { localName } from '../engine/pull.ts';
import type { AdmittedBase } from './admit-bases.ts';
import type { BuilderInUse } from './builder-in-use.ts';
import type { Services } from './services.ts';

export interface BuildReport {
  /** What buildx wrote for `--metadata-file`. */
  readonly metadata: Uint8Array;
  readonly images: readonly AdmittedBase[];
  readonly builder: BuilderInUse;
  readonly nonce: string;
}

/**
 * Every image among the materials was admitted, where the builder names them.
 * @throws TrustError BUILD_MATERIAL; EngineError
 */
export async function checkMaterials(services: Services, report: BuildReport): Promise<void> {
  const { metadata, images, builder, nonce } = report;
  if (!hasProvenance(metadata)) return;
  const all = images.map(({ admission }) => admission.fetch);
  const digests = all.map((fetch) => (fetch.kind === 'digest' ? fetch.digest : fetch.id));
  const chains = builder.isEngine ? await chainIds(services, images) : [];
  verifyMaterials(metadata, {
    digests: new Set([...digests, ...chains]),
    localTags: new Set(all.flatMap((fetch) => (fetch.kind === 'digest' ? [] : [localTag(fetch.id, nonce)]))),
  });
}

/**
 * The engine's builder on the classic store reports an image that was here before by its layers' chain ID (seen: engine
 * 26.1 with buildx 0.20): of what the engine holds for each admitted digest.
 */
async function chainIds(services: Services, images: readonly AdmittedBase[]): Promise<readonly string[]> {
  const engine = await services.engine();
  const { signal } = services.context;
  const names = [...new Set(images.map(({ admission }) => localName(admission)))];
  const held = await Promise.all(names.map((name) => engine.inspectImage(name, { signal })));
  return held.flatMap((image) => (image?.store === 'classic' ? (chainIdOf(image.layers) ?? []) : []));
}
