/** Which of several keys of a kind is in use after a restore: both orders of their names, with and without a record. */
import { beforeAll, describe, expect, test } from 'vitest';
import { keepInUse, markInUse } from '../../src/commands/keys-in-use.ts';
import type { BackupKey } from '../../src/keys/backup-file.ts';
import { createRootKey } from '../../src/keys/create.ts';
import type { KeyEntry } from '../../src/keys/key-store.ts';
import type { PrivateKey } from '../../src/keys/private-key.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { realFileSystem as fs } from '../../src/lib/file-system.ts';
import { CurrentKeys } from '../../src/trust/current-keys.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const ROOT = { role: 'root' } as const;
const record = () => new CurrentKeys({ fs, directory: temporaryFolder(), clock: systemClock });
let one: PrivateKey;
let two: PrivateKey;

beforeAll(async () => {
  [one, two] = [await createRootKey(), await createRootKey()];
});

const inBackup = (key: PrivateKey, inUse = false): BackupKey => ({
  key,
  labels: { role: 'root' },
  inUse,
  bytes: Buffer.alloc(0),
});
const inFile = (key: PrivateKey): KeyEntry => ({
  role: 'root',
  notaryKeyId: key.notaryKeyId,
  file: 'FILE',
  protection: 'passphrase',
});

describe('contract (Keys): a restore', () => {
  test('into an empty store has that key in use which the backup says was', async () => {
    for (const [used, other] of [
      [one, two],
      [two, one],
    ] as const) {
      const current = record();
      await keepInUse([inBackup(other), inBackup(used, true)], [], current);
      expect(current.current(ROOT)).toBe(used.notaryKeyId);
    }
  });

  test('leaves the key in use that is here, also when the backup says another one was', async () => {
    for (const [here, other] of [
      [one, two],
      [two, one],
    ] as const) {
      for (const inUse of [true, false]) {
        const current = record();
        await keepInUse([inBackup(other, inUse), inBackup(here)], [inFile(here)], current);
        expect(current.current(ROOT)).toBe(here.notaryKeyId);
      }
    }
  });

  test('goes before nothing that was written down here, and writes nothing down that is clear', async () => {
    const settled = record();
    await settled.settle(ROOT, one.notaryKeyId);
    await keepInUse([inBackup(two, true)], [], settled);
    expect(settled.current(ROOT)).toBe(one.notaryKeyId);
    const begun = record();
    await begun.begin(ROOT, { keyId: one.notaryKeyId, repositories: ['docker.io/acme/app'] });
    await keepInUse([inBackup(two, true)], [inFile(one)], begun);
    expect(begun.current(ROOT)).toBeUndefined();
    const clear = record();
    await keepInUse([inBackup(one)], [inFile(one)], clear);
    await keepInUse([inBackup(one)], [], clear);
    expect(clear.current(ROOT)).toBeUndefined();
  });

  test('has nothing to do with keys of signers', async () => {
    const current = record();
    const alice = { ...inBackup(one, true), labels: { role: 'alice' } };
    await keepInUse([alice], [{ ...inFile(two), role: 'alice' }], current);
    expect(markInUse([alice], current)).toEqual([{ key: one, labels: { role: 'alice' }, inUse: false }]);
  });
});

test('contract (Keys): a backup marks the key that a rotation has put in the place of others', async () => {
  const current = record();
  await current.publishedIn(ROOT, two.notaryKeyId, 'docker.io/acme/app');
  const marked = markInUse([inBackup(one), inBackup(two)], current);
  expect(marked.map(({ inUse }) => inUse)).toEqual([false, true]);
});
