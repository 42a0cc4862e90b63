/** What is remembered of builders that were tried. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  type BuilderIdentity,
  type BuilderStore,
  noteProven,
  provenBefore,
} from '../../../src/enforce/build/proven-builders.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { LocalStateError } from '../../../src/lib/errors.ts';
import { realFileSystem } from '../../../src/lib/file-system.ts';
import { temporaryFolder } from '../../helpers/temporary-folder.ts';
import { rejectsCode, throwsCode } from '../../helpers/throws-code.ts';

const builder: BuilderIdentity = {
  name: 'default',
  driver: 'docker',
  endpoint: 'default',
  engine: 'ID 26.1.5 classic',
  buildkit: 'v0.12.5',
  buildx: 'github.com/docker/buildx 0.13.1',
  environment: [['BUILDX_EXPERIMENTAL', '1']],
};

const store = (): BuilderStore => ({ fs: realFileSystem, clock: systemClock, directory: temporaryFolder() });
const fileOf = ({ directory }: BuilderStore) => path.join(directory, 'builders.json');

describe('design 3: builders that were seen to obey', () => {
  test('nothing is known where there is no file', () => {
    expect(provenBefore(store(), builder)).toBeUndefined();
  });

  test('what was seen last counts, in a file of its owner alone', async () => {
    const at = store();
    await noteProven(at, builder, 'deny');
    expect(provenBefore(at, builder)).toBe('deny');
    await noteProven(at, builder, 'all');
    expect(provenBefore(at, builder)).toBe('all');
    expect(fs.statSync(fileOf(at)).mode & 0o777).toBe(0o600);
    expect(fs.readdirSync(at.directory)).toEqual(['builders.json']);
  });

  test.each<Partial<BuilderIdentity>>([
    { name: 'other' },
    { driver: 'docker-container' },
    { endpoint: 'remote' },
    { engine: 'ID2 26.1.5 classic' },
    { engine: 'ID 20.10.24 classic' },
    { engine: 'ID 26.1.5 containerd' },
    { buildkit: 'v0.8.3' },
    { buildx: 'github.com/docker/buildx 0.9.0' },
    { environment: [] },
    { environment: [['BUILDX_EXPERIMENTAL', '0']] },
  ])('another %j is another builder', async (other) => {
    const at = store();
    await noteProven(at, builder, 'all');
    expect(provenBefore(at, { ...builder, ...other })).toBeUndefined();
  });

  test('the order of variables does not matter', async () => {
    const at = store();
    const variables = [
      ['A_BUILDX', '1'],
      ['B_BUILDX', '2'],
    ] as const;
    await noteProven(at, { ...builder, environment: variables }, 'all');
    expect(provenBefore(at, { ...builder, environment: variables.toReversed() })).toBe('all');
  });

  test.each(['', '{', '{"format":1,"sha256":"00","body":{}}\n', 'x'.repeat(100)])(
    'a damaged file (%j) is nothing known, and is written anew',
    async (text) => {
      const at = store();
      fs.writeFileSync(fileOf(at), text);
      expect(provenBefore(at, builder)).toBeUndefined();
      await noteProven(at, builder, 'all');
      expect(provenBefore(at, builder)).toBe('all');
    },
  );

  test('contract (Disk): a file of a newer format is refused and left as it is', async () => {
    const at = store();
    const text = '{"format":2,"new":true}\n';
    fs.writeFileSync(fileOf(at), text);
    throwsCode(() => provenBefore(at, builder), LocalStateError, 'MEMORY_NEWER');
    await rejectsCode(noteProven(at, builder, 'all'), LocalStateError, 'MEMORY_NEWER');
    expect(fs.readFileSync(fileOf(at), 'utf8')).toBe(text);
  });

  test('two builders noted at once are both there', async () => {
    const at = store();
    const other = { ...builder, name: 'other' };
    await Promise.all([noteProven(at, builder, 'all'), noteProven(at, other, 'deny')]);
    expect([provenBefore(at, builder), provenBefore(at, other)]).toEqual(['all', 'deny']);
  });
});
