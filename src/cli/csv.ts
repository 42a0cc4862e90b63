/**
 * One line of comma-separated values as Go's encoding/csv reads it, which docker and buildx use for `--output`,
 * `--cache-from`, `--mount` and their like.
 *
 * A field is quoted as a whole (`"name=a,b"`, `""` for a quote in it) or not at all; a quote in the middle of an
 * unquoted field is an error there and here. Only the first record is read, and empty lines before it are skipped;
 * what follows it is refused here, where Go would not look at it.
 */

/** The fields of the record; undefined where Go's reader refuses it, and where more follows it. */
export function readCsvRecord(text: string): readonly string[] | undefined {
  // Go: \r\n at the end of a line counts as \n.
  const lines = text.replaceAll('\r\n', '\n').replace(/^\n+/, '');
  const fields: string[] = [];
  let at = 0;
  if (lines === '') return undefined;
  for (;;) {
    const quoted = lines[at] === '"';
    const field = quoted ? quotedField(lines, at) : plainField(lines, at);
    if (field === undefined) return undefined;
    fields.push(field.value);
    at = field.end;
    if (at === lines.length || lines.slice(at) === '\n') return fields;
    if (lines[at] !== ',') return undefined;
    at += 1;
  }
}

interface Field {
  readonly value: string;
  /** Index of the comma or the end behind it. */
  readonly end: number;
}

function plainField(text: string, start: number): Field | undefined {
  let end = start;
  while (end < text.length && text[end] !== ',' && text[end] !== '\n') end += 1;
  const value = text.slice(start, end);
  return value.includes('"') ? undefined : { value, end };
}

function quotedField(text: string, start: number): Field | undefined {
  let value = '';
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] !== '"') value += text[at];
    else if (text[at + 1] === '"') {
      value += '"';
      at += 1;
    } else return { value, end: at + 1 };
  }
  return undefined;
}
