import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { LocalStateError, RegistryError, TrustError } from '../../src/lib/errors.ts';
import { digestOf } from '../../src/reference/digest.ts';
import { createDirectorySource } from '../../src/trust/directory-source.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { rejectsCode } from '../helpers/throws-code.ts';
import { makeWorld, refusedWithoutTrace, V1, type World } from './updater-world.ts';

function fill(folder: string, world: World): void {
  for (const [name, bytes] of world.sim.files()) fs.writeFileSync(path.join(folder, name), bytes);
}

test('a collection in a folder is opened, confirmed, and followed', async () => {
  const world = makeWorld();
  const folder = temporaryFolder();
  fill(folder, world);
  const source = createDirectorySource(fs, folder);
  expect(await (await world.open({ source })).resolve(V1)).toMatchObject({ path: V1 });
  expect((await world.open({ source })).unchanged).toBe(true);
  world.sim.publish();
  fill(folder, world);
  expect((await world.open({ source })).trusted.timestamp?.signed.version).toBe(2);
});

test('a folder that is empty or not there is no trust data', async () => {
  const world = makeWorld({ pinned: false });
  const folder = temporaryFolder();
  fs.writeFileSync(path.join(folder, 'README.json.txt'), 'x');
  await refusedWithoutTrace(world, 'NO_TRUST_DATA', { source: createDirectorySource(fs, folder) });
  const absent = path.join(folder, 'absent');
  await refusedWithoutTrace(world, 'NO_TRUST_DATA', { source: createDirectorySource(fs, absent) });
});

test('links, folders and other names are not seen', async () => {
  const world = makeWorld();
  const folder = temporaryFolder();
  fill(folder, world);
  fs.symlinkSync('/etc/passwd', path.join(folder, '9.passwd.json'));
  fs.mkdirSync(path.join(folder, '8.folder.json'));
  fs.writeFileSync(path.join(folder, 'other.json'), '{}');
  const state = await createDirectorySource(fs, folder).fetchState();
  expect([...(state?.files.keys() ?? [])].sort()).toEqual([...world.sim.files().keys()].sort());
});

test('a file that changed since it was listed is not handed out', async () => {
  const world = makeWorld();
  const folder = temporaryFolder();
  fill(folder, world);
  const source = createDirectorySource(fs, folder);
  const state = await source.fetchState();
  const file = state?.files.get('timestamp.json');
  fs.writeFileSync(path.join(folder, 'timestamp.json'), 'other');
  const wanted = { digest: file?.digest ?? digestOf(Buffer.alloc(0)), maxBytes: 1000 };
  await rejectsCode(source.fetchFile(wanted), RegistryError, 'REGISTRY_NOT_FOUND');
});

test('a file larger than is read is METADATA_TOO_LARGE, one that cannot be read FILE_UNREADABLE', async () => {
  const folder = temporaryFolder();
  fs.writeFileSync(path.join(folder, 'timestamp.json'), '');
  fs.truncateSync(path.join(folder, 'timestamp.json'), 65 * 1024 * 1024);
  await rejectsCode(createDirectorySource(fs, folder).headState(), TrustError, 'METADATA_TOO_LARGE');
  const file = path.join(folder, 'timestamp.json', 'below');
  await rejectsCode(createDirectorySource(fs, file).headState(), LocalStateError, 'FILE_UNREADABLE');
});
