/** `dtrust trust revoke`: takes the signature off a tag, or off all tags, wherever a search could find it. */
import { KeyError, TrustError } from '../lib/errors.ts';
import { type PublishTools, prepare } from '../publish/prepare.ts';
import { publishEdits } from '../publish/publish-edits.ts';
import { assertNotTrustTag, parseReference, type Reference, targetPath } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { openCollection } from '../trust/updater.ts';
import type { Context, ExitStatus } from './context.ts';
import { createPublishTools } from './publish-tools.ts';
import { runOwn } from './run-own.ts';

const SYNTAX = {
  usage: 'dtrust trust revoke [OPTIONS] IMAGE[:TAG]',
  summary: 'Remove trust for an image',
  flags: { yes: { alias: 'y', type: 'boolean', describe: 'Do not prompt for confirmation' } },
  least: 1,
  most: 1,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const reference = assertNotTrustTag(parseReference(args.positionals[0] ?? ''));
    const tools = await createPublishTools(services, reference.repository);
    const signed = await signedPaths(await openCollection(tools.editOptions), reference);
    if (reference.tag === undefined) await confirm(tools, reference, args.on('yes'));
    const prepared = await prepare(tools, { targets: true, mayInitialise: false, paths: signed });
    await publishEdits(
      tools,
      prepared,
      signed.map((path) => ({ kind: 'removeTarget', path })),
    );
    context.out(`Successfully deleted signature for ${reference.given}\n`);
    return 0;
  });
}

/** What there is to revoke. @throws TrustError TARGET_NOT_SIGNED */
async function signedPaths(
  collection: VerifiedCollection,
  { repository, tag }: Reference,
): Promise<readonly string[]> {
  const prefix = `${repository.canonical}:`;
  const wanted = tag === undefined ? undefined : targetPath(repository, tag);
  const isMeant = ({ path }: { readonly path: string }) =>
    wanted === undefined ? path.startsWith(prefix) : path === wanted;
  // One tag that is found is revoked, whatever is wrong elsewhere; "all" and "not signed" take a whole list.
  const some = wanted === undefined ? [] : (await collection.listTargets('passed-over')).filter(isMeant);
  const targets = some.length > 0 ? some : (await collection.listTargets()).filter(isMeant);
  const found = targets.map(({ path }) => path);
  if (found.length > 0) return found;
  throw new TrustError({
    code: 'TARGET_NOT_SIGNED',
    message:
      wanted === undefined
        ? `no signed tags to remove in ${repository.canonical}`
        : `${wanted} is not signed`,
    reference: wanted ?? repository.canonical,
    hints: [`See what is signed: dtrust trust inspect --pretty ${repository.familiar}`],
  });
}

/** @throws KeyError PROMPT_DECLINED, PROMPT_UNAVAILABLE */
async function confirm({ terminal }: PublishTools, { given }: Reference, yes: boolean): Promise<void> {
  if (yes) return;
  if (!terminal.canPrompt()) {
    throw new KeyError({
      code: 'PROMPT_UNAVAILABLE',
      message: `all signatures of ${given} would be deleted, and nobody is here to confirm it`,
      hints: [`To do it without a question: dtrust trust revoke --yes ${given}`],
    });
  }
  if (await terminal.askYesNo(`Confirm you would like to delete all signature data for ${given}? [y/N] `))
    return;
  throw new KeyError({ code: 'PROMPT_DECLINED', message: 'nothing was deleted' });
}
