/**
 * Publishes from this machine that something other than dtrust has overwritten (docs/specification.md, rule 4.3).
 *
 * A person is told, sees what is signed in their place now, and may publish them again with the present change. Without
 * one the command refuses: to put an old change back over a newer one is nothing to do unasked. A command that makes
 * the lost change itself, by signing or revoking the same tags, is what mends it, and goes ahead. What is lost stays in
 * the journal until a publish that settles it is sure to stay: whoever is stopped in between is told again.
 */
import type { TrustError } from '../lib/errors.ts';
import { escapeShort, escapeText } from '../lib/escape.ts';
import { digestHex, digestOf } from '../reference/digest.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import type { Edit } from '../trust/core/editor.ts';
import type { RoleName } from '../trust/core/metadata.ts';
import {
  findLostUpdates,
  type JournalChange,
  type JournalEntry,
  lostUpdate,
  type Settled,
} from '../trust/journal.ts';
import type { PublishTools } from './prepare.ts';

/** What becomes of what was lost, with the publish that is to come. */
export interface LostUpdates {
  /** The changes to make again, oldest first. */
  readonly again: readonly Edit[];
  /** What is no longer lost once that publish is sure to stay. */
  readonly settles: readonly Settled[];
}

type LostTools = Pick<PublishTools, 'journal' | 'terminal' | 'say'>;

/**
 * Looks for what is lost, and asks.
 * @param paths the tags that this command signs or revokes
 * @throws TrustError LOST_UPDATE without a terminal; KeyError PROMPT_*; what reading the collection and the journal throws
 */
export async function offerLostUpdate(
  tools: LostTools,
  collection: VerifiedCollection,
  paths: readonly string[] = [],
): Promise<LostUpdates> {
  const lost = findLostUpdates(tools.journal.load(), historyOf(collection));
  const settles: Settled[] = [];
  const open: JournalEntry[] = [];
  for (const entry of lost) {
    const left = entry.changes.filter((change) => change.kind === 'other' || !paths.includes(change.path));
    const made = entry.changes.length - left.length;
    // A refresh changes nothing that somebody could miss.
    if (left.length === 0) settles.push({ timestampSha256: entry.timestampSha256 });
    else if (made > 0) settles.push({ timestampSha256: entry.timestampSha256, paths });
    if (left.length > 0) open.push({ ...entry, changes: left });
    if (made > 0 || left.length === 0)
      tools.say(`warning: ${lostUpdate(nameOf(collection), [entry]).message}`);
  }
  // Whoever makes a part of it again is mending it; the rest is said again next time.
  if (
    open.length === 0 ||
    (settles.some((each) => each.paths !== undefined) && !tools.terminal.canPrompt())
  ) {
    return { again: [], settles };
  }
  if (!tools.terminal.canPrompt()) throw refusal(collection, open);
  const again = await ask(tools, collection, open);
  return { again, settles: [...settles, ...open.map(({ timestampSha256 }) => ({ timestampSha256 }))] };
}

/** The edits to make again; a no is remembered at once. */
async function ask(
  { journal, terminal }: LostTools,
  collection: VerifiedCollection,
  open: readonly JournalEntry[],
): Promise<readonly Edit[]> {
  terminal.say(`${lostUpdate(nameOf(collection), open).message} (LOST_UPDATE)`);
  const signed = new Map(
    (await collection.listTargets('passed-over')).map(({ path, sha256 }) => [path, sha256]),
  );
  for (const change of open.flatMap(({ changes }) => changes)) terminal.say(`  ${describe(change, signed)}`);
  if (await terminal.askYesNo('Publish it again together with this command? [y/N] ')) {
    return open.flatMap(editsOf);
  }
  for (const { timestampSha256 } of open) await journal.forget(timestampSha256);
  return [];
}

/** What was done, and what is signed in its place now. */
function describe(change: JournalChange, signed: ReadonlyMap<string, string>): string {
  if (change.kind === 'other') {
    return `${escapeShort(change.what)}: not made again by this, but by the command that did it`;
  }
  const now = signed.get(change.path);
  const stands = now === undefined ? 'not signed now' : `signed for ${escapeShort(now)} now`;
  const path = escapeText(change.path);
  return change.kind === 'remove'
    ? `revoke ${path} (${stands})`
    : `sign ${path} for ${change.sha256} (${stands})`;
}

function refusal(collection: VerifiedCollection, open: readonly JournalEntry[]): TrustError {
  const error = lostUpdate(nameOf(collection), open);
  const last = new Map<string, JournalChange>();
  for (const change of open.flatMap(({ changes }) => changes)) {
    if (change.kind !== 'other') last.set(change.path, change);
  }
  const commands = [...last]
    .slice(0, MAX_COMMANDS)
    .map(([path, change]) =>
      change.kind === 'put'
        ? `To sign it again: dtrust trust sign ${escapeShort(path)}@${change.sha256}`
        : `To revoke it again: dtrust trust revoke ${escapeShort(path)}`,
    );
  error.hints = [
    ...error.hints,
    ...commands,
    `On a terminal, publish it again or forget it: dtrust trust refresh ${nameOf(collection)}`,
  ];
  return error;
}

const MAX_COMMANDS = 8;

const nameOf = ({ repository }: VerifiedCollection): string => repository.canonical;

/**
 * Publishes from here that a recovery (protocol 2.5) has found overwritten: named once, and not again.
 * @throws LocalStateError of the journal
 */
export async function forgetLost(
  { journal }: Pick<PublishTools, 'journal'>,
  seen: VerifiedCollection,
): Promise<readonly string[]> {
  const lost = findLostUpdates(journal.load(), historyOf(seen));
  for (const { timestampSha256 } of lost) await journal.forget(timestampSha256);
  return lost.map((entry) => lostUpdate(nameOf(seen), [entry]).message);
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
