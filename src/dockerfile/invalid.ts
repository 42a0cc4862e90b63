/** The one refusal of this folder: DOCKERFILE_INVALID, which names file, line and reason. */
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';

/** Refuses with a reason; which file and line it is about is known to whoever made the function. */
export type Refuse = (reason: string) => never;

/** A `Refuse` for one line of one file; line 0 is the file as a whole. The reason may hold text of the file. */
export function refuseAt(file: string, line: number): Refuse {
  return (reason) => {
    const place = line > 0 ? `${escapeShort(file)}:${line}` : escapeShort(file);
    throw new UsageError({ code: 'DOCKERFILE_INVALID', message: `${place}: ${escapeShort(reason, 400)}` });
  };
}
