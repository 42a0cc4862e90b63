/** `dtrust trust restore REPO`: publishes the newest state known here again, when the registry lost or changed it. */
import { KeyError } from '../lib/errors.ts';
import type { PublishTools } from '../publish/prepare.ts';
import { findRestorable, type Restorable, restore } from '../publish/restore.ts';
import { parseRepository } from '../reference/reference.ts';
import type { Context, ExitStatus } from './context.ts';
import { createPublishTools } from './publish-tools.ts';
import { runOwn } from './run-own.ts';

const SYNTAX = {
  usage: 'dtrust trust restore [OPTIONS] REPO',
  summary: 'Publish the state known here again, when the registry lost or changed it',
  flags: { yes: { alias: 'y', type: 'boolean', describe: 'Do not prompt for confirmation' } },
  least: 1,
  most: 1,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const repository = parseRepository(args.positionals[0] ?? '');
    const tools = await createPublishTools(services, repository);
    const found = await findRestorable(tools);
    if (!args.on('yes')) await confirm(tools, found);
    const { trusted } = await restore(tools, found);
    const version = trusted.timestamp?.signed.version;
    context.out(`Restored the trust data of ${repository.canonical}, timestamp version ${version}\n`);
    return 0;
  });
}

/** @throws KeyError PROMPT_UNAVAILABLE, PROMPT_DECLINED */
async function confirm(
  { terminal, repository }: PublishTools,
  { known, refusal }: Restorable,
): Promise<void> {
  const { canonical } = repository;
  const version = known.trusted.timestamp?.signed.version;
  if (!terminal.canPrompt()) {
    throw new KeyError({
      code: 'PROMPT_UNAVAILABLE',
      message: `what the registry has for ${canonical} would be replaced, and nobody is here to confirm it`,
      hints: [`To do it without a question: dtrust trust restore --yes ${canonical}`],
    });
  }
  terminal.say(`What the registry has for ${canonical} is refused: ${refusal.message} (${refusal.code})`);
  terminal.say(`Known here: timestamp version ${version}, root version ${known.trusted.root.signed.version}`);
  if (await terminal.askYesNo('Publish what is known here over it? [y/N] ')) return;
  throw new KeyError({ code: 'PROMPT_DECLINED', message: 'nothing was published' });
}
