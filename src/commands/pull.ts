/**
 * `dtrust pull`: a tag becomes the digest that is signed for it, and only that digest is pulled.
 *
 * Output goes where Docker Content Trust's went: `Pull (1 of 1)` and the progress on stdout, `Tagging` on stderr, the
 * full reference as the last line. Nothing is asked of the engine but GET and HEAD before the trust data has
 * said yes.
 */
import { assertPositionals, flagOn, flagValue } from '../cli/argv.ts';
import { UsageError } from '../lib/errors.ts';
import { type Platform, parsePlatform } from '../reference/platform.ts';
import { assertNotTrustTag, parseReference, type Reference, withDefaultTag } from '../reference/reference.ts';
import type { Context, ExitStatus } from './context.ts';
import { pullAllTags, pullNamedDigest, pullTag } from './pull-images.ts';
import { Services } from './services.ts';
import { withHints } from './trust-hints.ts';

export interface PullOptions {
  readonly reference: Reference;
  readonly allTags: boolean;
  readonly quiet: boolean;
  readonly platform: Platform | undefined;
}

/**
 * What the command line asks for.
 * @throws UsageError USAGE, REFERENCE_INVALID, PLATFORM_INVALID, TAG_RESERVED
 */
export function parse(context: Pick<Context, 'parsed' | 'env'>): PullOptions {
  const { flags, positionals } = assertPositionals(context.parsed);
  const reference = assertNotTrustTag(parseReference(positionals[0] ?? ''));
  const allTags = flagOn(flags, 'all-tags');
  if (allTags && (reference.tag !== undefined || reference.digest !== undefined)) {
    throw new UsageError({ code: 'USAGE', message: "tag can't be used with --all-tags/-a" });
  }
  const platform = flagValue(flags, 'platform') || context.env.dockerDefaultPlatform;
  return {
    reference,
    allTags,
    quiet: flagOn(flags, 'quiet'),
    platform: platform === undefined ? undefined : parsePlatform(platform),
  };
}

export async function run(context: Context): Promise<ExitStatus> {
  const options = parse(context);
  const services = new Services(context);
  try {
    const { reference } = options;
    if (options.allTags) await pullAllTags(services, options);
    else if (reference.digest !== undefined) await pullNamedDigest(services, options, reference.digest);
    else {
      if (reference.tag === undefined && !options.quiet) context.out('Using default tag: latest\n');
      await pullTag(services, options, withDefaultTag(reference));
    }
    return 0;
  } catch (error) {
    throw withHints(error, options.reference.repository);
  } finally {
    await services.close();
  }
}
