/** Thresholds that can be met at all. */
import { KeyError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';
import { keyContent, type PublicKey } from './keys.ts';

/**
 * Protocol 2.8: a threshold that the listed keys cannot reach would end the role.
 * @throws KeyError THRESHOLD_UNREACHABLE
 */
export function assertReachable(role: string, keys: readonly PublicKey[], threshold: number): void {
  // Keys are counted by content, as they are when signatures are.
  const counted = new Set(keys.map(keyContent).filter((content) => content !== undefined)).size;
  if (Number.isSafeInteger(threshold) && threshold >= 1 && counted >= threshold) return;
  throw new KeyError({
    code: 'THRESHOLD_UNREACHABLE',
    message: `${escapeShort(role)} would need ${threshold} keys, and ${counted} that can sign would be listed`,
    expected: `at least 1, at most ${counted}`,
    found: `${threshold}`,
  });
}
