import { describe, expect, test } from 'vitest';
import { TrustError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { offerLostUpdate } from '../../src/publish/lost-update.ts';
import type { Edit } from '../../src/trust/core/editor.ts';
import { type Journal, journalChanges, openJournal } from '../../src/trust/journal.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { rejectsCode } from '../helpers/throws-code.ts';
import { noTerminal, scriptedTerminal } from '../keys/helpers.ts';
import { APP, makeWorld, V1 } from '../trust/updater-world.ts';

const LOST = 'f'.repeat(64);
const edits: readonly Edit[] = [
  {
    kind: 'putTarget',
    target: {
      path: `${APP}:2.0`,
      lengthBytes: 7,
      sha256: `sha256:${'a'.repeat(64)}`,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
    },
  },
  { kind: 'removeTarget', path: V1 },
];

/** A machine whose journal holds a publish that the collection, as it is now, does not contain. */
async function machineThatLost(): Promise<{
  readonly journal: Journal;
  readonly collection: Awaited<ReturnType<ReturnType<typeof makeWorld>['open']>>;
}> {
  const world = makeWorld();
  const journal = openJournal({
    fs: realFileSystem,
    directory: temporaryFolder(),
    collection: APP,
    clock: new ManualClock(),
  });
  const entry = { timestampSha256: LOST, timestampVersion: 1, atMs: 0, changes: journalChanges(edits) };
  await journal.begin(entry, new Map([['timestamp', 1]]));
  await journal.confirm(LOST);
  return { journal, collection: await world.open() };
}

describe('protocol 4.3: the lost publish', () => {
  test('without anybody to ask is refused as LOST_UPDATE, says what was lost, and stays on record', async () => {
    const { journal, collection } = await machineThatLost();
    const offering = offerLostUpdate({ journal, terminal: noTerminal }, collection);
    const error = await rejectsCode(offering, TrustError, 'LOST_UPDATE');
    expect(error.message).toContain(`sign ${APP}:2.0, revoke ${V1}`);
    expect(error.hints.join()).toContain(`dtrust trust refresh ${APP}`);
    expect(journal.load().entries).toHaveLength(1);
  });

  test('is offered to a person, and a yes makes its changes part of this command', async () => {
    const { journal, collection } = await machineThatLost();
    const terminal = scriptedTerminal(['y']);
    expect(await offerLostUpdate({ journal, terminal }, collection)).toEqual(edits);
    expect(terminal.log[0]).toContain('LOST_UPDATE');
    expect(journal.load().entries).toEqual([]);
  });

  test('is forgotten after a no, and nobody is asked again', async () => {
    const { journal, collection } = await machineThatLost();
    expect(await offerLostUpdate({ journal, terminal: scriptedTerminal(['n']) }, collection)).toEqual([]);
    expect(await offerLostUpdate({ journal, terminal: noTerminal }, collection)).toEqual([]);
  });

  test('is not one that this machine never saw confirmed', async () => {
    const { journal, collection } = await machineThatLost();
    await journal.forget(LOST);
    const entry = { timestampSha256: LOST, timestampVersion: 1, atMs: 0, changes: journalChanges(edits) };
    await journal.begin(entry, new Map([['timestamp', 1]]));
    expect(await offerLostUpdate({ journal, terminal: noTerminal }, collection)).toEqual([]);
  });
});
