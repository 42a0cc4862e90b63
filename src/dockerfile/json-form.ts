/** The JSON form of an instruction's arguments: `["a", "b"]`. */
import type { Refuse } from './invalid.ts';
import { trimLeft } from './space.ts';

export interface JsonForm {
  readonly elements: readonly string[];
  /** Whether more than blanks stands behind the array; later BuildKits take that for no JSON form. */
  readonly hasMore: boolean;
}

/** The array that a text begins with; undefined where it is no JSON, which the builders then read as plain words. */
export function jsonForm(text: string, refuse: Refuse): JsonForm | undefined {
  const trimmed = trimLeft(text);
  if (!trimmed.startsWith('[')) return undefined;
  const end = endOfArray(trimmed);
  if (end < 0) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(trimmed.slice(0, end));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  const elements = parsed.map((element: unknown) =>
    typeof element === 'string'
      ? element
      : refuse('when using JSON array syntax, arrays must be comprised of strings only'),
  );
  return { elements, hasMore: trimmed.slice(end).trim() !== '' };
}

/** Where the bracket that the text begins with is closed, or -1. Only right for JSON; for the rest parsing fails. */
function endOfArray(text: string): number {
  let depth = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const char = text.charAt(i);
    if (isQuoted) {
      if (char === '\\') i += 1;
      else if (char === '"') isQuoted = false;
    } else if (char === '"') isQuoted = true;
    else if (char === '[' || char === '{') depth += 1;
    else if (char === ']' || char === '}') depth -= 1;
    if (depth === 0) return i + 1;
  }
  return -1;
}
