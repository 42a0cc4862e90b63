/** Heredocs are read in two ways by different BuildKits; a text is read as the older ones do, if it can be. */
import { hasCode } from '../lib/errors.ts';
import type { HeredocReading } from './heredoc.ts';

/**
 * What `read` gives by the reading of BuildKit 0.13, or, where that refuses, by that of later ones; the older one's
 * refusal where both do.
 */
export function byEitherReading<T>(read: (heredocs: HeredocReading) => T): T {
  try {
    return read('adjacent');
  } catch (error) {
    if (!hasCode(error, 'DOCKERFILE_INVALID')) throw error;
    try {
      return read('spaced');
    } catch (other) {
      if (!hasCode(other, 'DOCKERFILE_INVALID')) throw other;
      throw error;
    }
  }
}
