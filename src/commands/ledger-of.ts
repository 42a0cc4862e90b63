/** The ledger as commands use it: for the engine in hand. */

import { isFor, type LedgerEntry, type LedgerReason, loadLedger, recordImage } from '../enforce/ledger.ts';
import type { LocalImage } from '../engine/local-image.ts';
import { hasCode } from '../lib/errors.ts';
import type { Digest } from '../reference/digest.ts';
import type { Services } from './services.ts';

/** Where the ledger is. */
export function ledgerStore(services: Services) {
  const { fs, clock } = services.context;
  return { fs, clock, directory: services.trustDirectory };
}

/** The entries for an image of this engine. Throws as `loadLedger` and the engine do. */
export async function entriesFor(services: Services, image: Digest): Promise<readonly LedgerEntry[]> {
  const entries = loadLedger(ledgerStore(services)).filter((entry) => entry.image === image);
  if (entries.length === 0) return [];
  const engine = await engineId(services);
  return entries.filter((entry) => isFor(entry, engine, image));
}

/**
 * Notes that a container is about to be made of this image, so that it can be started again. Where that cannot be
 * kept, the container is made all the same: its next start asks anew.
 *
 * @throws LocalStateError LEDGER_DAMAGED, MEMORY_NEWER; EngineError
 */
export async function noteUse(
  services: Services,
  image: Pick<LocalImage, 'id'> | undefined,
  why: LedgerReason,
  reference: string,
): Promise<void> {
  if (image === undefined) return;
  const engine = await engineId(services);
  if (engine === '') return;
  try {
    await recordImage(ledgerStore(services), { engine, image: image.id, why, reference });
  } catch (error) {
    if (!hasCode(error, 'FILE_UNWRITABLE', 'DISK_FULL', 'LOCK_TIMEOUT')) throw error;
  }
}

/** The engine's own ID; empty where it has none, which then has no ledger. */
export async function engineId(services: Services): Promise<string> {
  const engine = await services.engine();
  return (await engine.info({ signal: services.context.signal })).id;
}
