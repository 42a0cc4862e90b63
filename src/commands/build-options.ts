/**
 * What `build` asks for, read once from the flags; both builders and signing after a build work from this.
 *
 * Flags that no decision hangs on stay in `flags`, by docker's names, for the classic builder; BuildKit gets the
 * arguments as they were typed.
 */
import { assertPositionals, type FlagMap, flagOn, flagValue, type ParsedArgv } from '../cli/argv.ts';
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import type { RawEnvironment } from '../settings/environment.ts';
import type { Context } from './context.ts';

export interface BuildOptions {
  readonly parsed: ParsedArgv;
  readonly flags: FlagMap;
  /** `PATH | URL | -` */
  readonly context: string;
  /** `-f`: a path, `-`, or a name within the context; undefined for the default one. */
  readonly file: string | undefined;
  readonly tags: readonly string[];
  /** As typed, lists taken apart; empty where nothing was said. */
  readonly platforms: readonly string[];
  readonly target: string | undefined;
  /** `NAME=VALUE`, and `NAME` with the value that the environment has; a name that it does not have is left out. */
  readonly buildArgs: ReadonlyMap<string, string>;
  /** `--build-context NAME=PLACE` */
  readonly namedContexts: ReadonlyMap<string, string>;
  readonly cacheFrom: readonly string[];
  /** `-o` */
  readonly outputs: readonly string[];
  readonly push: boolean;
  readonly load: boolean;
  readonly pull: boolean;
  readonly quiet: boolean;
  readonly iidFile: string | undefined;
  readonly metadataFile: string | undefined;
}

/**
 * What the command line asks for.
 * @throws CommandLineError USAGE; UsageError USAGE for a --build-arg or --build-context that is none
 */
export function parseBuild(context: Pick<Context, 'parsed' | 'env' | 'rawEnvironment'>): BuildOptions {
  const parsed = assertPositionals(context.parsed);
  const { flags, positionals } = parsed;
  const all = (name: string) => flags.get(name) ?? [];
  const value = (name: string) => flagValue(flags, name) || undefined;
  return {
    parsed,
    flags,
    context: positionals[0] ?? '',
    file: value('file'),
    tags: all('tag'),
    platforms: platformsOf(all('platform'), context.env.dockerDefaultPlatform),
    target: value('target'),
    buildArgs: readBuildArgs(all('build-arg'), context.rawEnvironment),
    namedContexts: readNamedContexts(all('build-context')),
    cacheFrom: all('cache-from'),
    outputs: all('output'),
    push: flagOn(flags, 'push'),
    load: flagOn(flags, 'load'),
    pull: flagOn(flags, 'pull'),
    quiet: flagOn(flags, 'quiet'),
    iidFile: value('iidfile'),
    metadataFile: value('metadata-file'),
  };
}

function platformsOf(given: readonly string[], byDefault: string | undefined): readonly string[] {
  const texts = given.flatMap((each) => each.split(',')).filter((each) => each !== '');
  if (texts.length > 0 || byDefault === undefined) return texts;
  return byDefault.split(',').filter((each) => each !== '');
}

function readBuildArgs(given: readonly string[], environment: RawEnvironment): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const text of given) {
    const at = text.indexOf('=');
    const name = at < 0 ? text : text.slice(0, at);
    // docker: a name alone takes its value from docker's own environment, and is nothing where there is none.
    const value = at < 0 ? environment[name] : text.slice(at + 1);
    if (value === undefined) found.delete(name);
    else found.set(name, value);
  }
  return found;
}

function readNamedContexts(given: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    given.map((text) => {
      const at = text.indexOf('=');
      if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
      throw new UsageError({
        code: 'USAGE',
        message: `invalid context value: ${escapeShort(text)}, expected key=value`,
      });
    }),
  );
}
