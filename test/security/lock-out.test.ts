/**
 * Data that is served once and keeps the owner out for good. Each of these is written by somebody who may write
 * something (a signer, who by protocol 2.4 also signs snapshot and timestamp), and must not stop the owner from
 * publishing, least of all from removing that signer.
 */
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { digestOf } from '../../src/reference/digest.ts';
import { OCI_MANIFEST } from '../../src/registry/media-types.ts';
import { openJournal } from '../../src/trust/journal.ts';
import { buildState, parseState } from '../../src/trust/registry-state.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { APP, makeWorld } from './world.ts';

describe('protocol 4.2: names in a snapshot that mean something to JavaScript', () => {
  test('do not damage the journal', async () => {
    const journal = openJournal({ fs, directory: temporaryFolder(), collection: APP, clock: systemClock });
    const versions = new Map(['timestamp', '__proto__', 'constructor', 'prototype'].map((name) => [name, 7]));
    const entry = { timestampSha256: 'ab'.repeat(32), timestampVersion: 7, atMs: 1, changes: [] };
    await journal.begin(entry, versions);
    await journal.confirm(entry.timestampSha256);
    expect([...journal.load().highest].sort()).toEqual([...versions].sort());
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });

  test('do not damage the memory', async () => {
    const world = makeWorld({
      prepare: (sim) => {
        for (const name of ['constructor', 'prototype']) sim.role(name);
      },
    });
    await world.open();
    expect((await world.open()).unchanged).toBe(true);
  });
});

describe('protocol 3.1: a role with a name that no state may list', () => {
  test.each([
    ['that climbs out of a folder', '../../x'],
    ['with a control character', 'a\u0000b'],
    ['that is longer than names may be', 'x'.repeat(500)],
  ])('%s is not listed, so that the state stays readable', (_, name) => {
    const good = Buffer.from('{}');
    const files = new Map([
      ['timestamp.json', good],
      [`1.${encodeURIComponent(name)}.json`, Buffer.from('{ }')],
    ]);
    const bytes = buildState(files, true);
    const state = parseState({ bytes, digest: digestOf(bytes), mediaType: OCI_MANIFEST }, `${APP}:_trust`);
    expect([...state.files.keys()]).toEqual(['timestamp.json']);
  });
});
