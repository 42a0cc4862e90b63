/**
 * Which repositories a collection may speak for (protocol 1.2).
 */
import { isPathMatch, withoutClasses } from './path-pattern.ts';

/** The repository of a target path `host/path:tag`; undefined when the path has no tag. */
export function repositoryOf(path: string): string | undefined {
  const colon = path.lastIndexOf(':');
  return colon > path.lastIndexOf('/') && colon > 0 ? path.slice(0, colon) : undefined;
}

/**
 * Whether the target path belongs to one of the names: a canonical repository, or a pattern with `*` and `?` inside
 * its segments. A path without a tag belongs to none.
 */
export function isNamed(path: string, names: readonly string[]): boolean {
  const repository = repositoryOf(path);
  return repository !== undefined && names.some((name) => isPathMatch(repository, withoutClasses(name)));
}
