/** `dtrust trust restore REPO`: publishes the newest state known here again, when the registry lost or changed it. */
import { KeyError, TrustError } from '../lib/errors.ts';
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
    if (args.on('yes')) assertNotAhead(tools, found);
    else await confirm(tools, found);
    const { trusted } = await restore(tools, found);
    const version = trusted.timestamp?.signed.version;
    context.out(`Restored the trust data of ${repository.canonical}, timestamp version ${version}\n`);
    return 0;
  });
}

/**
 * Unasked, nothing is put back over a newer state that was signed: other machines have seen it, and what it released
 * would be lost.
 * @throws TrustError TIMESTAMP_ROLLBACK
 */
function assertNotAhead({ repository }: PublishTools, { known, served }: Restorable): void {
  const version = known.trusted.timestamp?.signed.version ?? 0;
  const ahead = served.get('timestamp') ?? 0;
  if (ahead <= version) return;
  throw new TrustError({
    code: 'TIMESTAMP_ROLLBACK',
    message: `what is known here, timestamp version ${version}, is older than what was published since`,
    attack: 'rollback',
    spec: 'protocol 4.4',
    role: 'timestamp',
    reference: repository.canonical,
    expected: `at least ${ahead}`,
    found: `${version}`,
    hints: [
      `Run it on a machine that knows the newer state; or here on a terminal, where you are asked: dtrust trust restore ${repository.canonical}`,
    ],
  });
}

/** @throws KeyError PROMPT_UNAVAILABLE, PROMPT_DECLINED */
async function confirm(
  { terminal, repository }: PublishTools,
  { known, refusal, served }: Restorable,
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
  const ahead = served.get('timestamp') ?? 0;
  if (ahead > (version ?? 0)) {
    terminal.say(
      `Signed by its keys and newer is timestamp version ${ahead}: what it released would be lost`,
    );
  }
  if (await terminal.askYesNo('Publish what is known here over it? [y/N] ')) return;
  throw new KeyError({ code: 'PROMPT_DECLINED', message: 'nothing was published' });
}
