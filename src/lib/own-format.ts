/**
 * Format numbers in dtrust's own files, and how one becomes the next.
 *
 * Every such file says its format. An older one is read, its content taken through a table of steps, and the file
 * replaced by one of the present format when it is next written: the new one is made beside it, and the old one stands
 * until that is whole (atomic-write.ts). A newer one is refused by name and left as it is, whatever it is for: an older
 * dtrust that went on without it would forget what it holds, or write it back without what it does not know.
 */
import { LocalStateError } from './errors.ts';
import { escapeText } from './escape.ts';

/** MEMORY_NEWER for a file of a format that this version does not know. */
export function newerFormat(path: string, known: number, found: number): LocalStateError {
  return new LocalStateError({
    code: 'MEMORY_NEWER',
    message: `${escapeText(path)} was written by a newer dtrust and is left untouched`,
    expected: `format ${known}`,
    found: `format ${found}`,
    hints: ['use the newer dtrust; to go on without it, set DOCKER_CONFIG to another folder'],
  });
}

/** The present format of a kind of file, and the steps that lead there: `steps.get(n)` makes n + 1 out of n. */
export interface OwnFormat<Body> {
  readonly format: number;
  readonly steps: ReadonlyMap<number, (body: Body) => Body>;
}

/**
 * The content in the present format; undefined when no step leads there from the one found.
 *
 * @throws LocalStateError MEMORY_NEWER
 */
export function upgraded<Body>(
  body: Body,
  found: number,
  { format, steps }: OwnFormat<Body>,
  path: string,
): Body | undefined {
  if (found > format) throw newerFormat(path, format, found);
  let current = body;
  for (let from = found; from < format; from += 1) {
    const step = steps.get(from);
    if (step === undefined) return undefined;
    current = step(current);
  }
  return current;
}
