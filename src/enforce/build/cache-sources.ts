/**
 * `--cache-from`: what a build takes from a cache, it takes for the result of its own steps. A source policy does not
 * reach there (seen: BuildKit 0.13 imports a cache whose image it was told to deny), so only the cache in an image
 * that was decided on is imported, and by its digest. Any other place holds bytes that nobody signed.
 */
import { readCsvRecord } from '../../cli/csv.ts';
import { UsageError } from '../../lib/errors.ts';
import { escapeShort } from '../../lib/escape.ts';

export interface CacheSource {
  /** As typed. */
  readonly given: string;
  /** The image that holds the cache. */
  readonly reference: string;
  /** The same with this reference in its place. */
  with(reference: string): string;
}

/**
 * Reads one `--cache-from`.
 * @throws UsageError USAGE, NOT_YET_ENFORCED
 */
export function readCacheSource(given: string): CacheSource {
  const fields = readCsvRecord(given);
  if (fields === undefined)
    throw new UsageError({ code: 'USAGE', message: `--cache-from ${escapeShort(given)} cannot be read` });
  // buildx: without any `=` all fields are images; more than one of them is written as more than one flag.
  if (fields.every((field) => !field.includes('='))) {
    if (fields.length > 1) throw refused(given, 'it names more than one image; give each a flag of its own');
    return { given, reference: given, with: (reference) => reference };
  }
  const entries = fields.map((field) => {
    const at = field.indexOf('=');
    return { name: field.slice(0, Math.max(0, at)).trim().toLowerCase(), value: field.slice(at + 1), field };
  });
  const values = (name: string) => entries.filter((each) => each.name === name).map(({ value }) => value);
  const [type, ...otherTypes] = values('type');
  const [reference, ...otherReferences] = values('ref');
  if (type !== 'registry' || otherTypes.length > 0) {
    throw refused(given, 'only the cache in an image of a registry can be decided on');
  }
  if (reference === undefined || reference === '' || otherReferences.length > 0) {
    throw refused(given, 'it does not name one image with ref=');
  }
  return {
    given,
    reference,
    with: (pinned) =>
      entries.map(({ name, field }) => quoted(name === 'ref' ? `ref=${pinned}` : field)).join(','),
  };
}

function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

function refused(given: string, problem: string): UsageError {
  return new UsageError({
    code: 'NOT_YET_ENFORCED',
    message: `\`--cache-from ${escapeShort(given)}\` is not done while content trust is on: ${problem}`,
    hints: [
      'Use the cache in an image that is signed: --cache-from NAME:TAG, made with --cache-to type=inline.',
    ],
  });
}
