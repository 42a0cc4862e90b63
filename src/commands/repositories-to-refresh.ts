/**
 * Repositories that a key on this machine keeps fresh: its own online key, which says in its file what it is for, or the
 * key of a signer, which is listed for snapshot and timestamp as well (docs/specification.md, rule 2.4).
 */
import { DtrustError } from '../lib/errors.ts';
import type { Repository } from '../reference/reference.ts';
import { openRemembered } from '../trust/offline.ts';
import { asItIsNow } from '../trust/publisher.ts';
import { keysListed } from '../trust/signers.ts';
import { openCollection } from '../trust/updater.ts';
import { type Known, knownAs, nameOf, repositoriesHere } from './known-repositories.ts';
import { openOptionsFor, sourceFor } from './open-collection.ts';
import type { Services } from './services.ts';

const OWNERS: ReadonlySet<string> = new Set(['root', 'targets', 'snapshot']);

/** All of them, by name; what keeps one from being told stands in its place. Throws as `repositoriesHere`. */
export async function repositoriesToRefresh(services: Services): Promise<readonly Known[]> {
  const entries = (await services.signingKeys()).list();
  const online = entries.filter(({ role }) => role === 'snapshot');
  const own = new Set(
    online.flatMap(({ repository }) => repository ?? []).map((name) => nameOf(knownAs(name))),
  );
  const mayBeSigner = entries.some(({ role = '' }) => !OWNERS.has(role));
  const chosen: Known[] = [];
  for (const known of await repositoriesHere(services)) {
    if (own.has(nameOf(known))) chosen.push(known);
    else if (mayBeSigner) chosen.push(...(await ifSigned(services, known)));
  }
  return chosen;
}

async function ifSigned(services: Services, known: Known): Promise<readonly Known[]> {
  if (!('repository' in known)) return [known];
  const { repository } = known;
  try {
    return (await isKeptFreshHere(services, repository)) ? [known] : [];
  } catch (error) {
    if (error instanceof DtrustError) return [{ name: repository.canonical, error }];
    throw error;
  }
}

/** Asked of what is remembered; a repository that is only pinned, as in CI, is read. Nothing of it is remembered. */
async function isKeptFreshHere(services: Services, repository: Repository): Promise<boolean> {
  const keys = await services.signingKeys();
  const source = await sourceFor(services, repository);
  const given = await openOptionsFor(services, repository, source, { purpose: 'edit', mayAsk: false });
  const { firstUse: _, ...options } = given;
  const collection =
    openRemembered(options) ?? (await openCollection({ ...options, memory: asItIsNow(options.memory) }));
  const { roles, keys: table } = collection.trusted.root.signed;
  return (['snapshot', 'timestamp'] as const).every((role) => {
    const { keyids, threshold } = roles[role];
    return keysListed(keyids, table).filter((key) => keys.has(key)).length >= threshold;
  });
}
