/** The two ways of finding nothing (protocol 3.3): there never was anything, or it was taken away. */
import { TrustError } from '../lib/errors.ts';
import type { OpenOptions } from './collection.ts';

/** NO_TRUST_DATA: nothing is there, and nothing says that there should be. */
export function noTrustData(options: OpenOptions): TrustError {
  const repository = options.repository.canonical;
  return new TrustError({
    code: 'NO_TRUST_DATA',
    message: `no trust data for ${repository} in ${options.source.description}`,
    spec: 'protocol 3.3',
    reference: repository,
  });
}

/** Protocol 4.4, 7.1: what was there once, or is pinned, and is not there now, was taken away. */
export function trustDataGone(options: OpenOptions, because: string): TrustError {
  const repository = options.repository.canonical;
  return new TrustError({
    code: 'TRUST_DATA_GONE',
    message: `the trust data of ${repository} is gone from ${options.source.description}: ${because}`,
    attack: 'rollback',
    spec: 'protocol 7.1',
    reference: repository,
  });
}
