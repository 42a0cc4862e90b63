/**
 * `dtrust run` and `dtrust create`: the image is decided on, fetched by its digest when it is absent, and the real
 * docker makes the container of exactly that.
 *
 * All that is said goes to stderr, as docker's own pull does here: stdout is the container's, or its ID.
 */
import { assertPositionals, flagOn, flagValue, type ParsedArgv } from '../cli/argv.ts';
import { refuseImageMounts } from '../enforce/image-mounts.ts';
import { pinnedArguments } from '../enforce/run-arguments.ts';
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { type Platform, parsePlatform } from '../reference/platform.ts';
import { admitImage } from './admit-image.ts';
import type { Context, HandOver } from './context.ts';
import { Services } from './services.ts';
import { withHints } from './trust-hints.ts';

export type PullMode = 'missing' | 'always' | 'never';

export interface RunOptions {
  /** As typed. */
  readonly image: string;
  readonly platform: Platform | undefined;
  readonly pull: PullMode;
  readonly quiet: boolean;
}

/**
 * What the command line asks for.
 * @throws UsageError USAGE, PLATFORM_INVALID, NOT_YET_ENFORCED (a mount of an image)
 */
export function parse(context: { readonly parsed: ParsedArgv; readonly env: Context['env'] }): RunOptions {
  const { flags, positionals } = assertPositionals(context.parsed);
  refuseImageMounts(flags.get('mount') ?? []);
  const platform = flagValue(flags, 'platform') || context.env.dockerDefaultPlatform;
  return {
    image: positionals[0] ?? '',
    platform: platform === undefined ? undefined : parsePlatform(platform),
    pull: pullMode(flagValue(flags, 'pull')),
    quiet: flagOn(flags, 'quiet'),
  };
}

export async function run(context: Context): Promise<HandOver> {
  const options = parse(context);
  const services = new Services(onStderr(context));
  try {
    const admission = await admitImage(services, options);
    return { rest: pinnedArguments(context.parsed, admission) };
  } catch (error) {
    throw services.about === undefined ? error : withHints(error, services.about);
  } finally {
    await services.close();
  }
}

function pullMode(text: string | undefined): PullMode {
  const mode = text === undefined || text === '' ? 'missing' : text;
  if (mode === 'missing' || mode === 'always' || mode === 'never') return mode;
  throw new UsageError({
    code: 'USAGE',
    message: `invalid pull option: '${escapeShort(mode)}'`,
    expected: 'always, missing or never',
    found: escapeShort(mode),
  });
}

/** The same outside world, with stderr in stdout's place. */
function onStderr(context: Context): Context {
  return { ...context, out: context.err, isTerminal: () => context.isTerminal(2) };
}
