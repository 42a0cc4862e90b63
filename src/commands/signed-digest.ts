/** What is signed for a tag, for commands that publish: the source has to answer now, whatever is remembered. */
import { admitTag } from '../enforce/admit.ts';
import { hasCode } from '../lib/errors.ts';
import type { Digest } from '../reference/digest.ts';
import type { Reference, Tag } from '../reference/reference.ts';
import { openFor, printWarnings, sourceFor } from './open-collection.ts';
import type { Services } from './services.ts';
import { withHints } from './trust-hints.ts';

/**
 * The digest that is signed for the tag.
 * @throws TrustError NO_TRUST_DATA, TARGET_NOT_SIGNED and as `openCollection` and `admitTag`; RegistryError, NetworkError,
 * LocalStateError
 */
export async function signedDigest(
  services: Services,
  { repository, tag }: Reference & { readonly tag: Tag },
): Promise<Digest> {
  try {
    const source = await sourceFor(services, repository);
    const collection = await openFor(services, repository, source, { purpose: 'own' });
    printWarnings(services, collection);
    return (await admitTag(collection, repository, tag, undefined)).digest;
  } catch (error) {
    if (hasCode(error, 'NO_TRUST_DATA', 'TARGET_NOT_SIGNED', 'TARGET_NOT_RELEASED')) {
      const { familiar } = repository;
      error.hints = [
        `If it is yours, sign it: dtrust trust sign ${familiar}:${tag}@sha256:DIGEST`,
        `If you know its bytes, name them in place of the tag: ${familiar}@sha256:DIGEST`,
      ];
    }
    throw withHints(error, repository);
  }
}
