/**
 * The variables that FROM can use: ARGs before the first FROM, build arguments, and those that the builder sets.
 *
 * Builders differ in three ways, so there are three readings. An ARG before FROM with no value is empty to BuildKit
 * 0.13, even if the builder sets a variable of that name, and says nothing to later ones, which also set a few more.
 * The classic builder sets none, but lets the proxy arguments through, and expands names too.
 */
import type { EscapeToken, Instruction } from './dockerfile.ts';
import type { ImageUsesOptions } from './image-use.ts';
import type { Refuse } from './invalid.ts';
import { orRefuse } from './lex-error.ts';
import { expandWord } from './word-lexer.ts';

export type BuilderReading = 'buildkit-0.13' | 'buildkit-later' | 'classic';

export type Expand = (word: string, refuse: Refuse) => string;

interface Given {
  readonly escape: EscapeToken;
  readonly options: ImageUsesOptions;
  readonly refuseAtLine: (line: number) => Refuse;
  readonly lastStage: string | undefined;
}

// `ALL_PROXY` is BuildKit's, and for commands alone.
const PROXY_NAMES = ['HTTP', 'HTTPS', 'FTP', 'NO'].flatMap((name) => [
  `${name}_PROXY`,
  `${name.toLowerCase()}_proxy`,
]);

// A hundred times what large Dockerfiles have. A file that others wrote is not to keep a machine busy.
const MAX_EXPANSIONS = 20_000;

/** How FROM's words are expanded, given the ARGs before the first FROM. */
export function globalArguments(args: readonly Instruction[], given: Given, reading: BuilderReading): Expand {
  const env = new Map(reading === 'classic' ? proxies(given.options) : platforms(given, reading));
  let left = MAX_EXPANSIONS;
  const expand: Expand = (word, refuse) => {
    left -= 1;
    if (left < 0) refuse(`more than ${MAX_EXPANSIONS} words to expand`);
    return orRefuse(() => expandWord(word, env, given.escape), refuse);
  };
  for (const { line, args: words } of args) {
    const refuse = given.refuseAtLine(line);
    const read = (word: string) => argument(word, expand, given.options.buildArgs, reading, refuse);
    const set = ([name, value]: readonly [string, string | undefined]): void => {
      if (value !== undefined) env.set(name, value);
      else if (reading === 'buildkit-0.13') env.set(name, '');
      else if (reading === 'classic') env.delete(name);
    };
    // The words of a line see the variables of the lines before; in BuildKit, also those of the words before.
    if (reading === 'classic') words.map(read).forEach(set);
    else for (const word of words) set(read(word));
  }
  return expand;
}

/** One word of an ARG: its name, and its value, if it gets one. */
function argument(
  word: string,
  expand: Expand,
  buildArgs: ImageUsesOptions['buildArgs'],
  reading: BuilderReading,
  refuse: Refuse,
): readonly [string, string | undefined] {
  const equals = word.indexOf('=');
  const written = equals < 0 ? word : word.slice(0, equals);
  const name = reading === 'classic' ? expand(written, refuse) : written;
  // Expanded even where the build argument wins: the classic builder refuses what it cannot expand.
  const isLeft = equals < 0 || (buildArgs.has(name) && reading !== 'classic');
  const value = isLeft ? undefined : expand(word.slice(equals + 1), refuse);
  return [name, buildArgs.get(name) ?? value];
}

function proxies({ buildArgs }: ImageUsesOptions): readonly (readonly [string, string])[] {
  return PROXY_NAMES.flatMap((name) => {
    const value = buildArgs.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
}

function platforms(
  { options, lastStage }: Given,
  reading: BuilderReading,
): readonly (readonly [string, string])[] {
  const set = [...platform('BUILD', options.buildPlatform), ...platform('TARGET', options.targetPlatform)];
  if (reading === 'buildkit-later') {
    const target = options.target === undefined || options.target === '' ? lastStage : options.target;
    set.push(['BUILDOSVERSION', ''], ['TARGETOSVERSION', ''], ['TARGETSTAGE', target ?? 'default']);
  }
  return set.map(([name, value]) => [name, options.buildArgs.get(name) ?? value] as const);
}

function platform(side: string, text: string): [string, string][] {
  const [os = '', architecture = '', variant = ''] = text.split('/');
  return [
    [`${side}PLATFORM`, text],
    [`${side}OS`, os],
    [`${side}ARCH`, architecture],
    [`${side}VARIANT`, variant],
  ];
}
