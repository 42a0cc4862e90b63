/**
 * What may differ between two runs of the same commands: IDs, times, sizes, and lines of progress that come or not.
 * Digests of the images that all runs begin with are the same in each and are not masked.
 */

/** Texts of one run that stand for the same thing in each, such as the registry's address. */
export type Names = readonly (readonly [text: string, name: string])[];

const MASKS: readonly (readonly [RegExp, string])[] = [
  [/\b[0-9a-f]{64}\b/g, '<id>'],
  [/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, '<id>'],
  [/\b[0-9a-f]{12}\b/g, '<id>'],
  // BuildKit's own.
  [/\b(?=[a-z]*\d)[a-z0-9]{25}\b\*?/g, '<id>'],
  [/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d| [+-]\d{4} [A-Z]+)/g, '<time>'],
  [/\b(Less than a second|About an? \w+|\d+ (second|minute|hour|day|week|month|year)s?)( ago)?\b/g, '<time>'],
  [/\b\d+(\.\d+)? ?([kMG]?B|[KMG]iB)\b/g, '<size>'],
  [/\b\d+(\.\d+)?%/g, '<percent>'],
  [/\b\d+\.\d+s\b/g, '<time>'],
  // Names that docker makes up.
  [/\b[a-z]+_[a-z]+\b/g, '<name>'],
];

/** Lines that depend on how fast something went, and on what was there from before. */
const PROGRESS =
  /^[0-9a-f]{12}: (Preparing|Waiting|Pulling fs layer|Verifying Checksum|Download complete)$|^#\d+ (sha256:|extracting |transferring |resolve |CACHED$|DONE |\.\.\.$)/;
/** BuildKit's steps are numbered as they begin, and several go on at once. */
const STEP = /^#\d+ /;
const DONE = /( <time>)?( done)?$/;

/** Commands that print numbers of the moment. */
const NUMBERS = /^docker (container )?(top|stats) /;

/** Commands that print what they find in no order; how much of the build cache there is depends on what ran at once. */
const UNORDERED = /^docker ((\w+ )?prune|diff) /;

/** The lines of a text as they can be compared. */
export function maskLines(line: string, text: string, names: Names): readonly string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const masked = lines
    .filter((each) => !PROGRESS.test(each))
    .map((each) => maskLine(each, names, NUMBERS.test(line)));
  if (masked.some((each) => STEP.test(each))) {
    const steps = masked.map((each) =>
      STEP.test(each) ? each.replace(STEP, '#<n> ').replace(DONE, '') : each,
    );
    return [...new Set(steps)].filter((each) => each !== '').sort();
  }
  return UNORDERED.test(line) ? [...new Set(masked)].sort() : masked;
}

function maskLine(text: string, names: Names, numbers: boolean): string {
  let masked = text;
  for (const [given, name] of names) masked = masked.replaceAll(given, name);
  for (const [pattern, mask] of MASKS) masked = masked.replace(pattern, mask);
  if (numbers) masked = masked.replace(/\b\d[\d:]*\b/g, '<number>');
  // The widths of columns follow what stands in them.
  return masked.replace(/[ \t]{2,}|\t/g, '  ').trimEnd();
}
