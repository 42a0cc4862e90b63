/** An image that the engine has under a name and that the ledger says comes from here. */
import { admitLocal } from '../enforce/admit.ts';
import { isOwn, type LedgerEntry, loadLedger } from '../enforce/ledger.ts';
import type { LocalImage } from '../engine/local-image.ts';
import type { Admission } from '../reference/admission.ts';
import type { Reference, Tag } from '../reference/reference.ts';
import { note } from './context.ts';
import { entriesFor, ledgerStore } from './ledger-of.ts';
import type { Services } from './services.ts';

export interface OwnImage {
  readonly admission: Admission;
  readonly image: LocalImage;
}

/**
 * The image that the engine has under this name, when the ledger says that it comes from here: docker would use it,
 * whatever the registry has under the same name. By its ID, because the name can move. The engine is not asked where
 * the ledger holds nothing that may be used by itself.
 *
 * @param counts whether the image is one that docker would take; default any
 * @throws LocalStateError LEDGER_DAMAGED, MEMORY_NEWER; EngineError
 */
export async function ownImage(
  services: Services,
  reference: Reference & { readonly tag: Tag },
  counts: (image: LocalImage) => boolean = () => true,
): Promise<OwnImage | undefined> {
  const found = await findOwn(services, reference, counts);
  if (found === undefined) return undefined;
  const { image, entry } = found;
  const name = `${reference.repository.familiar}:${reference.tag}`;
  note(services.context, `${name} is ${image.id}, ${entry.why} here; no signature was asked for`);
  return { admission: admitLocal(image.id, entry.reference), image };
}

/** Whether there is such an image, without a word. Throws as `ownImage`. */
export async function hasOwnImage(
  services: Services,
  reference: Reference & { readonly tag: Tag },
): Promise<boolean> {
  return (await findOwn(services, reference, () => true)) !== undefined;
}

async function findOwn(
  services: Services,
  { repository, tag }: Reference & { readonly tag: Tag },
  counts: (image: LocalImage) => boolean,
): Promise<{ readonly image: LocalImage; readonly entry: LedgerEntry } | undefined> {
  if (!loadLedger(ledgerStore(services)).some(isOwn)) return undefined;
  const engine = await services.engine();
  const name = `${repository.familiar}:${tag}`;
  const image = await engine.inspectImage(name, { signal: services.context.signal });
  if (image === undefined || !counts(image)) return undefined;
  const entry = (await entriesFor(services, image.id)).find(isOwn);
  return entry && { image, entry };
}
