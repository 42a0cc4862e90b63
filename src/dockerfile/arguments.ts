/** An instruction's arguments, split as its keyword asks for. */
import type { EscapeToken } from './dockerfile.ts';
import type { Refuse } from './invalid.ts';
import { type JsonForm, jsonForm } from './json-form.ts';
import { quotedWords } from './quoted-words.ts';
import { BLANKS, isAsciiSpace } from './space.ts';

export interface Arguments {
  readonly args: readonly string[];
  /** Set when they were written as a JSON array. */
  readonly json?: JsonForm;
}

type Split = (rest: string, escapeToken: EscapeToken, refuse: Refuse) => Arguments;

const asText: Split = (rest) => ({ args: rest === '' ? [] : [rest] });

const asWords: Split = (rest) => ({ args: rest === '' ? [] : rest.split(BLANKS) });

const asQuotedWords: Split = (rest, escapeToken) => ({ args: quotedWords(rest, escapeToken) });

/** JSON, or else as another way of splitting has it. */
function jsonOr(other: Split): Split {
  return (rest, escapeToken, refuse) => {
    const json = jsonForm(rest, refuse);
    return json === undefined ? other(rest, escapeToken, refuse) : { args: json.elements, json };
  };
}

/** `NAME=value NAME=value`, or the old `NAME value` where the first word has no equals sign: names and values in turn. */
const asPairs: Split = (rest, escapeToken, refuse) => {
  const words = quotedWords(rest, escapeToken);
  const [first] = words;
  if (first === undefined) return { args: [] };
  if (!first.includes('=')) {
    const blanks = BLANKS.exec(rest);
    if (blanks === null) return refuse('a name and a value are needed');
    return { args: [rest.slice(0, blanks.index), rest.slice(blanks.index + blanks[0].length)] };
  }
  return {
    args: words.flatMap((word) => {
      const equals = word.indexOf('=');
      if (equals < 0) return refuse(`can't find = in ${word}: it must be of the form name=value`);
      return [word.slice(0, equals), word.slice(equals + 1)];
    }),
  };
};

/** `CMD` or `NONE`, and then a command. */
const asHealthcheck: Split = (rest, escapeToken, refuse) => {
  let end = 0;
  while (end < rest.length && !isAsciiSpace(rest.charAt(end))) end += 1;
  if (end === 0) return { args: [] };
  let next = end;
  while (next < rest.length && isAsciiSpace(rest.charAt(next))) next += 1;
  const command = jsonOr(asText)(rest.slice(next), escapeToken, refuse);
  return { ...command, args: [rest.slice(0, end), ...command.args] };
};

const SPLIT: ReadonlyMap<string, Split> = new Map([
  ['ADD', jsonOr(asWords)],
  ['ARG', asQuotedWords],
  ['CMD', jsonOr(asText)],
  ['COPY', jsonOr(asWords)],
  ['ENTRYPOINT', jsonOr(asText)],
  ['ENV', asPairs],
  ['EXPOSE', asWords],
  ['FROM', asWords],
  ['HEALTHCHECK', asHealthcheck],
  ['LABEL', asPairs],
  ['MAINTAINER', asText],
  ['ONBUILD', asText],
  ['RUN', jsonOr(asText)],
  ['SHELL', jsonOr(asText)],
  ['STOPSIGNAL', asText],
  ['USER', asText],
  ['VOLUME', jsonOr(asWords)],
  ['WORKDIR', asText],
]);

/** Whether a word, in upper case, is an instruction. */
export function isInstruction(keyword: string): boolean {
  return SPLIT.has(keyword);
}

/** The arguments of an instruction; its keyword must be one. */
export function splitArguments(
  keyword: string,
  rest: string,
  escapeToken: EscapeToken,
  refuse: Refuse,
): Arguments {
  const split = SPLIT.get(keyword) ?? asText;
  return split(rest, escapeToken, refuse);
}
