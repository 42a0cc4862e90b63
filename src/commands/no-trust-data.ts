/**
 * A repository without trust data: the refusal shows the digest that the tag has now and the ways on (contract
 * "Terminal"). The digest is what the registry serves and nothing more; it is worded so that nobody takes it for
 * signed.
 */
import { hasCode, NetworkError, RegistryError } from '../lib/errors.ts';
import type { Reference } from '../reference/reference.ts';
import { withDefaultTag } from '../reference/reference.ts';
import type { Services } from './services.ts';

/** Returns the same failure, with hints when it is that there is no trust data or that the tag is not signed. */
export async function explainNoTrustData(
  services: Services,
  reference: Reference,
  error: unknown,
): Promise<unknown> {
  if (!hasCode(error, 'NO_TRUST_DATA')) return error;
  error.hints = [...(await servedNow(services, reference)), ...waysOn(reference)];
  return error;
}

async function servedNow(services: Services, reference: Reference): Promise<readonly string[]> {
  // A digest alone names no tag that the registry could be asked about.
  if (reference.tag === undefined && reference.digest !== undefined) return [];
  const { repository, tag } = withDefaultTag(reference);
  try {
    const client = await services.registry();
    const served = await client.getManifest(repository, tag, { signal: services.context.signal });
    if (served === undefined) return [`the registry has no ${repository.familiar}:${tag} either`];
    return [
      `the registry serves ${served.digest} for this tag now, which nobody has vouched for`,
      `to pull exactly these bytes: dtrust pull ${repository.familiar}@${served.digest}`,
    ];
  } catch (failure) {
    // Only the hint is lost; the refusal stands.
    if (failure instanceof RegistryError || failure instanceof NetworkError) return [];
    throw failure;
  }
}

function waysOn({ repository }: Reference): readonly string[] {
  return [
    `if it is yours, sign it: dtrust push ${repository.familiar}:TAG, or dtrust trust sign ${repository.familiar}:TAG@sha256:DIGEST`,
    `if nobody signs it, make an exception for exactly these bytes: dtrust trust allow ${repository.familiar}@sha256:DIGEST --reason TEXT --until YYYY-MM-DD`,
    'if its trust data lies in another repository, name that in DTRUST_TRUST_REPOSITORY',
  ];
}
