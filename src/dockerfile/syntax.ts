/**
 * Which front end a file asks BuildKit for: `# syntax=IMAGE` in its first lines, or `// syntax=IMAGE`, or a file that
 * is one JSON object with a member `syntax`; a `#!` line before any of them is skipped. The image is what stands before
 * the first blank. BuildKit 0.13 looks before it takes off a byte-order mark, later ones after: dtrust finds more.
 */
import { type Directive, directiveIn } from './directives.ts';
import { withoutLineEnd } from './source-text.ts';

export interface Syntax {
  readonly value: string;
  readonly line: number;
  /** Whether the file is written in a language of the front end's own. */
  readonly foreign: boolean;
}

/** The front end that a file names, if it names one. */
export function detectSyntax(lines: readonly string[]): Syntax | undefined {
  const shebang = lines[0]?.startsWith('#!') === true ? 1 : 0;
  const body = lines.slice(shebang);
  const hash = fromComments(body, '#', shebang);
  if (hash !== undefined) return { ...hash, foreign: false };
  const slashes = fromComments(body, '//', shebang);
  if (slashes !== undefined) return { ...slashes, foreign: true };
  const value = fromJson(body.join(''));
  return value === undefined ? undefined : { value, line: shebang + 1, foreign: true };
}

function fromComments(
  lines: readonly string[],
  comment: '#' | '//',
  before: number,
): { readonly value: string; readonly line: number } | undefined {
  const seen = new Set<Directive['name']>();
  for (const [index, line] of lines.entries()) {
    const directive = directiveIn(withoutLineEnd(line), comment);
    if (directive === undefined || seen.has(directive.name)) return undefined;
    seen.add(directive.name);
    if (directive.name === 'syntax') {
      return { value: directive.value.split(' ', 1)[0] ?? '', line: before + index + 1 };
    }
  }
  return undefined;
}

function fromJson(text: string): string | undefined {
  if (!/^[\t\n\r ]*\{/.test(text)) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  // Go takes a member's name in any case, later BuildKits only in this one. Which of two it is cannot be told: the
  // empty name, which nothing resolves.
  const named = Object.entries(parsed).filter(([key]) => key.toUpperCase() === 'SYNTAX');
  const values = new Set(named.map(([, value]) => value));
  if (values.size > 1) return '';
  const [value] = values;
  return typeof value === 'string' && value !== '' ? value : undefined;
}
