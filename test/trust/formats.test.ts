/**
 * Formats of dtrust's own files: an older one is read and replaced by a copy in the present format, a newer one is
 * refused by name and left as it is.
 */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { createFileTokenMemory } from '../../src/http/token-memory.ts';
import { writeFileAtomic } from '../../src/lib/atomic-write.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { LocalStateError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import type { OwnFormat } from '../../src/lib/own-format.ts';
import type { JsonObject, JsonValue } from '../../src/lib/strict-json.ts';
import { CurrentKeys } from '../../src/trust/current-keys.ts';
import { openJournal } from '../../src/trust/journal.ts';
import { noteCheck, readLastCheck } from '../../src/trust/last-check.ts';
import { openMemory } from '../../src/trust/memory.ts';
import { frameBody, unframeBody } from '../../src/trust/memory-frame.ts';
import { addPin, loadPins } from '../../src/trust/pins.ts';
import { faultyFileSystem, ProcessDied } from '../helpers/faulty-file-system.ts';
import { contentOf, temporaryFolder } from '../helpers/temporary-folder.ts';
import { throwsCode } from '../helpers/throws-code.ts';
import { numberedState } from './fixtures/numbered-state.ts';

const APP = 'docker.io/acme/app';
const { state } = numberedState(1);

/** Of a later version: its second format names a member otherwise, its third adds one. */
const LATER: OwnFormat<JsonObject> = {
  format: 3,
  steps: new Map([
    [1, (body: JsonObject) => new Map<string, JsonValue>([['collection', body.get('name') ?? '']])],
    [2, (body: JsonObject) => new Map<string, JsonValue>([...body, ['since', 3]])],
  ]),
};

describe('contract (Disk): a file of an older format', () => {
  test('is taken through every step, and stands until its copy in the present format is whole', () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'state.json');
    const old = frameBody('{"name":"app"}');
    fs.writeFileSync(file, old);
    const upgrade = (with_: typeof fs) => {
      const body = unframeBody(with_.readFileSync(file), file, LATER);
      writeFileAtomic(with_, file, frameBody(JSON.stringify(Object.fromEntries(body)), LATER));
    };
    expect(Object.fromEntries(unframeBody(old, file, LATER))).toEqual({ collection: 'app', since: 3 });
    expect(fs.readFileSync(file)).toEqual(Buffer.from(old));
    const counted = faultyFileSystem();
    upgrade(counted.fs as typeof fs);
    const present = fs.readFileSync(file);
    expect(Object.fromEntries(unframeBody(present, file, LATER))).toEqual({ collection: 'app', since: 3 });
    // And the version before refuses what it does not know.
    throwsCode(() => unframeBody(present, file), LocalStateError, 'MEMORY_NEWER');
    for (let at = 1; at <= counted.calls.length; at += 1) {
      fs.writeFileSync(file, old);
      expect(() => upgrade(faultyFileSystem({ at, kind: 'die' }).fs as typeof fs)).toThrow(ProcessDied);
      expect([Buffer.from(old).toString(), present.toString()]).toContain(fs.readFileSync(file, 'utf8'));
    }
  });

  test('that no step leads from, or whose checksum fails, is MEMORY_DAMAGED', () => {
    const broken = { ...LATER, steps: new Map([...LATER.steps].slice(1)) };
    throwsCode(
      () => unframeBody(frameBody('{"name":"app"}'), 'FILE', broken),
      LocalStateError,
      'MEMORY_DAMAGED',
    );
    const changed = Buffer.from(Buffer.from(frameBody('{"name":"app"}')).toString().replace('app', 'APP'));
    throwsCode(() => unframeBody(changed, 'FILE', LATER), LocalStateError, 'MEMORY_DAMAGED');
  });

  test('last-check: the first form is read, and the next check is noted in the present one', () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'last-check');
    const old = `1234 ${state}\n`;
    fs.writeFileSync(file, old);
    expect(readLastCheck(realFileSystem, folder, state)).toBe(1234);
    const counted = faultyFileSystem();
    noteCheck(counted.fs, folder, state, 5678);
    expect(JSON.parse(fs.readFileSync(file, 'utf8'))).toEqual({ format: 1, atMs: 5678, state });
    for (let at = 1; at <= counted.calls.length; at += 1) {
      fs.writeFileSync(file, old);
      expect(() => noteCheck(faultyFileSystem({ at, kind: 'die' }).fs, folder, state, 5678)).toThrow(
        ProcessDied,
      );
      expect([1234, 5678]).toContain(readLastCheck(realFileSystem, folder, state));
    }
  });

  test('registries.json: the first form is read, and replaced when something changes', () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'registries.json');
    const old = '{"registry.example":{"scheme":"basic"},"format":{"scheme":"basic"}}\n';
    fs.writeFileSync(file, old);
    const memory = createFileTokenMemory(realFileSystem, file);
    expect(memory.get('registry.example')).toEqual({ scheme: 'basic' });
    memory.set('registry.example', { scheme: 'basic' });
    expect(fs.readFileSync(file, 'utf8')).toBe(old);
    memory.set('other.example', { scheme: 'basic' });
    expect(JSON.parse(fs.readFileSync(file, 'utf8'))).toEqual({
      format: 1,
      registries: Object.fromEntries(
        ['registry.example', 'format', 'other.example'].map((name) => [name, { scheme: 'basic' }]),
      ),
    });
  });
});

describe('contract (Disk): a file of a newer format is MEMORY_NEWER and keeps its bytes', () => {
  const newer = '{"format":9,"anything":"else"}\n';
  const memoryIn = (directory: string) => openMemory({ fs, directory, clock: systemClock });
  const put = (directory: string, ...names: string[]) => {
    const file = path.join(directory, ...names);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, newer);
  };
  const folderOf = (directory: string) =>
    fs.readdirSync(path.join(directory, 'memory')).find((name) => /^[0-9a-f]{64}$/.test(name)) ?? '';

  test.each<[string, (directory: string) => Promise<void>, (directory: string) => unknown]>([
    [
      'memory.json',
      async (directory) => put(directory, 'memory', folderOf(directory), 'memory.json'),
      (directory) => memoryIn(directory).save(undefined, numberedState(2)),
    ],
    [
      'last-check',
      async (directory) => put(directory, 'memory', folderOf(directory), 'last-check'),
      (directory) => memoryIn(directory).load(APP),
    ],
    [
      'repositories.json',
      async (directory) => put(directory, 'memory', 'repositories.json'),
      (directory) => memoryIn(directory).bind('docker.io/acme/other', APP),
    ],
    [
      'pins.json',
      async (directory) => put(directory, 'pins.json'),
      (directory) =>
        addPin({ fs, directory, clock: systemClock }, APP, {
          keyIds: ['a'.repeat(64)] as never,
          threshold: 1,
          rootVersion: 1,
          timestampVersion: 1,
          dialect: 'tuf-1.0',
        }),
    ],
    [
      'pins.json, read',
      async (directory) => put(directory, 'pins.json'),
      (directory) => loadPins(fs, directory),
    ],
    [
      'a journal',
      async (directory) => {
        const journal = openJournal({ fs, directory, collection: APP, clock: systemClock });
        await journal.begin(
          { timestampSha256: 'a'.repeat(64), timestampVersion: 1, atMs: 1, changes: [] } as never,
          new Map([['timestamp', 1]]),
        );
        const [name = ''] = fs
          .readdirSync(path.join(directory, 'journal'))
          .filter((each) => each.endsWith('.json'));
        put(directory, 'journal', name);
      },
      (directory) =>
        openJournal({ fs, directory, collection: APP, clock: systemClock }).confirm('a'.repeat(64)),
    ],
    [
      'registries.json',
      async (directory) => put(directory, 'registries.json'),
      (directory) =>
        createFileTokenMemory(fs, path.join(directory, 'registries.json')).set('a.example', {
          scheme: 'basic',
        }),
    ],
    [
      'current-keys.json',
      async (directory) => put(directory, 'current-keys.json'),
      (directory) =>
        new CurrentKeys({ fs, directory, clock: systemClock }).begin(
          { role: 'root' },
          { keyId: 'a'.repeat(64), repositories: [] },
        ),
    ],
  ])('%s', async (_, prepare, use) => {
    const directory = temporaryFolder();
    await memoryIn(directory).save(undefined, numberedState(1));
    await prepare(directory);
    const before = contentOf(directory);
    const outcome: unknown = await Promise.resolve()
      .then(() => use(directory))
      .catch((error: unknown) => error);
    expect(outcome).toBeInstanceOf(LocalStateError);
    expect((outcome as LocalStateError).code).toBe('MEMORY_NEWER');
    expect((outcome as LocalStateError).found).toBe('format 9');
    expect(contentOf(directory)).toEqual(before);
  });

  test('last-check, also when a check is noted meanwhile', () => {
    const folder = temporaryFolder();
    put(folder, 'last-check');
    noteCheck(fs, folder, state, 1);
    expect(fs.readFileSync(path.join(folder, 'last-check'), 'utf8')).toBe(newer);
  });
});
