/** What each key of this machine is good for, and what its loss would mean, in words; from memory, nothing is fetched. */
import type { KeyEntry } from '../keys/key-store.ts';
import { LocalStateError, TrustError } from '../lib/errors.ts';
import type { Repository } from '../reference/reference.ts';
import type { TrustedMetadata } from '../trust/core/trusted-metadata.ts';
import { isReplaceable, type KeyUse, usesOfKey } from '../trust/key-uses.ts';
import { verifyRemembered } from '../trust/remembered-state.ts';
import { note } from './context.ts';
import { repositoriesHere } from './known-repositories.ts';
import { memoryScopeOf } from './open-collection.ts';
import type { Services } from './services.ts';

interface RememberedCollection {
  readonly repository: string;
  readonly trusted: TrustedMetadata;
}

/** Finds the uses of a key. What cannot be read of the memory is a warning: the keys are listed all the same. */
export async function keyUsesHere(services: Services): Promise<(entry: KeyEntry) => readonly KeyUse[]> {
  const collections = await rememberedCollections(services);
  return ({ publicKey }) =>
    publicKey === undefined
      ? []
      : collections.flatMap(({ repository, trusted }) => usesOfKey(trusted, repository, publicKey));
}

async function rememberedCollections(services: Services): Promise<readonly RememberedCollection[]> {
  const found: RememberedCollection[] = [];
  await orWarned(services, async () => {
    for (const known of await repositoriesHere(services)) {
      await orWarned(services, async () => {
        if ('error' in known) throw known.error;
        const trusted = rememberedState(services, known.repository);
        if (trusted !== undefined) found.push({ repository: known.repository.canonical, trusted });
      });
    }
  });
  return found;
}

async function orWarned(services: Services, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof LocalStateError || error instanceof TrustError)) throw error;
    note(
      services.context,
      `warning: not all is known of what keys are for: ${error.message} (${error.code})`,
    );
  }
}

/** Expiry does not matter here: who may sign anew is what is asked. */
function rememberedState(services: Services, repository: Repository): TrustedMetadata | undefined {
  const { memory, context } = services;
  const collection = memory.collectionOf(repository.canonical) ?? repository.canonical;
  const remembered = memory.load(collection, memoryScopeOf(services, repository));
  const options = { startTimeMs: context.startTimeMs, expiry: 'unsafe-ignored' } as const;
  return remembered && verifyRemembered(remembered, options, undefined).trusted;
}

/** `root key of 3 repositories`, `signer alice in ghcr.io/acme/app (dev-*)`. */
export function goodFor(entry: KeyEntry, uses: readonly KeyUse[]): string {
  if (uses.length === 0) return `${byLabel(entry)}nothing that is known here`;
  const byKind = Map.groupBy(uses, ({ as, signer }) => (as === 'signer' ? `signer ${signer}` : `${as} key`));
  return [...byKind].map(([kind, those]) => `${kind} of ${where(those)}`).join('; ');
}

function byLabel({ role, repository }: KeyEntry): string {
  if (role === undefined) return '';
  const label = role === 'targets' ? 'repository' : role === 'snapshot' ? 'online' : role;
  return `made as ${label} key${repository === undefined ? '' : ` of ${repository}`}; for `;
}

function where(uses: readonly KeyUse[]): string {
  const [only, another] = uses;
  if (only === undefined || another !== undefined) return `${uses.length} repositories`;
  return only.paths === undefined ? only.repository : `${only.repository} (${only.paths.join(', ')})`;
}

/** What is left without this key, the worst first, and the command that would mend it. */
export function ifLost(entry: KeyEntry, uses: readonly KeyUse[]): string {
  const roots = uses.filter(({ as }) => as === 'root');
  const last = roots.filter((use) => !isReplaceable(use));
  if (last.length > 0) return `nobody can change keys or renew the root of ${where(last)} any more`;
  if (roots.length > 0) return 'another root key takes its place: dtrust trust threshold --remove-key';
  const as = (kind: KeyUse['as']) => uses.find((use) => use.as === kind);
  const [repository, online, signer] = [as('repository'), as('online'), as('signer')];
  if (repository) return `a root key replaces it: dtrust trust rotate targets ${repository.repository}`;
  if (online) return `a root key replaces it: dtrust trust rotate online ${online.repository}`;
  if (signer) {
    // A name that others chose stands in a command that is typed: only one that means nothing to a shell.
    const name = /^[a-z0-9_-]+$/.test(signer.signer ?? '') ? signer.signer : 'NAME';
    return `a new key takes its place: dtrust trust rotate signer ${name} ${signer.repository}`;
  }
  if (entry.role === 'root') return 'what was begun with it elsewhere could not be changed any more';
  return 'nothing that is known here';
}
