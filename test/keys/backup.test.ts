import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readBackup, restoreKeys, unlockForBackup, writeBackup } from '../../src/keys/backup.ts';
import { type KeyToKeep, openBackup, parseBackup, renderBackup } from '../../src/keys/backup-file.ts';
import { createEd25519Key, createRootKey } from '../../src/keys/create.ts';
import { loadForeignKey } from '../../src/keys/load-foreign.ts';
import { Secret } from '../../src/keys/secret.ts';
import { isTemporaryName } from '../../src/lib/atomic-write.ts';
import { KeyError, LocalStateError } from '../../src/lib/errors.ts';
import { realFileSystem } from '../../src/lib/file-system.ts';
import { faultyFileSystem } from '../helpers/faulty-file-system.ts';
import { needPeers } from '../helpers/peers.ts';
import { contentOf } from '../helpers/temporary-folder.ts';
import {
  FEW_ITERATIONS,
  knownPassphrases,
  refusal,
  scriptedTerminal,
  secret,
  storeIn,
  temporaryFolder,
  typedPassphrases,
} from './helpers.ts';

const BACKUP = 'passphrase of the backup';
const passphrase = Secret.fromText(BACKUP);
// With the dashes that PEM is made of.
const APP = 'docker.io/acme/my--app';

let folder: ReturnType<typeof temporaryFolder>;
let keys: readonly KeyToKeep[];
let whole: string;

beforeAll(async () => {
  const [root, targets, signer] = [await createRootKey(), await createEd25519Key(), await createEd25519Key()];
  keys = [
    { key: root, labels: { role: 'root' }, inUse: true },
    { key: targets, labels: { role: 'targets', repository: APP }, inUse: false },
    { key: signer, labels: { role: 'alice' }, inUse: false },
  ];
  whole = (await renderBackup(keys, passphrase, FEW_ITERATIONS)).toString('latin1');
});
beforeEach(() => {
  folder = temporaryFolder();
  return () => folder.remove();
});

const inFolder = (...names: string[]): string => join(folder.path, ...names);
const open = async (text: string, with_ = passphrase) =>
  await openBackup(parseBackup(Buffer.from(text, 'latin1'), 'FILE'), with_);
const blocks = (text: string): readonly string[] =>
  text.match(/^-----BEGIN [^-]+-----\n[\s\S]+?\n-----END [^-]+-----\n/gm) ?? [];
/** The store of another machine, where a backup is put back. */
const other = () => storeIn(inFolder('other'));

describe('contract (Keys): a backup', () => {
  test('holds every key with its role and repository, and gives them back under its one passphrase', async () => {
    const restored = await restoreKeys(other(), await open(whole), passphrase);
    expect(
      restored.map(({ entry, present }) => [entry.role, entry.repository, entry.tufKeyId, present]),
    ).toEqual(keys.map(({ key, labels }) => [labels.role, labels.repository, key.publicKey.keyid, false]));
    for (const entry of other().list()) {
      expect(statSync(entry.file).mode & 0o777).toBe(0o600);
      const signer = await other().load(entry, knownPassphrases(BACKUP));
      expect(signer.publicKey.keyid).toBe(entry.tufKeyId);
    }
  });

  test('is made of key files: each block alone is read without the rest', async () => {
    for (const [i, block] of blocks(whole).entries()) {
      const path = inFolder(`block-${i}`);
      writeFileSync(path, block, { mode: 0o600 });
      const options = { fs: realFileSystem, path, platform: 'linux', passphrases: knownPassphrases(BACKUP) };
      const found = await loadForeignKey(options);
      expect([found.key.notaryKeyId, found.role]).toEqual([keys[i]?.key.notaryKeyId, keys[i]?.labels.role]);
    }
  });

  test('says nothing secret in its readable part, and is another one each time', async () => {
    const again = (await renderBackup(keys, passphrase, FEW_ITERATIONS)).toString('latin1');
    expect(blocks(again).filter((block) => blocks(whole).includes(block))).toEqual([]);
    expect(whole.replace(/-----BEGIN[\s\S]+-----\n/, '')).not.toContain(BACKUP);
  });

  test('reads the same after its line ends were changed on the way', async () => {
    expect((await open(whole.replaceAll('\n', '\r\n'))).map(({ key }) => key.notaryKeyId)).toEqual(
      keys.map(({ key }) => key.notaryKeyId),
    );
    expect((await open(whole)).map(({ inUse }) => inUse)).toEqual([true, false, false]);
  });

  test('written to the disk is private, read back, and over no other file', async () => {
    const path = inFolder('backup');
    await writeBackup(realFileSystem, path, keys, passphrase, FEW_ITERATIONS);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await openBackup(readBackup(realFileSystem, path), passphrase)).toHaveLength(3);
    const before = contentOf(folder.path);
    await refusal(KeyError, 'KEY_EXISTS', () =>
      writeBackup(realFileSystem, path, keys, passphrase, FEW_ITERATIONS),
    );
    expect(contentOf(folder.path)).toEqual(before);
  });

  test('that reads back otherwise than it was written is removed, and not said to be made', async () => {
    const path = inFolder('backup');
    const fs = { ...realFileSystem };
    fs.readSync = ((fd: number, buffer: Buffer, ...rest: [number, number, null]) => {
      const count = realFileSystem.readSync(fd, buffer, ...rest);
      if (count > 100) buffer.writeUInt8(buffer.readUInt8(600) ^ 1, 600);
      return count;
    }) as typeof fs.readSync;
    await refusal(KeyError, 'KEY_FILE_INVALID', () =>
      writeBackup(fs, path, keys, passphrase, FEW_ITERATIONS),
    );
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

const openssl = await needPeers('openssl');

test.skipIf(openssl.skip)(
  openssl.title('contract (Keys): openssl reads an EC block of a backup once its headers are gone'),
  () => {
    const pem = blocks(whole)[0]?.replace(/^(?:[a-z]+: .*\n)+\n/m, '');
    const args = ['pkey', '-pubout', '-passin', `pass:${BACKUP}`];
    expect(execFileSync('openssl', args, { input: pem, encoding: 'utf8' })).toBe(
      keys[0]?.key.publicKey.publicValue,
    );
  },
);

describe('contract (Keys): nothing is restored from a backup', () => {
  const edited = (from: string | RegExp, to: string) => (text: string) => text.replace(from, to);
  test.each<[string, (text: string) => string, KeyError['code'], RegExp]>([
    ['that is none', () => 'something else\n', 'KEY_FILE_INVALID', /not a backup/],
    ['that is empty', () => '', 'KEY_FILE_INVALID', /not a backup/],
    ['that is one key file', (text) => blocks(text)[0] ?? '', 'KEY_FILE_INVALID', /not a backup/],
    [
      'of another format',
      edited('format 1', 'format 2'),
      'KEY_UNSUPPORTED',
      /format that this dtrust does not know/,
    ],
    [
      'that lacks a key',
      (text) => text.replace(blocks(text)[1] ?? '', ''),
      'KEY_FILE_INVALID',
      /lists 3 keys and holds 2/,
    ],
    [
      'with a key too many',
      (text) => text.replace('mac:', `${blocks(text)[1]}mac:`),
      'KEY_FILE_INVALID',
      /holds 4/,
    ],
    [
      'without any key',
      (text) => blocks(text).reduce((rest, block) => rest.replace(block, ''), text),
      'KEY_FILE_INVALID',
      /holds 0/,
    ],
    [
      'with text between the keys',
      edited('-----\n-----BEGIN', '-----\nx\n-----BEGIN'),
      'KEY_FILE_INVALID',
      /no key/,
    ],
    [
      'whose list names a key twice',
      (text) => text.replace(keys[1]?.key.notaryKeyId ?? '', keys[0]?.key.notaryKeyId ?? ''),
      'KEY_FILE_INVALID',
      /list of keys/,
    ],
    ['whose list is no JSON', edited('{"iterations"', '{iterations'), 'KEY_FILE_INVALID', /list of keys/],
    [
      'that says of no key of its own that it is in use',
      edited(/"inUse":\["./, '"inUse":["_'),
      'KEY_FILE_INVALID',
      /list of keys/,
    ],
    [
      'that says of another key that it is in use',
      (text) => text.replace(/"inUse":\["[0-9a-f]+"/, `"inUse":["${keys[1]?.key.notaryKeyId}"`),
      'KEY_FILE_INVALID',
      /changed since/,
    ],
    [
      'whose list is shorter',
      (text) => text.replace(`,"${keys[2]?.key.notaryKeyId}"`, ''),
      'KEY_FILE_INVALID',
      /lists 2 keys and holds 3/,
    ],
    [
      'that wants a day of work',
      edited('"iterations":1000', '"iterations":900000000000'),
      'KEY_UNSUPPORTED',
      /more work/,
    ],
    ['that wants no work', edited('"iterations":1000', '"iterations":0'), 'KEY_FILE_INVALID', /list of keys/],
    ['without a salt', edited(/"salt":"[0-9a-f]+"/, '"salt":""'), 'KEY_FILE_INVALID', /list of keys/],
    // Of these the form is right; only who knows the passphrase can make the checksum fit.
    [
      'whose signer was relabelled as root',
      edited('role: alice', 'role: root'),
      'KEY_FILE_INVALID',
      /changed since it was made/,
    ],
    [
      'whose repository was relabelled',
      edited(APP, 'docker.io/evil/app'),
      'KEY_FILE_INVALID',
      /changed since/,
    ],
    [
      'whose keys changed places',
      (text) =>
        text
          .replace(blocks(text)[0] ?? '', 'X')
          .replace(blocks(text)[1] ?? '', blocks(text)[0] ?? '')
          .replace('X', blocks(text)[1] ?? ''),
      'KEY_FILE_INVALID',
      /changed since/,
    ],
    [
      'whose checksum is another one',
      edited(/mac: ./, 'mac: _').bind(null),
      'KEY_FILE_INVALID',
      /cut short or damaged/,
    ],
    [
      'that asks for less work than it was made with',
      edited('"iterations":1000', '"iterations":999'),
      'KEY_PASSPHRASE',
      /wrong passphrase/,
    ],
  ])('%s', async (_, change, code, message) => {
    expect(change(whole)).not.toBe(whole);
    const error = await refusal(KeyError, code, () => open(change(whole)));
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain(BACKUP);
  });

  test('that was put together from two, with keys of one and the list of the other', async () => {
    const second = (await renderBackup([...keys].reverse(), passphrase, FEW_ITERATIONS)).toString('latin1');
    const mixed = whole.replace(blocks(whole)[0] ?? '', blocks(second)[2] ?? '');
    const error = await refusal(KeyError, 'KEY_FILE_INVALID', () => open(mixed));
    expect(error.message).toMatch(/changed since/);
  });

  test('with a wrong passphrase, which is told apart from a changed file', async () => {
    await refusal(KeyError, 'KEY_PASSPHRASE', () => open(whole, Secret.fromText('another passphrase')));
  });

  test('that is cut off anywhere, before any passphrase is asked for', async () => {
    for (let length = 0; length < whole.length; length += 11) {
      await refusal(KeyError, 'KEY_FILE_INVALID', () =>
        parseBackup(Buffer.from(whole.slice(0, length), 'latin1'), 'FILE'),
      );
    }
  });

  test('that is made of beginnings alone, however many', async () => {
    const begin = '-----BEGIN ENCRYPTED PRIVATE KEY-----\n';
    const many = begin.repeat((4 * 1024 * 1024) / begin.length - 100);
    const error = await refusal(KeyError, 'KEY_FILE_INVALID', () =>
      open(whole.replace('mac:', `${many}mac:`)),
    );
    expect(error.message).toMatch(/no key/);
  });

  test('that cannot be read', async () => {
    await refusal(LocalStateError, 'FILE_UNREADABLE', () => readBackup(realFileSystem, inFolder('absent')));
    await refusal(LocalStateError, 'FILE_UNREADABLE', () => readBackup(realFileSystem, folder.path));
  });
});

describe('contract (Keys): no backup is made of a store', () => {
  test.each<[string, (file: string) => void, string]>([
    ['with a key file that others may read', (file) => chmodSync(file, 0o644), 'KEY_FILE_MODE'],
    [
      'with a key file that is cut off',
      (file) => writeFileSync(file, readFileSync(file).subarray(0, 200)),
      'KEY_FILE_INVALID',
    ],
  ])('%s: the file is named, and nobody is asked for a passphrase', async (_, harm, code) => {
    const store = storeIn(folder.path);
    for (const { key, labels } of keys) await store.save(key, { ...labels, role: labels.role ?? '' }, secret);
    const file = store.find(keys[2]!.key.publicKey)?.file ?? '';
    harm(file);
    const terminal = scriptedTerminal([]);
    const error = await refusal(KeyError, code as KeyError['code'], () =>
      unlockForBackup(store, store.list(), typedPassphrases(terminal)),
    );
    expect(error.hints.join()).toContain(`because of ${file}`);
    expect(terminal.log).toEqual([]);
  });

  test('with a key whose passphrase is another one', async () => {
    const store = storeIn(folder.path);
    for (const { key, labels } of keys) await store.save(key, { ...labels, role: labels.role ?? '' }, secret);
    const error = await refusal(KeyError, 'KEY_PASSPHRASE', () =>
      unlockForBackup(store, store.list(), knownPassphrases('not that one')),
    );
    expect(error.hints.join()).toContain('No backup was made');
  });

  test('with a key file under the name of another key', async () => {
    const store = storeIn(folder.path);
    const entry = await store.save(keys[0]!.key, { role: 'root' }, secret);
    writeFileSync(entry.file.replace(/[0-9a-f]{64}/, 'a'.repeat(64)), readFileSync(entry.file), {
      mode: 0o600,
    });
    await refusal(KeyError, 'KEY_FILE_INVALID', () =>
      unlockForBackup(store, store.list(), knownPassphrases()),
    );
  });
});

describe('contract (Disk): a full disk, a failing one or a kill at any call of', () => {
  type Fault = Parameters<typeof faultyFileSystem>[0];
  const faults = (calls: number): readonly NonNullable<Fault>[] =>
    Array.from({ length: calls }, (_, i) => i + 1).flatMap((at) => [
      { at, kind: 'die' as const },
      { at, kind: 'error' as const, errno: 'EIO' },
      { at, kind: 'error' as const, errno: 'ENOSPC', lasting: true },
    ]);
  const outcome = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'done',
      (error: unknown) => error,
    );

  /** Runs the work with each fault in a folder of its own, and hands over what came of it. */
  async function withEachFault(
    work: (fs: typeof realFileSystem, folder: string) => Promise<unknown>,
    look: (folder: string, came: unknown, fault: NonNullable<Fault>) => Promise<void>,
  ): Promise<void> {
    const counted = faultyFileSystem();
    await work(counted.fs, inFolder());
    let at = 0;
    for (const fault of faults(counted.calls.length)) {
      const place = inFolder(`place-${at++}`);
      realFileSystem.mkdirSync(place);
      await look(place, await outcome(work(faultyFileSystem(fault).fs, place)), fault);
    }
    expect(at).toBeGreaterThan(20);
  }

  const named = (came: unknown): boolean =>
    came === 'done' || came instanceof LocalStateError || (came as Error).name === 'ProcessDied';

  test('a backup leaves the whole file or none', async () => {
    const two = keys.slice(0, 2);
    await withEachFault(
      (fs, place) => writeBackup(fs, join(place, 'backup'), two, passphrase, FEW_ITERATIONS),
      async (place, came, fault) => {
        expect(named(came), `${JSON.stringify(fault)}: ${came}`).toBe(true);
        const left = readdirSync(place).filter((name) => !isTemporaryName(name));
        if (came === 'done') expect(left).toEqual(['backup']);
        for (const name of left) {
          const found = await openBackup(readBackup(realFileSystem, join(place, name)), passphrase);
          expect(found).toHaveLength(2);
        }
      },
    );
  });

  test('a restore leaves whole keys, and the next one brings the rest', async () => {
    const opened = (await open(whole)).slice(0, 2);
    await withEachFault(
      (fs, place) => restoreKeys(storeIn(place, { fs }), opened, passphrase),
      async (place, came, fault) => {
        expect(named(came), `${JSON.stringify(fault)}: ${came}`).toBe(true);
        const store = storeIn(place);
        for (const entry of store.list()) await store.load(entry, knownPassphrases(BACKUP));
        await restoreKeys(store, opened, passphrase);
        expect(store.list()).toHaveLength(2);
      },
    );
  });
});

test('contract (Keys): a key that is here already is left as it is', async () => {
  const present = await other().save(keys[1]!.key, { role: 'targets', repository: APP }, secret);
  const before = readFileSync(present.file);
  const restored = await restoreKeys(other(), await open(whole), passphrase);
  expect(restored.map(({ present: was }) => was)).toEqual([false, true, false]);
  expect(readFileSync(present.file)).toEqual(before);
  await other().load(present, knownPassphrases());
});

test.each([
  [
    'cut short',
    (file: string) => writeFileSync(file, readFileSync(file).subarray(0, 100)),
    'KEY_FILE_INVALID' as const,
  ],
  ['open to others', (file: string) => chmodSync(file, 0o644), 'KEY_FILE_MODE' as const],
])('contract (Keys): one whose file is %s is not taken for a key that is here', async (_, spoil, code) => {
  const present = await other().save(keys[1]!.key, { role: 'targets', repository: APP }, secret);
  spoil(present.file);
  const before = contentOf(inFolder('other'));
  const error = await refusal(KeyError, code, async () =>
    restoreKeys(other(), await open(whole), passphrase),
  );
  expect(error.message).toContain(present.file);
  expect(error.hints.at(-1)).toBe(
    `No key was restored, because of ${present.file}: mend it, or move it away, and run this again.`,
  );
  // Nothing was written, of the other keys either.
  expect(contentOf(inFolder('other'))).toEqual(before);
});
