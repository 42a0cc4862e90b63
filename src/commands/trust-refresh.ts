/**
 * `dtrust trust refresh`: renews the expiry of trust data with the online key alone; the other roles as well when they
 * near their end and their keys are here. For a scheduled job: one repository that fails does not keep the others from it.
 */
import { prepare } from '../publish/prepare.ts';
import { publishEdits } from '../publish/publish-edits.ts';
import { parseRepository, type Repository } from '../reference/reference.ts';
import { type Context, type ExitStatus, note } from './context.ts';
import { forEachRepository, wantsAll } from './each-repository.ts';
import type { Known } from './known-repositories.ts';
import { createPublishTools } from './publish-tools.ts';
import { repositoriesToRefresh } from './repositories-to-refresh.ts';
import { runOwn } from './run-own.ts';
import type { Services } from './services.ts';

const SYNTAX = {
  usage: 'dtrust trust refresh [OPTIONS] [REPO...]',
  summary: 'Renew the expiry of trust data',
  flags: { all: { type: 'boolean', describe: 'Every repository that a key on this machine keeps fresh' } },
  least: 0,
  most: Number.POSITIVE_INFINITY,
} as const;

export function run(context: Context): Promise<ExitStatus> {
  return runOwn(context, SYNTAX, async (args, services) => {
    const all = wantsAll(args, SYNTAX.usage);
    const known = all ? await repositoriesToRefresh(services) : args.positionals.map(asKnown);
    const unknown = known.flatMap((each) => ('error' in each ? [each] : []));
    for (const { name, error } of unknown) {
      note(context, `cannot refresh ${name}: ${error.message} (${error.code})`);
    }
    const repositories = known.flatMap((each) => ('repository' in each ? [each.repository] : []));
    await forEachRepository(services, repositories, 'refresh', (each) => refresh(services, each));
    if (unknown[0] !== undefined) throw unknown[0].error;
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

function asKnown(name: string): Known {
  return { repository: parseRepository(name) };
}
