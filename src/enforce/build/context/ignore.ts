/**
 * What a `.dockerignore` keeps out of a folder's context, by the rules of docker's command line: patterns in order, the
 * last that matches counts, and a pattern that matches a folder matches what is in it.
 */
import { UsageError } from '../../../lib/errors.ts';
import { cleanPath, type IgnorePattern, parseIgnorePattern, trimGo } from './ignore-pattern.ts';

/** What a folder's patterns did, for what is in it. */
export type Above = ReadonlySet<IgnorePattern> | undefined;

export interface Verdict {
  readonly ignored: boolean;
  /** To be handed on to what is in this folder. */
  readonly matched: ReadonlySet<IgnorePattern>;
}

export const IGNORE_FILE = '.dockerignore';
/** The longest line that docker reads. */
const MOST_LINE_BYTES = 64 * 1024;

export class IgnoreRules {
  readonly #patterns: readonly IgnorePattern[];

  /** @throws UsageError BUILD_CONTEXT_INVALID */
  constructor(lines: readonly string[]) {
    this.#patterns = lines.map(parseIgnorePattern).filter((each) => each !== undefined);
  }

  /** On a path whose folder had the verdict `above`; the path is below the context, with slashes. */
  on(path: string, above: Above): Verdict {
    let ignored = false;
    const matched = new Set<IgnorePattern>();
    for (const pattern of this.#patterns) {
      if (above?.has(pattern) !== true) {
        // Docker does not look at a pattern that would change nothing, nor note that it matches: below, it does not.
        if (pattern.exception !== ignored || !pattern.matches(path)) continue;
      }
      matched.add(pattern);
      ignored = !pattern.exception;
    }
    return { ignored, matched };
  }

  /** The verdict on a path by itself. */
  ignores(path: string): boolean {
    const parts = path.split('/');
    let verdict: Verdict | undefined;
    for (let depth = 1; depth <= parts.length; depth++) {
      verdict = this.on(parts.slice(0, depth).join('/'), verdict?.matched);
    }
    return verdict?.ignored ?? false;
  }

  /** Whether something in an ignored folder may stay; docker looks into no other. */
  mayKeepIn(folder: string): boolean {
    return this.#patterns.some(({ exception, text }) => exception && `${text}/`.startsWith(`${folder}/`));
  }
}

/**
 * The patterns of a `.dockerignore`: comments and empty lines gone, absolute paths made relative.
 * @throws UsageError BUILD_CONTEXT_INVALID
 */
export function readIgnoreLines(bytes: Uint8Array): readonly string[] {
  const text = Buffer.from(bytes)
    .toString('utf8')
    .replace(/^\uFEFF/, '');
  return text.split('\n').flatMap((line) => {
    if (Buffer.byteLength(line) >= MOST_LINE_BYTES) {
      throw new UsageError({
        code: 'BUILD_CONTEXT_INVALID',
        message: `${IGNORE_FILE}: a line is longer than ${MOST_LINE_BYTES} bytes`,
      });
    }
    if (line.startsWith('#')) return [];
    const trimmed = trimGo(line);
    if (trimmed === '') return [];
    const exception = trimmed.startsWith('!');
    const pattern = exception ? trimGo(trimmed.slice(1)) : trimmed;
    const cleaned = pattern === '' ? '' : cleanPath(pattern).replace(/^\/(?=.)/, '');
    return [exception ? `!${cleaned}` : cleaned];
  });
}
