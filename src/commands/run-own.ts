/** The frame of one of dtrust's own commands: read the arguments, help on request, services closed at the end. */
import type { Context, ExitStatus } from './context.ts';
import { type OwnArguments, type OwnSyntax, parseOwn, renderOwnHelp } from './own-options.ts';
import { Services } from './services.ts';
import { withHints } from './trust-hints.ts';

/** @throws UsageError USAGE, and whatever `work` throws */
export async function runOwn(
  context: Context,
  syntax: OwnSyntax,
  work: (args: OwnArguments, services: Services) => Promise<ExitStatus>,
): Promise<ExitStatus> {
  const args = parseOwn(syntax, context.parsed.rest);
  if (args.help || context.parsed.help) {
    context.out(renderOwnHelp(syntax));
    return 0;
  }
  const services = new Services(context);
  try {
    return await work(args, services);
  } catch (error) {
    throw services.about === undefined ? error : withHints(error, services.about);
  } finally {
    await services.close();
  }
}
