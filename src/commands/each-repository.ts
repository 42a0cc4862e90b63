/** One change for several repositories, as docker does it: one that fails does not keep the others from it. */
import { DtrustError, UsageError } from '../lib/errors.ts';
import { Staged } from '../publish/staged.ts';
import type { Repository } from '../reference/reference.ts';
import { note } from './context.ts';
import type { OwnArguments } from './own-options.ts';
import type { Services } from './services.ts';
import { withHints } from './trust-hints.ts';

/**
 * Runs `work` for each; `doing` is what is said of those that failed: `add signer alice to`.
 *
 * @throws DtrustError the first failure, once all were tried; Staged where none failed; anything else at once
 */
export async function forEachRepository(
  services: Services,
  repositories: readonly Repository[],
  doing: string,
  work: (repository: Repository) => Promise<void>,
): Promise<void> {
  let staged: Staged | undefined;
  const failed: { readonly name: string; readonly error: DtrustError }[] = [];
  for (const repository of repositories) {
    try {
      await work(repository);
    } catch (error) {
      // Staged, which has been said: the others are still to come.
      if (error instanceof Staged) {
        staged = error;
        continue;
      }
      if (!(error instanceof DtrustError)) throw error;
      withHints(error, repository);
      failed.push({ name: repository.canonical, error });
      if (repositories.length > 1) {
        note(services.context, `cannot ${doing} ${repository.canonical}: ${error.message} (${error.code})`);
      }
    }
  }
  const [first] = failed;
  if (first === undefined && staged !== undefined) throw staged;
  if (first === undefined) return;
  if (repositories.length > 1) {
    note(services.context, `failed to ${doing}: ${failed.map(({ name }) => name).join(', ')}`);
  }
  services.about = undefined;
  throw first.error;
}

/**
 * Whether the command is for every repository, `--all`; else some are named, and not both.
 * @throws UsageError USAGE
 */
export function wantsAll(args: OwnArguments, usage: string): boolean {
  const all = args.on('all');
  if (all !== args.positionals.length > 0) return all;
  throw new UsageError({
    code: 'USAGE',
    message: 'name repositories, or use --all',
    hints: [`Usage: ${usage}`],
  });
}
