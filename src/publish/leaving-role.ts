/**
 * The role of a signer who is being removed, where it cannot be read: nobody prevents his removal by what he signs. What
 * only that role lists goes with it, as it would.
 */
import { TrustError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';
import { TARGETS } from '../trust/core/delegations.ts';
import { parseTargets } from '../trust/core/metadata.ts';
import type { StagedRole } from '../trust/core/staged.ts';
import type { TrustedMetadata } from '../trust/core/trusted-metadata.ts';
import { openSettled } from '../trust/settled.ts';
import { type SignerRole, signersOf } from '../trust/signers.ts';
import type { StagedStore } from '../trust/staged-store.ts';
import { openCollection } from '../trust/updater.ts';
import type { PublishTools } from './prepare.ts';

/**
 * The same tools, or, where the collection cannot be listed with the signer's own role and can be without it, such that
 * pass over that role.
 *
 * @param who the signer that is removed, as the collection has him
 * @throws as `openCollection` and `listTargets`
 */
export async function passingOver(
  tools: PublishTools,
  who: (trusted: TrustedMetadata) => SignerRole | undefined,
): Promise<PublishTools> {
  const collection = await openSettled(() => openCollection(tools.editOptions), tools);
  const signer = who(collection.trusted);
  if (signer === undefined) return tools;
  try {
    await collection.listTargets('passed-over');
    return tools;
  } catch (error) {
    if (!(error instanceof TrustError)) throw error;
    const editOptions = { ...tools.editOptions, leaving: signer.role };
    await (await openCollection(editOptions)).listTargets('passed-over');
    tools.say(
      `warning: the role of ${escapeShort(signer.name)} cannot be read (${error.code}); what is signed in it alone is no longer signed once he is removed`,
    );
    return { ...tools, editOptions };
  }
}

/** The same for the signer that a staged change removes, where it removes one. Throws as `StagedStore.read`, too. */
export async function passingOverStaged(tools: PublishTools, store: StagedStore): Promise<PublishTools> {
  const record = await store.read(tools.signal);
  const staged = record?.kind === 'waiting' ? record.state.roles.get(TARGETS) : undefined;
  if (staged === undefined) return tools;
  return await passingOver(tools, (trusted) => removedBy(trusted, staged));
}

function removedBy(trusted: TrustedMetadata, { bytes }: StagedRole): SignerRole | undefined {
  try {
    const kept = parseTargets(bytes, TARGETS).signed.delegations?.roles;
    const [signer, another] = signersOf(trusted).filter(({ role }) => kept?.has(role) !== true);
    return another === undefined ? signer : undefined;
  } catch (error) {
    // What is staged is looked at, and refused, where it is shown.
    if (error instanceof TrustError) return undefined;
    throw error;
  }
}
