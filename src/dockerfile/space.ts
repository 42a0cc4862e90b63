/**
 * White space as the builders' language, Go, has it. JavaScript's own `\s` and `trim` count U+FEFF and leave out
 * U+0085; one character of difference is enough for the builder to see another word than dtrust.
 */

const SPACE = '\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const ONE = new RegExp(`^[${SPACE}]$`);
const LEADING = new RegExp(`^[${SPACE}]+`);

/** Go's unicode.IsSpace. */
export function isSpace(char: string): boolean {
  return ONE.test(char);
}

/** White space where the builders look at bytes and not at characters: that of ASCII. */
export function isAsciiSpace(char: string): boolean {
  return /^[\t\n\v\f\r ]$/.test(char);
}

/** Without white space at the front. */
export function trimLeft(text: string): string {
  return text.replace(LEADING, '');
}

/** Go's strings.TrimSpace. The end is walked by hand: a pattern there would take quadratic time. */
export function trimSpace(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charAt(end - 1))) end -= 1;
  return trimLeft(text.slice(0, end));
}

/** The white space that separates words in a Dockerfile; no line feed, nothing outside ASCII. */
export const BLANKS = /[\t\v\f\r ]+/;
