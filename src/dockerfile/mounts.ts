/** `RUN --mount=type=bind,from=IMAGE,...`: comma-separated values, of which only `from` names an image. */
import type { Instruction } from './dockerfile.ts';
import type { Refuse } from './invalid.ts';

/** One record of comma-separated values: a field in double quotes may hold commas, and quotes doubled. */
function csvFields(record: string, refuse: Refuse): readonly string[] {
  if (record === '') return refuse('an empty --mount');
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    const field =
      record.charAt(at) === '"' ? quotedField(record, at, refuse) : plainField(record, at, refuse);
    fields.push(field.text);
    if (field.end >= record.length) return fields;
    at = field.end + 1;
  }
}

interface Field {
  readonly text: string;
  /** Where its comma stands, or the end. */
  readonly end: number;
}

function plainField(record: string, start: number, refuse: Refuse): Field {
  const comma = record.indexOf(',', start);
  const end = comma < 0 ? record.length : comma;
  const text = record.slice(start, end);
  if (text.includes('"')) refuse('a bare quote in a --mount');
  return { text, end };
}

function quotedField(record: string, start: number, refuse: Refuse): Field {
  const match = /"((?:[^"]|"")*)"(?=,|$)/y;
  match.lastIndex = start;
  const found = match.exec(record);
  if (found === null) return refuse('a stray quote in a --mount');
  return { text: (found[1] ?? '').replaceAll('""', '"'), end: match.lastIndex };
}

/** What the mounts of a RUN take from: a stage or an image each; undefined for a mount without `from`. */
export function mountSources(flags: Instruction['flags'], refuse: Refuse): readonly (string | undefined)[] {
  return flags.flatMap(({ name, value }) => (name === 'mount' ? [mountSource(value ?? '', refuse)] : []));
}

function mountSource(mount: string, refuse: Refuse): string | undefined {
  const sources = csvFields(mount, refuse).flatMap((field) => {
    const equals = field.indexOf('=');
    return equals >= 0 && field.slice(0, equals).toLowerCase() === 'from' ? [field.slice(equals + 1)] : [];
  });
  if (sources.some((source) => /\$./.test(source))) {
    refuse(
      "the 'from' of a --mount doesn't support variable expansion: name a stage with FROM, and take from that",
    );
  }
  // The last one counts; an empty one is none.
  const last = sources.at(-1);
  return last === '' ? undefined : last;
}
