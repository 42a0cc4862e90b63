/** Beginning a collection where a pin exists: the new root must be one that the pin accepts (rules 4.4 and 6.1). */
import { TrustError } from '../lib/errors.ts';
import type { Repository } from '../reference/reference.ts';
import { type PublicKey, tufKeyId } from '../trust/core/keys.ts';
import type { Pin } from '../trust/core/pin.ts';

/**
 * Returns the pin when a new root, version 1, signed by this key alone, would meet it.
 * @throws TrustError ROOT_PIN, ROOT_BELOW_PIN
 */
export function assertMeetsPin({ canonical }: Repository, pin: Pin, rootKey: PublicKey): Pin {
  const id = tufKeyId(rootKey);
  if (!pin.keyIds.includes(id) || pin.threshold > 1) {
    throw new TrustError({
      code: 'ROOT_PIN',
      message: `the root key on this machine does not meet the pin of ${canonical} by itself`,
      spec: 'protocol 4.4',
      reference: canonical,
      expected: `${pin.threshold} of ${pin.keyIds.join(', ')}`,
      found: id,
      hints: [`If the pin is to go: dtrust trust pin remove ${canonical}`],
    });
  }
  if (pin.rootVersion > 1 || pin.timestampVersion > 1) {
    throw new TrustError({
      code: 'ROOT_BELOW_PIN',
      message: `the pin of ${canonical} asks for more than a new collection can have`,
      spec: 'protocol 4.4',
      reference: canonical,
      expected: `root version ${pin.rootVersion}, timestamp version ${pin.timestampVersion} or more`,
      found: 'root version 1, timestamp version 1',
      hints: [
        `If the old trust data is lost for good: dtrust trust pin remove ${canonical}, then pin the new one`,
      ],
    });
  }
  return pin;
}
