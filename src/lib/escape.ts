/**
 * Makes text that somebody else wrote safe to print.
 *
 * A registry, a signer or an image can put anything into a name: escape sequences that rewrite the terminal,
 * line breaks that forge a second line of dtrust's output, right-to-left marks that show another tag than the
 * one that is signed, zero-width characters that make two names look alike. Each of them is shown as \uXXXX.
 * A backslash stays as it is: the result is for reading, not for parsing back.
 */

// Cc control, Cf format (bidi marks, tags), Cs lone surrogate, Co private use, Cn unassigned, Zl and Zp line
// separators, Zs but for the plain space, DI whatever is drawn as nothing (fillers, joiners, variation
// selectors), and the empty Braille pattern.
const UNPRINTABLE = /(?! )[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Zs}\p{DI}\u2800]/gu;

/** The text with every character that does not draw itself shown as \uXXXX (two of them above U+FFFF). */
export function escapeText(text: string): string {
  return text.replace(UNPRINTABLE, (found) => {
    let shown = '';
    for (let i = 0; i < found.length; i++) {
      shown += `\\u${found.charCodeAt(i).toString(16).padStart(4, '0')}`;
    }
    return shown;
  });
}

/** `escapeText`, cut to `maxLength` characters with a mark where it was cut. */
export function escapeShort(text: string, maxLength = 200): string {
  const escaped = escapeText(text.slice(0, maxLength + 1));
  return escaped.length <= maxLength && text.length <= maxLength
    ? escaped
    : `${escaped.slice(0, maxLength - 3)}...`;
}

/**
 * JSON text in which every character that does not draw itself is written as its JSON escape. It means the same: such
 * characters stand in strings only, and JSON's own white space (space and line feed) stays.
 */
export function escapeJson(json: string): string {
  return json.split('\n').map(escapeText).join('\n');
}
