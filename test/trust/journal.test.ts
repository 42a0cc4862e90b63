import fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LocalStateError, TrustError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import {
  findLostUpdates,
  type JournalRecord,
  journalChanges,
  lostUpdate,
  openJournal,
} from '../../src/trust/journal.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { throwsCode } from '../helpers/throws-code.ts';
import { JumpingClock } from './publish-clock.ts';

const hash = (n: number) => n.toString(16).padStart(64, '0');
const put = {
  kind: 'put',
  path: 'docker.io/acme/app:1.0',
  lengthBytes: 7,
  sha256: hash(7),
  mediaType: 'application/x',
} as const;

function setUp(directory = temporaryFolder()) {
  const options = {
    fs: realFileSystem,
    directory,
    collection: 'docker.io/acme/app',
    clock: new ManualClock(),
  };
  const file = () => join(directory, 'journal', fs.readdirSync(join(directory, 'journal'))[0] ?? '');
  return { directory, options, journal: openJournal(options), file };
}

const entry = (n: number) => ({
  timestampSha256: hash(n),
  timestampVersion: n,
  atMs: n * 1000,
  changes: [put],
});

describe('the file', () => {
  it('protocol 4.3: keeps each publish with its changes, private to the user', async () => {
    const { journal, options, file, directory } = setUp();
    expect(journal.load()).toEqual({ collection: 'docker.io/acme/app', entries: [], highest: new Map() });
    await journal.begin(
      entry(5),
      new Map([
        ['timestamp', 5],
        ['root', 1],
      ]),
    );
    await journal.confirm(hash(5));
    expect(openJournal(options).load()).toEqual({
      collection: 'docker.io/acme/app',
      entries: [{ ...entry(5), confirmed: true }],
      highest: new Map([
        ['timestamp', 5],
        ['root', 1],
      ]),
    });
    expect(fs.statSync(file()).mode & 0o777).toBe(0o600);
    expect(fs.statSync(join(directory, 'journal')).mode & 0o777).toBe(0o700);
    expect(fs.readdirSync(join(directory, 'journal'))).toHaveLength(1);
  });

  it('protocol 4.2: versions written never fall, also those of publishes that did not come through', async () => {
    const { journal } = setUp();
    await journal.begin(entry(9), new Map([['timestamp', 9]]));
    await journal.begin(
      entry(8),
      new Map([
        ['timestamp', 8],
        ['targets', 3],
      ]),
    );
    expect(journal.load().highest).toEqual(
      new Map([
        ['timestamp', 9],
        ['targets', 3],
      ]),
    );
    expect(journal.load().entries).toEqual([{ ...entry(8), confirmed: false }]);
  });

  it('keeps the last sixteen publishes', async () => {
    const { journal } = setUp();
    for (let n = 1; n <= 20; n++) {
      await journal.begin(entry(n), new Map([['timestamp', n]]));
      await journal.confirm(hash(n));
    }
    expect(journal.load().entries.map(({ timestampVersion }) => timestampVersion)).toEqual(
      Array.from({ length: 16 }, (_, i) => i + 5),
    );
    await journal.forget(hash(20));
    expect(journal.load().entries.at(-1)?.timestampVersion).toBe(19);
  });

  it('protocol 4.3: settles what was lost in the same write that says what stays', async () => {
    const { journal } = setUp();
    const revoked = { kind: 'remove', path: 'docker.io/acme/app:0.9' } as const;
    for (const n of [1, 2, 3]) {
      await journal.begin({ ...entry(n), changes: [put, revoked] }, new Map([['timestamp', n]]));
      await journal.confirm(hash(n));
    }
    await journal.begin(entry(4), new Map([['timestamp', 4]]));
    const both = [{ timestampSha256: hash(1) }, { timestampSha256: hash(2), paths: [put.path] }];
    await journal.confirm(hash(4), both);
    const left = journal
      .load()
      .entries.map(({ timestampVersion, confirmed, changes }) => [timestampVersion, confirmed, changes]);
    expect(left).toEqual([
      [2, true, [revoked]],
      [3, true, [put, revoked]],
      [4, true, [put]],
    ]);
    await journal.confirm(hash(4), [{ timestampSha256: hash(2), paths: [revoked.path] }]);
    expect(journal.load().entries.map(({ timestampVersion }) => timestampVersion)).toEqual([3, 4]);
  });

  it('loses nothing when two processes write', async () => {
    const clock = new JumpingClock();
    const options = { ...setUp().options, clock };
    const [one, two] = [openJournal(options), openJournal(options)];
    await one.begin(entry(1), new Map([['a', 1]]));
    await one.confirm(hash(1));
    await clock.drive(Promise.all([one.begin(entry(2), new Map([['b', 2]])), two.confirm(hash(1))]));
    expect(two.load().entries.map(({ timestampVersion }) => timestampVersion)).toEqual([1, 2]);
  });

  it.each<[string, (text: string) => string, string]>([
    ['cut short', (text) => text.slice(0, -20), 'MEMORY_DAMAGED'],
    ['empty', () => '', 'MEMORY_DAMAGED'],
    ['one byte changed', (text) => text.replace('acme', 'acne'), 'MEMORY_DAMAGED'],
    ['of a newer dtrust', (text) => text.replace('"format":1', '"format":2'), 'MEMORY_NEWER'],
  ])('a journal that is %s is said, and never an empty one', async (_, change, code) => {
    const { journal, file } = setUp();
    await journal.begin(entry(1), new Map([['timestamp', 1]]));
    fs.writeFileSync(file(), change(fs.readFileSync(file(), 'utf8')));
    throwsCode(() => journal.load(), LocalStateError, code);
  });

  it('refuses the journal of another collection under this name', async () => {
    const { journal, options, file } = setUp();
    await journal.begin(entry(1), new Map([['timestamp', 1]]));
    const other = openJournal({ ...options, collection: 'docker.io/acme/other' });
    await other.begin(entry(2), new Map([['timestamp', 2]]));
    const [left = '', right = ''] = fs.readdirSync(join(options.directory, 'journal'));
    fs.copyFileSync(join(options.directory, 'journal', left), join(options.directory, 'journal', right));
    expect(file()).toContain(left);
    const damaged = [journal, other].filter((each) => {
      try {
        each.load();
        return false;
      } catch (error) {
        return error instanceof LocalStateError && error.code === 'MEMORY_DAMAGED';
      }
    });
    expect(damaged).toHaveLength(1);
  });

  it('names the changes of edits', () => {
    const { kind: _, ...target } = put;
    expect(
      journalChanges([
        { kind: 'putTarget', target },
        { kind: 'removeTarget', path: 'docker.io/acme/app:0.9' },
        { kind: 'renew' },
        { kind: 'removeSigner', name: 'alice' },
      ]),
    ).toEqual([
      put,
      { kind: 'remove', path: 'docker.io/acme/app:0.9' },
      { kind: 'other', what: 'renew' },
      { kind: 'other', what: 'remove signer alice' },
    ]);
  });
});

describe('lost updates', () => {
  const record = (...entries: [number, boolean][]): JournalRecord => ({
    collection: 'docker.io/acme/app',
    entries: entries.map(([n, confirmed]) => ({ ...entry(n), confirmed })),
    highest: new Map(),
  });
  const now = (version: number, ...history: number[]) => ({
    timestampSha256: hash(version),
    timestampVersion: version,
    history: history.map(hash),
  });
  const full = Array.from({ length: 64 }, (_, i) => i + 1000);

  it.each<[string, JournalRecord, ReturnType<typeof now>, readonly number[]]>([
    ['nothing was published', record(), now(9, 8), []],
    ['it is the current state', record([9, true]), now(9, 8), []],
    ['it is in the history', record([8, true]), now(9, 7, 8), []],
    ['it is missing', record([8, true]), now(9, 7), [8]],
    ['an old copy was put back', record([8, true]), now(7, 6), [8]],
    ['the newest of two is missing', record([7, true], [8, true]), now(9, 7), [8]],
    ['an older one is missing', record([7, true], [8, true]), now(9, 8), [7]],
    ['it was never confirmed', record([8, false]), now(9, 7), []],
    ['it is missing from a full history of fewer versions', record([8, true]), now(70, ...full), [8]],
    ['it may have left a full history', record([8, true]), now(72, ...full), []],
  ])('protocol 4.3: when %s', (_, journal, current, versions) => {
    const lost = findLostUpdates(journal, current);
    expect(lost.map(({ timestampVersion }) => timestampVersion)).toEqual(versions);
  });

  it('protocol 4.3: says what was lost', () => {
    const error = lostUpdate('docker.io/acme/app', [{ ...entry(8), confirmed: true }]);
    expect(error).toBeInstanceOf(TrustError);
    expect(error).toMatchObject({ code: 'LOST_UPDATE', spec: 'protocol 4.3', attack: 'rollback' });
    expect(error.message).toContain('sign docker.io/acme/app:1.0');
  });
});
