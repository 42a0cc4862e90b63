/**
 * `dtrust trust refresh`: renews the expiry of trust data with the online key alone; targets and root as well when they
 * near their end and their keys are here. For a scheduled job.
 */
import { UsageError } from '../lib/errors.ts';
import { prepare } from '../publish/prepare.ts';
import { publishEdits } from '../publish/publish-edits.ts';
import { parseRepository, type Repository } from '../reference/reference.ts';
import type { Context, ExitStatus } from './context.ts';
import { createPublishTools } from './publish-tools.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';

const SYNTAX = {
  usage: 'dtrust trust refresh [OPTIONS] [REPO...]',
  summary: 'Renew the expiry of trust data',
  flags: { all: { type: 'boolean', describe: 'Every repository whose online key is on this machine' } },
  least: 0,
  most: Number.POSITIVE_INFINITY,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const all = args.on('all');
    if (all === args.positionals.length > 0) {
      throw new UsageError({
        code: 'USAGE',
        message: 'name repositories, or use --all',
        hints: [`Usage: ${SYNTAX.usage}`],
      });
    }
    const repositories = all ? await ownRepositories(services) : args.positionals.map(parseRepository);
    for (const repository of repositories) await refresh(services, repository);
    return 0;
  });
}

async function refresh(services: Services, repository: Repository): Promise<void> {
  const tools = await createPublishTools(services, repository);
  const prepared = await prepare(tools, { targets: false, mayInitialise: false });
  const seen = await publishEdits(tools, prepared, []);
  const until = new Date(seen.trusted.timestamp?.signed.expiresAtMs ?? 0).toISOString();
  services.context.out(`Refreshed ${repository.canonical}, good until ${until}\n`);
}

/** Repositories whose snapshot key stands in the key store. */
async function ownRepositories(services: Services): Promise<readonly Repository[]> {
  const entries = (await services.keys()).list();
  const names = entries.flatMap(({ role, repository }) =>
    role === 'snapshot' && repository !== undefined ? [repository] : [],
  );
  return [...new Set(names)].sort().map(parseRepository);
}
