/** What the system refuses to show of the key store is said with a code, never as a bug. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createEd25519Key } from '../../src/keys/create.ts';
import { LocalStateError } from '../../src/lib/errors.ts';
import { type FileSystem, realFileSystem } from '../../src/lib/file-system.ts';
import { refusal, secret, storeIn, temporaryFolder } from './helpers.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

/** A file system that refuses one kind of call below `trust`, as it would somebody without permission. */
function refusing(call: 'readdirSync' | 'lstatSync' | 'readFileSync', code: string): FileSystem {
  const refuse = (path: string, ...rest: unknown[]): unknown => {
    if (String(path).includes('trust')) {
      throw Object.assign(new Error(`${code}: ${call}`), { code, syscall: call });
    }
    return Reflect.apply(realFileSystem[call], realFileSystem, [path, ...rest]);
  };
  return { ...realFileSystem, [call]: refuse } as FileSystem;
}

describe('a key store that cannot be looked into', () => {
  test.each(['EACCES', 'EIO'])('is FILE_UNREADABLE when listing ends with %s', async (code) => {
    const store = storeIn(folder.path, { fs: refusing('readdirSync', code) });
    await refusal(LocalStateError, 'FILE_UNREADABLE', () => store.list());
  });

  test('is FILE_UNREADABLE when a key is looked for, not "no such key"', async () => {
    const { publicKey } = await createEd25519Key();
    const store = storeIn(folder.path, { fs: refusing('lstatSync', 'EACCES') });
    await refusal(LocalStateError, 'FILE_UNREADABLE', () => store.has(publicKey));
  });

  test('lists keys whose public halves cannot be read', async () => {
    const labels = { role: 'targets', repository: 'ghcr.io/acme/app' };
    await storeIn(folder.path).save(await createEd25519Key(), labels, secret);
    const fs = {
      ...realFileSystem,
      readFileSync: ((path: string, ...rest: unknown[]) => {
        if (String(path).endsWith('.pub'))
          throw Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'read' });
        return Reflect.apply(realFileSystem.readFileSync, realFileSystem, [path, ...rest]);
      }) as FileSystem['readFileSync'],
    };
    const [entry] = storeIn(folder.path, { fs }).list();
    expect(entry).toMatchObject({ role: 'targets', protection: 'passphrase' });
    expect(entry?.publicKey).toBeUndefined();
  });

  test('holds no keys where a home cannot be: below a file', () => {
    writeFileSync(join(folder.path, 'file'), '');
    mkdirSync(join(folder.path, 'other'));
    expect(storeIn(join(folder.path, 'file')).list()).toEqual([]);
    expect(storeIn(join(folder.path, 'other')).list()).toEqual([]);
  });
});
