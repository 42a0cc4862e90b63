import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { LocalStateError, UsageError } from '../../src/lib/errors.ts';
import type { Pin } from '../../src/trust/core/pin.ts';
import { addPin, loadPins, type PinStore, parsePin, removePin, renderPinLine } from '../../src/trust/pins.ts';
import { faultyFileSystem, ProcessDied } from '../helpers/faulty-file-system.ts';
import { contentOf, temporaryFolder } from '../helpers/temporary-folder.ts';
import { rejectsCode, throwsCode } from '../helpers/throws-code.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const APP = 'docker.io/acme/app';

function storeIn(directory: string, fileSystem: typeof fs = fs): PinStore {
  const owner = { name: '1-1-0badcafe-1', isAlive: () => false };
  return { fs: fileSystem, directory, clock: systemClock, owner };
}

function pin(more: Partial<Omit<Pin, 'keyIds'>> & { keyIds?: string[] } = {}): Pin {
  const { keyIds = [A], ...rest } = more;
  return {
    keyIds: keyIds as unknown as Pin['keyIds'],
    threshold: 1,
    rootVersion: 3,
    timestampVersion: 41,
    dialect: 'tuf-1.0',
    ...rest,
  };
}

describe('protocol 6.1: the pin line', () => {
  test('holds everything, and reads back to the same pin', () => {
    const line = renderPinLine(APP, pin({ keyIds: [A, B], threshold: 2 }));
    expect(line).toBe(
      `dtrust trust pin add ${APP} ${A},${B} --threshold 2 --root-version 3 --timestamp-version 41`,
    );
    const [, , , , , keyIds = '', , threshold = '', , rootVersion = '', , timestampVersion = ''] =
      line.split(' ');
    expect(parsePin({ keyIds, threshold, rootVersion, timestampVersion })).toEqual(
      pin({ keyIds: [A, B], threshold: 2 }),
    );
  });

  test('a bare key ID is a pin on any version', () => {
    expect(parsePin({ keyIds: A })).toEqual(pin({ rootVersion: 1, timestampVersion: 1 }));
  });

  test('several key IDs without a threshold must all sign', () => {
    expect(parsePin({ keyIds: `${A},${B}` }).threshold).toBe(2);
  });

  test.each([
    ['no key', { keyIds: '' }],
    ['a placeholder', { keyIds: '<KEYID>' }],
    ['a short key ID', { keyIds: A.slice(1) }],
    ['upper case', { keyIds: A.toUpperCase() }],
    ['a key twice', { keyIds: `${A},${A}` }],
    ['65 keys', { keyIds: Array.from({ length: 65 }, (_, n) => n.toString(16).padStart(64, '0')).join() }],
    ['threshold 0', { keyIds: A, threshold: 0 }],
    ['a threshold nobody can meet', { keyIds: A, threshold: 2 }],
    ['a threshold that is no number', { keyIds: A, threshold: 'one' }],
    ['a fraction', { keyIds: A, threshold: 0.5 }],
    ['a negative version', { keyIds: A, rootVersion: -1 }],
    ['version 0', { keyIds: A, timestampVersion: 0 }],
    ['a version too large to be one', { keyIds: A, rootVersion: '9999999999999999' }],
  ])('%s is PIN_INVALID', (_what, given) => {
    throwsCode(() => parsePin(given), LocalStateError, 'PIN_INVALID');
  });
});

describe('the pin file', () => {
  test('is private, sorted, and reads well in a diff', async () => {
    const directory = path.join(temporaryFolder(), 'trust', 'dtrust');
    expect(await addPin(storeIn(directory), 'ghcr.io/acme/app', pin())).toBe('added');
    expect(await addPin(storeIn(directory), 'acme/app', pin({ keyIds: [B] }))).toBe('added');
    const text = fs.readFileSync(path.join(directory, 'pins.json'), 'utf8');
    expect(text).toBe(
      [
        '{',
        '  "format": 1,',
        '  "pins": [',
        `    {"repository":"docker.io/acme/app","keys":["${B}"],"threshold":1,"rootVersion":3,"timestampVersion":41,"dialect":"tuf-1.0"},`,
        `    {"repository":"ghcr.io/acme/app","keys":["${A}"],"threshold":1,"rootVersion":3,"timestampVersion":41,"dialect":"tuf-1.0"}`,
        '  ]',
        '}',
        '',
      ].join('\n'),
    );
    expect(fs.statSync(path.join(directory, 'pins.json')).mode & 0o777).toBe(0o600);
    expect([...loadPins(fs, directory).keys()]).toEqual(['docker.io/acme/app', 'ghcr.io/acme/app']);
  });

  test('protocol 1.3: one repository, one pin, however it is spelled', async () => {
    const directory = temporaryFolder();
    await addPin(storeIn(directory), 'GHCR.IO:443/acme/app', pin());
    expect([...loadPins(fs, directory).keys()]).toEqual(['ghcr.io/acme/app']);
    await removePin(storeIn(directory), 'ghcr.io/acme/app');
    expect(loadPins(fs, directory).size).toBe(0);
  });

  test('absent is no pins, and so is no home folder', () => {
    expect(loadPins(fs, temporaryFolder()).size).toBe(0);
    expect(loadPins(fs, undefined).size).toBe(0);
  });

  const entry = `{"repository":"${APP}","keys":["${A}"],"threshold":1,"rootVersion":1,"timestampVersion":1,"dialect":"tuf-1.0"}`;
  const file = (...pins: string[]) => `{"format":1,"pins":[${pins.join(',')}]}`;

  test('written by hand in another order is read', () => {
    const directory = temporaryFolder();
    fs.writeFileSync(path.join(directory, 'pins.json'), file(entry));
    expect(loadPins(fs, directory).get(APP)).toEqual(pin({ rootVersion: 1, timestampVersion: 1 }));
  });

  test.each([
    ['empty', ''],
    ['cut', file(entry).slice(0, -3)],
    ['an array', '[]'],
    ['without pins', '{"format":1}'],
    ['an older format, which there was none of', '{"format":0,"pins":[]}'],
    ['another member', '{"format":1,"pins":[],"more":1}'],
    ['a member twice', '{"format":1,"format":1,"pins":[]}'],
    ['two pins for one repository', file(entry, entry)],
    ['a pin without a member', file(entry.replace(',"threshold":1', ''))],
    ['a pin with a misspelled member', file(entry.replace('threshold', 'treshold'))],
    ['a repository not written in full', file(entry.replace('docker.io/', ''))],
    ['a repository with a tag', file(entry.replace('/app', '/app:1'))],
    ['a repository with upper case', file(entry.replace('/app', '/App'))],
    ['no key', file(entry.replace(`"${A}"`, ''))],
    ['a key that is none', file(entry.replace(A, 'a'))],
    ['keys that are no list', file(entry.replace(`["${A}"]`, `"${A}"`))],
    ['threshold 0', file(entry.replace('"threshold":1', '"threshold":0'))],
    ['a threshold as text', file(entry.replace('"threshold":1', '"threshold":"1"'))],
    ['another dialect', file(entry.replace('tuf-1.0', 'notary-v1'))],
  ])('%s is PIN_INVALID for every repository, and is left as it is', async (_what, text) => {
    const directory = temporaryFolder();
    fs.writeFileSync(path.join(directory, 'pins.json'), text);
    const before = contentOf(directory);
    throwsCode(() => loadPins(fs, directory), LocalStateError, 'PIN_INVALID');
    await rejectsCode(addPin(storeIn(directory), 'other', pin()), LocalStateError, 'PIN_INVALID');
    expect(contentOf(directory)).toEqual(before);
  });

  test('that cannot be read is PIN_INVALID, never no pins', () => {
    const directory = temporaryFolder();
    for (const errno of ['EACCES', 'EIO', 'EISDIR']) {
      const { fs: failing } = faultyFileSystem({ at: 1, kind: 'error', errno });
      throwsCode(() => loadPins(failing, directory), LocalStateError, 'PIN_INVALID');
    }
  });
});

describe('adding to a repository that is pinned', () => {
  const raised: readonly (readonly [string, Pin, string])[] = [
    ['the same', pin(), 'unchanged'],
    ['higher versions', pin({ rootVersion: 4, timestampVersion: 50 }), 'raised'],
  ];
  test.each(raised)('%s is %s', async (_what, next, outcome) => {
    const directory = temporaryFolder();
    await addPin(storeIn(directory), APP, pin());
    expect(await addPin(storeIn(directory), APP, next)).toBe(outcome);
    expect(loadPins(fs, directory).get(APP)).toEqual(next);
  });

  test('fewer keys or a higher threshold raise it', async () => {
    const directory = temporaryFolder();
    await addPin(storeIn(directory), APP, pin({ keyIds: [A, B] }));
    expect(await addPin(storeIn(directory), APP, pin({ keyIds: [A, B], threshold: 2 }))).toBe('raised');
    const other = temporaryFolder();
    await addPin(storeIn(other), APP, pin({ keyIds: [A, B] }));
    expect(await addPin(storeIn(other), APP, pin())).toBe('raised');
  });

  const lowered: readonly (readonly [string, Pin])[] = [
    ['a lower root version', pin({ rootVersion: 2 })],
    ['a lower timestamp version', pin({ timestampVersion: 40 })],
    ['another key', pin({ keyIds: [B] })],
    ['one key more', pin({ keyIds: [A, B] })],
  ];
  test.each(lowered)('%s is PIN_INVALID: the old pin is to be removed first', async (_what, next) => {
    const directory = temporaryFolder();
    await addPin(storeIn(directory), APP, pin());
    const before = contentOf(directory);
    const error = await rejectsCode(addPin(storeIn(directory), APP, next), LocalStateError, 'PIN_INVALID');
    expect(error.hints.join()).toContain(`dtrust trust pin remove ${APP}`);
    expect(contentOf(directory)).toEqual(before);
    await removePin(storeIn(directory), APP);
    expect(await addPin(storeIn(directory), APP, next)).toBe('added');
  });

  test('a lower threshold is PIN_INVALID', async () => {
    const directory = temporaryFolder();
    await addPin(storeIn(directory), APP, pin({ keyIds: [A, B], threshold: 2 }));
    const weaker = addPin(storeIn(directory), APP, pin({ keyIds: [A, B] }));
    await rejectsCode(weaker, LocalStateError, 'PIN_INVALID');
  });
});

test('removing a pin that is not there is PIN_MISSING', async () => {
  const directory = temporaryFolder();
  await rejectsCode(removePin(storeIn(directory), APP), LocalStateError, 'PIN_MISSING');
});

test('what is no repository is refused before anything is touched', async () => {
  const directory = temporaryFolder();
  expect(() => addPin(storeIn(directory), 'Acme/App', pin())).toThrow(UsageError);
  expect(() => removePin(storeIn(directory), 'acme/app:1')).toThrow(UsageError);
  expect(contentOf(directory)).toEqual([]);
});

test('many at once: every pin is there', async () => {
  const directory = temporaryFolder();
  const owner = { name: '1-1-0badcafe-1', isAlive: () => true };
  const store = { ...storeIn(directory), owner };
  await Promise.all(Array.from({ length: 10 }, (_, n) => addPin(store, `acme/app${n}`, pin())));
  expect(loadPins(fs, directory).size).toBe(10);
  expect(fs.readdirSync(directory)).toEqual(['pins.json']);
});

test('killed at any file-system call, the file holds the pins before or after', async () => {
  const prepare = async () => {
    const directory = temporaryFolder();
    await addPin(storeIn(directory), APP, pin());
    return directory;
  };
  const counted = faultyFileSystem();
  await addPin(storeIn(await prepare(), counted.fs as typeof fs), 'acme/second', pin());
  for (let at = 1; at <= counted.calls.length; at++) {
    const directory = await prepare();
    const { fs: dying } = faultyFileSystem({ at, kind: 'die' });
    await expect(addPin(storeIn(directory, dying as typeof fs), 'acme/second', pin())).rejects.toThrow(
      ProcessDied,
    );
    expect([1, 2]).toContain(loadPins(fs, directory).size);
    await addPin(storeIn(directory), 'acme/third', pin());
    expect(loadPins(fs, directory).has('docker.io/acme/third')).toBe(true);
  }
});
