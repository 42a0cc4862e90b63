/**
 * `dtrust trust cosign REPO`: shows what others have staged, signs exactly that with the keys that are here, and
 * publishes it once it has the signatures it takes (docs/specification.md, rule 4.6).
 */
import { KeyError, UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { cosign, findStaged, ownKeys, stagedChanged } from '../publish/cosign.ts';
import { passingOverStaged } from '../publish/leaving-role.ts';
import type { PublishTools } from '../publish/prepare.ts';
import { describeMissing } from '../publish/staged-words.ts';
import { isSha256 } from '../reference/digest.ts';
import { parseRepository } from '../reference/reference.ts';
import type { StagedView } from '../trust/core/staged-view.ts';
import { describeKeys } from '../trust/signers.ts';
import type { Context, ExitStatus } from './context.ts';
import { assertJsonFormat } from './format.ts';
import { sayPinLine } from './new-pin-line.ts';
import { createPublishTools, stagedStoreFor } from './publish-tools.ts';
import { renderStaged, renderStagedJson, stagedLines } from './render-staged.ts';
import { runOwn } from './run-own.ts';

const SYNTAX = {
  usage: 'dtrust trust cosign [OPTIONS] REPOSITORY',
  summary: 'Look at what others have staged, sign it, and publish it once it has the signatures it takes',
  flags: {
    digest: { type: 'string', describe: 'Sign this and nothing else, without a question' },
    format: { type: 'string', describe: "With --show: 'json', everything on one line" },
    show: { type: 'boolean', describe: 'Only show what is staged' },
  },
  least: 1,
  most: 1,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const repository = parseRepository(args.positionals[0] ?? '');
    const { familiar, canonical } = repository;
    const json = assertJsonFormat(args.string('format'));
    const show = args.on('show');
    const digest = assertDigest(args.string('digest'), show);
    if (json && !show) throw new UsageError({ code: 'USAGE', message: '--format needs --show' });
    const given = await createPublishTools(services, repository);
    const store = await stagedStoreFor(services, given.source);
    const tools = await passingOverStaged(given, store);
    const found = await findStaged(tools, store);
    const { view, collection } = found;
    for (const line of new Set(collection.warnings)) tools.say(`warning: ${line}`);
    if (show) {
      context.out(json ? renderStagedJson(view) : renderStaged(view, familiar));
      return 0;
    }
    if (digest !== undefined && digest !== view.id) throw stagedChanged(familiar, digest, view.id);
    const own = ownKeys(tools, view);
    if (own.toSign.length === 0 && !view.complete) {
      const signed = [...new Set(describeKeys(view.wouldBe, own.signed))].map((each) => escapeShort(each));
      context.out(`Signed already with what is here: ${signed.join(', ')}\n${renderStaged(view, familiar)}`);
      return 0;
    }
    if (digest === undefined) await confirm(tools, view);
    const outcome = await cosign(tools, store, found, own);
    // For the log of whoever signs without a question: what it was.
    if (digest !== undefined)
      context.out(
        stagedLines(view)
          .map((line) => `${line}\n`)
          .join(''),
      );
    if (outcome.kind === 'waiting') {
      const missing = describeMissing(outcome.view).map((line) => `Missing: ${line}\n`);
      context.out(`Signed what is staged for ${canonical}: ${view.id}\n${missing.join('')}`);
      if (outcome.view.complete) context.out(needsOnlineKey(outcome.view, familiar));
      return 0;
    }
    if (view.state.roles.has('root')) sayPinLine(tools, outcome.seen);
    context.out(`Signed and published what was staged for ${canonical}: ${view.id}\n`);
    return 0;
  });
}

/** @throws UsageError USAGE */
function assertDigest(digest: string | undefined, show: boolean): string | undefined {
  if (digest === undefined) return undefined;
  if (show) throw new UsageError({ code: 'USAGE', message: '--show and --digest exclude each other' });
  if (isSha256(digest)) return digest;
  throw new UsageError({
    code: 'USAGE',
    message: `--digest ${escapeShort(digest)} is no digest of a staged state`,
    expected: 'sha256:... as dtrust trust stage printed it',
  });
}

/**
 * Shows all that changes, and has it confirmed.
 * @throws KeyError PROMPT_UNAVAILABLE, PROMPT_DECLINED
 */
async function confirm({ terminal, repository }: PublishTools, view: StagedView): Promise<void> {
  if (!terminal.canPrompt()) {
    throw new KeyError({
      code: 'PROMPT_UNAVAILABLE',
      message: `what is staged for ${repository.canonical} would be signed, and nobody is here to look at it`,
      reference: repository.canonical,
      hints: [
        `Look at it: dtrust trust cosign --show ${repository.familiar}`,
        `To sign what somebody has looked at: dtrust trust cosign --digest sha256:... ${repository.familiar}`,
      ],
    });
  }
  for (const line of stagedLines(view)) terminal.say(line);
  const question = view.complete ? 'Publish exactly this? [y/N] ' : 'Sign exactly this? [y/N] ';
  if (await terminal.askYesNo(question)) return;
  throw new KeyError({ code: 'PROMPT_DECLINED', message: 'nothing was signed' });
}

/** All have signed; snapshot and timestamp of the new state take a key that is not here. */
function needsOnlineKey({ wouldBe }: StagedView, familiar: string): string {
  const { roles, keys } = wouldBe.root.signed;
  const accepted = roles.timestamp.keyids.flatMap((keyid) => keys.get(keyid) ?? []);
  const owners = describeKeys(wouldBe, accepted).map((each) => escapeShort(each));
  return `To publish it, where one of these keys is (${owners.join(', ')}): dtrust trust cosign ${familiar}\n`;
}
