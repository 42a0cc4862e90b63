/**
 * A publish from this machine that something other than dtrust has overwritten (docs/specification.md, rule 4.3): a
 * person is told and may publish it again with the present change. Without one the command refuses: to put an
 * old change back over a newer one is nothing to do unasked.
 */
import { digestHex, digestOf } from '../reference/digest.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import type { Edit } from '../trust/core/editor.ts';
import type { RoleName } from '../trust/core/metadata.ts';
import { findLostUpdate, type JournalEntry, lostUpdate } from '../trust/journal.ts';
import type { PublishTools } from './prepare.ts';

/**
 * The changes to make again; none when nothing is lost or the user declines.
 * @throws TrustError LOST_UPDATE without a terminal; LocalStateError of the journal; KeyError PROMPT_*
 */
export async function offerLostUpdate(
  tools: Pick<PublishTools, 'journal' | 'terminal'>,
  collection: VerifiedCollection,
): Promise<readonly Edit[]> {
  const { journal, terminal } = tools;
  const { canonical } = collection.repository;
  const lost = findLostUpdate(journal.load(), historyOf(collection));
  if (lost === undefined) return [];
  const error = lostUpdate(canonical, lost);
  if (!terminal.canPrompt()) {
    error.hints = [
      ...error.hints,
      `On a terminal, publish it again or forget it: dtrust trust refresh ${canonical}`,
    ];
    throw error;
  }
  terminal.say(`${error.message} (LOST_UPDATE)`);
  const again = await terminal.askYesNo('Publish it again together with this command? [y/N] ');
  await journal.forget(lost.timestampSha256);
  return again ? editsOf(lost) : [];
}

function historyOf({ trusted }: VerifiedCollection) {
  const { timestamp, snapshot } = trusted;
  return {
    timestampSha256: digestHex(digestOf(timestamp?.bytes ?? new Uint8Array())),
    timestampVersion: timestamp?.signed.version ?? 0,
    history: snapshot?.signed.extension?.history ?? [],
  };
}

/** Tags alone: changes of keys are named in the message and are for a person to decide on. */
function editsOf({ changes }: JournalEntry): readonly Edit[] {
  return changes.flatMap((change): Edit[] => {
    if (change.kind === 'remove') return [{ kind: 'removeTarget', path: change.path }];
    if (change.kind !== 'put') return [];
    const { path, lengthBytes, sha256, mediaType, role } = change;
    const target = { path, lengthBytes, sha256, mediaType };
    return [{ kind: 'putTarget', target, ...(role === undefined ? {} : { role: role as RoleName }) }];
  });
}
