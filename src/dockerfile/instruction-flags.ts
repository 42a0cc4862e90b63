/**
 * Which flags an instruction takes, and its flags read by that table.
 *
 * BuildKit's are those of 0.13 and of later ones; one that the builder at hand does not know, it refuses itself. The
 * classic builder's are those it acts on: it parses others only to say that they need BuildKit.
 */
import type { Flag, Grammar } from './dockerfile.ts';
import type { Refuse } from './invalid.ts';

type FlagType = 'boolean' | 'string' | 'strings';
type FlagTable = Readonly<Record<string, Readonly<Record<string, FlagType>>>>;

const HEALTHCHECK = {
  interval: 'string',
  timeout: 'string',
  'start-period': 'string',
  'start-interval': 'string',
  retries: 'string',
} as const;

const BUILDKIT: FlagTable = {
  ADD: {
    checksum: 'string',
    chmod: 'string',
    chown: 'string',
    exclude: 'strings',
    'keep-git-dir': 'boolean',
    link: 'boolean',
    unpack: 'boolean',
  },
  COPY: {
    chmod: 'string',
    chown: 'string',
    exclude: 'strings',
    from: 'string',
    link: 'boolean',
    parents: 'boolean',
  },
  FROM: { platform: 'string' },
  HEALTHCHECK,
  RUN: { device: 'strings', mount: 'strings', network: 'string', security: 'string' },
};

const CLASSIC: FlagTable = {
  ADD: { chown: 'string' },
  COPY: { chown: 'string', from: 'string' },
  FROM: { platform: 'string' },
  HEALTHCHECK,
};

function typeOf(table: FlagTable, keyword: string, name: string): FlagType | undefined {
  const flags = table[keyword];
  return flags !== undefined && Object.hasOwn(flags, name) ? flags[name] : undefined;
}

/** The flags of an instruction, in order. */
export function readFlags(
  keyword: string,
  words: readonly string[],
  grammar: Grammar,
  refuse: Refuse,
): readonly Flag[] {
  const seen = new Set<string>();
  return words.map((word) => {
    // The builders split these byte by byte: beyond ASCII they see other characters than those written.
    if (!/^[ -~]*$/.test(word)) refuse(`a character that is not printable ASCII in the flag ${word}`);
    const equals = word.indexOf('=');
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    const value = equals < 0 ? undefined : word.slice(equals + 1);
    const type = typeOf(grammar === 'buildkit' ? BUILDKIT : CLASSIC, keyword, name);
    if (type === undefined) return refuse(unknownFlag(keyword, name, grammar));
    if (seen.has(name) && type !== 'strings') refuse(`duplicate flag specified: ${name}`);
    seen.add(name);
    checkValue(name, value, type, refuse);
    return value === undefined ? { name } : { name, value };
  });
}

function unknownFlag(keyword: string, name: string, grammar: Grammar): string {
  return grammar === 'classic' && typeOf(BUILDKIT, keyword, name) !== undefined
    ? `the --${name} option of ${keyword} requires BuildKit`
    : `unknown flag of ${keyword}: --${name}`;
}

function checkValue(name: string, value: string | undefined, type: FlagType, refuse: Refuse): void {
  if (type !== 'boolean') {
    if (value === undefined) refuse(`missing a value on flag: ${name}`);
  } else if (value !== undefined && !/^(?:true|false)$/i.test(value)) {
    refuse(`expecting boolean value for flag ${name}, not: ${value}`);
  }
}
