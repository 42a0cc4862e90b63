/** Images of the engine in a build: those that it builds upon, named for its time, and the one that comes of it, noted. */

import type { BuildOutputs } from '../enforce/build/outputs.ts';
import { LOCAL_REPOSITORY, localTag } from '../enforce/build/source-policy.ts';
import { recordImage } from '../enforce/ledger.ts';
import { EngineError, hasCode } from '../lib/errors.ts';
import { isJsonObject, JsonError, parseStrictJson } from '../lib/strict-json.ts';
import { type Digest, isSha256 } from '../reference/digest.ts';
import { parseRepository, type Tag } from '../reference/reference.ts';
import type { AdmittedBase } from './admit-bases.ts';
import type { BuilderInUse } from './builder-in-use.ts';
import { note } from './context.ts';
import { engineId, ledgerStore } from './ledger-of.ts';
import type { Services } from './services.ts';

/** Names below `dtrust.invalid` for the images of the engine that a build may use; set before it, removed after. */
export class LocalNames {
  readonly #services: Services;
  readonly #images: readonly Digest[];
  readonly #nonce: string;
  readonly #named: Digest[] = [];

  constructor(services: Services, bases: readonly AdmittedBase[], nonce: string) {
    const ids = bases.flatMap(({ admission: { fetch } }) => (fetch.kind === 'imageId' ? [fetch.id] : []));
    this.#services = services;
    this.#images = [...new Set(ids)];
    this.#nonce = nonce;
  }

  /** @throws EngineError */
  async set(): Promise<void> {
    if (this.#images.length === 0) return;
    const engine = await this.#services.engine();
    const { signal } = this.#services.context;
    for (const id of this.#images) {
      this.#named.push(id);
      await engine.tag(id, parseRepository(LOCAL_REPOSITORY), localTag(id, this.#nonce) as Tag, { signal });
    }
  }

  /** An image that has lost its other name meanwhile keeps this one: without any it would be removed. */
  async remove(): Promise<void> {
    for (const id of this.#named) {
      const name = `${LOCAL_REPOSITORY}:${localTag(id, this.#nonce)}`;
      try {
        const engine = await this.#services.engine();
        const image = await engine.inspectImage(name);
        if (image?.repoTags.some((tag) => tag !== name) === true)
          await engine.removeImage(name, { noPrune: true });
      } catch (error) {
        // The build has ended as it has; a name that stays is said and no more.
        if (!(error instanceof EngineError)) throw error;
        note(this.#services.context, `the name ${name} stays on the engine (${error.code})`);
      }
    }
  }
}

export interface BuildEnd {
  /** What buildx wrote for `--metadata-file`. */
  readonly metadata: Uint8Array | undefined;
  readonly images: readonly AdmittedBase[];
  readonly builder: BuilderInUse;
  readonly outputs: BuildOutputs;
  readonly tags: readonly string[];
}

/**
 * Notes the image that the engine holds now as built here, where it is the build's. Where that cannot be kept, it is made
 * all the same.
 *
 * @throws LocalStateError LEDGER_DAMAGED, MEMORY_NEWER; EngineError
 */
export async function noteBuiltImage(services: Services, end: BuildEnd): Promise<void> {
  const { builder, outputs, images, tags } = end;
  const isHeld = (builder.isEngine && outputs.heldByEngineBuilder) || outputs.loaded;
  if (!isHeld) return;
  const { context } = services;
  if (images.some(({ admission }) => admission.why === 'allowed')) {
    // As for a commit: an entry of the ledger has no end, it would outlast the exception.
    note(context, 'an image of this build is allowed for a time only, so the result is not noted as yours');
    return;
  }
  const image = await heldImage(services, end.metadata);
  const engine = await engineId(services);
  if (image === undefined || engine === '') {
    note(context, 'the image is not noted as yours: which one it is on the engine cannot be told');
    return;
  }
  try {
    const reference = tags.length === 0 ? 'a build without a name' : tags.join(', ');
    await recordImage(ledgerStore(services), { engine, image, why: 'built', reference });
  } catch (error) {
    if (!hasCode(error, 'FILE_UNWRITABLE', 'DISK_FULL', 'LOCK_TIMEOUT')) throw error;
    note(context, `the image is not noted as yours (${error.code}); to run it: dtrust trust accept ${image}`);
  }
}

/**
 * Of the digests that the builder reports, the one that is the full ID of an image here. Not `containerimage.digest`:
 * after a push by the engine buildx has that from the registry, which could name any image that happens to be here.
 */
async function heldImage(services: Services, metadata: Uint8Array | undefined): Promise<Digest | undefined> {
  const engine = await services.engine();
  const { signal } = services.context;
  for (const digest of reported(metadata)) {
    const image = await engine.inspectImage(digest, { signal });
    if (image?.id === digest) return digest;
  }
  return undefined;
}

function reported(metadata: Uint8Array | undefined): readonly Digest[] {
  try {
    const value = parseStrictJson(metadata ?? new Uint8Array(), 'build metadata', {
      numbers: 'finite',
      prototypeNames: 'keep',
    });
    if (!isJsonObject(value)) return [];
    const descriptor = value.get('containerimage.descriptor');
    const own = [
      isJsonObject(descriptor) ? descriptor.get('digest') : undefined,
      value.get('containerimage.config.digest'),
    ];
    return own.flatMap((digest) => (typeof digest === 'string' && isSha256(digest) ? [digest] : []));
  } catch (error) {
    if (error instanceof JsonError) return [];
    throw error;
  }
}
