import { describe, expect, test } from 'vitest';
import type { Terminal } from '../../src/keys/terminal.ts';
import { TrustError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { offerLostUpdate } from '../../src/publish/lost-update.ts';
import type { Edit } from '../../src/trust/core/editor.ts';
import { journalChanges, openJournal } from '../../src/trust/journal.ts';
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

const ENTRY = { timestampSha256: LOST, timestampVersion: 1, atMs: 0, changes: journalChanges(edits) };

/** A machine whose journal holds a publish that the collection, as it is now, does not contain. */
async function machineThatLost(changes = ENTRY.changes) {
  const world = makeWorld();
  const journal = openJournal({
    fs: realFileSystem,
    directory: temporaryFolder(),
    collection: APP,
    clock: new ManualClock(),
  });
  await journal.begin({ ...ENTRY, changes }, new Map([['timestamp', 1]]));
  await journal.confirm(LOST);
  const said: string[] = [];
  const at = (terminal: Terminal) => ({ journal, terminal, say: (line: string) => void said.push(line) });
  return { journal, collection: await world.open(), said, at };
}

describe('protocol 4.3: the lost publish', () => {
  test('without anybody to ask is refused as LOST_UPDATE, with the commands that mend it, and stays on record', async () => {
    const { journal, collection, at } = await machineThatLost();
    const error = await rejectsCode(offerLostUpdate(at(noTerminal), collection), TrustError, 'LOST_UPDATE');
    expect(error.message).toContain(`sign ${APP}:2.0, revoke ${V1}`);
    const hints = error.hints.join('\n');
    expect(hints).toContain(`dtrust trust sign ${APP}:2.0@sha256:${'a'.repeat(64)}`);
    expect(hints).toContain(`dtrust trust revoke ${V1}`);
    expect(hints).toContain(`dtrust trust refresh ${APP}`);
    expect(journal.load().entries).toHaveLength(1);
  });

  test('is offered to a person with what is signed now, and a yes makes its changes part of this command', async () => {
    const { journal, collection, at } = await machineThatLost();
    const terminal = scriptedTerminal(['y']);
    const { again, settles } = await offerLostUpdate(at(terminal), collection);
    expect(again).toEqual(edits);
    expect(terminal.log[0]).toContain('LOST_UPDATE');
    expect(terminal.log[1]).toMatch(/sign .*:2\.0 for sha256:a{64} \(not signed now\)/);
    expect(terminal.log[2]).toMatch(/revoke .* \(signed for sha256:[0-9a-f]{64} now\)/);
    // Not forgotten before it stands again: a publish that fails, or is killed, leaves it on record.
    expect(journal.load().entries).toHaveLength(1);
    await journal.confirm('e'.repeat(64), settles);
    expect(journal.load().entries).toEqual([]);
  });

  test('is forgotten after a no, and nobody is asked again', async () => {
    const { collection, at } = await machineThatLost();
    expect((await offerLostUpdate(at(scriptedTerminal(['n'])), collection)).again).toEqual([]);
    expect((await offerLostUpdate(at(noTerminal), collection)).again).toEqual([]);
  });

  test('needs nobody when this command makes the same changes', async () => {
    const { journal, collection, at, said } = await machineThatLost();
    const { again, settles } = await offerLostUpdate(at(noTerminal), collection, [`${APP}:2.0`, V1]);
    expect(again).toEqual([]);
    expect(said.join()).toContain('no longer in the trust data');
    await journal.confirm('e'.repeat(64), settles);
    expect(journal.load().entries).toEqual([]);
  });

  test('is settled for the part that this command makes again, and the rest stays on record', async () => {
    const { journal, collection, at } = await machineThatLost();
    const { again, settles } = await offerLostUpdate(at(noTerminal), collection, [`${APP}:2.0`]);
    expect(again).toEqual([]);
    await journal.confirm('e'.repeat(64), settles);
    const error = await rejectsCode(offerLostUpdate(at(noTerminal), collection), TrustError, 'LOST_UPDATE');
    expect(error.message).not.toContain('2.0');
    expect(error.message).toContain(`revoke ${V1}`);
  });

  test('stops nobody when it was a refresh: it changed nothing', async () => {
    const { journal, collection, at, said } = await machineThatLost([]);
    const { again, settles } = await offerLostUpdate(at(noTerminal), collection);
    expect(again).toEqual([]);
    expect(said.join()).toContain('renewed');
    await journal.confirm('e'.repeat(64), settles);
    expect(journal.load().entries).toEqual([]);
  });

  test('of keys is named, and never made again by another command', async () => {
    const { collection, at } = await machineThatLost([{ kind: 'other', what: 'add signer alice' }]);
    const error = await rejectsCode(offerLostUpdate(at(noTerminal), collection), TrustError, 'LOST_UPDATE');
    expect(error.message).toContain('add signer alice');
    const terminal = scriptedTerminal(['y']);
    expect((await offerLostUpdate(at(terminal), collection)).again).toEqual([]);
    expect(terminal.log[1]).toContain('not made again by this');
  });

  test('is not one that this machine never saw confirmed', async () => {
    const { journal, collection, at } = await machineThatLost();
    await journal.forget(LOST);
    await journal.begin(ENTRY, new Map([['timestamp', 1]]));
    expect((await offerLostUpdate(at(noTerminal), collection)).again).toEqual([]);
  });
});
