/** `--path`: which tags a signer is limited to, as people write it and as the collection says it. */
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { Repository } from '../reference/reference.ts';
import { isNamed } from '../trust/core/names.ts';
import { isPathMatch, withoutClasses } from '../trust/core/path-pattern.ts';

/** Characters of tags, and the two that stand for others. */
const TAG_PATTERN = /^[\w*?][\w.*?-]{0,127}$/;

/**
 * The pattern for target paths: `dev-*` is about tags of this repository, `ghcr.io/acme/app:dev-*` says which.
 *
 * @throws UsageError USAGE for what no tag could match
 */
export function parsePathPattern(
  text: string,
  { canonical, familiar }: Repository,
  names: readonly string[],
): string {
  const colon = text.lastIndexOf(':');
  const tag = text.slice(colon + 1);
  const place = colon === -1 ? canonical : text.slice(0, colon);
  const pattern = `${place === familiar ? canonical : place}:${tag}`;
  if (TAG_PATTERN.test(tag) && isNamed(pattern, names)) return pattern;
  throw new UsageError({
    code: 'USAGE',
    message: `no tag of ${canonical} can match --path ${escapeShort(text)}`,
    reference: canonical,
    expected: `a tag in which * and ? stand for other characters, such as dev-*, alone or behind ${canonical}:`,
    found: escapeShort(text),
    hints: ["Write the pattern for tags alone, in quotes: --path 'dev-*'"],
  });
}

/** Whether a target path matches what `parsePathPattern` returned. */
export function isMatchedBy(path: string, pattern: string): boolean {
  return isPathMatch(path, withoutClasses(pattern));
}
