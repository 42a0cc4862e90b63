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

/** How FROM's words are expanded, given the ARGs before the first FROM. */
export function globalArguments(args: readonly Instruction[], given: Given, reading: BuilderReading): Expand {
  const env = new Map(reading === 'classic' ? proxies(given.options) : platforms(given, reading));
  const expand: Expand = (word, refuse) => orRefuse(() => expandWord(word, env, given.escape), refuse);
  for (const { line, args: words } of args) {
    const refuse = given.refuseAtLine(line);
    // Each line's words see the variables of the lines before; in BuildKit, also those of the words before.
    const before = new Map(env);
    for (const word of words) {
      const scope = reading === 'classic' ? before : env;
      const [name, value] = argument(word, scope, given, reading, refuse);
      if (value !== undefined) env.set(name, value);
      else if (reading === 'buildkit-0.13') env.set(name, '');
    }
  }
  return expand;
}

/** One word of an ARG: its name, and its value, if it gets one. */
function argument(
  word: string,
  scope: ReadonlyMap<string, string>,
  { escape: token, options }: Given,
  reading: BuilderReading,
  refuse: Refuse,
): readonly [string, string | undefined] {
  const equals = word.indexOf('=');
  const written = equals < 0 ? word : word.slice(0, equals);
  const expanded = (text: string): string => orRefuse(() => expandWord(text, scope, token), refuse);
  const name = reading === 'classic' ? expanded(written) : written;
  // Expanded even where the build argument wins: the classic builder refuses what it cannot expand.
  const isGiven = options.buildArgs.has(name);
  const value =
    equals < 0 || (isGiven && reading !== 'classic') ? undefined : expanded(word.slice(equals + 1));
  return [name, isGiven ? options.buildArgs.get(name) : value];
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
