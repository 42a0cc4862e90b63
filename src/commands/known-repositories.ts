/** Every repository that this machine has to do with: remembered, pinned, or with a key of its own here. */
import { type DtrustError, UsageError } from '../lib/errors.ts';
import { escapeText } from '../lib/escape.ts';
import { parseRepository, type Repository } from '../reference/reference.ts';
import { memoryScopeOf } from './open-collection.ts';
import type { Services } from './services.ts';

/** A repository, or what keeps one from being named. */
export type Known =
  | { readonly repository: Repository }
  | { readonly name: string; readonly error: DtrustError };

/**
 * All of them, by name.
 * @throws LocalStateError MEMORY_DAMAGED, MEMORY_NEWER, PIN_INVALID, FILE_UNREADABLE: what would list them is unreadable
 */
export async function repositoriesHere(services: Services): Promise<readonly Known[]> {
  const known = new Map<string, Known>();
  const add = (name: string, scope?: string) => {
    const found = knownAs(name);
    // protocol 1.3: a loopback name remembered for another engine is another repository.
    if ('repository' in found && scope !== undefined) {
      if ((memoryScopeOf(services, found.repository) ?? '') !== scope) return;
    }
    known.set(nameOf(found), found);
  };
  for (const name of services.pins.keys()) add(name);
  for (const { repository } of (await services.keys()).list()) if (repository !== undefined) add(repository);
  for (const entry of services.memory.known()) {
    if ('repository' in entry) add(entry.repository, entry.scope);
    else known.set(entry.folder, { name: escapeText(entry.folder), error: entry.error });
  }
  return [...known.keys()].sort().flatMap((name) => known.get(name) ?? []);
}

/** As it is shown. */
export function nameOf(known: Known): string {
  return 'repository' in known ? known.repository.canonical : known.name;
}

/** Key files of other tools may carry any text as the repository's name. */
export function knownAs(name: string): Known {
  try {
    return { repository: parseRepository(name) };
  } catch (error) {
    if (error instanceof UsageError) return { name: escapeText(name), error };
    throw error;
  }
}
