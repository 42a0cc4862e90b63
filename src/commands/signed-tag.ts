/** A tag that is about to be used on this machine: what is signed for it, and whether the engine holds that. */
import { type AdmittedTag, admitTag } from '../enforce/admit.ts';
import type { LocalImage } from '../engine/local-image.ts';
import type { Platform } from '../reference/platform.ts';
import type { Repository, Tag } from '../reference/reference.ts';
import { askSource } from './ask-source.ts';
import type { Services } from './services.ts';

export interface TagInUse {
  readonly repository: Repository;
  readonly tag: Tag;
  readonly platform: Platform | undefined;
  readonly mustAsk: boolean;
}

export interface SignedTag {
  readonly admitted: AdmittedTag;
  /** The image, where the engine holds it. */
  readonly present: LocalImage | undefined;
}

/** What is signed for the tag. Throws as `askSource`, `admitTag` and the engine do. */
export async function signedTag(services: Services, wanted: TagInUse): Promise<SignedTag> {
  const { repository, tag, platform, mustAsk } = wanted;
  const { signal } = services.context;
  let present: LocalImage | undefined;
  const look = async ({ admission }: AdmittedTag) => {
    present = await (await services.engine()).presentImage(admission, { signal });
    return present !== undefined;
  };
  const admitted = await askSource(services, {
    repository,
    mustAsk,
    find: (collection) => admitTag(collection, repository, tag, platform),
    isHere: look,
  });
  if (present === undefined) await look(admitted);
  return { admitted, present };
}
