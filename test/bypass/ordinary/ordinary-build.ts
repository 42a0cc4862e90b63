/** A build as people write it, on signed bases: it gives the same through dtrust as through docker. */
import type { Case } from '../case.ts';

export interface Ordinary
  extends Pick<Case, 'name' | 'builders' | 'files' | 'args' | 'env' | 'stdin' | 'signed' | 'arrange'> {
  /** Where the result is: the image `<case>`, or `<beside>/out` as a folder or an archive. */
  readonly result?: 'folder' | 'archive';
}
