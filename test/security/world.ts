/** What the security tests share with those of the updater, under names of their own. */
import { TrustError } from '../../src/lib/errors.ts';
import { rejectsCode } from '../helpers/throws-code.ts';

export { APP, makeWorld, V1, type World } from '../trust/updater-world.ts';

/** The work is refused by the trust data, with this code. */
export function rejectsTrust(work: Promise<unknown>, code: string): Promise<TrustError> {
  return rejectsCode(work, TrustError, code);
}
