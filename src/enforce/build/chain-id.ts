/** OCI image specification, "Layer ChainID": what the layers of an image make one upon the other. */
import { createHash } from 'node:crypto';
import { type Digest, isSha256 } from '../../reference/digest.ts';

/** Of diff IDs, lowest first; undefined for no layers, and for what is no sha256. */
export function chainIdOf(diffIds: readonly string[]): Digest | undefined {
  let chain: Digest | undefined;
  for (const diffId of diffIds) {
    if (!isSha256(diffId)) return undefined;
    chain = chain === undefined ? diffId : (`sha256:${sha256(`${chain} ${diffId}`)}` as Digest);
  }
  return chain;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
