/**
 * `dtrust push`: the image goes up, and the digest that the engine has pushed is signed. Keys, passphrases and the
 * present trust data are checked before the upload; "signed" is said once a client can see it.
 */
import { assertPositionals, flagOn, flagValue } from '../cli/argv.ts';
import { UsageError } from '../lib/errors.ts';
import { type Platform, parsePlatform } from '../reference/platform.ts';
import { assertNotTrustTag, parseReference, type Reference } from '../reference/reference.ts';
import type { Context, ExitStatus } from './context.ts';
import { pushAndSign } from './push-and-sign.ts';
import { Services } from './services.ts';
import { withHints } from './trust-hints.ts';

export interface PushOptions {
  readonly reference: Reference;
  readonly allTags: boolean;
  readonly quiet: boolean;
  readonly platform: Platform | undefined;
}

/**
 * What the command line asks for.
 * @throws UsageError USAGE, REFERENCE_INVALID, PLATFORM_INVALID, TAG_RESERVED
 */
export function parse(context: Pick<Context, 'parsed'>): PushOptions {
  const { flags, positionals } = assertPositionals(context.parsed);
  const reference = assertNotTrustTag(parseReference(positionals[0] ?? ''));
  if (reference.digest !== undefined) {
    throw new UsageError({ code: 'USAGE', message: 'cannot push a digest reference' });
  }
  const allTags = flagOn(flags, 'all-tags');
  if (allTags && reference.tag !== undefined) {
    throw new UsageError({ code: 'USAGE', message: "tag can't be used with --all-tags/-a" });
  }
  const platform = flagValue(flags, 'platform');
  return {
    reference,
    allTags,
    quiet: flagOn(flags, 'quiet'),
    platform: platform ? parsePlatform(platform) : undefined,
  };
}

export async function run(context: Context): Promise<ExitStatus> {
  const options = parse(context);
  const services = new Services(context);
  try {
    await pushAndSign(services, options);
    return 0;
  } catch (error) {
    throw withHints(error, options.reference.repository);
  } finally {
    await services.close();
  }
}
