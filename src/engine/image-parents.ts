/** Which image each image of the engine was built upon, as the classic builder's cache goes by it. */
import { EngineError } from '../lib/errors.ts';
import { type Digest, isDigest } from '../reference/digest.ts';

/** Of every image, intermediate ones too; undefined for one without a parent on this engine. */
export type ImageParents = ReadonlyMap<Digest, Digest | undefined>;

/** Reads `GET /images/json?all=1`. @throws EngineError ENGINE_BROKEN */
export function parseImageParents(answer: unknown): ImageParents {
  if (!Array.isArray(answer)) throw notAList();
  return new Map(
    answer.map((each: unknown): [Digest, Digest | undefined] => {
      const { Id, ParentId } = (each ?? {}) as { readonly Id?: unknown; readonly ParentId?: unknown };
      if (typeof Id !== 'string' || !isDigest(Id)) throw notAList();
      if (ParentId === undefined || ParentId === '') return [Id, undefined];
      if (typeof ParentId !== 'string' || !isDigest(ParentId)) throw notAList();
      return [Id, ParentId];
    }),
  );
}

function notAList(): EngineError {
  return new EngineError({ code: 'ENGINE_BROKEN', message: 'the engine listed its images in no known form' });
}
